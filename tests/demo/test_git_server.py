"""`xenbump.demo.git_server` as the real git meets it."""

from __future__ import annotations

import os
import shutil
import socket
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.demo import none_left_with, processes_with, some_begin_with
from xenbump.demo import git_cgi
from xenbump.demo.git_server import (
    Access,
    Fault,
    GitServer,
    Redirect,
    Request,
    Reset,
    Stall,
    Status,
    Truncate,
    isolated_git,
)
from xenbump.demo.signing import SigningKey
from xenbump.demo.xen_project import File, Release, XenProject, build
from xenbump.errors import Failure
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.process import Completed

LOGIN = ("demo", "a-token")
# More than git sends in one piece (http.postBuffer is 1 MiB), and not to be made smaller.
LARGE = 3 << 20
FETCH = (
    b"POST /xen.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-upload-pack-request\r\n"
    b"Content-Length: %d\r\n\r\n"
)
# The beginning of a request: git waits for the rest.
BROKEN_OFF = FETCH % 1000 + b"0032want "


@pytest.fixture(scope="module")
def xen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XenProject]:
    """A small project with one large file."""
    large = File(os.urandom(LARGE))
    with SigningKey() as key:
        releases = [Release("4.20.0"), Release("4.20.1", files={"large": large})]
        yield build(tmp_path_factory.mktemp("root") / "xen.git", key, releases)


@pytest.fixture
def server(xen: XenProject) -> Iterator[GitServer]:
    with GitServer(xen.path.parent) as running:
        yield running


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """An empty repository to work in."""
    path = tmp_path / "clone"
    run(["git", "init", "--quiet", str(path)], env=isolated_git())
    return path


