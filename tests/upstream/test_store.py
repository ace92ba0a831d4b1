"""Stores: what is asked of whom, what is there, and what a fetch brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xenbump.errors import Failure, Refusal
from xenbump.upstream.store import NO_HISTORY, NO_TREES, Stores

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.demo.git_server import GitServer
    from xenbump.demo.xen_project import XenProject

REF = "refs/heads/stable-4.20"


def made(tmp_path: Path, *addresses: str, told: list[str] | None = None) -> Stores:
    return Stores(addresses, tmp_path / "cache", (told if told is not None else []).append)


def failing(code: str) -> Failure:
    return Failure(code, f"it is {code}")


def test_the_source_is_asked_first_and_nobody_twice(tmp_path: Path) -> None:
    asked: list[str] = []
    told: list[str] = []

    def ask(address: str) -> str:
        asked.append(address)
        if address != "c":
            raise failing(f"E-{address.upper()}")
        return "answer"

    stores = made(tmp_path, "a", "b", "c", told=told)
    assert stores.first_answer(ask, source="b") == "answer"
    assert asked == ["b", "a", "c"]
    assert told == ["b did not serve (E-B): it is E-B", "a did not serve (E-A): it is E-A"]
    asked.clear()
    assert stores.first_answer(ask) == "answer"
    assert asked == ["a", "b", "c"]


def test_the_first_error_counts(tmp_path: Path) -> None:
    def ask(address: str) -> str:
        raise failing(f"E-{address.upper()}")

    with pytest.raises(Failure) as caught:
        made(tmp_path, "a", "b").first_answer(ask, source="c")
    assert caught.value.code == "E-C"
    assert caught.value.what == "it is E-C; the other 2 configured address(es) failed too"
    with pytest.raises(Failure) as caught:
        made(tmp_path, "a").first_answer(ask)
    assert caught.value.what == "it is E-A"
    with pytest.raises(ValueError, match="no address"):
        made(tmp_path).first_answer(ask)


def test_what_a_store_lacks(server: GitServer, xen: XenProject, tmp_path: Path) -> None:
    url, tip = server.url("xen.git"), xen.tip("stable-4.20")
    stores = made(tmp_path, url)
    store = stores.path("some.git")
    other = xen.commits["RELEASE-4.20.0"]
    assert stores.lacking(store, [tip, other, tip], "commit") == [tip, other]
    assert stores.fetch(store, url, REF, tip, (NO_HISTORY, NO_TREES)) == url
    assert stores.lacking(store, [other, tip, other], "commit") == [other]
    assert stores.lacking(store, [tip], "blob") == [tip]
    assert stores.lacking(store, [], "commit") == []
    assert stores.has(store, tip, "commit")
    assert not stores.has(store, other, "commit")


def test_a_ref_that_is_not_what_was_listed_is_refused(server: GitServer, tmp_path: Path) -> None:
    url = server.url("xen.git")
    stores = made(tmp_path, url)
    for ref, code in ((REF, "E-TAG-MISSING"), ("refs/tags/RELEASE-4.20.0", "E-TAG-MISMATCH")):
        with pytest.raises(Refusal) as caught:
            stores.fetch(stores.path("some.git"), url, ref, "1" * 40, (NO_HISTORY,))
        assert (caught.value.code, caught.value.where) == (code, url)


def test_several_tips_come_in_one_conversation(server: GitServer, xen: XenProject, tmp_path: Path) -> None:
    url = server.url("xen.git")
    stores = made(tmp_path, url)
    tips = {REF: xen.tip("stable-4.20"), "refs/tags/4.20.0-branched": xen.commits["4.20.0-branched"]}
    stores.fetch_tips(stores.path("some.git"), url, tips, (NO_HISTORY, NO_TREES))
    assert stores.lacking(stores.path("some.git"), tips.values(), "commit") == []
    assert sum("info/refs" in one.path for one in server.requests) == 1
