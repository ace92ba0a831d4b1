"""Results that are kept: found for the same tree, options and conditions, and for no other."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import xenbump
from tests.trying.verdicts import verdict
from xenbump.errors import Failure
from xenbump.trying import kept
from xenbump.trying.model import Prepared, Trial

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = (("DEBUG", "y"), ("NR_CPUS", "8"))
MADE = verdict(options=OPTIONS)


def prepared(folder: Path, tree: str = MADE.tree, options: tuple[tuple[str, str], ...] = OPTIONS) -> Prepared:
    trial = Trial("another", options=options)
    return Prepared(trial, "f" * 40, "another-1-gffff", tree, "4.20.2", folder, ("a patch",))


def test_the_same_is_found_under_the_name_it_is_asked_for(tmp_path: Path) -> None:
    kept.keep(tmp_path / "results", MADE, "c")
    found = kept.find(tmp_path / "results", prepared(tmp_path, options=OPTIONS[::-1]), "c")
    renamed = replace(MADE, rev="another", commit="f" * 40, described="another-1-gffff", applied=("a patch",))
    without_logs = tuple(replace(one, log="") for one in MADE.phases)
    assert found == replace(renamed, phases=without_logs, kept=True)


def test_logs_that_are_still_there_are_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("what was said")
    made = replace(MADE, phases=tuple(replace(one, log=str(log)) for one in MADE.phases))
    kept.keep(tmp_path / "results", made, "c")
    for logs in ({str(log)}, {""}):
        found = kept.find(tmp_path / "results", prepared(tmp_path), "c")
        assert found is not None
        assert {one.log for one in found.phases} == logs
        log.unlink(missing_ok=True)


def test_another_tree_option_or_condition_is_not(tmp_path: Path) -> None:
    kept.keep(tmp_path, MADE, "c")
    assert kept.find(tmp_path, prepared(tmp_path, tree="cd" * 20), "c") is None
    assert kept.find(tmp_path, prepared(tmp_path, options=()), "c") is None
    assert kept.find(tmp_path, prepared(tmp_path), "d") is None
    assert kept.under(["ab", "c"]) != kept.under(["a", "bc"])


def test_another_release_judges_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept.under(["a"])
    assert kept.under(["a"]) == before
    monkeypatch.setattr(xenbump, "__version__", "0.0.0")
    assert kept.under(["a"]) != before


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b'{"key": "0", "verdict": {}}'])
def test_a_file_that_is_damaged_is_none(tmp_path: Path, text: bytes) -> None:
    kept.keep(tmp_path, MADE, "c")
    (path,) = tmp_path.glob("*.json")
    path.write_bytes(text)
    assert kept.find(tmp_path, prepared(tmp_path), "c") is None


def test_a_file_by_the_name_of_another_is_none(tmp_path: Path) -> None:
    kept.keep(tmp_path, MADE, "c")
    (path,) = tmp_path.glob("*.json")
    content = path.read_bytes()
    kept.keep(tmp_path, MADE, "d")
    for other in tmp_path.glob("*.json"):
        other.write_bytes(content)
    assert [kept.find(tmp_path, prepared(tmp_path), one) is None for one in "cd"] == [False, True]


def test_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST", 2)
    for number, name in enumerate("abc"):
        kept.keep(tmp_path, MADE, name)
        for path in tmp_path.glob("*.json"):
            if path.stat().st_mtime > 1000:
                os.utime(path, (number, number))
    assert [kept.find(tmp_path, prepared(tmp_path), name) is None for name in "abc"] == [True, False, False]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="E-STATE"):
        kept.keep(tmp_path / "file" / "results", MADE, "c")