def git(*arguments: str, cwd: Path | None = None, timeout: float = 20.0, check: bool = True) -> Completed:
    nobody = {f"GIT_{who}_{what}": "demo" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    direct = {"no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"}
    env = {**isolated_git(), **nobody, **direct}
    return run(["git", *arguments], cwd=cwd, env=env, timeout=timeout, check=check)


def connected(server: GitServer) -> socket.socket:
    address = urlsplit(server.url("xen.git"))
    return socket.create_connection((address.hostname, address.port), timeout=10)


def commit_large_file(clone: Path) -> None:
    (clone / "large").write_bytes(os.urandom(LARGE))
    git("add", "large", cwd=clone)
    git("commit", "--quiet", "--message=large", cwd=clone)


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_all_versions_of_the_protocol(server: GitServer, xen: XenProject, version: str) -> None:
    argv = ["-c", f"protocol.version={version}", "ls-remote", server.url("xen.git")]
    lines = [line.split("\t") for line in git(*argv).stdout.decode().splitlines()]
    refs = {name: target for target, name in lines}
    assert refs["refs/tags/RELEASE-4.20.1^{}"] == xen.commits["RELEASE-4.20.1"]
    assert refs["refs/heads/stable-4.20"] == xen.tip("stable-4.20")
    assert {request.git_protocol for request in server.requests} == {"" if version == "0" else f"version={version}"}


def test_a_clone_is_whole(server: GitServer, xen: XenProject, tmp_path: Path) -> None:
    git("clone", "--quiet", "--mirror", server.url("xen.git"), str(tmp_path / "copy"))
    git("fsck", "--strict", cwd=tmp_path / "copy")
    refs = git("for-each-ref", cwd=tmp_path / "copy").stdout
    assert refs == git("for-each-ref", cwd=xen.path).stdout


def test_long_requests_come_compressed(server: GitServer, clone: Path) -> None:
    for number in range(20):  # what the client offers as known makes the request long
        git("commit", "--quiet", "--allow-empty", f"--message={number}", cwd=clone)
    git("fetch", "--quiet", server.url("xen.git"), "+refs/*:refs/all/*", cwd=clone)
    assert "gzip" in {request.body_form for request in server.requests}


@pytest.mark.parametrize("filter_", ["tree:0", "blob:none"])
def test_a_partial_clone(server: GitServer, clone: Path, filter_: str) -> None:
    tag = "refs/tags/RELEASE-4.20.1"
    git("fetch", "--quiet", "--depth=1", f"--filter={filter_}", server.url("xen.git"), f"{tag}:{tag}", cwd=clone)
    assert server.bytes_out < LARGE // 100
    git("cat-file", "commit", f"{tag}^{{}}", cwd=clone)


def test_filters_can_be_left_out(xen: XenProject, clone: Path) -> None:
    with GitServer(xen.path.parent, allow_filter=False) as server:
        done = git("fetch", "--filter=tree:0", server.url("xen.git"), "refs/tags/RELEASE-4.20.1", cwd=clone)
        assert b"filtering not recognized" in done.stderr
        assert server.bytes_out > LARGE


@pytest.mark.parametrize("allowed", [True, False])
def test_any_object_can_be_asked_for_if_allowed(xen: XenProject, clone: Path, *, allowed: bool) -> None:
    tree = git("rev-parse", "RELEASE-4.20.0^{tree}", cwd=xen.path).stdout.decode().strip()
    with GitServer(xen.path.parent, allow_any_sha1=allowed) as server:
        argv = ["-c", "protocol.version=0", "fetch", "--quiet", server.url("xen.git"), tree]
        assert (git(*argv, cwd=clone, check=False).status == 0) == allowed


def test_a_repository_elsewhere_is_served_unchanged(xen: XenProject, tmp_path: Path, clone: Path) -> None:
    foreign = tmp_path / "elsewhere"
    shutil.copytree(xen.path, foreign)
    (foreign / "config").unlink()
    if os.geteuid() == 0:  # somebody else's, which git refuses unless it is told to trust it
        for path in (foreign, *foreign.rglob("*")):
            os.chown(path, 12345, 12345)
    before = {path: path.stat().st_mtime_ns for path in foreign.rglob("*")}
    with GitServer() as server:
        url = server.mount("real/xen.git", foreign)
        git("fetch", "--quiet", "--depth=1", "--filter=tree:0", url, "refs/tags/RELEASE-4.20.1", cwd=clone)
        assert git("ls-remote", server.url("xen.git"), check=False).status != 0
    assert {path: path.stat().st_mtime_ns for path in foreign.rglob("*")} == before


@pytest.mark.parametrize(
    "path", ["/", "/xen.git", "/../xen.git/HEAD", "/%2e%2e/root/xen.git/HEAD", "//HEAD", "/a.git/HEAD"]
)
def test_only_repositories_are_served(server: GitServer, path: str) -> None:
    connection = HTTPConnection(urlsplit(server.url("xen.git")).netloc, timeout=10)
    for target, status in ((path, 404), ("/xen.git/HEAD", 200)):
        connection.request("GET", target)
        reply = connection.getresponse()
        reply.read()
        assert reply.status == status
    connection.close()


def test_pushing_is_forbidden_unless_allowed(server: GitServer, clone: Path) -> None:
    commit_large_file(clone)
    done = git("push", server.url("xen.git"), "HEAD:refs/heads/mine", cwd=clone, check=False)
    assert done.status != 0
    assert b"403" in done.stderr


def test_pushing_a_large_file(tmp_path: Path, clone: Path) -> None:
    commit_large_file(clone)
    git("init", "--quiet", "--bare", str(tmp_path / "root" / "fork.git"))
    with GitServer(tmp_path / "root", access=Access(push=True)) as server:
        git("push", "--quiet", server.url("fork.git"), "HEAD:refs/heads/mine", cwd=clone)
        assert server.bytes_in > LARGE
        assert "chunked" in {request.body_form for request in server.requests}
        pushed = git("rev-parse", "refs/heads/mine", cwd=tmp_path / "root" / "fork.git").stdout
    assert pushed == git("rev-parse", "HEAD", cwd=clone).stdout


def test_pushing_with_a_login(tmp_path: Path, clone: Path) -> None:
    commit_large_file(clone)
    git("init", "--quiet", "--bare", str(tmp_path / "root" / "fork.git"))
    with GitServer(tmp_path / "root", access=Access(push=True, login=LOGIN)) as server:
        url = server.url("fork.git")
        for login, status in (("", 128), ("demo:wrong@", 128), ("demo:a-token@", 0)):
            argv = ["push", "--quiet", url.replace("//", f"//{login}"), "HEAD:refs/heads/mine"]
            assert git(*argv, cwd=clone, check=False).status == status
        statuses = [request.status for request in server.requests]
        assert statuses.count(401) >= 3
        assert statuses[-1] == 200
        git("ls-remote", url)  # who only reads is not asked


def test_a_private_repository(xen: XenProject) -> None:
    with GitServer(xen.path.parent, access=Access(login=LOGIN, private=True)) as server:
        url = server.url("xen.git")
        assert git("ls-remote", url, check=False).status != 0
        assert git("ls-remote", url.replace("//", "//demo:a-token@")).stdout


def test_counters(server: GitServer) -> None:
    git("-c", "protocol.version=0", "ls-remote", "--tags", server.url("xen.git"))
    assert server.requests == (Request("GET", "/xen.git/info/refs?service=git-upload-pack", 200),)
    assert 100 < server.bytes_in < 1000
    assert 1000 < server.bytes_out < 10000
    server.reset_counters()
    assert not server.requests
    assert server.bytes_in == server.bytes_out == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Status(401), b"could not read Username"),
        (Status(403), b"error: 403"),
        (Status(404), b"not found"),
        (Status(429, (("Retry-After", "0"),)), b"429"),
        (Status(500), b"error: 500"),
        (Truncate(20), b"fatal"),
        (Reset(), b"unable to access"),
    ],
)
def test_faults_of_the_first_request(server: GitServer, fault: Fault, message: bytes) -> None:
    server.fail_next(r"/info/refs", fault)
    done = git("ls-remote", server.url("xen.git"), check=False)
    assert done.status != 0
    assert message in done.stderr
    assert git("ls-remote", server.url("xen.git")).stdout


