"""A report that is made on this machine and written beside the logs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.trying import fake_tree
from tests.trying.reports import told
from tests.trying.verdicts import GOOD, verdict
from xenbump.errors import Failure
from xenbump.trying import reporting
from xenbump.trying.setting import Setting
from xenbump.upstream import signature

if TYPE_CHECKING:
    from xenbump.trying.model import PhaseResult

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
XEN = "23E3222C145F4475FA8060A783FE14C957E82BD9"


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(str(tmp_path / "xen"), tmp_path / "try", tmp_path / "cache")


def in_folder(folder: Path) -> tuple[PhaseResult, ...]:
    return tuple(replace(one, log=str(folder / Path(one.log).name)) for one in GOOD)


def test_it_lies_beside_the_logs(setting: Setting, tmp_path: Path) -> None:
    place = tmp_path / "try" / "logs" / "one"
    place.mkdir(parents=True)
    said = told(verdict=verdict(*in_folder(place), rev="4.22.0-rc3"))
    text, paths = reporting.written(said, setting, "{}\n", NOW)
    assert paths == (place / "report.txt", place / "report.html", place / "report.json")
    assert (place / "report.txt").read_text("utf-8") == text
    assert (place / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (place / "report.json").read_text("utf-8") == "{}\n"


def test_where_the_logs_are_gone_a_folder_is_made(setting: Setting) -> None:
    said = told(verdict=verdict(rev="../staging~1"))
    _, paths = reporting.written(said, setting, "", NOW)
    assert [path.name for path in paths] == ["report.txt", "report.html"]
    assert paths[0].parent == setting.folder / "logs" / "20260102T030405-..-staging-1"


def test_what_cannot_be_written_is_a_failure(setting: Setting) -> None:
    setting.folder.mkdir()
    (setting.folder / "logs").write_text("")
    with pytest.raises(Failure) as caught:
        reporting.written(told(), setting, "", NOW)
    assert caught.value.code == "E-STATE"


def test_the_signature_is_looked_at_in_the_repository(setting: Setting, tmp_path: Path) -> None:
    made = fake_tree.repository(tmp_path / "xen")
    commit = fake_tree.git(made, "rev-parse", "4.22.0-rc3^{commit}")
    trust = signature.load_trust(None, (XEN,))
    found = verdict(rev="4.22.0-rc3", described="4.22.0-rc3", commit=commit)
    said = reporting.told(found, setting, trust, ["xenbump", "try"])
    assert (said.signed.state, said.signed.tag) == ("unsigned", "4.22.0-rc3")
    assert (said.repository, said.repeat) == ("", ("xenbump", "try"))
    assert said.machine.processors > 0
    by_url = replace(setting, repository=f"file://{made}")
    other = reporting.told(replace(found, rev="staging", described="x"), by_url, trust, [], before=found)
    assert (other.signed.state, other.repository, other.before) == ("none", "", found)
