"""Texts for every way that the work on a package can end; diffs that git applies."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.publish import plans
from tests.report.outcomes import AFTER, BEFORE, EDITS, FILE, OPEN, OUTCOMES, PULL, RELEASE, SUBJECT, SUPPORT
from xenbump.errors import Failure, Refusal
from xenbump.outcomes import NeedsPatches, NewerRelease, Planned, Published, UpToDate
from xenbump.package.rewrite import Edit
from xenbump.plan.model import Verdict
from xenbump.report import text
from xenbump.upstream.support import Window

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("key", OUTCOMES)
def test_the_first_line_names_the_package_and_what_became_of_it(key: str) -> None:
    first, *more = text.outcome(OUTCOMES[key])
    assert first.startswith("xen: ")
    assert all(line.startswith("  ") for line in more)
    expected = {
        "up-to-date": "xen: 4.20.2 is up to date (pkgs/xen/package.nix)",
        "newer": "xen: 4.20.2 -> 4.20.3 is there (pkgs/xen/package.nix)",
        "needs-patch": "xen: 4.20.2: 2 advisories are open, and no newer release is there (pkgs/xen/package.nix)",
        "planned": "xen: 4.20.2 -> 4.20.3 is planned (pkgs/xen/package.nix)",
        "security": "xen: patch with XSA-480 and XSA-481 is planned (pkgs/xen/package.nix)",
        "tip": "xen: 4.20.3 -> 4.20.4-unstable-2026-08-20 is planned (pkgs/xen/package.nix)",
        "dry-run": "xen: 4.20.2 -> 4.20.3 is planned (pkgs/xen/package.nix)",
        "written": "xen: 4.20.2 -> 4.20.3 is written (pkgs/xen/package.nix)",
        "committed": "xen: 4.20.2 -> 4.20.3 is written and committed as cccccccccccc (pkgs/xen/package.nix)",
        "published": "xen: 4.20.2 -> 4.20.3: draft pull request 7 opened",
        "refused": "xen: refused: E-DIRTY: here: what\nthere is",
        "usage": "xen: usage: E-BASE: no base",
        "failed": "xen: failed: E-NETWORK: https://example.org: no network",
    }
    assert first == expected[key]


@pytest.mark.parametrize("key", ["planned", "written", "published"])
def test_what_a_plan_rests_on_is_told(key: str) -> None:
    told = "\n".join(text.outcome(OUTCOMES[key]))
    for fact in ("RELEASE-4.20.3", "2" * 40, "A" * 40, "https://example.org/xen.git", plans.NEW, "warning: line 12"):
        assert fact in told


def test_what_happens_to_patches_and_advisories_is_told() -> None:
    lines = text.outcome(OUTCOMES["planned"])[4:]
    assert lines.pop(0) == "  closes XSAs 477, 481, 483, 484, 486, 488, 490-494"
    assert lines[:4] == [f"  drop xsa{number}.patch: 4.20.3 has the fix of XSA-{number}" for number in range(477, 481)]
    assert lines[4:13] == [
        f"  add xsa{number}.patch (XSA-{number})" for number in (483, 484, 486, 488, *range(490, 495))
    ]
    assert lines[13:] == [
        "  2 patches stay",
        "  other-branch: XSA-496 has no patch for Xen 4.20: its patches are for Xen 4.21.x",
        "  other-tree: XSA-498 is for xapi, not for Xen",
        "  embargoed: XSA-510 will be public on 2026-09-08 12:00 UTC",
        "  warning: line 12: a comment names 4.20.2 and stays as it is",
    ]


def test_a_plan_for_the_same_version_tells_only_what_changes() -> None:
    assert text.outcome(OUTCOMES["security"])[1:] == [
        "  add xsa480.patch (XSA-480)",
        "  add xsa481.patch (XSA-481)",
        "  1 patch stays",
    ]
    corrected = replace(plans.security(), hash="sha256-x")
    assert text.outcome(Planned(corrected, EDITS)) == [
        f"xen: correct the source hash is planned ({FILE})",
        "  fetchFromGitHub hash sha256-x",
        "  1 patch stays",
    ]


def test_a_tip_is_signed_by_nobody_and_that_is_told() -> None:
    assert text.outcome(OUTCOMES["tip"])[1:] == [
        f"  commit {'4' * 40} of refs/heads/stable-4.20, which nobody has signed",
        "  fetched from https://example.org/xen.git",
        f"  fetchFromGitHub hash {plans.NEW}",
        "  closes XSA-509",
        "  drop xsa484.patch: the tree has the fix of XSA-484",
        "  1 patch stays",
    ]


def test_what_is_open_is_told_and_what_is_settled_is_not() -> None:
    needed = "  needs-patch: 4.20.3 has not the fix of XSA-484; xsa484.patch for 4.20"
    unsure = "  conflict: XSA-489 names 4.20 in 2 lines"
    assert text.outcome(OUTCOMES["needs-patch"])[1:] == [needed, unsure, "  warning: line 3: odd"]
    assert text.outcome(OUTCOMES["newer"])[3:] == [needed, unsure, "  warning: line 3: odd"]
    assert text.outcome(OUTCOMES["up-to-date"])[1:] == [unsure, "  warning: line 3: odd"]
    (first, *_) = text.outcome(NeedsPatches(SUBJECT, OPEN[:1]))
    assert first == f"xen: 4.20.2: an advisory is open, and no newer release is there ({FILE})"


SUPPORTED = "  4.20 is supported until 2028-03-05, with security fixes until 2030-03-05"
UNRELEASED = "Unreleased - not yet security-supported"


def test_how_long_the_branch_is_supported_is_told_right_after_what_there_is() -> None:
    for outcome, place in (
        (UpToDate(SUBJECT, OPEN, SUPPORT), 1),
        (NeedsPatches(SUBJECT, OPEN, SUPPORT), 1),
        (NewerRelease(SUBJECT, RELEASE, OPEN, SUPPORT), 2),
    ):
        lines = text.outcome(outcome)
        assert lines[place] == SUPPORTED
        assert text.outcome(replace(outcome, support=None)) == [line for line in lines if line != SUPPORTED]


@pytest.mark.parametrize(
    ("today", "line"),
    [
        (date(2028, 3, 5), SUPPORTED),
        (date(2028, 3, 6), "  4.20 gets security fixes until 2030-03-05; its full support ended on 2028-03-05"),
        (date(2030, 3, 5), "  4.20 gets security fixes until 2030-03-05; its full support ended on 2028-03-05"),
        (date(2030, 3, 6), "  warning: the security support of 4.20 ended on 2030-03-05"),
    ],
)
def test_the_last_day_is_one_of_support(today: date, line: str) -> None:
    assert text.outcome(UpToDate(SUBJECT, support=replace(SUPPORT, today=today)))[1] == line


def test_a_branch_with_days_that_are_not_set() -> None:
    later = SUPPORT.today + timedelta(days=1)
    for window, line in (
        (Window(security_until=later), f"  4.20 gets security fixes until {later}"),
        (Window(status=UNRELEASED), f"  the Xen Project says of the security support of 4.20: {UNRELEASED}"),
        (Window(status="a\x1b[2J"), "  the Xen Project says of the security support of 4.20: a\ufffd[2J"),
    ):
        assert text.outcome(UpToDate(SUBJECT, support=replace(SUPPORT, window=window)))[1] == line


def test_long_reasons_are_wrapped_and_words_from_outside_stay_words() -> None:
    odd = plans.decision(489, Verdict.CONFLICT, "word \x1b[2J\n\u202e" * 100)
    lines = text.outcome(UpToDate(replace(SUBJECT, warnings=("a\x1b[2J\nb",)), (odd,)))[1:]
    assert 2 < len(lines) < 9
    assert all(len(line) <= 120 for line in lines)
    assert all(char.isprintable() for line in lines for char in line)
    assert lines[-1] == "  warning: a\ufffd[2J b"
    assert all(line.startswith("    ") for line in lines[1:-1])


def test_a_pull_request_that_is_no_draft() -> None:
    outcome = OUTCOMES["published"]
    assert isinstance(outcome, Published)
    (first, url, branch, *_) = text.outcome(replace(outcome, pull=replace(PULL, draft=False), action="updated"))
    assert first.endswith(": pull request 7 updated")
    assert (url, branch) == ("  https://example.org/7", "  branch xenbump/xen-4.20")


def test_an_error_says_what_where_what_to_do_and_where_to_read_on() -> None:
    assert text.error(Refusal("E-DIRTY", "it is dirty", where="here", remedy="clean it")) == [
        "refused: E-DIRTY: here: it is dirty",
        "  what to do: clean it",
        "  more: xenbump explain E-DIRTY",
    ]
    assert text.error(Failure("E-DISK", "full")) == ["failed: E-DISK: full", "  more: xenbump explain E-DISK"]


@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_diff_is_one_that_git_applies(tmp_path: Path, ending: bytes, newline: bytes) -> None:
    before, after = ((b.rstrip(b"\n") + ending).replace(b"\n", newline) for b in (BEFORE, AFTER))
    shown = text.diff([Edit(FILE, before, after)])
    assert shown.startswith(f"--- a/{FILE}\n+++ b/{FILE}\n@@ ")
    file = tmp_path / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(before)
    argv = ["git", "apply", "--unidiff-zero", "-"]
    subprocess.run(argv, cwd=tmp_path, input=shown.encode(), check=True, capture_output=True)
    assert file.read_bytes() == after


def test_a_change_in_the_last_line_that_has_no_break(tmp_path: Path) -> None:
    shown = text.diff([Edit("x", b"a\nb", b"a\nc")])
    assert shown.count("\\ No newline at end of file\n") == 2
    (tmp_path / "x").write_bytes(b"a\nb")
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=shown.encode(), check=True, capture_output=True)
    assert (tmp_path / "x").read_bytes() == b"a\nc"


def test_only_a_line_break_breaks_a_line(tmp_path: Path) -> None:
    before, after = (f"a\x0cb\rc\u2028d\n{word}\n\x85e\n" for word in ("old", "new"))
    (tmp_path / "x").write_bytes(before.encode())
    shown = text.diff([Edit("x", before.encode(), after.encode())])
    assert "No newline" not in shown
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=shown.encode(), check=True, capture_output=True)
    assert (tmp_path / "x").read_bytes() == after.encode()


def test_no_change_is_no_diff() -> None:
    assert text.diff([Edit("x", b"a", b"a")]) == ""


def test_files_that_come_and_go_are_in_the_diff(tmp_path: Path) -> None:
    edits = [Edit("x", b"a\n", b"b\n"), Edit("new/y", None, b"c\n"), Edit("old/z", b"d\n", None)]
    (tmp_path / "old").mkdir()
    (tmp_path / "x").write_bytes(b"a\n")
    (tmp_path / "old/z").write_bytes(b"d\n")
    shown = text.diff(edits)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=shown.encode(), check=True, capture_output=True)
    assert {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == {
        "x": b"b\n",
        "new/y": b"c\n",
    }
