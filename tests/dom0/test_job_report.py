"""What goes in and out of a dom0: jobs and reports as JSON, and messages put together in any order."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dom0.support import NONCE
from xenbump.dom0 import job as jobs
from xenbump.dom0 import report as reports
from xenbump.dom0.job import Job, Xtf
from xenbump.dom0.report import CheckResult, Collector, Report, XtfReport, XtfResult

MESSAGES: tuple[dict[str, Any], ...] = (
    {"kind": "start", "checks": [{"name": "a", "requirement": "A."}, {"name": "b", "requirement": "B."}], "xtf": True},
    {"kind": "check", **asdict(CheckResult("a", "A.", "passed", "well", ("line",), 0.5))},
    {"kind": "check", **asdict(CheckResult("b", "B.", "skipped", "no systemd"))},
    {"kind": "test", **asdict(XtfResult("test-pv64-xsa-7", "SUCCESS", 0.6))},
    {"kind": "tests", "names": ["test-pv64-xsa-7"], "error": "", "seconds": 0.7},
    {"kind": "done", "error": "", "seconds": 2.5},
)

seconds = st.floats(min_value=0.001, max_value=1e6)
xtfs = st.builds(
    Xtf,
    folder=st.text(max_size=20),
    environments=st.lists(st.text(max_size=6), max_size=3).map(tuple),
    tests=st.lists(st.text(max_size=6), max_size=3).map(tuple),
    pvh=st.booleans(),
    test_seconds=seconds,
    seconds=seconds,
)
all_jobs = st.builds(
    Job,
    nonce=st.from_regex(r"[A-Za-z0-9]{16,40}", fullmatch=True),
    version=st.from_regex(r"4\.[0-9]{1,2}\.[0-9]", fullmatch=True),
    checks=st.lists(st.text(max_size=6), max_size=3).map(tuple),
    guests=st.lists(st.sampled_from(jobs.GUESTS), max_size=3).map(tuple),
    xtf=st.none() | xtfs,
    memory=st.integers(0, 1 << 20),
    guest_kernel=st.text(max_size=20),
    seconds=seconds,
    heartbeat_seconds=seconds,
)


@settings(max_examples=50)
@given(all_jobs)
def test_a_job_comes_back_from_json(job: Job) -> None:
    assert jobs.from_json(job.to_json()) == job


def test_what_a_job_does_not_say_has_a_value() -> None:
    job = jobs.from_json(json.dumps({"nonce": NONCE, "version": "4.20.2"}))
    assert job == Job(nonce=NONCE, version="4.20.2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nonce": None}, "`nonce` is missing"),
        ({"nonce": "short"}, "`nonce`: 16 to 128"),
        ({"nonce": "0123456789abcde "}, "`nonce`: 16 to 128"),
        ({"version": 4.2}, "`version`: a text was expected, not 4.2"),
        ({"version": "4"}, "`4` is no version of Xen"),
        ({"checks": "all"}, "`checks`: a list was expected, not a text"),
        ({"checks": [1]}, "`checks`: a list of texts was expected, not 1"),
        ({"guests": ["vm"]}, "`vm` is none of pv, pvh, hvm"),
        ({"memory": 1.5}, "`memory`: a whole number"),
        ({"memory": True}, "`memory`: a whole number"),
        ({"memory": -1}, "`memory`: a whole number"),
        ({"seconds": 0}, "`seconds`: more than 0 seconds"),
        ({"seconds": float("nan")}, "`seconds`: a number"),
        ({"check_seconds": "5"}, "`check_seconds`: a number"),
        ({"guest_kernal": "/k"}, "`guest_kernal` is not known here"),
        ({"xtf": []}, "`xtf`: an object was expected, not a list"),
        ({"xtf": {}}, "`folder` is missing"),
        ({"xtf": {"folder": "/x", "pvh": 1}}, "`pvh`: true or false"),
        ({"xtf": {"folder": "/x", "test_seconds": 0}}, "`xtf.test_seconds`: more than 0"),
        ({"xtf": {"folder": "/x", "limit": 0}}, "`xtf`: `limit` is not known here"),
    ],
)
def test_a_job_that_is_wrong_is_named(change: dict[str, Any], said: str) -> None:
    document = {"nonce": NONCE, "version": "4.20.2"} | change
    with pytest.raises(ValueError, match=said):
        jobs.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", b"\xff", "[" * 100_000])
def test_what_is_no_json_object_is_no_job(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says it in its own words
        jobs.from_json(text)


def collected(*messages: dict[str, Any]) -> Report:
    collector = Collector()
    for message in messages:
        collector.add(message)
    return collector.report()


def test_messages_make_the_same_report_in_any_order() -> None:
    expected = Report(
        checks=(
            CheckResult("a", "A.", "passed", "well", ("line",), 0.5),
            CheckResult("b", "B.", "skipped", "no systemd"),
        ),
        xtf=XtfReport((XtfResult("test-pv64-xsa-7", "SUCCESS", 0.6),), "", 0.7),
        started=True,
        finished=True,
        seconds=2.5,
    )
    assert expected.passed
    for order in permutations(MESSAGES):
        assert collected(*order) == expected
    assert collected(*MESSAGES, *MESSAGES) == expected


@pytest.mark.parametrize("lost", range(len(MESSAGES)))
def test_a_message_that_is_lost_leaves_the_report_unfinished(lost: int) -> None:
    report = collected(*MESSAGES[:lost], *MESSAGES[lost + 1 :], {"kind": "beat"})
    assert not report.finished
    assert not report.passed


def test_an_announced_check_without_a_result_is_failed() -> None:
    report = collected(MESSAGES[0], MESSAGES[1], MESSAGES[5])
    assert [(check.name, check.result) for check in report.checks] == [("a", "passed"), ("b", "failed")]
    assert report.checks[1].reason == "no result came from the dom0"
    assert report.missing == ("b", "xtf")
    assert report.xtf == XtfReport(error="no result came from the dom0")


def test_the_first_result_of_a_name_stands() -> None:
    other = {**MESSAGES[1], "result": "failed"}
    assert collected(*MESSAGES, other).checks[0].result == "passed"
    assert collected(other, *MESSAGES).checks[0].result == "failed"
    worse = {**MESSAGES[3], "result": "CRASH"}
    assert collected(*MESSAGES, worse).xtf == collected(*MESSAGES).xtf


def test_nothing_is_no_success() -> None:
    assert collected() == Report()
    assert not collected().passed
    assert not collected({"kind": "start", "checks": []}, {"kind": "done"}).passed


def test_the_agents_own_complaint_fails_the_report() -> None:
    done = {"kind": "done", "error": "ValueError: no such check"}
    report = collected({**MESSAGES[0], "xtf": False}, *MESSAGES[1:3], done)
    assert report.finished
    assert not report.passed
    assert report.error == "ValueError: no such check"


def test_only_skipped_checks_are_no_success() -> None:
    start = {"kind": "start", "checks": [{"name": "b", "requirement": "B."}]}
    assert not collected(start, MESSAGES[2], MESSAGES[5]).passed


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"kind": 1},
        {"kind": "other"},
        {"kind": "check"},
        {"kind": "check", "name": "a", "requirement": "A.", "result": "well"},
        {"kind": "test", "name": "a", "result": "passed"},
        {"kind": "start", "checks": ["a"]},
        {"kind": "start", "checks": [{"name": "a"}]},
        {"kind": "done", "seconds": -1},
        {"kind": "tests", "names": 3},
    ],
)
def test_what_is_no_message_is_refused(message: dict[str, Any]) -> None:
    collector = Collector()
    with pytest.raises(ValueError, match=r"`|announced"):
        collector.add(message)


def test_a_report_comes_back_from_json() -> None:
    report = replace(collected(*MESSAGES), error="said", missing=("c",))
    assert reports.from_document(json.loads(json.dumps(report.to_document()))) == report
    assert reports.from_document(json.loads(json.dumps(Report().to_document()))) == Report()
