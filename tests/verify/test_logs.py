"""Logs are kept up to a size, the newest always."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from xenbump.errors import Failure
from xenbump.verify import logs

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_each_verification_has_a_folder_of_its_own(tmp_path: Path) -> None:
    made = [logs.fresh(tmp_path / "logs", "xen", NOW) for _ in range(3)]
    assert [folder.name for folder in made] == ["20261121T120000-xen", "20261121T120000-xen.1", "20261121T120000-xen.2"]


def test_the_oldest_go_first_and_the_newest_stays(tmp_path: Path) -> None:
    for hour in range(4):
        folder = logs.fresh(tmp_path, "xen", NOW + timedelta(hours=hour))
        (folder / "console.log").write_bytes(b"x" * 100)
    logs.prune(tmp_path, 250)
    assert sorted(path.name[9:11] for path in tmp_path.iterdir()) == ["14", "15"]
    logs.prune(tmp_path, 0)
    assert [path.name[9:11] for path in tmp_path.iterdir()] == ["15"]
    logs.prune(tmp_path / "none", 0)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "logs").write_bytes(b"")
    with pytest.raises(Failure) as caught:
        logs.fresh(tmp_path / "logs", "xen", NOW)
    assert caught.value.code == "E-STATE"


def test_a_revision_is_no_path(tmp_path: Path) -> None:
    made = logs.fresh(tmp_path, "origin/../staging 4.20~5^2", NOW)
    assert made == tmp_path / "20261121T120000-origin-..-staging-4.20-5-2"
    assert len(logs.named("x" * 5000, NOW)) < 100
