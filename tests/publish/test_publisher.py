"""One pull request, whatever happens on the way: the second run, a newer release, people, labels, faults of GitHub."""

from __future__ import annotations

import shutil
import threading
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
import requests

from tests.support.worlds import BRANCH, WRITES
from xenbump.demo.github_server import Fault, GitHubServer
from xenbump.demo.world import FILE, LABEL, LOGIN, REPOSITORY, TOKEN
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.journal import Journal
from xenbump.outcomes import Planned, Published, Stopped
from xenbump.pipeline import Pipeline
from xenbump.publish import github as room
from xenbump.publish import message
from xenbump.publish.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.worlds import Stage
    from xenbump.outcomes import Outcome

PULLS = f"/repos/{REPOSITORY}/pulls"


def published(outcome: Outcome) -> Published:
    assert isinstance(outcome, Published), outcome
    return outcome


def stopped(outcome: Outcome, code: str) -> XenbumpError:
    assert isinstance(outcome, Stopped), outcome
    assert outcome.error.code == code, str(outcome.error)
    assert TOKEN not in "".join(traceback.format_exception(outcome.error))
    return outcome.error


def complete(stage: Stage, version: str = "4.20.4") -> None:
    """There is one open pull request, with everything that belongs to it."""
    (pull,) = [pull for pull in stage.pulls if pull.state == "open"]
    assert pull.title == f"xen: 4.20.2 -> {version}"
    assert (pull.draft, pull.author, pull.labels) == (True, LOGIN, (LABEL,))
    assert (message.read_marker(pull.body or "") or {}).get("target") == version
    assert "Labels wanted" not in (pull.body or "")
    assert (pull.head.branch, pull.base.branch) == (BRANCH, "master")
    assert stage.world.in_packages("rev-list", "--count", f"master..{BRANCH}") == "1"
    assert f'version = "{version}"' in stage.world.in_packages("show", f"{BRANCH}:{FILE}")


def test_opened_once_and_then_left_alone(stage: Stage) -> None:
    first = published(stage.publish())
    assert (first.action, first.branch, first.commit) == ("opened", BRANCH, stage.tip())
    assert first.pull.url == f"{stage.world.github.url.removesuffix('/api/v3')}/{REPOSITORY}/pull/1"
    assert first.pull.labels == (LABEL,)
    complete(stage)
    assert stage.pushes == 1
    assert stage.pull.body == first.message.body
    stage.forget()
    second = published(stage.publish())
    assert (second.action, second.commit, second.pull.number) == ("unchanged", first.commit, 1)
    assert (stage.writes(), stage.pushes) == ([], 0)
    complete(stage)


def test_a_dry_run_tells_nobody(stage: Stage) -> None:
    outcome = stage.publish(dry_run=True)
    assert getattr(getattr(outcome, "message", None), "title", outcome) == "xen: 4.20.2 -> 4.20.4"
    assert (stage.exchanges(), stage.tip()) == ([], "")
    assert not any("receive-pack" in one.path for one in stage.world.git.requests)


def test_when_the_target_moves_the_pull_request_moves_along(stage: Stage) -> None:
    assert published(stage.publish("4.20.3")).action == "opened"
    complete(stage, "4.20.3")
    old = stage.tip()
    stage.forget()
    moved = published(stage.publish())
    assert (moved.action, moved.pull.number, moved.pull.labels) == ("updated", 1, (LABEL,))
    assert stage.writes() == [f"PATCH {PULLS}/1"]
    assert stage.tip() != old
    complete(stage)
    stage.forget()
    assert published(stage.publish()).action == "unchanged"
    assert stage.writes() == []


def test_when_the_base_moves_the_branch_moves_along(stage: Stage) -> None:
    published(stage.publish())
    (stage.world.checkout / "other").write_text("x")
    head = stage.commit("other: init")
    stage.forget()
    assert published(stage.publish()).action == "unchanged"
    assert stage.world.in_packages("rev-parse", f"{BRANCH}^") == head
    assert (stage.writes(), stage.pushes) == ([], 1)


