"""Servers that fail: which error each failure is, and that the cache is usable afterwards."""

from __future__ import annotations

import contextlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.upstream.support import trust_in
from xenbump.demo.git_server import Access, Fault, GitServer, Redirect, Reset, Stall, Status, Truncate
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.hashes import sri
from xenbump.upstream import git
from xenbump.upstream.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xenbump.demo.signing import SigningKey
    from xenbump.demo.xen_project import XenProject
    from xenbump.upstream.signature import Trust

# More often than git tries by itself.
ALWAYS = 9
MOVED = "http://host.invalid/xen.git"
FAULTS: tuple[tuple[Fault, str], ...] = (
    (Status(400), "E-HTTP-STATUS"),
    (Status(401), "E-GIT-ACCESS"),
    (Status(403), "E-GIT-ACCESS"),
    (Status(404), "E-GIT-REPOSITORY"),
    (Status(407), "E-HTTP-STATUS"),
    (Status(410), "E-GIT-REPOSITORY"),
    (Status(429, (("Retry-After", "1"),)), "E-HTTP-STATUS"),
    (Status(500), "E-HTTP-STATUS"),
    (Status(503), "E-HTTP-STATUS"),
    (Redirect(MOVED), "E-REDIRECT"),
    (Redirect(MOVED, 301), "E-REDIRECT"),
    (Redirect(MOVED, 307), "E-REDIRECT"),
    (Redirect(MOVED, 308), "E-REDIRECT"),
    (Truncate(0), "E-TRUNCATED"),
    (Truncate(3), "E-TRUNCATED"),
    (Truncate(100), "E-TRUNCATED"),
    (Reset(), "E-TRUNCATED"),
    (Stall(3), "E-NETWORK"),
)


