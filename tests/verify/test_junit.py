"""JUnit's XML: the driver's forms, the Ant form of others, and what is refused."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.test_verification import EVIDENCE
from xenbump.report import verification
from xenbump.verify import junit

# Written after the driver's own code (nixos/lib/test-driver in nixpkgs): the form since 2024, and that of August 2026.
DRIVER = Path(__file__).parent / "driver"
ANT = """<testsuite name="xen"><properties><property name="a" value="b"/></properties>{}</testsuite>"""


def results(data: bytes) -> list[tuple[str, str, str]]:
    return [(one.name, one.result, one.reason) for one in junit.read(data)]


def of(text: str) -> list[tuple[str, str, str]]:
    return results(ANT.format(text).encode())


def test_the_form_of_the_driver_since_2024() -> None:
    checks = junit.read((DRIVER / "junit-2024.xml").read_bytes())
    assert [(one.name, one.result) for one in checks] == [
        ("main", "passed"),
        ("dom0 boots", "passed"),
        ("xl info names the version", "passed"),
        ("guest-pv", "failed"),
    ]
    assert checks[0].requirement == "what is outside of the subtests succeeds"
    assert checks[1].requirement == "the subtest `dom0 boots` succeeds"
    # The message only says that it failed; why stands in what was said.
    assert checks[3].reason.startswith("command `grep -F xenbump-guest /var/log/xen/")
    assert checks[3].reason.endswith("` failed (exit code 1)")
    assert checks[3].evidence[0] == "must succeed: xl create -F /etc/guests/pv.cfg"
    assert checks[1].evidence == ()


def test_the_form_of_the_driver_of_2026() -> None:
    checks = junit.read((DRIVER / "junit-2026.xml").read_bytes())
    assert [(one.name, one.result, one.seconds) for one in checks] == [
        ("dom0 boots", "passed", 31.204),
        ("guest-pv", "passed", 20.001),
        ("guest-pvh", "failed", 10.002),
    ]
    assert checks[2].reason == "command `xl create -F /etc/guests/pvh.cfg` failed (exit code 3)"


def test_our_own_form_is_read_back() -> None:
    read = results(verification.junit([EVIDENCE]).encode())
    assert [one[:2] for one in read] == [
        ("xl", "passed"),
        ("xl", "passed"),
        ("version", "failed"),
        ("hvm", "skipped"),
        ("xtf", "skipped"),
    ]
    assert read[3][2] == "there is no device model"


def test_the_ways_in_which_a_case_can_end() -> None:
    assert of('<testcase name="a"/><testcase name="b"><error>no\n more</error></testcase>') == [
        ("a", "passed", ""),
        ("b", "failed", "no"),
    ]
    assert of('<testcase name="a"><skipped message="no KVM"/></testcase>') == [("a", "skipped", "no KVM")]
    assert of('<testcase name="a"><skipped/><failure/></testcase>') == [("a", "failed", "the report says no more")]
    assert of('<testcase classname="c"/>') == [("a test without a name", "passed", "")]


@pytest.mark.parametrize("time", ["", "x", "nan", "inf", "-1", "1e999"])
def test_a_time_that_is_none(time: str) -> None:
    (check,) = junit.read(ANT.format(f'<testcase name="a" time="{time}"/>').encode())
    assert check.seconds == 0.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not XML: no element found"),
        ("<testsuite><testcase name='a'/>", "not XML"),
        ("<testsuite/>", "no test case"),
        ("<html><testcase name='a'/></html>", "it begins with `html`"),
        ("<testcase name='a'/>", "it begins with `testcase`"),
        ("<?xml version='1.0' encoding='none'?><testsuite/>", "not XML: unknown encoding"),
        ("<testsuite><testcase name='&b;'/></testsuite>", "not XML: undefined entity"),
        (f"{'<testsuite>' * 60}", "more than 50 elements deep"),
        ("<testsuites>" + "<testcase name='a'/>" * 5001, "more than 5000 test cases"),
    ],
)
def test_what_is_no_report(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        junit.read(text.encode())


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_entities_are_not_expanded(doctype: str) -> None:
    with pytest.raises(ValueError, match="it has a DOCTYPE"):
        junit.read(f"{doctype}<testsuite><testcase name='a'><failure>&b;</failure></testcase></testsuite>".encode())


def test_a_limit_to_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "LARGEST", 1 << 20)
    with pytest.raises(ValueError, match="more than 1 MiB"):
        junit.read(b" " * ((1 << 20) + 1))


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn"]), min_size=1), st.text())
def test_names_and_reasons_are_one_line_without_control_characters(name: str, reason: str) -> None:
    reason = "".join(sign for sign in reason if sign.isprintable())
    (check,) = junit.read(
        ANT.format(f"<testcase name={quoteattr(name)}><failure message={quoteattr(reason)}/></testcase>").encode()
    )
    assert check.result == "failed"
    assert check.name
    assert check.reason
    assert not any(sign in check.name + check.reason for sign in "\n\r\x1b\x00")


@given(st.binary(max_size=200) | st.text(alphabet="<>/testsuitecase ='a!DOCTYPE[]&;\n").map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        checks = junit.read(b"<testsuite>" + data + b"</testsuite>")
    except ValueError:
        return
    assert checks
