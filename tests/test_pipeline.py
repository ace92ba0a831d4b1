"""The stages together: what they give, what one package's error means to another, and runs that were killed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.support.worlds import BRANCH, START, shared, stage
from xenbump import config as configuration
from xenbump.cli import common
from xenbump.demo.git_server import Status
from xenbump.demo.world import FILE, LABEL, REPOSITORY
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.journal import Journal
from xenbump.outcomes import NewerRelease, Outcome, Planned, Published, Stopped, UpToDate, Written
from xenbump.package import files
from xenbump.pipeline import Pipeline, Wish, hash_of
from xenbump.publish import message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.worlds import Stage
    from xenbump.demo.github_server import Exchange
    from xenbump.settings import Package

__all__ = ["shared", "stage"]

OTHER = """
[[package]]
name = "other"
file = "pkgs/other.nix"
"""


def doing(stage: Stage, work: Callable[[Pipeline, Package], Outcome]) -> list[Outcome]:
    """The outcome for each package."""
    config = stage.config()
    with Journal(config.state).run("test") as run:
        pipeline = Pipeline(config, run, lambda _: None)
        return [work(pipeline, package) for package in config.packages]


def only(outcomes: list[Outcome]) -> Outcome:
    (outcome,) = outcomes
    return outcome


def code(outcome: Outcome) -> str:
    assert isinstance(outcome, Stopped), outcome
    return outcome.error.code


def steps(stage: Stage) -> list[tuple[str, str, bool]]:
    """What the journal has of steps: package, name, whether it ended well."""
    with sqlite3.connect(stage.world.folder / "state" / "journal.sqlite3") as db:
        found = db.execute("SELECT package, name, output IS NOT NULL FROM step ORDER BY id").fetchall()
    db.close()
    return [(package, name, bool(done)) for package, name, done in found]


# --- what the stages give --------------------------------------------------------------------------------------------


def test_check_tells_of_a_newer_release_and_does_not_hash_it(stage: Stage) -> None:
    outcome = only(doing(stage, lambda pipeline, one: pipeline.check(one)))
    assert isinstance(outcome, NewerRelease)
    assert (outcome.subject.version, outcome.release.version) == (START, "4.20.4")
    assert outcome.release.signed_by == stage.world.xen.key.fingerprint
    assert outcome.release.commit == stage.world.xen.commits["RELEASE-4.20.4"]
    names = [name for _, name, _ in steps(stage)]
    assert names[:3] == ["read", "list", "verify"]
    assert "source" not in names
    assert stage.exchanges() == []


def test_what_is_up_to_date(stage: Stage) -> None:
    text = stage.world.package.read_text()
    stage.world.package.write_text(text.replace(START, "4.20.4"))
    for outcome in (
        only(doing(stage, lambda pipeline, one: pipeline.check(one))),
        only(doing(stage, lambda pipeline, one: pipeline.plan(one))),
        only(doing(stage, lambda pipeline, one: pipeline.bump(one, "", commit=False))),
    ):
        assert isinstance(outcome, UpToDate)
        assert outcome.subject.version == "4.20.4"
    stage.commit("xen: done")
    assert isinstance(stage.publish(), UpToDate)
    assert (stage.exchanges(), stage.pushes) == ([], 0)


def test_a_plan_writes_nothing(stage: Stage) -> None:
    before = stage.world.package.read_bytes()
    outcome = only(doing(stage, lambda pipeline, one: pipeline.plan(one)))
    assert isinstance(outcome, Planned)
    assert outcome.message is None
    assert outcome.edits[0].before == before == stage.world.package.read_bytes()
    assert outcome.plan.patches.keep == outcome.plan.subject.patches
    assert outcome.plan.target.version == "4.20.4"


def test_the_hash_is_that_of_the_release(stage: Stage) -> None:
    """4.20.3's hash by the pipeline and by the world, which computed it on its own for its package file."""
    outcome = only(doing(stage, lambda pipeline, one: pipeline.plan(one, "4.20.3")))
    assert isinstance(outcome, Planned)
    direct = hash_of(stage.config(), "RELEASE-4.20.3", "fetchFromGitHub", lambda _: None)
    assert outcome.plan.hash == direct.hash
    assert direct.signed_by == stage.world.xen.key.fingerprint
    other = hash_of(stage.config(), "stable-4.20", "fetchgit", lambda _: None)
    assert (other.signed_by, other.commit) == (None, stage.world.xen.tip("stable-4.20"))


def test_a_bump_edits_in_place(stage: Stage) -> None:
    head = stage.world.in_checkout("rev-parse", "HEAD")
    outcome = only(doing(stage, lambda pipeline, one: pipeline.bump(one, "", commit=False)))
    assert isinstance(outcome, Written)
    assert outcome.commit == ""
    assert stage.world.package.read_bytes() == (outcome.edits[0].after or b"")
    assert stage.world.in_checkout("rev-parse", "HEAD") == head
    assert stage.world.in_checkout("status", "--porcelain") == f" M {FILE}"
    assert isinstance(only(doing(stage, lambda pipeline, one: pipeline.bump(one, "", commit=False))), UpToDate)


