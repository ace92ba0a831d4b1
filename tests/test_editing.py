"""Edits of a checkout: killed with SIGKILL and gone on, two at once, and a lock that says who holds it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.forked import Forked
from tests.support.worlds import START, shared, stage
from xenbump import config as configuration
from xenbump.demo.world import FILE
from xenbump.errors import Failure
from xenbump.journal import Journal
from xenbump.locks import locked
from xenbump.outcomes import Published, Stopped, UpToDate, Written
from xenbump.package import files
from xenbump.package.unfinished import Record
from xenbump.pipeline import Pipeline
from xenbump.publish.branch import Checkout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.worlds import Stage
    from xenbump.outcomes import Outcome

__all__ = ["shared", "stage"]

POINT = "XENBUMP_TEST_KILL"


@pytest.fixture(autouse=True)
def clean(stage: Stage) -> Iterator[None]:
    """Nothing of a test stays in the git folder of the checkout, which other tests have, too."""
    yield
    (stage.world.checkout / ".git" / "xenbump.lock").unlink(missing_ok=True)


def bump(stage: Stage, *, commit: bool, said: list[str] | None = None) -> Outcome:
    config = stage.config()
    with Journal(config.state).run("bump") as run:
        return Pipeline(config, run, (said if said is not None else []).append).bump(
            config.packages[0], "", commit=commit
        )


def killed_at(stage: Stage, point: str, *arguments: str) -> None:
    """Let the program come so far, and kill it there."""
    entry = "tests.test_editing:kill_there"
    with Forked(arguments, stage.world.checkout, stage.env(**{POINT: point}), entry) as process:
        said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said


def kill_there() -> None:
    """The program, which kills itself at a point that the environment names."""
    from xenbump.cli.main import main  # noqa: PLC0415 - in the process of the program

    def kill(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    point, commit = os.environ[POINT], Checkout.commit_in_place

    def behind(*arguments: object) -> None:
        commit(*arguments)  # type: ignore[arg-type]
        kill()

    match point:
        case "before the file":
            files.write = kill
        case "before the commit":
            Checkout.commit_in_place = kill  # type: ignore[assignment,method-assign]
        case "behind the commit":
            Checkout.commit_in_place = behind  # type: ignore[assignment,method-assign]
    main()


def record(stage: Stage) -> Record:
    return Record(stage.config().state, stage.config().folder, "xen")


def status(stage: Stage) -> str:
    return stage.world.in_checkout("status", "--porcelain")


@pytest.mark.parametrize("point", ["before the file", "before the commit", "behind the commit"])
def test_a_commit_that_was_killed_is_made_by_the_next_run(stage: Stage, point: str) -> None:
    killed_at(stage, point, "bump", "--commit")
    assert record(stage).is_there
    said: list[str] = []
    outcome = bump(stage, commit=True, said=said)
    assert isinstance(outcome, UpToDate if point == "behind the commit" else Written), outcome
    assert stage.world.in_checkout("rev-list", "--count", f"{stage.start}..HEAD") == "1"
    assert stage.world.in_checkout("log", "-1", "--format=%s") == f"xen: {START} -> 4.20.4"
    assert (status(stage), record(stage).is_there) == ("", False)
    told = [one for one in said if "was killed" in one or "before it was killed" in one]
    assert len(told) == (0 if point == "before the file" else 1)


def test_what_a_killed_run_wrote_does_not_stop_a_publication(stage: Stage) -> None:
    killed_at(stage, "before the commit", "bump", "--commit")
    assert status(stage) == f" M {FILE}"
    said: list[str] = []
    assert stage.publish(dry_run=True, said=said) is not None
    assert any("a run was killed while it wrote these files" in one for one in said)
    assert record(stage).is_there
    outcome = stage.publish()
    assert isinstance(outcome, Published), outcome
    assert (status(stage), record(stage).is_there) == ("", False)


def test_a_new_file_that_a_killed_commit_had_begun_to_add_is_forgotten(stage: Stage) -> None:
    checkout = Checkout(stage.world.package)
    new = stage.world.checkout / "new.nix"
    new.write_text("{ }")
    stage.world.in_checkout("add", "--intent-to-add", "new.nix")
    assert not checkout.has_just(("new.nix",))
    new.unlink()
    checkout.unstage(("new.nix",))
    checkout.unstage(())
    assert (status(stage), checkout.has_just(("new.nix", FILE))) == ("", True)
    new.write_text("{ }")
    assert not checkout.has_just(("new.nix",))
    new.unlink()


def test_what_a_person_changed_meanwhile_is_said(stage: Stage) -> None:
    killed_at(stage, "before the commit", "bump", "--commit")
    stage.world.package.write_text("a person's")
    for outcome in (bump(stage, commit=False), stage.publish()):
        assert isinstance(outcome, Stopped)
        assert outcome.error.code == "E-UNFINISHED"
        assert stage.world.package.read_text() == "a person's"
    done = stage.call("bump")
    assert (done.returncode, "E-UNFINISHED" in done.stderr, "Traceback" in done.stderr) == (20, True, False)


def test_two_in_one_checkout_with_state_folders_of_their_own(stage: Stage, tmp_path: Path) -> None:
    """The second waits, says for whom, and finds the work done."""
    others = [stage.fork("bump", "--commit", XENBUMP_STATE_DIR=str(tmp_path / name)) for name in "ab"]
    results = []
    for process in others:
        with process:
            results.append(process.communicate(timeout=60))
    assert [process.returncode for process in others] == [0, 0], results
    assert stage.world.in_checkout("rev-list", "--count", f"{stage.start}..HEAD") == "1"
    assert status(stage) == ""
    assert sorted("is up to date" in out for out, _ in results) == [False, True]


def test_who_holds_the_checkout_is_said(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xenbump.editing._LOCK_SECONDS", 0.1)
    with locked(stage.world.checkout / ".git" / "xenbump.lock", seconds=0):
        outcome = bump(stage, commit=False)
        assert isinstance(outcome, Stopped)
        assert isinstance(outcome.error, Failure)
        assert outcome.error.code == "E-LOCKED"
        assert f"(process {os.getpid()}) has held this lock since" in outcome.error.what
        process = stage.fork("bump")
        with process:
            deadline, said = time.monotonic() + 30, b""
            while b"has held since" not in said:
                assert time.monotonic() < deadline
                said += process.stderr.read(1 << 16)
            process.kill()
    assert f"xenbump.lock, which `xenbump` (process {os.getpid()}) has held since".encode() in said
    assert status(stage) == ""


def test_without_git_the_lock_and_the_record_lie_in_the_state_folder(stage: Stage, tmp_path: Path) -> None:
    shutil.copytree(stage.world.checkout, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    config = configuration.load(tmp_path / "xenbump.toml", stage.world.env)
    with Journal(config.state).run("bump") as run:
        outcome = Pipeline(config, run, lambda _: None).bump(config.packages[0], "", commit=False)
    assert isinstance(outcome, Written)
    assert len(list(config.state.glob("checkout-*.lock"))) == 1
    assert not (tmp_path / ".git").exists()


# --- the run as a whole ----------------------------------------------------------------------------------------------


def test_a_damaged_journal_is_said_in_the_outcome_and_brings_no_second_pull_request(stage: Stage) -> None:
    first = stage.publish()
    assert isinstance(first, Published)
    journal = stage.config().state / "journal.sqlite3"
    for ending in ("-wal", "-shm"):
        journal.with_name(journal.name + ending).unlink(missing_ok=True)
    journal.write_bytes(b"nothing that was ever a journal" * 100)
    second = stage.publish()
    assert isinstance(second, Published)
    assert (second.action, second.pull.number) == ("unchanged", first.pull.number)
    assert any("put aside as journal.sqlite3.damaged-" in one for one in second.plan.warnings)
    assert "put aside" not in (stage.pull.body or "")
    journal.write_bytes(b"again" * 1000)
    for ending in ("-wal", "-shm"):
        journal.with_name(journal.name + ending).unlink(missing_ok=True)
    done = stage.call("pr", "--quiet")
    assert (done.returncode, "put aside as journal.sqlite3.damaged-" in done.stdout) == (0, True)
    assert len(stage.pulls) == 1


def test_a_damaged_cache_does_not_stop_a_run(stage: Stage) -> None:
    assert stage.publish(dry_run=True) is not None
    state = stage.config().state
    (state / "journal.sqlite3").unlink()
    for pack in state.glob("git/**/*.pack"):
        pack.chmod(0o644)
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 0xFF
        pack.write_bytes(content)
    said: list[str] = []
    outcome = stage.publish(dry_run=True, said=said)
    assert not isinstance(outcome, Stopped), outcome.error
    assert any("thrown away" in one for one in said)