@pytest.fixture(autouse=True)
def impatient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server is to hang, give up after a second without a byte; elsewhere a busy machine may take longer."""
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and isinstance(callspec.params.get("fault"), Stall):
        monkeypatch.setattr(git, "STALL_SECONDS", 1)


@pytest.fixture
def trusted(key: SigningKey, tmp_path: Path) -> tuple[Trust, Path]:
    """Whom to believe, and where to keep it."""
    return trust_in(key), tmp_path / "cache"


def shown(fault: object) -> str:
    return repr(fault) if isinstance(fault, Fault) else str(fault)


def refused(work: Callable[[], object], code: str) -> XenbumpError:
    with pytest.raises((Failure, Refusal)) as caught:
        work()
    assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=shown)
def test_the_first_request_of_a_listing(fault: Fault, code: str, server: GitServer, tmp_path: Path) -> None:
    repository = Repository([server.url("xen.git")], tmp_path / "cache")
    server.fail_next("/info/refs", fault, times=ALWAYS)
    error = refused(repository.listing, code)
    assert error.where == server.url("xen.git")


@pytest.mark.parametrize(("fault", "code"), [one for one in FAULTS if not isinstance(one[0], Stall)], ids=shown)
def test_the_list_itself(fault: Fault, code: str, server: GitServer, tmp_path: Path) -> None:
    repository = Repository([server.url("xen.git")], tmp_path / "cache")
    server.fail_next("/git-upload-pack$", fault, times=ALWAYS)
    refused(repository.listing, code)


@pytest.mark.parametrize("after", [200, 400, 700])
def test_a_list_that_breaks_off_is_not_taken_for_the_whole(after: int, server: GitServer, tmp_path: Path) -> None:
    repository = Repository([server.url("xen.git")], tmp_path / "cache")
    server.fail_next("/git-upload-pack$", Truncate(after))
    refused(repository.listing, "E-TRUNCATED")
    assert len(repository.listing().releases) == 2


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Status(403), "E-GIT-ACCESS"),
        (Status(429), "E-HTTP-STATUS"),
        (Status(500), "E-HTTP-STATUS"),
        (Redirect(MOVED), "E-REDIRECT"),
        (Truncate(0), "E-TRUNCATED"),
        (Truncate(9), "E-TRUNCATED"),
        (Truncate(100), "E-TRUNCATED"),
        (Truncate(400), "E-TRUNCATED"),
        (Reset(), "E-TRUNCATED"),
        (Stall(3), "E-NETWORK"),
    ],
    ids=shown,
)
@pytest.mark.parametrize("what", ["tag", "tree"])
def test_the_transfer_of_objects(
    what: str, fault: Fault, code: str, server: GitServer, trusted: tuple[Trust, Path]
) -> None:
    trust, cache = trusted
    repository = Repository([server.url("xen.git")], cache)
    listing = repository.listing()
    wanted = listing.releases[-1]

    def tag() -> str:
        return repository.verify(wanted, trust, listing.source).commit

    def tree() -> str:
        assert wanted.commit is not None
        return repository.source_hash(wanted.commit, f"refs/tags/{wanted.tag}", listing.source, "fetchgit")

    if what == "tree":
        tag()
    server.fail_next("/git-upload-pack$", Stall(0))  # the refs
    server.fail_next("/git-upload-pack$", fault, times=ALWAYS)
    error = refused(tag if what == "tag" else tree, code)
    assert error.where == server.url("xen.git")
    server._service._faults.clear()
    assert tag() == wanted.commit
    assert sri.decode(tree())
    for store in ("tags.git", "trees.git"):
        (folder,) = cache.glob(f"*/{store}")
        git.call(["fsck"], repository=folder)


def test_a_redirect_to_the_same_server_is_refused_too(
    server: GitServer, xen: XenProject, key: SigningKey, tmp_path: Path
) -> None:
    there = server.mount("moved.git", xen.path)
    repository = Repository([server.url("gone.git")], tmp_path / "cache")
    server.fail_next("^/gone.git/", Redirect(there), times=ALWAYS)
    refused(repository.listing, "E-REDIRECT")
    server.reset_counters()
    repository = Repository([server.url("xen.git")], tmp_path / "cache")
    listing = repository.listing()
    server.fail_next("^/xen.git/", Redirect(there), times=ALWAYS)
    refused(lambda: repository.verify(listing.releases[0], trust_in(key), listing.source), "E-REDIRECT")
    assert not any("moved.git" in request.path for request in server.requests)


def test_a_server_that_wants_a_login(xen: XenProject, tmp_path: Path) -> None:
    with GitServer(xen.path.parent, access=Access(login=("x", "y"), private=True)) as server:
        refused(Repository([server.url("xen.git")], tmp_path / "cache").listing, "E-GIT-ACCESS")


def test_a_server_that_is_no_longer_there(xen: XenProject, tmp_path: Path) -> None:
    with GitServer(xen.path.parent) as server:
        address = server.url("xen.git")
    refused(Repository([address], tmp_path / "cache").listing, "E-NETWORK")


@contextlib.contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Between(BaseHTTPRequestHandler):
    """Hands requests on, and changes the reply to the POST whose turn it is."""

    upstream = ""
    countdown = 0
    change: Callable[[bytes], bytes] = staticmethod(lambda body: body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's signature
        """Say nothing."""

    def do_GET(self) -> None:
        self._hand_on(None)

    def do_POST(self) -> None:
        self._hand_on(self.rfile.read(int(self.headers["Content-Length"])))

    def _hand_on(self, body: bytes | None) -> None:
        kept = ("Content-Type", "Git-Protocol", "Accept", "Content-Encoding")
        headers = {name: self.headers[name] for name in kept if name in self.headers}
        connection = http.client.HTTPConnection(self.upstream)
        connection.request(self.command, self.path, body, headers)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        if body is not None:
            type(self).countdown -= 1
            if self.countdown == 0:
                content = type(self).change(content)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.headers["Content-Type"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def between(server: GitServer) -> Iterator[tuple[type[_Between], str]]:
    """A proxy that can falsify replies, and its address of `xen.git`."""

    class Handler(_Between):
        upstream = urlsplit(server.url("xen.git")).netloc

    with served(Handler) as address:
        yield Handler, f"{address}/xen.git"


def first_packets(body: bytes, count: int) -> bytes:
    """The first packets of a reply (git's gitprotocol-common manual page, "pkt-line Format")."""
    at = 0
    for _ in range(count):
        at += max(int(body[at : at + 4], 16), 4)
    return body[:at]


FALSE_REPLIES: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "nothing": (lambda _: b"", "E-TRUNCATED", "E-TRUNCATED"),
    "two packets": (lambda body: first_packets(body, 2), "E-TRUNCATED", "E-TRUNCATED"),
    "within a packet": (lambda body: body[:30], "E-TRUNCATED", "E-TRUNCATED"),
    "all but the end": (lambda body: body[:-4], "E-TRUNCATED", "E-TRUNCATED"),
    "a page": (lambda _: b"<html>Please log in</html>", "E-TRUNCATED", "E-TRUNCATED"),
    "more than all": (lambda body: body + b"0008abcd0000", "E-TRUNCATED", "E-TRUNCATED"),
    "a message": (lambda _: b"0014ERR out of order0000", "E-GIT", "E-GIT"),
}