@pytest.mark.parametrize(
    ("fault", "times"), [(Status(500), 1), (Truncate(0), 1), (Truncate(LARGE // 2), 1), (Reset(), 2)]
)
def test_faults_of_the_transfer(server: GitServer, clone: Path, fault: Fault, times: int) -> None:
    argv = ["fetch", "--quiet", server.url("xen.git"), "refs/tags/RELEASE-4.20.1"]
    # The first one asks for the refs.
    server.fail_next(r"/git-upload-pack$", Stall(0))
    server.fail_next(r"/git-upload-pack$", fault, times=times)
    assert git(*argv, cwd=clone, check=False).status != 0
    git(*argv, cwd=clone)


def test_faults_take_turns(server: GitServer) -> None:
    server.fail_next("refs", Status(500), times=2)
    server.fail_next("refs", Status(403))
    server.fail_next("elsewhere", Status(404))
    for code in (b"500", b"500", b"403"):
        assert code in git("ls-remote", server.url("xen.git"), check=False).stderr
    assert server.faults_left == 1
    git("ls-remote", server.url("xen.git"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_redirects(server: GitServer, xen: XenProject, host: str) -> None:
    there = server.mount("moved.git", xen.path).replace("127.0.0.1", host)
    argv = ["ls-remote", server.url("gone.git")]
    assert git(*argv, check=False).status != 0
    server.fail_next("^/gone.git/info", Redirect(there), times=2)
    assert git(*argv).stdout == git("ls-remote", server.url("xen.git")).stdout
    assert git("-c", "http.followRedirects=false", *argv, check=False).status != 0


def test_a_stall(server: GitServer) -> None:
    server.fail_next("info/refs", Stall(0.3))
    began = time.monotonic()
    git("ls-remote", server.url("xen.git"))
    assert time.monotonic() - began >= 0.3
    server.fail_next("info/refs", Stall(60))
    with pytest.raises(Failure) as caught:
        git("ls-remote", server.url("xen.git"), timeout=0.5)
    assert caught.value.code == "E-TIMEOUT"


def test_a_client_that_leaves_within_its_request(server: GitServer, xen: XenProject) -> None:
    with connected(server) as client:
        client.sendall(BROKEN_OFF)
        assert some_begin_with(str(xen.path))
    assert none_left_with(str(xen.path))


def test_a_client_that_leaves_within_the_reply(server: GitServer, xen: XenProject) -> None:
    want = f"want {xen.commits['RELEASE-4.20.1']}\n".encode()
    body = b"%04x%b00000009done\n" % (len(want) + 4, want)
    with connected(server) as client:
        client.sendall(FETCH % len(body) + body)
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        assert processes_with(str(xen.path))
    assert none_left_with(str(xen.path))
    assert server.bytes_out < LARGE


def test_leaving_the_server_ends_what_runs(xen: XenProject) -> None:
    with GitServer(xen.path.parent) as server:
        server.fail_next("HEAD", Stall(60))
        with connected(server) as first, connected(server) as second:
            first.sendall(BROKEN_OFF)
            second.sendall(b"GET /xen.git/HEAD HTTP/1.1\r\nHost: x\r\n\r\n")
            assert some_begin_with(str(xen.path))
            began = time.monotonic()
            server.__exit__(None, None, None)
    assert time.monotonic() - began < 4
    assert not processes_with(str(xen.path))
    with pytest.raises(RuntimeError):
        server.url("xen.git")


@pytest.mark.parametrize("body", [b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", b"Content-Length: x\r\n\r\n"])
def test_a_malformed_request_ends_the_connection_only(server: GitServer, body: bytes) -> None:
    with connected(server) as client:
        client.sendall(b"POST /xen.git/git-upload-pack HTTP/1.1\r\nHost: x\r\n" + body)
        while client.recv(1000):
            pass
    git("ls-remote", server.url("xen.git"))


def test_an_error_of_the_server_itself_is_raised(xen: XenProject, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise Failure("E-PROGRAM-MISSING", "gone")

    def work() -> None:
        with GitServer(xen.path.parent) as server:
            monkeypatch.setattr(git_cgi, "http_backend", fail)
            assert git("ls-remote", server.url("xen.git"), check=False).status != 0

    with pytest.raises(Failure, match="gone"):
        work()


def test_a_git_without_http_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git_cgi.http_backend.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    fake = tmp_path / "git"
    fake.write_text(f"#!/bin/sh\necho {tmp_path}\n", encoding="ascii")
    fake.chmod(0o700)
    with pytest.raises(Failure) as caught:
        GitServer().__enter__()
    assert caught.value.code == "E-PROGRAM-MISSING"