def test_what_a_person_writes_into_the_pull_request_stays(stage: Stage) -> None:
    published(stage.publish())
    body = (stage.pull.body or "").replace("- [ ] built", "- [x] built") + "\r\nBuilt on x86_64-linux."
    stage.ask("PATCH", f"{PULLS}/1", {"title": "xen: 4.20.2 -> 4.20.4 (please)", "body": body})
    assert published(stage.publish()).action == "unchanged"
    assert (stage.writes(), stage.pull.body) == ([], body)
    # A body without our marker is not one that we could have written.
    stage.ask("PATCH", f"{PULLS}/1", {"body": "emptied"})
    assert published(stage.publish()).action == "updated"
    complete(stage)


def test_closed_unmerged_is_not_opened_again(stage: Stage) -> None:
    published(stage.publish())
    stage.ask("PATCH", f"{PULLS}/1", {"title": "no"})
    stage.close_pull(merged=False)
    stage.forget()
    error = stopped(stage.publish(), "E-PULL-CLOSED")
    assert isinstance(error, Refusal)
    assert error.where.endswith(f"/{REPOSITORY}/pull/1")
    assert "without being merged" in error.what
    assert (stage.writes(), stage.pushes, len(stage.pulls)) == ([], 0, 1)


def test_closed_unmerged_does_not_stop_a_newer_release(stage: Stage) -> None:
    published(stage.publish("4.20.3"))
    stage.close_pull(merged=False)
    assert published(stage.publish()).action == "opened"
    assert [pull.state for pull in stage.pulls] == ["closed", "open"]
    complete(stage)


def merge(stage: Stage) -> Fault:
    """Merge the pull request; the stand-in only knows closed ones, so its next answer to `find` is put right."""
    stage.close_pull(merged=True)
    stage.world.in_packages("update-ref", "-d", f"refs/heads/{BRANCH}")
    url = f"{stage.world.github.url}{PULLS}?state=all"
    found = requests.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10).json()
    found[0]["merged_at"] = found[0]["closed_at"]
    stage.forget()
    return Fault(status=200, body=found)


def test_merged_and_then_a_newer_release(stage: Stage) -> None:
    published(stage.publish("4.20.3"))
    stage.world.github.fail_next("GET", PULLS, merge(stage))
    stage.world.in_checkout("fetch", "--quiet", str(stage.world.folder / "packages.git"), "master")
    stage.world.in_checkout("reset", "--quiet", "--hard", "FETCH_HEAD")
    stage.world.in_checkout("update-ref", "refs/remotes/origin/master", "HEAD")
    assert published(stage.publish()).action == "opened"
    assert [pull.title for pull in stage.pulls] == ["xen: 4.20.2 -> 4.20.3", "xen: 4.20.3 -> 4.20.4"]


def test_merged_while_the_base_here_is_older_is_no_second_pull_request(stage: Stage) -> None:
    published(stage.publish())
    stage.world.github.fail_next("GET", PULLS, merge(stage))
    error = stopped(stage.publish(), "E-PULL-CLOSED")
    assert "was merged, and master as last fetched does not have it" in error.what
    assert "fetch" in error.remedy
    assert (stage.tip(), len(stage.pulls), stage.writes()) == ("", 1, [])


# --- labels
# ----------------------------------------------------------------------------------------------------------------


def test_a_label_that_the_repository_lacks_is_asked_for_in_the_body(stage: Stage) -> None:
    stage.repository.labels.clear()
    said: list[str] = []
    assert published(stage.publish(said=said)).pull.labels == ()
    assert any(LABEL in line and "could not be set" in line for line in said)
    assert f"Labels wanted, which this account may not set: `{LABEL}`." in (stage.pull.body or "")
    assert stage.repository.labels == {}  # none was made by asking for it
    stage.forget()
    assert published(stage.publish()).action == "unchanged"
    assert stage.writes() == []


def outsider(stage: Stage) -> None:
    """The account may not push to the repository on GitHub; the git server knows nothing of that."""
    stage.repository.writers = frozenset()


def test_an_outsider_s_labels_are_asked_for_in_the_body(stage: Stage) -> None:
    outsider(stage)
    first = published(stage.publish())
    assert (first.action, first.pull.labels, stage.pull.labels) == ("opened", (), ())
    assert f"`{LABEL}`" in (stage.pull.body or "")
    for _ in range(2):
        stage.forget()
        assert published(stage.publish()).action == "unchanged"
        assert (stage.writes(), stage.pushes) == ([], 0)
    # A maintainer does what the body asks for: then it no longer asks.
    stage.repository.writers = frozenset({LOGIN})
    stage.ask("POST", f"/repos/{REPOSITORY}/issues/1/labels", {"labels": [LABEL]})
    assert published(stage.publish()).action == "updated"
    complete(stage)


