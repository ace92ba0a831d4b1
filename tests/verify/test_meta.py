"""What packages say of themselves, evaluated by a real Nix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.verify import meta
from xenbump.verify.meta import Names, check, refusal
from xenbump.verify.nixstate import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.verify.nix import Buildable

    Wanted = Callable[..., Buildable]

NAMES = [
    "evaluates",
    "version",
    "meta.description",
    "meta.longDescription",
    "meta.branch",
    "meta.changelog",
    "meta.knownVulnerabilities",
]


def test_a_package_that_says_what_it_is(wanted: Wanted) -> None:
    results = check(wanted("xen"), "4.20.3", timeout=60)
    assert [(one.name, one.result, one.reason) for one in results] == [(name, "passed", "") for name in NAMES]
    by_name = {one.name: one for one in results}
    assert by_name["evaluates"].evidence[0].endswith("-xen-1.drv")
    assert by_name["evaluates"].seconds > 0
    assert by_name["meta.branch"].evidence == ("4.20",)
    assert by_name["meta.longDescription"].evidence == ("Xen 4.20.3 and `qemu_xen_4_20`.",)
    assert by_name["meta.changelog"].requirement.startswith("meta.changelog is an address that names 4.20 or 4.20.3")


def test_a_package_that_says_something_else(wanted: Wanted) -> None:
    results = {one.name: one for one in check(wanted("lying"), "4.20.3", timeout=60)}
    assert {name: one.reason for name, one in results.items() if one.result == "failed"} == {
        "version": "it is '4.20.2'",
        "meta.description": "it is not one line of text",
        "meta.longDescription": "it names 4.19",
        "meta.branch": "it is '4.19'",
        "meta.changelog": "it names neither 4.20 nor 4.20.3",
        "meta.knownVulnerabilities": "it is not empty",
    }
    assert results["meta.knownVulnerabilities"].evidence == ("XSA-401",)


def test_a_package_that_says_nothing(wanted: Wanted) -> None:
    results = {one.name: one for one in check(wanted("bare", nixpkgs=True), "4.20.3", timeout=60)}
    assert {name: one.result for name, one in results.items()} == {
        "evaluates": "passed",
        "version": "failed",
        "meta.description": "failed",
        "meta.longDescription": "skipped",
        "meta.branch": "skipped",
        "meta.changelog": "skipped",
        "meta.knownVulnerabilities": "passed",
    }
    assert results["meta.branch"].reason == "the package has none"


def test_one_text_that_cannot_be_evaluated_does_not_hide_the_others(wanted: Wanted) -> None:
    results = {one.name: one for one in check(wanted("aborting"), "4.20.3", timeout=60)}
    assert results["meta.branch"].result == results["version"].result == "passed"
    assert results["meta.description"].result == "failed"
    assert "no description" in results["meta.description"].reason
    assert results["meta.longDescription"].reason == "it cannot be evaluated: attribute 'nothing' missing"
    assert "default.nix:" in results["meta.longDescription"].evidence[0]


def test_a_package_that_nixpkgs_refuses(wanted: Wanted) -> None:
    results = {one.name: one for one in check(wanted("refused"), "4.15.0", timeout=60)}
    refused = results["evaluates"]
    assert refused.result == "failed"
    assert refused.reason.startswith("nixpkgs refuses it as insecure: Package \u2018xen-4.15.0\u2019 in ")
    assert refused.reason.endswith("is marked as insecure, refusing to evaluate.")
    assert results["version"].result == "passed"
    assert results["meta.knownVulnerabilities"].evidence == ("XSA-401",)


def test_a_package_that_is_not_there(wanted: Wanted) -> None:
    results = check(wanted("absent"), "4.20.3", timeout=60)
    assert [one.result for one in results] == ["failed"] * 7
    assert all("does not provide attribute" in one.reason for one in results)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (
            "Package \u2018x\u2019 in f:1 has an unfree license (\u2018x\u2019), refusing to evaluate.",
            "nixpkgs refuses it as unfree: ",
        ),
        ("Refusing to evaluate package 'x' in f:1 because it is marked as broken", "nixpkgs refuses it as broken: "),
        ("x is not available on the requested hostPlatform", "nixpkgs refuses it as not for this platform: "),
        ("Package x in f has odd sources, refusing to evaluate.", "nixpkgs refuses it as not allowed: "),
        ("undefined variable 'x'", "it cannot be evaluated: "),
    ],
)
def test_refusals(message: str, why: str) -> None:
    assert refusal(Problem(message)) == why + message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Xen 4.20", ["4.20"]),
        ("qemu_xen_4_19 and xen-4-20-3.html, RELEASE-4.20.2.", ["4.19", "4.20.3", "4.20.2"]),
        ("Xen_Project_4.20_Release_Notes", ["4.20"]),
        ("QEMU 9.2.0, GRUB 2.06, 14.20, 1.4.20, 2024-4-20, 4.200, 54_20", []),
        ("4.20.3-pre", ["4.20.3"]),
    ],
)
def test_versions_in_texts(text: str, named: list[str]) -> None:
    assert Names("4.20.3").named(text) == named


def test_the_numbers_of_a_version() -> None:
    tip = Names("4.19.3-unstable-2025-07-09")
    assert (tip.numbers, tip.branch) == ("4.19.3", "4.19")
    assert tip.others("Xen 4.19.3 of 4.19") == []
    assert tip.others("4.20") == ["4.20"]
    assert Names("master").numbers == "master"


def test_addresses() -> None:
    names = Names("4.20.3")
    assert meta._changelog(names, ["https://x/4.20", "https://x/y"]) == ("passed", "")
    assert meta._changelog(names, []) == meta._changelog(names, 3) == ("failed", "it is no address")
    assert meta._changelog(names, "https://x/4.20 b") == ("failed", "it is no address")
    assert meta._changelog(names, "https://x/4.20/4.19.1") == ("failed", "it names 4.19.1")
    assert meta._long_description(names, 3) == ("failed", "it is no text")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=6,
)


@given(JSON, st.sampled_from(NAMES[1:]))
def test_whatever_a_package_says_is_judged(value: object, name: str) -> None:
    result, reason = meta._ASKED[name][2](Names("4.20.3"), value)
    assert (result == "passed") == (not reason)
    assert all(len(line) <= 200 for line in meta._shown(value))
