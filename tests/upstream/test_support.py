"""How long a branch is supported: what `SUPPORT.md` may say, and which tip it is read from."""

from __future__ import annotations

import os
import time
from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xenbump.demo.git_server import GitServer
from xenbump.demo.xen_project import File, Release, build
from xenbump.errors import Refusal
from xenbump.upstream import support
from xenbump.upstream.repository import Repository
from xenbump.upstream.support import UNKNOWN, Window

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.demo.signing import SigningKey

WHERE = "stable-4.20"


def statement(
    version: str = "4.20",
    initial: str = "2025-03-05",
    supported: str = "2028-03-05",
    security: str = "2030-03-05",
) -> bytes:
    return f"""% What is supported

# Release Support

    Xen-Version: {version}
    Initial-Release: {initial}
    Supported-Until: {supported}
    Security-Support-Until: {security}

# Features

    Status: Supported

Bugs found after the end of **Security-Support-Until**
are fixed by nobody.
""".encode()


RELEASED = Window(date(2025, 3, 5), date(2028, 3, 5), date(2030, 3, 5))


@pytest.mark.parametrize("form", ["lf", "crlf", "tabs"])
def test_the_days_of_a_released_branch(form: str) -> None:
    text = statement()
    if form == "crlf":
        text = text.replace(b"\n", b"\r\n")
    if form == "tabs":
        text = text.replace(b"    ", b"\t").replace(b": 2", b":2")
    assert support.read(text, WHERE, "4.20") == support.read(text, WHERE) == RELEASED


@pytest.mark.parametrize("version", ["4.20", "4.20-rc", "4.20-unstable", "unstable"])
def test_a_branch_without_a_release_has_no_days(version: str) -> None:
    unreleased = "Unreleased - not yet security-supported"
    assert support.read(statement(version, "n/a", "TBD", unreleased), WHERE, "4.20") == Window(status=unreleased)
    assert support.read(statement(version, "2025-03-05", "TBD", "TBD"), WHERE, "4.20") == Window(
        date(2025, 3, 5), status="TBD"
    )


@pytest.mark.parametrize(
    "content", [None, b"", b"# Support\n\n    Status: Supported\n", b"See **Supported-Until**: soon"]
)
def test_a_tree_that_says_nothing_has_no_window(content: bytes | None) -> None:
    assert support.read(content, WHERE, "4.20") == UNKNOWN
    assert not UNKNOWN.ended(date(9999, 12, 31))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (statement(security="2030-02-30"), "Security-Support-Until is '2030-02-30', which is no day"),
        (statement(security="20300305"), "'20300305'"),
        (statement(security="2030-W10-2"), "'2030-W10-2'"),
        (statement(security="٢٠٣٠-03-05"), "which is no day"),
        (statement(security="Extended"), "'Extended'"),
        (statement(security=""), "Security-Support-Until is ''"),
        (statement(supported="never"), "Supported-Until is 'never'"),
        (statement(initial="tbd"), "Initial-Release is 'tbd'"),
        (statement(initial="2031-01-01"), "not in order"),
        (statement(supported="2030-03-06"), "not in order"),
        (statement(version="4.2"), "Xen-Version is '4.2', not 4.20"),
        (statement(version="4.21-rc"), "'4.21-rc', not 4.20"),
        (statement(version="twenty"), "'twenty'"),
        (statement() + b"    Supported-Until: 2029-01-01\n", "both '2028-03-05' and '2029-01-01'"),
        (statement().replace(b"Supported-Until: 2028-03-05", b""), "no Supported-Until"),
        (b"Security-Support-Until: 2030-03-05\n", "no Xen-Version, Initial-Release, Supported-Until"),
        (statement(security="@").replace(b"@", b"\xff"), r"Security-Support-Until is '\\xff'"),
    ],
)  # fmt: skip
def test_a_form_that_is_not_known_is_refused(content: bytes, word: str) -> None:
    with pytest.raises(Refusal) as caught:
        support.read(content, WHERE, "4.20")
    assert (caught.value.code, caught.value.where) == ("E-SUPPORT-FORM", "stable-4.20, SUPPORT.md")
    assert word in caught.value.what