def test_one_label_of_two_is_there(stage: Stage) -> None:
    stage.configure(r"labels = .*", f'labels = {{ always = ["gone", "{LABEL.upper()}"] }}')
    assert published(stage.publish()).pull.labels == (LABEL.upper(),)
    assert stage.pull.labels == (LABEL,)
    assert "may not set: `gone`." in (stage.pull.body or "")
    stage.forget()
    # The case of a label's name makes no difference on GitHub.
    assert published(stage.publish()).action == "unchanged"
    assert stage.writes() == []


def test_a_label_that_is_set_later_is_an_update(stage: Stage) -> None:
    stage.world.github.fail_next("POST", ".*/labels", Fault.reply(500))
    stopped(stage.publish(), "E-GITHUB")
    stage.forget()
    assert published(stage.publish()).action == "updated"
    assert stage.writes() == [f"POST /repos/{REPOSITORY}/issues/1/labels"]
    complete(stage)


def test_a_limit_is_not_taken_for_a_lack_of_rights(stage: Stage) -> None:
    limit = Fault.reply(403, {"message": "You have exceeded a secondary rate limit."}, {"retry-after": "60"})
    stage.world.github.fail_next("POST", ".*/labels", limit)
    assert isinstance(stopped(stage.publish(), "E-GITHUB"), Failure)
    published(stage.publish())
    complete(stage)


# --- the token
# ---------------------------------------------------------------------------------------------------------------


def test_without_a_token_nothing_is_pushed(stage: Stage) -> None:
    stage.world.env["XENBUMP_GITHUB_TOKEN"] = ""  # type: ignore[index]
    try:
        error = stopped(stage.publish(), "E-TOKEN-MISSING")
    finally:
        stage.world.env["XENBUMP_GITHUB_TOKEN"] = TOKEN  # type: ignore[index]
    assert isinstance(error, UsageError)
    assert "XENBUMP_GITHUB_TOKEN" in error.remedy
    assert (stage.exchanges(), stage.pushes, stage.tip()) == ([], 0, "")


def test_with_a_rejected_token_nothing_is_pushed(stage: Stage) -> None:
    token = stage.world.github.state.tokens.pop(TOKEN)
    try:
        error = stopped(stage.publish(), "E-TOKEN-REJECTED")
    finally:
        stage.world.github.state.tokens[TOKEN] = token
    assert isinstance(error, UsageError)
    assert "Bad credentials" in error.what
    assert (stage.pushes, stage.tip()) == (0, "")
    assert len(stage.exchanges()) == 1


def test_a_token_without_rights(stage: Stage) -> None:
    tokens = stage.world.github.state.tokens
    before = tokens[TOKEN]
    tokens[TOKEN] = replace(before, permissions=frozenset())
    try:
        error = stopped(stage.publish(), "E-TOKEN-RIGHTS")
    finally:
        tokens[TOKEN] = before
    assert "Resource not accessible" in error.what
    assert published(stage.publish()).action == "opened"  # the branch that is there is taken
    complete(stage)
    assert stage.pushes == 1


def test_without_a_repository_nothing_begins(stage: Stage) -> None:
    stage.configure(r"repository = .*", "")
    error = stopped(stage.publish(), "E-CONFIG")
    assert "github.repository" in error.what
    assert (stage.exchanges(), stage.tip()) == ([], "")


def test_a_repository_that_github_does_not_know(stage: Stage) -> None:
    stage.configure(r"repository = .*", 'repository = "demo/gone"')
    stopped(stage.publish(), "E-GITHUB-NOT-FOUND")
    assert stage.tip() == ""


# --- faults
# ------------------------------------------------------------------------------------------------------------------

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
                done = publisher.publish(planned.plan, planned.edit, planned.message)
            except XenbumpError as error:
                return Stopped("xen", FILE, error)
            finally:
                publisher.checkout.close()
        return Published(planned.plan, planned.edit, done.message, done.branch, commit, done.pull, done.action)

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
