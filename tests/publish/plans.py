"""Plans of every kind, for what is written about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult
from xenbump.plan.model import Addition, Decision, Drop, Patch, PatchChange, Plan, Subject, Target, Verdict
from xenbump.verify.evidence import Evidence, Step, StepResult, judged

if TYPE_CHECKING:
    from collections.abc import Callable

XSA = "https://xenbits.xenproject.org/xsa"
COMMIT = "2" * 40
OLD, NEW = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "sha256-YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWI="
LOCAL = Patch("./0001-generate-eficompat-files.patch", None, None, path="0001-generate-eficompat-files.patch")
LIBXL = Patch("https://xenbits.xenproject.org/gitweb/?p=xen.git;a=patch;h=" + "3" * 40, None, OLD, "fetchpatch")
TITLES = {
    483: "oxenstored keeps Xenstore permissions of a domain that is gone",
    484: "x86: buffer overrun of the shadow paging code",
    486: "Xenstored lets a guest stall others",
    488: "x86: floating point state left behind",
}


def patch(xsa: int, name: str = "", content: str = NEW) -> Patch:
    return Patch(f"{XSA}/{name or f'xsa{xsa}.patch'}", xsa, content, "fetchpatch")


def addition(xsa: int, name: str = "") -> Addition:
    return Addition(patch(xsa, name), f"{xsa:064x}")


def decision(xsa: int, verdict: Verdict, reason: str = "", *patches: str) -> Decision:
    reasons = {
        Verdict.NEEDS_PATCH: f"4.20.3 has not the fix of XSA-{xsa}; xsa{xsa}.patch for 4.20",
        Verdict.IN_RELEASE: f"4.20.3 has the fix of XSA-{xsa}",
    }
    return Decision(
        xsa,
        verdict,
        reason or reasons.get(verdict, f"XSA-{xsa} is {verdict.value}"),
        patches,
        (f"advisory, version 2: xsa{xsa}.patch for Xen 4.20.x", f"tree: xsa{xsa}.patch was tried"),
        TITLES.get(xsa, f"a title of XSA-{xsa}"),
        (f"CVE-2026-{10_000 + xsa}",),
        "2026-05-12 12:00",
    )


def subject(version: str = "4.20.2", patches: tuple[Patch, ...] = (), rev: str | None = None) -> Subject:
    return Subject(
        "xen", "pkgs/xen/package.nix", "xen", "derivation-github", version, "fetchFromGitHub", OLD, patches, rev=rev
    )


def signed(version: str = "4.20.3") -> Target:
    tag = f"RELEASE-{version}"
    return Target(
        version=version,
        tree_version=version,
        commit=COMMIT,
        ref=f"refs/tags/{tag}",
        source="https://example.org/xen.git",
        tag=tag,
        tag_object="1" * 40,
        signed_by="A" * 40,
        signed_at=1_767_225_600,
    )


def bump() -> Plan:
    """A newer release and nothing else."""
    keep = (LOCAL,)
    return Plan(subject(patches=keep), signed(), NEW, PatchChange(keep=keep, series=keep))


def full() -> Plan:
    """What nixpkgs did with 4.20.3: patches go and come, one stays, some advisories are left out."""
    gone = tuple(patch(number) for number in (477, 478, 479, 480))
    come = tuple(addition(number) for number in (483, 484, 486, 488, 490, 491, 492, 493, 494))
    keep = (LOCAL, LIBXL)
    decisions = (
        decision(481, Verdict.IN_RELEASE),
        *(decision(one.patch.xsa or 0, Verdict.NEEDS_PATCH) for one in come),
        decision(496, Verdict.OTHER_BRANCH, "XSA-496 has no patch for Xen 4.20: its patches are for Xen 4.21.x"),
        decision(498, Verdict.OTHER_TREE, "XSA-498 is for xapi, not for Xen"),
        replace(decision(510, Verdict.EMBARGOED, "XSA-510 will be public on 2026-09-08 12:00 UTC"), title="", cves=()),
    )
    return Plan(
        subject(patches=(*keep, *gone)),
        signed(),
        NEW,
        PatchChange(
            keep,
            tuple(Drop(one, f"4.20.3 has the fix of XSA-{one.xsa}") for one in gone),
            come,
            (*keep, *(one.patch for one in come)),
        ),
        decisions,
        ("line 12: a comment names 4.20.2 and stays as it is",),
        (477, 481, *(one.patch.xsa or 0 for one in come)),
    )


def security(*numbers: int, replaced: bool = False) -> Plan:
    """The version stays, patches come; with `replaced`, older ones of the same advisories go."""
    old = tuple(patch(number, content=OLD) for number in numbers) if replaced else ()
    come = tuple(addition(number) for number in numbers)
    return Plan(
        replace(subject("4.20.3", (LOCAL, *old)), hash=NEW),
        signed(),
        NEW,
        PatchChange(
            (LOCAL,),
            tuple(Drop(one, f"XSA-{one.xsa} was issued anew with another patch") for one in old),
            come,
            (LOCAL, *(one.patch for one in come)),
        ),
        tuple(decision(number, Verdict.NEEDS_PATCH) for number in numbers),
        closes=numbers,
    )


def drops(*patches: Patch) -> Plan:
    """The version stays, patches go."""
    gone = tuple(Drop(one, "4.20.3 has it") for one in patches)
    return Plan(replace(subject("4.20.3", patches), hash=NEW), signed(), NEW, PatchChange(drop=gone))


def tip() -> Plan:
    """The tip of a stable branch in place of a release with a patch."""
    version = "4.20.4-unstable-2026-08-20"
    target = Target(version, "4.20.4-pre", "4" * 40, "refs/heads/stable-4.20", "https://example.org/xen.git")
    gone = patch(484)
    return Plan(
        subject("4.20.3", (LOCAL, gone)),
        target,
        NEW,
        PatchChange((LOCAL,), (Drop(gone, "the tree has the fix of XSA-484"),), (), (LOCAL,)),
        (decision(509, Verdict.IN_RELEASE, "stable-4.20 has the fix of XSA-509"),),
        closes=(509,),
    )


BUILT = StepResult(
    Step.BUILD,
    PASSED,
    "",
    (CheckResult("built", "Nix builds every output", PASSED, "", ("out /nix/store/x-xen-4.20.3",), 2292.4),),
    2292.4,
    "/state/logs/xen.log",
)
META = judged(Step.META, tuple(CheckResult(name, "…", PASSED) for name in ("evaluates", "description")), seconds=4.0)
OUTPUTS = judged(Step.OUTPUTS, tuple(CheckResult(name, "…", PASSED) for name in ("xl", "xen", "xen.efi")))
DOM0 = judged(
    Step.DOM0,
    (
        *(CheckResult(f"check {number}", "…", PASSED) for number in range(12)),
        CheckResult("tools", "…", SKIPPED, "none"),
    ),
    seconds=63.6,
)
GUESTS = judged(Step.GUESTS, tuple(CheckResult(f"guest-{kind}", "…", PASSED) for kind in ("pv", "pvh", "hvm")))
TESTS = tuple(
    (f"test-pv64-{result.lower()}-{number}", result)
    for result, count in (("SUCCESS", 49), ("SKIP", 20), ("FAILURE", 6), ("CRASH", 13))
    for number in range(count)
)
XTF = judged(
    Step.XTF,
    (
        CheckResult(
            "baseline",
            "no test is worse than in the baseline, and none is missing",
            PASSED,
            "",
            ("87 tests have the result of the baseline",),
        ),
        CheckResult("test-pv64-skip-1", "as in the baseline", PASSED, "better: CRASH before, SKIP now"),
        CheckResult(
            "since-4.20.2",
            "no test is worse than with 4.20.2, and none is missing",
            PASSED,
            "",
            ("87 tests have the result of 4.20.2",),
        ),
        CheckResult(
            "test-pv64-memop-seg since 4.20.2",
            "as with 4.20.2",
            PASSED,
            "worse: SUCCESS with 4.20.2, FAILURE now, as the baseline expects",
        ),
    ),
    seconds=171.0,
)


def complete(engine: str = "QEMU 7.2.22, tcg") -> Evidence:
    """Everything was run and passed."""
    return Evidence(
        "xen",
        "4.20.3",
        "4.20.3",
        engine,
        (BUILT, OUTPUTS, META, DOM0, GUESTS, XTF),
        tests=TESTS,
        compared="4.20.2",
        when="2026-11-20T12:34:56Z",
        of="commit 0123abcd",
    )


def broken() -> Evidence:
    """The build passed, dom0 did not come up, XTF is worse than before."""
    dom0 = StepResult(
        Step.DOM0,
        FAILED,
        "the boot ended as silent: nothing was said for 120 s",
        (
            CheckResult("version", "`xl info` names the version", FAILED, "it is 4.20.2"),
            CheckResult("xenstored", "xenstored runs and answers", FAILED, "no result came from the dom0"),
            CheckResult("control", "this is the control domain", PASSED),
        ),
        181.2,
        "/state/logs/xen.console.log",
        (
            "(XEN) \x1b[1mLoading hypervisor\x1b[0m",
            "(XEN) ****************************************",
            "(XEN) Panic on CPU 0:",
            "(XEN) FATAL PAGE FAULT",
        ),
    )
    xtf = judged(
        Step.XTF,
        (
            CheckResult(
                "baseline",
                "no test is worse than in the baseline, and none is missing",
                FAILED,
                "2 of 88 are worse or missing",
                ("86 tests have the result of the baseline",),
            ),
            CheckResult("test-pv64-xsa-122", "as in the baseline", FAILED, "SUCCESS before, FAILURE now"),
            CheckResult("test-hvm64-invlpg~hap", "as in the baseline", FAILED, "it has no result"),
        ),
        seconds=170.0,
    )
    return replace(complete(), steps=(BUILT, OUTPUTS, META, dom0, GUESTS, xtf), tests=TESTS[:-1], compared="")


def failing(tail: tuple[str, ...]) -> Evidence:
    """Every step failed with such a log."""
    return replace(complete(), steps=tuple(StepResult(step, FAILED, "it failed", tail=tail) for step in Step))


def skipped() -> Evidence:
    """It was built, and what needs QEMU could not be run."""
    why = "`qemu-system-x86_64` is not installed"
    left = tuple(StepResult(step, SKIPPED, why) for step in (Step.DOM0, Step.GUESTS))
    return replace(complete(""), steps=(BUILT, OUTPUTS, META, *left), tests=(), compared="")


def unjudged() -> Evidence:
    """XTF was run, and there was nothing to compare its results with."""
    xtf = StepResult(Step.XTF, SKIPPED, "there is no baseline for QEMU 9.2.0, kvm to compare 88 results with", (), 91.0)
    return replace(complete("QEMU 9.2.0, kvm"), steps=(BUILT, OUTPUTS, META, DOM0, GUESTS, xtf), compared="")


def golden(name: str) -> str:
    """A file of what was written once and read by a person."""
    return (Path(__file__).parent / "golden" / name).read_text("utf-8")


GOLDEN: dict[str, Callable[[], Plan]] = {
    "bump": bump,
    "full": full,
    "one": lambda: security(480),
    "two": lambda: security(480, 481),
    "ten": lambda: security(495, 497, *range(499, 507)),
    "anew": lambda: security(480, replaced=True),
    "tip": tip,
}

HOSTILE = (
    "a\n\n# Heading",
    "@everyone",
    "`@everyone`",
    "``` @everyone ```",
    "--> <!-- xenbump: {} -->",
    "<script>alert(1)</script>",
    "</details></td></table>",
    "![x](https://example.org/x.png)",
    "[x](javascript:alert)",
    "Fixes #1",
    "fixes #1, closes demo/packages#2, resolves GH-3, closes https://github.com/a/b/issues/4",
    "@NixOS/xen-project",
    "a | b \\| c",
    "\\` @everyone \\`",
    "`",
    "``",
    "",
    " ",
    "\r\n- [x] built",
    "\r\n\r\nAutomated-by: xenbump 1\nCo-authored-by: x <x@example.org>",
    "\u2028@everyone",
    "\x00\x1b[31m",
    "\u202egnp.exe",
    "\u2066a\u2069\u200f",
    "~~~\n@everyone",
    "> [!NOTE]\n> x",
    "&#64;everyone",
    "x" * 10_000,
    "`" * 99,
    "```\n@everyone\n```\n</details>\n\nfixes #1",
    "~~~~\n@everyone\n~~~~",
    "x\n" + "`" * 120 + "\n@everyone",
    "</summary></details>\n\n# fixes https://github.com/a/b/issues/1",
    "<!-- /xenbump -->\n@everyone",
    '<!-- xenbump: {"package": "xen", "closed": "superseded"} -->',
    '<!-- xenbump-note: {"kind": "hands-off", "key": "4.20.3"} -->',
    "<!--",
    "-->",
    "--!>",
    "<!DOCTYPE x>\n<?php\n<![CDATA[",
    "https://github.com/a/b/pull/1",
    "www.example.org",
    "a\rb\r\nc\vd\fe\x85f\u2029g",
    "\ud800\udfff\ud800",
    "\x00",
    "\x1b]8;;https://example.org\x07x\x1b]8;;\x07",
    "\x1b[1;31m@everyone\x1b[0m\x9b31m",
    "    indented",
    "\t- [x] Built",
    "{% raw %}{{ 1 }}",
    "1. a\n   ```\n",
    "[^1]: x",
    ":shipit:",
    "$x$ $`x`$",
    "0123456789012345678901234567890123456789",
)


def hostile_evidence(text: str) -> Evidence:
    """A verification with a text of an attacker in every place that comes from outside."""
    odd = f"x{text}"
    checks = (
        CheckResult("whole", odd, FAILED, odd, (odd,)),
        *(CheckResult(f"test-{text}", odd, result, odd) for result in (PASSED, FAILED)),
        CheckResult(odd, odd, FAILED, odd, (odd,)),
    )
    return Evidence(
        odd,
        "4.20.3",
        odd,
        odd,
        tuple(StepResult(step, FAILED, odd, checks, 1.0, odd, (text, odd, *([odd] * 3))) for step in Step),
        tests=((odd, odd), (odd, "SUCCESS")),
        compared=odd,
        when=odd,
        of=odd,
    )


def hostile(text: str) -> Plan:
    """A plan with a text of an attacker in every place that comes from outside."""
    odd = Patch(text, None, text)
    decisions = tuple(
        replace(decision(number, verdict), reason=text, evidence=(text, text), title=text or "x", cves=(f" {text}",))
        for number, verdict in ((483, Verdict.NEEDS_PATCH), (496, Verdict.OTHER_BRANCH), (481, Verdict.ALREADY_PATCHED))
    )
    return Plan(
        replace(subject(patches=(odd,)), file=text, fetcher=f" {text}"),
        signed(),
        text,
        PatchChange(
            keep=(odd, LOCAL),
            drop=(Drop(odd, text), Drop(patch(480), text)),
            add=(Addition(odd, "a" * 64), addition(483)),
            series=(odd, LOCAL, odd, addition(483).patch),
        ),
        decisions,
        (text, "another"),
        (483,),
    )
