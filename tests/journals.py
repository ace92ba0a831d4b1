"""A journal with everything in it for the tests of its file: copies of it, and whether one still says what is true."""

from __future__ import annotations

import re
import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest

from xenbump.journal import Journal, Run

if TYPE_CHECKING:
    from pathlib import Path

STEPS, PROOFS = 16, 8
CONTENTS = {"package.nix": "a" * 64}


def output(number: int) -> str:
    return f"{number} {'output ' * (number * 37 % 230)}"


def fill(run: Run) -> None:
    """Everything that a journal can have."""
    for number in range(STEPS):
        run.step("xen", "verify", (number, "x" * 300), str, partial(output, number))
    for number in range(PROOFS):
        run.proved("xen", f"4.20.{number}", CONTENTS, "{}", ["evidence", output(number)])
    run.published("xen", branch="b", title="t", commit="c" * 40, number=7, url="u", action="opened")
    run.checked("xen", "4.20.4")
    run.remember("closed", "xen", "https://github.example/1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with everything; it is copied for each test."""
    journal = Journal(tmp_path_factory.mktemp("whole"))
    with journal.run("run") as run:
        fill(run)
        run.end(0)
    return journal.path


@pytest.fixture
def journal(whole: Path, tmp_path: Path) -> Journal:
    return copied(whole, tmp_path)


def copied(whole: Path, folder: Path) -> Journal:
    shutil.copy(whole, folder / "journal.sqlite3")
    return Journal(folder)


def put_aside(journal: Journal) -> list[Path]:
    """What was put aside: the databases, without what belongs to them."""
    return sorted(
        path
        for path in journal.path.parent.iterdir()
        if re.fullmatch(r"journal\.sqlite3\.damaged-\d{8}T\d{6}Z(-\d+)?", path.name)
    )


def is_right(run: Run) -> None:
    """Nothing that the journal gives back is another value than was written."""
    for number in range(STEPS):
        found = run.step("xen", "verify", (number, "x" * 300), str, lambda: "anew")
        assert found in {output(number), "anew"}
    for noted in run.proofs("xen", list[str]):
        assert noted.contents == CONTENTS
        assert noted.evidence[1] in map(output, range(PROOFS))
    assert run.recall("closed", "xen") in {"https://github.example/1", None}
    assert [(one.number, one.url, one.title) for one in run.publications("xen", dict)] in ([(7, "u", "t")], [])


def works(journal: Journal) -> tuple[str, ...]:
    """A run goes through, and what it writes is there for the next one; what the first one warned of."""
    with journal.run("run", lambda _: None) as run:
        is_right(run)
        run.remember("new", "key", "value")
        run.checked("xen", "4.20.5")
        run.end(0)
        warnings = run.warnings
    with journal.run("run", lambda _: None) as run:
        assert run.recall("new", "key") == "value"
        run.end(0)
    assert journal.last_checked("xen") is not None
    return warnings
