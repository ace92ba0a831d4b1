"""The stand-in of xenbits: what the real client gets from it, and what the judge makes of the demo's advisories."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import requests

from tests.upstream.support import trust_in
from xenbump.demo import story
from xenbump.demo import world as worlds
from xenbump.demo.git_server import isolated_git
from xenbump.demo.signing import SigningKey
from xenbump.demo.xen_project import Release, build
from xenbump.demo.xenbits import Asked, Shelf, XenbitsServer
from xenbump.errors import Failure, Refusal
from xenbump.hashes import patch
from xenbump.journal import Journal
from xenbump.judge import Judge, Tree
from xenbump.process import run
from xenbump.upstream import trial
from xenbump.upstream.library import Library
from xenbump.upstream.repository import Repository
from xenbump.upstream.xenbits import Xenbits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.plan.model import Decision

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TABLE = [("xsa480-?.patch", "xen-unstable - Xen 4.17.x")]


@pytest.fixture(scope="module")
def key() -> Iterator[SigningKey]:
    with SigningKey() as made:
        yield made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[worlds.World]:
    with worlds.stand(tmp_path_factory.mktemp("world")) as made:
        yield made


class Court:
    """The real client, the real library and the real judge, with one cache."""

    def __init__(self, world: worlds.World, folder: Path) -> None:
        self.world = world
        self.folder = folder

    def judge(self, version: str, *listed: str) -> dict[int, Decision]:
        repository = Repository([self.world.git.url("xen.git")], self.folder / "git")
        listing = repository.listing()
        client = Xenbits(f"{self.world.xenbits_server.url}/", self.folder / "xsa")
        tag = f"RELEASE-{version}"
        tree = Tree(version, version.rpartition(".")[0], self.world.xen.commits[tag], f"refs/tags/{tag}")
        try:
            with Journal(self.folder / "state").run("test") as here:
                library = Library(client, trust_in(self.world.xen.key), here)
                judge = Judge(repository, listing, library, memory=here, now=NOW, progress=lambda _: None)
                return {one.xsa: one for one in judge.decisions(tree, frozenset(listed))}
        finally:
            client.close()

    def verdicts(self, version: str, *listed: str) -> dict[int, str]:
        return {number: one.verdict.value for number, one in self.judge(version, *listed).items()}


@pytest.fixture(scope="module")
def court(world: worlds.World, tmp_path_factory: pytest.TempPathFactory) -> Court:
    return Court(world, tmp_path_factory.mktemp("court"))


# --- the story -------------------------------------------------------------------------------------------------------


def test_where_the_package_starts(court: Court) -> None:
    assert court.verdicts("4.20.3", "xsa480.patch") == {
        480: "already-patched",
        482: "other-tree",
        483: "other-branch",
        484: "needs-patch",
        485: "embargoed",
    }
    assert court.verdicts("4.20.3")[480] == "needs-patch"


def test_where_the_package_goes(court: Court) -> None:
    found = court.judge("4.20.4")
    assert {number: one.verdict.value for number, one in found.items()} == {
        480: "in-release",
        482: "other-tree",
        483: "other-branch",
        484: "needs-patch",
        485: "embargoed",
    }
    assert found[484].patches == story.MISSING_PATCHES
    assert found[484].evidence[-1] == "tree: xsa484-4.20-?.patch can be put into the tree cleanly, in order"
    assert "2097-01-14" in found[485].reason


@pytest.mark.parametrize("version", ["4.21.0", "4.21.2"])
def test_the_next_branch(court: Court, version: str) -> None:
    found = court.judge(version)
    assert {number: one.verdict.value for number, one in found.items()} == {
        480: "in-release",
        482: "other-tree",
        483: "needs-patch",
        484: "needs-patch",
        485: "embargoed",
    }
    assert (found[483].patches, found[484].patches) == (("xsa483.patch",), ("xsa484-1.patch", "xsa484-2.patch"))
    assert all("can be put into the tree cleanly" in found[number].evidence[-1] for number in (483, 484))


def test_the_first_patch_of_a_branch_does_not_fit_the_other(court: Court, world: worlds.World) -> None:
    court.judge("4.20.4")
    both = {name: (world.xenbits.folder / name).read_bytes() for name in ("xsa484-1.patch", *story.MISSING_PATCHES)}
    with trial.on_tree(world.xen.path, world.xen.commits["RELEASE-4.20.4"]) as tried:
        assert tried.goes_in([both["xsa484-1.patch"]]) == 0
        assert tried.goes_in([both[story.MISSING_PATCHES[1]]]) == 0  # it is on top of the first one
        assert tried.goes_in([both[name] for name in story.MISSING_PATCHES]) is None


def test_the_patch_of_a_fix_is_the_diff_of_its_commit(world: worlds.World) -> None:
    commits = world.xen.commits
    git = ["git", f"--git-dir={world.xen.path}"]
    asked = [*git, "log", "--format=%H", "--grep", "This is XSA-480.", "--all"]
    in_line, on_master = run(asked, env=isolated_git()).stdout.decode().split()  # newest first
    for commit, heads in ((in_line, ["RELEASE-4.20.4"]), (on_master, ["RELEASE-4.21.0", "RELEASE-4.21.2"])):
        for tag in ("RELEASE-4.20.3", "RELEASE-4.20.4", "RELEASE-4.21.0", "RELEASE-4.21.2"):
            done = run([*git, "merge-base", "--is-ancestor", commit, commits[tag]], env=isolated_git(), check=False)
            assert (done.status == 0) == (tag in heads), (commit, tag)
        shown = run([*git, "show", "--format=", commit, "--", "xen/common/grant.c"], env=isolated_git()).stdout
        assert patch.fetchpatch(shown) == patch.fetchpatch(story.grant_patch())


def test_what_the_package_lists_is_true(world: worlds.World) -> None:
    written = world.package.read_text("utf-8")
    content = (world.xenbits.folder / "xsa480.patch").read_bytes()
    assert f'hash = "{patch.fetchpatch(content)}"' in written
    assert "@" not in written.partition("patches = [")[2]
    local = (world.checkout / worlds.LOCAL_PATCH).read_bytes()
    assert patch.parse(local).files == ("tools/configure",)
    assert "./paths.patch" in written
    for tag, series in (
        ("RELEASE-4.20.3", [local, content]),
        ("RELEASE-4.20.4", [local, *((world.xenbits.folder / name).read_bytes() for name in story.MISSING_PATCHES)]),
        ("RELEASE-4.21.2", [local]),
    ):
        with trial.on_tree(world.xen.path, world.xen.commits[tag]) as tried:
            assert tried.goes_in(series) is None, tag
            assert tried.comes_out([local]) == 0, tag


def test_tags_are_signed_before_what_they_lack_is_published(world: worlds.World) -> None:
    """What was published since a release is told by the time of its signature."""
    repository = Repository([world.git.url("xen.git")], world.folder / "tags")
    listing = repository.listing()
    trust = trust_in(world.xen.key)
    signed = {
        one.version: repository.verify(one, trust, listing.source).signed_at
        for one in listing.releases
        if one.version in {"4.20.3", "4.20.4"}
    }
    public = {
        number: datetime.fromisoformat(entry["public_time"]).replace(tzinfo=UTC).timestamp()
        for number, entry in world.xenbits.entries.items()
    }
    assert signed["4.20.3"] < public[480] < signed["4.20.4"] < min(public[number] for number in (482, 483, 484))


def test_one_more_is_published(tmp_path: Path) -> None:
    with worlds.stand(tmp_path) as world:
        court = Court(world, tmp_path / "court")
        before = court.verdicts("4.20.3", "xsa480.patch")
        story.publish_at_noon(world.xenbits)
        world.xenbits_server.reset_counters()
        found = court.judge("4.20.3", "xsa480.patch")
        assert {number: one.verdict.value for number, one in found.items()} == {**before, 486: "needs-patch"}
        assert found[486].patches == ("xsa486.patch",)
        assert court.verdicts("4.20.4")[486] == court.verdicts("4.21.2")[486] == "needs-patch"
        # Only what is new was asked for: the rest is kept and of the version that the index has.
        asked = [one.name for one in world.xenbits_server.requests]
        assert asked[:3] == ["xsa.json", "advisory-486.txt", "xsa486.patch"]
        assert not {"advisory-480.txt", "advisory-484.txt"} & set(asked)


# --- the server ------------------------------------------------------------------------------------------------------


def test_files_are_served_and_asked_for_again(key: SigningKey, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "xsa", key)
    with XenbitsServer(shelf.folder) as server:
        client = Xenbits(f"{server.url}/", tmp_path / "cache", sleep=lambda _: None)
        with pytest.raises(Failure) as caught:
            client.get("xsa.json")
        assert caught.value.code == "E-XSA-MISSING"
        shelf.add(480, TABLE)
        first = client.get("xsa.json")
        assert first == (shelf.folder / "xsa.json").read_bytes() == client.get("xsa.json")
        shelf.listed(481)  # within the same second, perhaps
        assert client.get("xsa.json") == (shelf.folder / "xsa.json").read_bytes() != first
        client.close()
        assert [one.status for one in server.requests] == [404, 200, 304, 200]
        assert server.requests[0] == Asked("xsa.json", 404)
        server.reset_counters()
        assert server.requests == ()


def test_a_date_alone_is_a_condition_too(key: SigningKey, tmp_path: Path) -> None:
    Shelf(tmp_path / "xsa", key).put(480, b"text")
    with XenbitsServer(tmp_path / "xsa") as server:
        address = f"{server.url}/advisory-480.txt"
        first = requests.get(address, timeout=10)
        date = first.headers["Last-Modified"]
        assert (first.status_code, first.content) == (200, b"text")
        same = requests.get(address, headers={"if-modified-since": date}, timeout=10)
        assert (same.status_code, same.content) == (304, b"")
        # An entity tag comes before a date (RFC 9110, section 13.2.2).
        other = {"If-Modified-Since": date, "If-None-Match": '"other"'}
        assert requests.get(address, headers=other, timeout=10).content == b"text"
        assert requests.get(address, headers={"If-Modified-Since": "yesterday"}, timeout=10).content == b"text"


@pytest.mark.parametrize(
    "path",
    ["/", "/xsa", "/xsa/", "/xsa/../key.asc", "/xsa/%2e%2e/key.asc", "/xsa//etc/passwd", "/xsa/a%00b", "/xsa.json"],
)
def test_nothing_else_is_served(key: SigningKey, tmp_path: Path, path: str) -> None:
    shelf = Shelf(tmp_path / "xsa", key)
    shelf.put(480, b"text")
    (tmp_path / "key.asc").write_bytes(b"beside it")
    with XenbitsServer(shelf.folder) as server:
        status, fields, body = server.answer(path, {})
        assert (int(status), fields) == (404, {})
        assert b"beside" not in body
        prepared = requests.Request("GET", server.url).prepare()
        prepared.url = server.url.removesuffix("/xsa") + path  # requests would clean it up
        with requests.Session() as session:
            assert session.send(prepared, timeout=10).status_code == 404


def test_an_address_only_while_it_serves(key: SigningKey, tmp_path: Path) -> None:
    threads = threading.active_count()
    server = XenbitsServer(Shelf(tmp_path, key).folder)
    with pytest.raises(RuntimeError, match="within its `with` block"):
        _ = server.url
    with server:
        url = server.url
        assert requests.get(f"{url}/xsa.json", timeout=10).status_code == 404
    assert threading.active_count() == threads
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/xsa.json", timeout=10)


def test_an_error_inside_the_server_is_raised_on_leaving(
    key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise LookupError("a fault of its own")

    server = XenbitsServer(Shelf(tmp_path, key).folder)
    monkeypatch.setattr(server, "_reply", broken)
    with pytest.raises(LookupError, match="of its own"), server, pytest.raises(requests.ConnectionError):
        requests.get(f"{server.url}/xsa.json", timeout=10)


# --- texts -----------------------------------------------------------------------------------------------------------


def test_a_text_of_another_key_is_refused(world: worlds.World, key: SigningKey, tmp_path: Path) -> None:
    client = Xenbits(str(world.xenbits.folder), tmp_path / "cache")
    with Journal(tmp_path / "state").run("test") as here:
        library = Library(client, trust_in(key), here)
        with pytest.raises(Refusal) as caught:
            library.read(library.entry(480))
    assert caught.value.code == "E-SIGNATURE-KEY"


def test_a_fix_is_in_the_line_and_in_the_lines_that_are_opened_later(key: SigningKey, tmp_path: Path) -> None:
    fixed = [one for one in story.RELEASES if one.fixes]
    assert [one.version for one in fixed] == [story.GOAL]
    releases = [Release("4.20.0"), Release("4.21.0"), *fixed, Release("4.22.0")]
    xen = build(tmp_path / "xen.git", key, releases)
    for tag, there in (("RELEASE-4.20.4", True), ("RELEASE-4.21.0", False), ("RELEASE-4.22.0", True)):
        argv = ["git", f"--git-dir={xen.path}", "show", f"{xen.commits[tag]}:xen/common/grant.c"]
        assert (b"next >= GRANT_LIMIT" in run(argv, env=isolated_git()).stdout) == there