def test_a_bump_with_a_commit(stage: Stage) -> None:
    outcome = only(doing(stage, lambda pipeline, one: pipeline.bump(one, "4.20.3", commit=True)))
    assert isinstance(outcome, Written)
    assert outcome.commit == stage.world.in_checkout("rev-parse", "HEAD")
    assert stage.world.in_checkout("status", "--porcelain") == ""
    assert stage.world.in_checkout("diff-tree", "-r", "--name-only", "--no-commit-id", "HEAD") == FILE
    assert stage.world.in_checkout("log", "-1", "--format=%s") == f"xen: {START} -> 4.20.3"
    assert message.is_ours(stage.world.in_checkout("log", "-1", "--format=%B"))


def test_a_bump_without_an_identity_writes_nothing(stage: Stage) -> None:
    before = stage.world.package.read_bytes()
    stage.world.in_checkout("config", "user.useConfigOnly", "true")
    stage.world.in_checkout("config", "--unset", "user.email")
    assert code(only(doing(stage, lambda pipeline, one: pipeline.bump(one, "", commit=True)))) == "E-IDENTITY"
    assert stage.world.package.read_bytes() == before


def test_a_bump_outside_of_any_checkout(stage: Stage, tmp_path: Path) -> None:
    shutil.copytree(stage.world.checkout, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    config = configuration.load(tmp_path / "xenbump.toml", stage.world.env)
    with Journal(config.state).run("bump") as run:
        pipeline = Pipeline(config, run, lambda _: None)
        assert code(pipeline.bump(config.packages[0], "", commit=True)) == "E-NOT-CHECKOUT"
        assert code(pipeline.publish(config.packages[0], Wish())) == "E-NOT-CHECKOUT"
        assert (tmp_path / FILE).read_bytes() == stage.world.package.read_bytes()
        assert isinstance(pipeline.bump(config.packages[0], "", commit=False), Written)


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize("name", [FILE, "xenbump.toml"])
def test_a_bump_of_a_dirty_checkout(stage: Stage, name: str, *, commit: bool) -> None:
    path = stage.world.checkout / name
    path.write_text(path.read_text() + "\n# a person's\n")
    before = stage.world.package.read_bytes()
    outcome = only(doing(stage, lambda pipeline, one: pipeline.bump(one, "", commit=commit)))
    if name == FILE or commit:
        assert code(outcome) == "E-DIRTY"
        assert stage.world.package.read_bytes() == before
    else:
        assert isinstance(outcome, Written)
    assert path.read_text().count("# a person's") == 1


def test_a_file_that_changes_during_the_run_is_left_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(_: object) -> bool:
        stage.world.package.write_text("someone was here")
        return True

    monkeypatch.setattr(files, "nix_parses", change)
    outcome = only(doing(stage, lambda pipeline, one: pipeline.bump(one, "", commit=False)))
    assert code(outcome) in {"E-DIRTY", "E-FILE-CHANGED"}
    assert stage.world.package.read_text() == "someone was here"


def test_a_file_that_goes_during_the_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def remove(_: object) -> bool:
        stage.world.package.unlink()
        return True

    monkeypatch.setattr(files, "nix_parses", remove)
    assert code(only(doing(stage, lambda pipeline, one: pipeline.bump(one, "", commit=False)))) == "E-FILE-MISSING"
    assert not stage.world.package.exists()


def test_a_file_that_the_base_branch_lacks(stage: Stage) -> None:
    stage.world.in_checkout("mv", FILE, "elsewhere.nix")
    stage.commit("xen: move")
    stage.world.package.parent.mkdir(exist_ok=True, parents=True)
    stage.world.package.write_text("{ }")
    assert code(stage.publish()) == "E-FILE-MISSING"


# --- several packages ------------------------------------------------------------------------------------------------


def two(stage: Stage, text: str) -> None:
    """A second package, with this file, before the usual one."""
    path = stage.world.checkout / "xenbump.toml"
    config = path.read_text()
    path.write_text(config.replace("[[package]]", OTHER + "\n[[package]]", 1))
    (stage.world.checkout / "pkgs/other.nix").write_text(text)
    for local in stage.world.package.parent.glob("*.patch"):
        shutil.copy(local, stage.world.checkout / "pkgs")
    stage.commit("other: init")


def test_one_package_s_refusal_does_not_stop_the_other(stage: Stage) -> None:
    two(stage, "{ }")
    first, second = doing(stage, lambda pipeline, one: pipeline.publish(one, Wish()))
    assert code(first) == "E-SHAPE-UNKNOWN"
    assert isinstance(second, Published)
    assert common.status([first, second]) == common.REFUSED
    assert [name for package, name, done in steps(stage) if package == "other" and not done] == ["read"]


def test_two_packages_get_two_pull_requests(stage: Stage) -> None:
    two(stage, stage.world.package.read_text())
    outcomes = doing(stage, lambda pipeline, one: pipeline.publish(one, Wish()))
    assert [outcome.action for outcome in outcomes if isinstance(outcome, Published)] == ["opened", "opened"]
    assert [pull.head.branch for pull in stage.pulls] == ["xenbump/other-4.20", BRANCH]
    assert stage.world.in_packages("diff-tree", "-r", "--name-only", "master", "xenbump/other-4.20") == "pkgs/other.nix"
    listed = [name for _, name, _ in steps(stage)].count("list")
    assert listed == 1


def test_statuses_take_precedence() -> None:
    def with_(*errors: XenbumpError) -> int:
        return common.status([Stopped("x", "f", error) for error in errors])

    failure, usage, refusal = Failure("E-NETWORK", ""), UsageError("E-CONFIG", ""), Refusal("E-DIRTY", "")
    assert with_(refusal, usage, failure) == common.FAILED
    assert with_(refusal, usage) == common.USAGE
    assert with_(refusal) == common.REFUSED
    assert with_() == common.DONE


def test_a_failure_of_the_upstream_is_each_package_s(stage: Stage) -> None:
    two(stage, stage.world.package.read_text())
    stage.world.git.fail_next("xen.git", Status(500), times=2)
    outcomes = doing(stage, lambda pipeline, one: pipeline.check(one))
    assert [code(outcome) for outcome in outcomes] == ["E-HTTP-STATUS", "E-HTTP-STATUS"]
    assert common.status(outcomes) == common.FAILED


# --- the journal, and runs that were killed --------------------------------------------------------------------------


def test_a_second_run_does_not_compute_again(stage: Stage) -> None:
    assert isinstance(stage.publish(dry_run=True), Planned)
    first = steps(stage)
    assert isinstance(stage.publish(dry_run=True), Planned)
    assert [name for _, name, _ in steps(stage)[len(first) :]] == ["read", "plan", "list"]
    assert all(done for _, _, done in first)


def test_what_was_published_is_in_the_journal(stage: Stage) -> None:
    outcome = stage.publish()
    assert isinstance(outcome, Published)
    journal = Journal(stage.config().state)
    assert journal.has_published(outcome.commit)
    assert not journal.has_published("0" * 40)
    assert journal.last_checked("xen") is not None


KILLER = """#!/bin/sh
case "{when} $*" in
  before*{word}*) kill -KILL $PPID; exit 1;;
  after*{word}*) {real} "$@"; kill -KILL $PPID; exit 1;;
esac
exec {real} "$@"
"""


def killer(folder: Path, program: str, when: str, word: str) -> str:
    """A PATH on which one program kills its caller, before or after it did its work for one kind of call."""
    real = shutil.which(program)
    folder.mkdir()
    path = folder / program
    path.write_text(KILLER.format(when=when, word=word, real=real))
    path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def killed(stage: Stage, **env: str) -> None:
    with stage.fork("run", **env) as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def finished(stage: Stage) -> None:
    """A second run goes through; there is one pull request, and it is complete."""
    outcome = stage.publish()
    assert isinstance(outcome, Published), outcome
    pull = stage.pull
    assert (pull.title, pull.labels, pull.state) == (f"xen: {START} -> 4.20.4", (LABEL,), "open")
    assert message.says_the_same(pull.body or "", outcome.message)
    assert stage.world.in_packages("rev-list", "--count", f"master..{BRANCH}") == "1"
    assert stage.writes().count(f"POST /repos/{REPOSITORY}/pulls") == 1
    assert stage.world.in_checkout("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("program", "when", "word"),
    [
        ("git", "after", "fetch"),
        ("gpgv", "before", "keyring"),
        ("nix-instantiate", "after", "--parse"),
        ("git", "before", "push"),
        ("git", "after", "push"),
    ],
)
def test_killed_between_programs(stage: Stage, tmp_path: Path, program: str, when: str, word: str) -> None:
    if shutil.which(program) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    shutil.rmtree(stage.world.folder / "state", ignore_errors=True)
    killed(stage, PATH=killer(tmp_path / "bin", program, when, word))
    finished(stage)


@pytest.mark.parametrize(
    ("method", "end"), [("GET", "/pulls"), ("POST", "/pulls"), ("GET", LABEL.replace(" ", "%20")), ("POST", "/labels")]
)
def test_killed_while_github_answers(stage: Stage, method: str, end: str) -> None:
    """What GitHub did stands; the program does not live to hear of it."""
    process = stage.fork("run")

    def kill(exchange: Exchange) -> None:
        if exchange.method == method and exchange.path.replace("%3A", ":").endswith(end):
            process.kill()

    stage.world.github.observer = kill
    try:
        with process:
            process.communicate(timeout=60)
    finally:
        stage.world.github.observer = None
    assert process.returncode == -signal.SIGKILL
    finished(stage)


def test_a_run_that_was_killed_goes_on_from_its_last_step(stage: Stage, tmp_path: Path) -> None:
    killed(stage, PATH=killer(tmp_path / "bin", "git", "before", "push"))
    before = steps(stage)
    assert {"read", "list", "verify", "source", "plan"} <= {name for _, name, done in before if done}
    assert isinstance(stage.publish(), Published)
    assert [name for _, name, _ in steps(stage)[len(before) :]] == ["read", "plan", "list"]
