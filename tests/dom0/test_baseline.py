"""Known results of XTF, and how others differ from them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenbump.dom0.baseline import Change, chosen, compare, expects, known, parse, split, within
from xenbump.dom0.job import Xtf
from xenbump.dom0.report import TEST_RESULTS
from xenbump.dom0.xtf import TCG_ENVIRONMENTS

results = st.dictionaries(
    st.from_regex(r"test-(pv64|hvm32pse)-xsa-[0-9]{1,3}", fullmatch=True), st.sampled_from(TEST_RESULTS), max_size=8
)


@pytest.mark.parametrize(
    ("engine", "results"),
    [
        ("qemu-tcg", {"SUCCESS": 54, "SKIP": 23, "FAILURE": 6, "CRASH": 5}),
        ("qemu-7-tcg", {"SUCCESS": 49, "SKIP": 20, "FAILURE": 6, "CRASH": 13}),
    ],
)
def test_the_baselines_of_tcg(engine: str, results: dict[str, int]) -> None:
    baseline = known(engine)
    assert baseline is not None
    assert Counter(baseline.values()) == results
    assert {split(name)[0] for name in baseline} == set(TCG_ENVIRONMENTS)
    assert set(baseline) == set(known("qemu-tcg") or ())


def test_an_engine_without_a_baseline() -> None:
    assert known("none") is None
    with pytest.raises(ValueError, match="no name of an engine"):
        known("../job")


def test_a_runners_summary_is_a_baseline() -> None:
    text = "Combined test results:\n\n# said\ntest-hvm32-invlpg~hap                    SUCCESS  # well\n"
    assert parse(text) == {"test-hvm32-invlpg~hap": "SUCCESS"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("test-pv64-xsa-7 GOOD", "line 1"),
        ("\ntest-pv64-xsa-7", "line 2"),
        ("test-pv96-xsa-7 SKIP", "line 1"),
        ("test-pv64-xsa-7 SKIP again", "line 1"),
        ("test-pv64-xsa-7 SKIP\ntest-pv64-xsa-7 SKIP", "line 2: `test-pv64-xsa-7` has a result already"),
    ],
)
def test_a_damaged_baseline_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_differences() -> None:
    before = {
        "test-pv64-a": "SUCCESS",
        "test-pv64-b": "SUCCESS",
        "test-pv64-c": "FAILURE",
        "test-pv64-d": "CRASH",
        "test-pv64-e": "SKIP",
        "test-pv64-f": "SUCCESS",
    }
    after = {
        "test-pv64-a": "SUCCESS",
        "test-pv64-b": "FAILURE",
        "test-pv64-c": "SUCCESS",
        "test-pv64-d": "HANG",
        "test-pv64-f": "SKIP",
        "test-pv64-g": "CRASH",
    }
    found = compare(before, after)
    assert found.same == 1
    assert found.worse == (
        Change("test-pv64-b", "SUCCESS", "FAILURE"),
        Change("test-pv64-d", "CRASH", "HANG"),
        Change("test-pv64-f", "SUCCESS", "SKIP"),
    )
    assert found.better == (Change("test-pv64-c", "FAILURE", "SUCCESS"),)
    assert found.missing == ("test-pv64-e",)
    assert found.extra == (("test-pv64-g", "CRASH"),)
    assert not found.passed


@pytest.mark.parametrize(
    ("after", "passed"),
    [
        ({"test-pv64-a": "FAILURE"}, True),
        ({"test-pv64-a": "SUCCESS", "test-pv64-b": "CRASH"}, True),
        ({"test-pv64-a": "CRASH"}, False),
        ({"test-pv64-a": "NEWWORD"}, False),
        ({}, False),
    ],
)
def test_what_passes(after: dict[str, str], *, passed: bool) -> None:
    assert compare({"test-pv64-a": "FAILURE"}, after).passed is passed


@settings(max_examples=40)
@given(results, results)
def test_each_test_is_in_one_place(before: dict[str, str], after: dict[str, str]) -> None:
    found = compare(before, after)
    names = [change.name for change in (*found.worse, *found.better)]
    names += [*found.missing, *(name for name, _ in found.extra)]
    assert len(names) == len(set(names))
    assert found.same + len(names) == len({*before, *after})
    assert compare(before, before).passed
    assert compare(before, before).same == len(before)
    # What is worse one way is better the other way.
    back = compare(after, before)
    assert {change.name for change in found.worse} == {change.name for change in back.better}
    text = "\n".join(f"{name:<40} {result}" for name, result in before.items())
    assert parse(text) == before


@pytest.mark.parametrize(
    ("environments", "tests", "is_chosen"),
    [
        ((), (), True),
        (("hvm32",), (), True),
        (("pv64",), (), False),
        ((), ("invlpg",), True),
        ((), ("invlpg~hap",), True),
        ((), ("test-hvm32-invlpg",), True),
        ((), ("test-hvm32-invlpg~hap",), True),
        ((), ("invlpg~shadow", "xsa-7"), False),
        (("pv64",), ("invlpg",), False),
    ],
)
def test_the_choice_of_tests(environments: tuple[str, ...], tests: tuple[str, ...], *, is_chosen: bool) -> None:
    choice = Xtf("/xtf", environments=environments, tests=tests)
    assert chosen("test-hvm32-invlpg~hap", choice) is is_chosen
    assert bool(within({"test-hvm32-invlpg~hap": "SKIP"}, choice)) is is_chosen


def test_what_is_no_name_of_a_test() -> None:
    assert split("test-hvm32pse-xsa-472-1~a") == ("hvm32pse", "xsa-472-1", "a")
    with pytest.raises(ValueError, match="is no test of XTF"):
        split("xsa-7")


def test_what_is_expected() -> None:
    expected = {"test-pv64-a": "FAILURE"}
    assert [expects(expected, "test-pv64-a", result) for result in ("SUCCESS", "FAILURE", "CRASH", "none")] == [
        True,
        True,
        False,
        False,
    ]
    assert not expects(expected, "test-pv64-b", "SUCCESS")