@pytest.mark.parametrize("form", FALSE_REPLIES)
def test_a_whole_reply_with_a_part_of_the_list(form: str, between: tuple[type[_Between], str], tmp_path: Path) -> None:
    handler, address = between
    change, code, _ = FALSE_REPLIES[form]
    handler.change, handler.countdown = staticmethod(change), 1
    repository = Repository([address], tmp_path / "cache")
    refused(repository.listing, code)
    assert len(repository.listing().releases) == 2


@pytest.mark.parametrize("form", FALSE_REPLIES)
def test_a_whole_reply_with_a_part_of_the_objects(
    form: str, between: tuple[type[_Between], str], key: SigningKey, tmp_path: Path
) -> None:
    handler, address = between
    change, _, code = FALSE_REPLIES[form]
    repository = Repository([address], tmp_path / "cache")
    listing = repository.listing()
    handler.change, handler.countdown = staticmethod(change), 2
    refused(lambda: repository.verify(listing.releases[-1], trust_in(key), address), code)
    assert repository.verify(listing.releases[-1], trust_in(key), address).version == "4.20.1"


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:-40] + bytes(10) + body[-30:],
        lambda body: body.replace(b"PACK\0\0\0\2", b"PACK\0\0\0\7"),
        lambda body: body.replace(b"PACK", b"KCAP"),
    ],
    ids=["bytes", "version", "magic"],
)
def test_objects_that_were_altered_on_the_way(
    change: Callable[[bytes], bytes], between: tuple[type[_Between], str], key: SigningKey, tmp_path: Path
) -> None:
    handler, address = between
    repository = Repository([address], tmp_path / "cache")
    listing = repository.listing()
    handler.change, handler.countdown = staticmethod(change), 2
    with pytest.raises((Failure, Refusal)) as caught:
        repository.verify(listing.releases[-1], trust_in(key), address)
    assert caught.value.code in {"E-TRUNCATED", "E-GIT"}
    assert repository.verify(listing.releases[-1], trust_in(key), address).version == "4.20.1"


def test_a_list_that_was_altered_on_the_way(
    between: tuple[type[_Between], str], xen: XenProject, key: SigningKey, tmp_path: Path
) -> None:
    """Another commit under a release's name: the tag object says which one is meant."""
    handler, address = between
    true, false = xen.commits["RELEASE-4.20.1"].encode(), xen.commits["RELEASE-4.20.0"].encode()
    handler.countdown = 1
    handler.change = staticmethod(lambda body: body.replace(b"peeled:" + true, b"peeled:" + false))
    repository = Repository([address], tmp_path / "cache")
    listing = repository.listing()
    assert listing.releases[-1].commit == false.decode()
    error = refused(lambda: repository.verify(listing.releases[-1], trust_in(key), address), "E-TAG-MISMATCH")
    assert true.decode() in error.what


class _Files(BaseHTTPRequestHandler):
    """Plain files, as a web server without git serves a repository."""

    root: Path

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's signature
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.root / self.path.partition("?")[0].lstrip("/")
        content = path.read_bytes() if path.is_file() else b""
        self.send_response(200 if path.is_file() else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def files_served(folder: Path) -> contextlib.AbstractContextManager[str]:
    """Serve a folder's files."""

    class Handler(_Files):
        root = folder

    return served(Handler)


def test_a_server_of_plain_files(xen: XenProject, key: SigningKey, tmp_path: Path) -> None:
    git.call(["update-server-info"], repository=xen.path)
    with files_served(xen.path.parent) as address:
        repository = Repository([f"{address}/xen.git"], tmp_path / "cache")
        listing = repository.listing()
        assert len(listing.releases) == 2
        refused(lambda: repository.verify(listing.releases[-1], trust_in(key), listing.source), "E-GIT-DUMB")


@pytest.mark.parametrize(
    ("page", "code"),
    [
        ("<html>\nPlease log in\n</html>\n", "E-GIT-REPOSITORY"),
        ("<html>Please log in</html>", "E-GIT-LISTING"),
        ("", "E-GIT-LISTING"),
    ],
)
def test_the_page_of_a_portal_is_no_list(page: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "xen.git" / "info").mkdir(parents=True)
    (tmp_path / "xen.git" / "info" / "refs").write_text(page)
    with files_served(tmp_path) as address:
        refused(Repository([f"{address}/xen.git"], tmp_path / "cache").listing, code)
