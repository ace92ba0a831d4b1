"""Every request can fail in every way, and two runs can meet: no request that writes is sent twice for that."""

from __future__ import annotations

import shutil
import threading
import traceback
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.publish.acts import PULLS, complete, published, stopped
from tests.support.worlds import BRANCH, WRITES
from xenbump.demo.github_server import Fault, GitHubServer
from xenbump.demo.world import FILE, REPOSITORY, TOKEN
from xenbump.errors import XenbumpError
from xenbump.journal import Journal
from xenbump.outcomes import Planned, Published, Stopped
from xenbump.pipeline import Pipeline
from xenbump.publish import github as room
from xenbump.publish.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.worlds import Stage
    from xenbump.outcomes import Outcome

REQUESTS = {
    "repository": ("GET", f"/repos/{REPOSITORY}"),
    "find": ("GET", PULLS),
    "open": ("POST", PULLS),
    "label": ("GET", f"/repos/{REPOSITORY}/labels/.*"),
    "set": ("POST", f"/repos/{REPOSITORY}/issues/1/labels"),
}
OFTEN = 4  # a request that reads is tried so often
DOCS = "https://docs.github.com/rest"
INVALID = {
    "message": "Validation Failed",
    "errors": [{"resource": "PullRequest", "code": "custom", "message": "No commits between\nmaster and x"}],
    "documentation_url": DOCS,
}
FAULTS = {
    "401": (Fault.reply(401, {"message": "Bad credentials"}), {"E-TOKEN-REJECTED"}),
    "403": (Fault.reply(403, {"message": "Forbidden"}), {"E-TOKEN-RIGHTS", ""}),
    "404": (Fault.reply(404, {"message": "Not Found"}), {"E-GITHUB-NOT-FOUND", ""}),
    "422": (Fault.reply(422, INVALID), {"E-GITHUB-INVALID"}),
    "429": (Fault.reply(429, {"message": "slow down"}), {"E-GITHUB"}),
    "500": (Fault.reply(500), {"E-GITHUB"}),
    "page": (Fault.reply(503, b"<html>Unicorn!</html>", {"content-type": "text/html"}), {"E-GITHUB"}),
    "502-after": (Fault.reply(502, after_write=True), {"E-GITHUB", ""}),
    "reset": (Fault.reset(), {"E-NETWORK"}),
    "reset-after": (Fault.reset(after_write=True), {"E-NETWORK", ""}),
    "truncated": (Fault.truncated(), {"E-GITHUB", "E-NETWORK", ""}),
    "redirect": (Fault.redirect("http://localhost:9/elsewhere"), {"E-REDIRECT"}),
    "nonsense": (Fault(status=200, body=b'"nonsense"'), {"E-GITHUB", ""}),
    "list": (Fault(status=200, body=b"[]"), {"E-GITHUB", ""}),
}


