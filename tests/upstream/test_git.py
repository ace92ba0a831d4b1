"""Addresses that git may be given, and what its messages mean."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.errors import Failure, UsageError, XenbumpError
from xenbump.process import Completed, run
from xenbump.upstream import git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# --- addresses -------------------------------------------------------------------------------------------------------

GOOD = (
    "https://xenbits.xenproject.org/git-http/xen.git",
    "http://[::1]:8080/xen.git",
    "ssh://git@example.org/xen.git",
    "git://example.org/xen.git",
    "file:///srv/xen.git",
    "git@example.org:xen-project/xen",
    "example.org:xen.git",
    "git@example.org:/srv/xen.git",
    "/srv/xen.git",
    "xen.git",
    "./host:xen.git",
    "~/xen.git",
    "../a::b/xen.git",
)


@pytest.mark.parametrize("address", GOOD)
def test_a_good_address_is_handed_on(address: str) -> None:
    assert git.check_address(address, "x") == address


@pytest.mark.parametrize(
    "address",
    [
        *("", "-u./evil", "--upload-pack=./evil", "ext::sh -c ./evil", "fd::17", "averylongtransportname::x"),
        *("transport://x", "ftp://example.org/x", "javascript://x", "://x", "ext://x", "http://[::1/x"),
        *("https://example.org/x\n--upload-pack=y", "a\0b", "a\tb", "\x1b[31m"),
        *("https://me:secret@example.org/x", "https://a-token@example.org/x", "ssh://me:secret@example.org/x"),
    ],
)
def test_a_doubtful_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        git.check_address(address, "the place")
    assert (caught.value.code, caught.value.where) == ("E-GIT-ADDRESS", "the place")


def test_a_password_is_not_repeated() -> None:
    for address in ("https://me:secret@example.org/x", "https://secret@example.org/x", "other://me:secret@x/"):
        with pytest.raises(UsageError) as caught:
            git.check_address(address, "x")
        assert "secret" not in str(caught.value)


@given(st.text(max_size=30))
def test_whatever_passes_is_neither_an_option_nor_a_helper(address: str) -> None:
    try:
        git.check_address(address, "x")
    except UsageError:
        return
    assert address
    assert not address.startswith("-")
    assert re.match(r"[A-Za-z0-9]*::", address) is None


@pytest.mark.parametrize(
    ("address", "transport"),
    [*zip(GOOD, ["https", "http", "ssh", "git", "file", "ssh", "ssh", "ssh", *["file"] * 5], strict=True)],
)
def test_only_the_transport_of_the_address_is_allowed(address: str, transport: str) -> None:
    assert git.environment(address)["GIT_ALLOW_PROTOCOL"] == transport
    assert git.is_path(address) == (transport == "file" and not address.startswith("file:"))


def test_reading_a_cache_allows_no_transport() -> None:
    assert git.environment(None)["GIT_ALLOW_PROTOCOL"] == "none"
    assert git.environment(None)["GIT_NO_LAZY_FETCH"] == "1"


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_failure_names_the_subcommand_and_the_line_that_tells() -> None:
    argv = ("git", "--git-dir=/x", "-c", "a=b", "-c", "c=d", "fetch", "--quiet", "--", "x", "+a:b")
    error = git.explained(Completed(argv, 128, b"", b"warning: w\nfatal: something new\nmore\n"), "the place")
    assert (error.code, error.where) == ("E-GIT", "the place")
    assert error.what == "git 'fetch' failed: fatal: something new"
    told = b"ssh: connect to host x port 22: Connection refused\r\nfatal: Could not read from remote repository.\n"
    error = git.explained(Completed(argv, 128, b"", told), "x")
    assert error.code == "E-NETWORK"
    assert "port 22: Connection refused" in error.what
    assert git.explained(Completed(("git",), 1, b"", b""), "x").what.endswith("failed: exit status 1")
    assert git.explained(Completed(("git",), -9, b"", b""), "x").what.endswith("failed: ended by SIGKILL")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://127.0.0.1:1/x.git", "E-NETWORK"),
        ("git://127.0.0.1:1/x.git", "E-NETWORK"),
        ("file:///nonexistent/x.git", "E-GIT-REPOSITORY"),
        ("/nonexistent/x.git", "E-GIT-REPOSITORY"),
        ("{folder}", "E-GIT-REPOSITORY"),
        ("{folder}/file", "E-GIT-REPOSITORY"),
    ],
)
def test_addresses_where_nothing_is(address: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    address = address.format(folder=tmp_path)
    with pytest.raises(XenbumpError) as caught:
        git.call(["ls-remote", "--", address], address=address)
    assert (caught.value.code, caught.value.where) == (code, address)


def test_a_repository_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = tmp_path / "foreign"
    run(["git", "init", "--quiet", "--bare", str(foreign)])
    assert git.call(["ls-remote", "--", str(foreign)], address=str(foreign)).status == 0
    usual = git.environment(str(foreign))
    # Only root can give a folder away; git has this for its own tests.
    monkeypatch.setattr(git, "environment", lambda _: {**usual, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"})
    with pytest.raises(Failure, match="another user") as caught:
        git.call(["ls-remote", "--", str(foreign)], address=str(foreign))
    assert caught.value.code == "E-GIT-ACCESS"


class _Silent(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's signature
        """Say nothing."""


@pytest.fixture
def plain_port() -> Iterator[int]:
    """A server that speaks HTTP without TLS."""
    with HTTPServer(("127.0.0.1", 0), _Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_server_without_tls(plain_port: int) -> None:
    address = f"https://127.0.0.1:{plain_port}/x.git"
    with pytest.raises(Failure) as caught:
        git.call(["ls-remote", "--", address], address=address)
    assert caught.value.code == "E-TLS"


def test_a_certificate_that_nobody_vouches_for() -> None:
    # The words of git with GnuTLS and with OpenSSL; a server for it would need a certificate with the tests.
    for words in (
        "server certificate verification failed. CAfile: /etc/ssl/certs/ca-certificates.crt CRLfile: none",
        "SSL certificate problem: self-signed certificate",
    ):
        text = f"fatal: unable to access 'https://127.0.0.1/x.git/': {words}\n".encode()
        assert git.explained(Completed(("git", "ls-remote"), 128, b"", text), "x").code == "E-TLS"


def test_a_missing_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure) as caught:
        git.call(["--version"])
    assert caught.value.code == "E-PROGRAM-MISSING"


def test_a_call_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Failure) as caught:
        git.call(["ls-remote"], timeout=0.1)
    assert caught.value.code == "E-TIMEOUT"