def test_a_line_that_is_repeated_alike_is_one() -> None:
    assert support.read(statement() + b"    Supported-Until: 2028-03-05\n", WHERE) == RELEASED


@given(st.lists(st.dates(), min_size=3, max_size=3).map(sorted), st.dates())
@example([date(2025, 3, 5), date(2028, 3, 5), date(2030, 3, 5)], date(2030, 3, 5))
@example([date(2025, 3, 5), date(2028, 3, 5), date(2030, 3, 5)], date(2030, 3, 6))
def test_any_days_in_order_are_read_and_the_last_one_counts_as_supported(days: list[date], today: date) -> None:
    initial, supported, security = days
    window = support.read(statement("4.20", *(day.isoformat() for day in days)), WHERE)
    assert window == Window(initial, supported, security)
    assert window.ended(today) == (today > security)


@given(st.text("0123456789-/: naTBDU\u0663\r\n", max_size=12))
def test_any_value_is_a_day_a_known_word_or_refused(value: str) -> None:
    content = statement(security="@").replace(b"@", value.encode("utf-8", "replace"))
    try:
        window = support.read(content, WHERE)
    except Refusal as error:
        assert error.code == "E-SUPPORT-FORM"  # noqa: PT017 - either is right
    else:
        assert window.security_until is not None or window.status


def test_windows_are_those_of_the_tips_of_the_stable_branches(key: SigningKey, tmp_path: Path) -> None:
    old = File(statement(security="2029-03-05"))
    releases = [
        Release("4.9.1"),
        Release("4.20.0", files={"SUPPORT.md": old}),
    ]
    project = build(tmp_path / "xen.git", key, releases)
    project.add_commit("4.20", {"SUPPORT.md": File(statement())}, "Extend the support")
    repository = Repository([str(project.path)], tmp_path / "cache")
    found = support.windows(repository, repository.listing(), ["4.20", "4.9", "4.8", "4.9"])
    assert list(found.items()) == [("4.8", UNKNOWN), ("4.9", UNKNOWN), ("4.20", RELEASED)]


def test_the_windows_of_several_branches_come_at_once_and_nothing_else(key: SigningKey, tmp_path: Path) -> None:
    large = File(os.urandom(300_000))
    releases = [Release(f"4.{minor}.0", files={"large": large}) for minor in (20, 21, 22)]
    project = build(tmp_path / "xen.git", key, releases)
    with GitServer(tmp_path) as server:
        repository = Repository([server.url("xen.git")], tmp_path / "cache")
        listing = repository.listing()
        server.reset_counters()
        found = support.windows(repository, listing, ["4.20", "4.21", "4.22"])
        assert {window.security_until for window in found.values()} == {date(2099, 1, 15)}
        assert server.bytes_out < 20_000
        assert sum("info/refs" in one.path for one in server.requests) == 2
        # What was listed counts, also when the branch moves before it is read.
        project.add_commit("4.21", {"SUPPORT.md": File(statement("4.21"))}, "Shorten the support")
        assert support.windows(repository, listing, ["4.21"]) == {"4.21": found["4.21"]}
        assert support.windows(repository, repository.listing(), ["4.21"]) == {"4.21": RELEASED}


def test_blanks_in_a_value_take_no_time() -> None:
    began = time.process_time()
    with pytest.raises(Refusal) as caught:
        support.read(f"Xen-Version: a{' ' * 100_000}b".encode(), "stable-4.20")
    assert caught.value.code == "E-SUPPORT-FORM"
    blanks = " \t" * 50_000
    text = statement().decode().replace("\n", f"{blanks}\r\n").replace(": ", f":{blanks}")
    assert support.read(text.encode(), "stable-4.20") == support.read(statement(), "stable-4.20")
    assert time.process_time() - began < 1