ODD = {"page", "reset-after", "nonsense", "list"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeats without pauses, and a short wait for an answer."""
    monkeypatch.setattr(room, "_RETRY", room._RETRY.new(backoff_factor=0))
    monkeypatch.setattr(room, "_TIMEOUT_SECONDS", 1)


@pytest.fixture(scope="module")
def pushed(shared: Stage) -> tuple[Planned, str]:
    """A plan, and its commit on its branch: what `_push` gives for a branch that is there."""
    shared.reset()
    outcome = shared.publish(dry_run=True)
    assert isinstance(outcome, Planned)
    return outcome, published(shared.publish()).commit


@pytest.fixture
def again(shared: Stage, pushed: tuple[Planned, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], Outcome]:
    """Publish without git, which has tests of its own: the branch is there."""
    planned, commit = pushed
    shared.reset()
    world = shared.world
    world.in_packages("fetch", "--quiet", str(world.checkout), f"{commit}:refs/heads/{BRANCH}")
    monkeypatch.setattr(Publisher, "_push", lambda *_: commit)
    config = shared.config()

    def publish() -> Outcome:
        assert planned.message is not None
        with Journal(config.state).run("pr") as run:
            publisher = Publisher(config, world.package, run, lambda _: None)
            try:
                done = publisher.publish(planned.plan, planned.edits, planned.message)
            except XenbumpError as error:
                return Stopped("xen", FILE, error)
            finally:
                publisher.checkout.close()
        return Published(planned.plan, planned.edits, done.message, done.branch, commit, done.pull, done.action)

    return publish


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("request_", REQUESTS)
def test_each_request_can_fail_in_each_way(shared: Stage, again: Callable[[], Outcome], request_: str) -> None:
    """A clear code, no request that writes is sent twice, and a good run after it leaves one pull request, complete."""
    method, path = REQUESTS[request_]
    for fault, (ordered, codes) in FAULTS.items():
        if method == "GET" and fault in ODD:
            continue  # what is read is read by the same code as the reply to what writes
        shared.repository.pulls.clear()
        shared.forget()
        shared.world.github.fail_next(method, path, ordered, OFTEN if method == "GET" else 1)
        outcome = again()
        code = outcome.error.code if isinstance(outcome, Stopped) else ""
        case = f"{request_}, {fault}: {outcome}"
        assert any(one.fault is ordered for one in shared.exchanges()), case
        assert code in codes, case
        if isinstance(outcome, Stopped):
            assert TOKEN not in "".join(traceback.format_exception(outcome.error)), case
            assert outcome.error.what.startswith("could not "), case
            assert "\n" not in outcome.error.what, case
        writes = shared.writes()
        assert len(writes) == len(set(writes)), (case, writes)
        shared.world.github._faults.clear()
        published(again())
        assert len(shared.pulls) == 1, case
        # Where GitHub says that a label is not there or not ours to set, the body asks for it instead.
        if code == "" and shared.pull.labels == ():
            assert (request_, fault) in {("label", "404"), ("set", "403"), ("set", "404"), ("set", "list")}, case
            assert "Labels wanted" in (shared.pull.body or ""), case
        else:
            complete(shared)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("request_", ["find", "open", "set"])
def test_a_server_that_is_slow(stage: Stage, monkeypatch: pytest.MonkeyPatch, request_: str) -> None:
    monkeypatch.setattr(room, "_RETRY", room._RETRY.new(total=0))
    method, path = REQUESTS[request_]
    stage.world.github.fail_next(method, path, Fault.slow(1.5))
    outcome = stage.publish()
    if isinstance(outcome, Stopped):
        assert outcome.error.code == "E-NETWORK"
        assert "no answer in 1 seconds" in outcome.error.what
    stage.world.github._faults.clear()
    # The slow request is carried out in the end, and found then.
    threading.Event().wait(0.8)
    published(stage.publish())
    complete(stage)
    writes = [line for line in stage.writes() if line.startswith("POST")]
    assert writes.count(f"POST {PULLS}") == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "fault", [Fault.reply(502, after_write=True), Fault.reset(after_write=True), Fault.truncated()]
)
def test_a_pull_request_whose_answer_is_lost_is_found_at_once(stage: Stage, fault: Fault) -> None:
    stage.world.github.fail_next("POST", PULLS, fault)
    assert published(stage.publish()).action == "opened"
    complete(stage)
    assert stage.writes().count(f"POST {PULLS}") == 1


@pytest.mark.usefixtures("quick")
def test_what_reads_is_repeated_and_what_writes_is_not(stage: Stage) -> None:
    stage.world.github.fail_next("GET", PULLS, Fault.reply(502), 2)
    stage.world.github.fail_next("POST", PULLS, Fault.reply(502), 1)
    stopped(stage.publish(), "E-GITHUB")
    sent = [one.method for one in stage.exchanges() if one.path == PULLS]
    assert sent == ["GET", "GET", "GET", "POST", "GET"]
    assert sum(one.method in WRITES for one in stage.exchanges()) == 1


def test_a_redirect_gets_neither_token_nor_body(stage: Stage) -> None:
    with GitHubServer() as other:
        location = f"{other.url.replace('127.0.0.1', 'localhost')}{PULLS}"
        for method in ("GET", "POST"):
            stage.world.github.fail_next(method, PULLS, Fault.redirect(location, 307))
            assert location in stopped(stage.publish(), "E-REDIRECT").what
        assert other.exchanges == []


def test_what_github_says_is_told_in_one_line(stage: Stage) -> None:
    stage.world.github.fail_next("POST", PULLS, Fault.reply(422, INVALID))
    error = stopped(stage.publish(), "E-GITHUB-INVALID")
    assert "Validation Failed; No commits between" in error.what
    assert "\n" not in error.what


# --- two at once
# --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [False, True], ids=["one-state-folder", "two-state-folders"])
def test_two_runs_at_once_leave_one_pull_request(stage: Stage, *, apart: bool) -> None:
    """With one state folder they wait for each other; without, git and GitHub let one of them win."""
    outcomes: list[Outcome] = []
    errors: list[BaseException] = []
    gate = threading.Barrier(2)
    config = stage.config()

    def one(number: int) -> None:
        try:
            mine = config
            if apart:
                folder = stage.world.folder / f"state-{number}"
                shutil.rmtree(folder, ignore_errors=True)
                mine = msgspec.structs.replace(config, state=folder)
            with Journal(mine.state).run("run") as run:
                pipeline = Pipeline(mine, run, lambda _: None)
                pipeline.check(mine.packages[0])
                gate.wait(30)
                outcomes.append(pipeline.publish(mine.packages[0], "", dry_run=False))
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)
            gate.abort()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    codes = [outcome.error.code for outcome in outcomes if isinstance(outcome, Stopped)]
    assert set(codes) <= ({"E-BRANCH-MOVED"} if apart else set()), [str(outcome) for outcome in outcomes]
    assert any(isinstance(outcome, Published) for outcome in outcomes)
    assert len(stage.pulls) == 1
    assert isinstance(stage.publish(), Published)
    complete(stage)
    assert len(stage.pulls) == 1
