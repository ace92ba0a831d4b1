"""Every request can fail in every way, and two runs can meet: no request that writes is sent twice for that."""

from __future__ import annotations

import shutil
import threading
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.publish.acts import PULLS, complete, forget_journal, publish_with, published, stopped
from tests.support.worlds import BRANCH, WRITES
from xenbump.demo.github_server import Fault, GitHubServer
from xenbump.demo.world import LABEL, REPOSITORY, TOKEN
from xenbump.outcomes import Published, Stopped
from xenbump.publish import github as room
from xenbump.publish import message
from xenbump.publish.place import Tip
from xenbump.publish.publisher import Publisher

if TYPE_CHECKING:
    from tests.publish.acts import Act
    from tests.support.worlds import Stage
    from xenbump.outcomes import Outcome

ISSUE = f"/repos/{REPOSITORY}/issues/1"
REQUESTS = {
    "find": ("GET", PULLS),
    "search": ("GET", "/search/issues"),
    "open": ("POST", PULLS),
    "label": ("POST", f"/repos/{REPOSITORY}/issues/2/labels"),
    "write": ("PATCH", f"{PULLS}/2"),
    "comment": ("POST", f"{ISSUE}/comments"),
    "mark and close": ("PATCH", f"{PULLS}/1"),
}
NEWER = "xenbump/xen-4.21"
OFTEN = 4  # a request that reads is tried so often
INVALID = {
    "message": "Validation Failed",
    "errors": [{"resource": "PullRequest", "code": "custom", "message": "No commits between\nmaster and x"}],
    "documentation_url": "https://docs.github.com/rest",
}
LIMIT = {"message": "You have exceeded a secondary rate limit.", "documentation_url": "https://docs.github.com/rest"}
FAULTS = {
    "401": (Fault.reply(401, {"message": "Bad credentials"}), {"E-TOKEN-REJECTED"}),
    "403": (Fault.reply(403, {"message": "Forbidden"}), {"E-TOKEN-RIGHTS", ""}),
    "404": (Fault.reply(404, {"message": "Not Found"}), {"E-GITHUB-NOT-FOUND", ""}),
    "409": (Fault.reply(409, {"message": "Conflict"}), {"E-GITHUB"}),
    "422": (Fault.reply(422, INVALID), {"E-GITHUB-INVALID"}),
    "429": (Fault.reply(429, LIMIT, {"retry-after": "60"}), {""}),
    "500": (Fault.reply(500), {"E-GITHUB"}),
    "502-after": (Fault.reply(502, after_write=True), {"E-GITHUB", ""}),
    "reset": (Fault.reset(), {"E-NETWORK"}),
    "reset-after": (Fault.reset(after_write=True), {"E-NETWORK", ""}),
    "truncated": (Fault.truncated(), {"E-GITHUB", "E-NETWORK", ""}),
    "redirect": (Fault.redirect("http://localhost:9/elsewhere"), {"E-REDIRECT"}),
}
# What only reads is read by the same code as the reply to what writes.
READ_FAULTS = ("401", "429", "500")


# What is told of a fault comes of the same code for all that writes, so the whole list is for one.
WRITE_FAULTS = {
    "open": tuple(FAULTS),
    "label": ("403", "404", "429", "500", "reset-after"),
    "write": ("401", "409", "422", "500", "502-after", "truncated"),
    "comment": ("403", "500", "reset-after", "truncated"),
    "mark and close": ("403", "500", "502-after"),
}


@pytest.fixture(scope="module")
def shared(unwatched: Stage) -> Stage:
    return unwatched


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeats and limits without pauses, and a short wait for an answer."""
    monkeypatch.setattr(room, "_RETRY", room._RETRY.new(backoff_factor=0))
    monkeypatch.setattr(room, "_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(room, "_SLEEP", lambda _: None)


class Ready:
    """A place where the branch is there already; git has tests of its own."""

    base = "0" * 40

    def __init__(self, tip: Tip) -> None:
        self._tip = tip

    def tip(self, branch: str) -> Tip:
        del branch
        return self._tip

    def fits(self, *_: object) -> bool:
        return True

    def hold(self, lock: int) -> None:
        """Nothing goes on."""

    def close(self) -> None:
        """Nothing to end."""


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("request_", REQUESTS)
def test_each_request_can_fail_in_each_way(act: Act, request_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clear code, no request that writes is sent twice, and a good run after it leaves one pull request, complete.

    It is one that closes another for an older line, and asks in its body for a label that the repository lacks.
    """
    stage, method, path = act.stage, *REQUESTS[request_]
    stage.configure(r"labels = .*", f'labels = {{ always = ["{LABEL}", "gone"] }}')
    act.done()
    older = dict(stage.repository.pulls)
    target = replace(act.made.plan.target, version="4.21.0", tree_version="4.21.0")
    made = replace(act.made, plan=replace(act.made.plan, target=target))
    stage.world.in_packages("update-ref", f"refs/heads/{NEWER}", BRANCH)
    tip = Tip(stage.tip(), "0" * 40, ours=True, text=message.commit_message(made.plan))
    monkeypatch.setattr(Publisher, "_placed", lambda *_: Ready(tip))
    for fault in WRITE_FAULTS.get(request_, READ_FAULTS):
        ordered, codes = FAULTS[fault]
        stage.repository.pulls.clear()
        stage.repository.pulls.update(older)
        stage.repository.comments.clear()
        forget_journal(stage)
        stage.world.github.fail_next(method, path, ordered, OFTEN if method == "GET" and fault != "429" else 1)
        outcome = act.tried(made)
        code = outcome.error.code if isinstance(outcome, Stopped) else ""
        case = f"{request_}, {fault}: {outcome}"
        assert any(one.fault is ordered for one in stage.exchanges()), case
        assert code in codes, case
        if isinstance(outcome, Stopped):
            assert TOKEN not in "".join(traceback.format_exception(outcome.error)), case
            assert outcome.error.what.startswith("could not "), case
            assert "\n" not in outcome.error.what, case
        sent = [(one.method, one.path, one.request_body) for one in stage.exchanges() if one.method in WRITES]
        # What a limit refused had no effect, and is sent anew.
        assert len(sent) - len(set(sent)) == (1 if fault == "429" and method != "GET" else 0), (case, sent)
        stage.world.github._faults.clear()
        act.done(made)
        one_stands(act, case, labelled=(request_, fault) not in {("label", "403"), ("label", "404")})


def one_stands(act: Act, case: str, *, labelled: bool) -> None:
    """The new pull request is open and complete, the old one closed and told once why."""
    old, new = act.stage.pulls
    assert (old.state, new.state, new.head.branch) == ("closed", "open", NEWER), case
    assert (message.read_marker(old.body or "") or {}).get("closed") == "superseded", case
    assert [note[0] for note in act.comments(1) if note is not None] == ["superseded"], case
    assert new.labels == ((LABEL,) if labelled else ()), case
    assert "`gone`" in (new.body or ""), case
    assert (f"`{LABEL}`" in (new.body or "")) != labelled, case


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("request_", ["find", "open"])
def test_a_server_that_is_slow(act: Act, monkeypatch: pytest.MonkeyPatch, request_: str) -> None:
    monkeypatch.setattr(room, "_RETRY", room._RETRY.new(total=0))
    method, path = REQUESTS[request_]
    stage, before = act.stage, len(act.stage.world.github.exchanges)
    stage.world.github.fail_next(method, path, Fault.slow(1.5))
    outcome = act.tried()
    if isinstance(outcome, Stopped):
        assert outcome.error.code == "E-NETWORK"
        assert "no answer in 1 seconds" in outcome.error.what
    stage.world.github._faults.clear()
    # The slow request is carried out in the end, and found then.
    threading.Event().wait(0.8)
    act.done()
    complete(stage)
    sent = [f"{one.method} {one.path}" for one in stage.world.github.exchanges[before:]]
    assert sent.count(f"POST {PULLS}") == 1


@pytest.mark.usefixtures("quick")
def test_what_reads_is_repeated_and_what_writes_is_not(act: Act) -> None:
    stage = act.stage
    stage.world.github.fail_next("GET", PULLS, Fault.reply(502), 2)
    stage.world.github.fail_next("POST", PULLS, Fault.reply(502), 1)
    stopped(act.tried(), "E-GITHUB")
    sent = [one.method for one in stage.exchanges() if one.path == PULLS]
    assert sent == ["GET", "GET", "GET", "POST", "GET"]
    assert sum(one.method in WRITES for one in stage.exchanges()) == 1


def test_a_redirect_gets_neither_token_nor_body(act: Act) -> None:
    with GitHubServer() as other:
        location = f"{other.url.replace('127.0.0.1', 'localhost')}{PULLS}"
        for method in ("GET", "POST"):
            act.stage.world.github.fail_next(method, PULLS, Fault.redirect(location, 307))
            assert location in stopped(act.tried(), "E-REDIRECT").what
        assert other.exchanges == []


# --- two at once
# --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [False, True], ids=["one-state-folder", "two-state-folders"])
def test_two_runs_at_once_leave_one_pull_request(act: Act, *, apart: bool) -> None:
    """With one state folder they wait for each other; without, git and GitHub let one of them win."""
    stage, config = act.stage, act.stage.config()
    outcomes: list[Outcome] = []
    errors: list[BaseException] = []
    gate = threading.Barrier(2)

    def one(number: int) -> None:
        try:
            mine = config
            if apart:
                folder = stage.world.folder / f"state-{number}"
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                mine = msgspec.structs.replace(config, state=folder)
            gate.wait(30)
            outcomes.append(publish_with(mine, act.made))
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
    published(act.tried())
    complete(stage)
    assert len(stage.pulls) == 1
