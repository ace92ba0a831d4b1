"""Overviews for the tests of reports: a small one with one of each kind, and one as large as they get."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from tests.support.advisories import real, resolutions
from xenbump.demo.advisory_text import build
from xenbump.dom0.report import CheckResult
from xenbump.plan.model import Decision, Verdict
from xenbump.report.view import Advisory, Branch, Exposed, Overview, Proof, Request
from xenbump.upstream.support import Window
from xenbump.verify.evidence import Evidence, Step, StepResult, judged

MADE = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&\u2028\u202e\x1b[31m"
TABLES = {
    478: [("xsa478.patch", "varstored master")],
    480: [("xsa480-4.20.patch", "Xen 4.20.x"), ("xsa480-4.21.patch", "Xen 4.21.x")],
    481: [("xsa481/xsa481-??.patch", "xen-unstable - Xen 4.20.x")],
    489: [("xsa489.patch", "Xen 4.21.x - Xen 4.20.x")],
    496: [("xsa496.patch", "xen-unstable - Xen 4.21.x")],
    499: [("xsa499.patch", "QEMU")],
    509: [("xsa509.patch", "xen-unstable - Xen 4.20.x")],
}
TITLES = {
    478: "varstored: TOCTOU issues with mapped guest memory",
    480: "x86: a title",
    481: 'x86/shadow: something <is> wrong & "quoted"',
    489: "x86: a conflict",
    496: "Arm: only new branches",
    499: "qemu: a device model",
    509: HOSTILE,
}
PUBLIC = {
    478: "2026-03-17 12:00",
    480: "2026-05-12 12:00",
    481: "2026-06-09 12:00",
    489: "2026-07-21 12:00",
    496: "2026-07-21 12:00",
    499: "2026-08-11 12:00",
    500: "2026-09-08 12:00",
    509: "2026-08-25 12:00",
}
CVES = {480: ("CVE-2026-11111",), 481: ("CVE-2026-22222", "CVE-2026-33333")}


def decision(number: int, verdict: Verdict, name: str) -> Decision:
    reason = f"{name} has {verdict.value} for XSA-{number}" + (f": {HOSTILE}" if number == 509 else "")
    patches = (f"xsa{number}.patch",) if verdict in {Verdict.NEEDS_PATCH, Verdict.CONFLICT} else ()
    evidence = (f"advisory, version 2: xsa{number}.patch", f"tree: asked for {name}")
    return Decision(number, verdict, reason, patches, evidence, TITLES.get(number, ""), CVES.get(number, ()),
                    PUBLIC.get(number, ""))  # fmt: skip


def decisions(name: str, **verdicts: Verdict) -> tuple[Decision, ...]:
    """Decisions on all numbers; `xN` names the verdict on N, the others are fixed."""
    given = {int(key[1:]): verdict for key, verdict in verdicts.items()}
    fixed = {478: Verdict.OTHER_TREE, 499: Verdict.OTHER_TREE, 500: Verdict.EMBARGOED, 501: Verdict.UNUSED, **given}
    return tuple(decision(number, fixed.get(number, Verdict.IN_RELEASE), name) for number in sorted({*TABLES, 500, 501})
                 )  # fmt: skip


def release(version: str, day: str, **verdicts: Verdict) -> Exposed:
    return Exposed(f"xen-{version}", version, f"RELEASE-{version}", version.rpartition(".")[0],
                   decisions(version, **verdicts), released=date.fromisoformat(day))  # fmt: skip


MISSING, CONFLICT, PATCHED = Verdict.NEEDS_PATCH, Verdict.CONFLICT, Verdict.ALREADY_PATCHED
OLD = Exposed(
    "xen-4.20", "4.20.2", "RELEASE-4.20.2", "4.20",
    decisions("4.20.2", x480=PATCHED, x481=MISSING, x489=CONFLICT, x496=Verdict.OTHER_BRANCH, x509=MISSING),
    attribute="xen_4_20", file="pkgs/xen/4.20.nix",
)  # fmt: skip
NEW = Exposed(
    "xen", "4.21.1", "RELEASE-4.21.1", "4.21", decisions("4.21.1", x489=CONFLICT, x496=PATCHED),
    attribute="xen", file="pkgs/xen/4.21.nix", decided=((489, "read by a person"),),
)  # fmt: skip
RELEASES = (
    release("4.20.1", "2026-04-01", x480=MISSING, x481=MISSING, x489=CONFLICT, x496=Verdict.OTHER_BRANCH, x509=MISSING),
    release("4.20.2", "2026-05-20", x480=MISSING, x481=MISSING, x489=CONFLICT, x496=Verdict.OTHER_BRANCH, x509=MISSING),
    release("4.20.3", "2026-08-01", x489=CONFLICT, x496=Verdict.OTHER_BRANCH, x509=MISSING),
    release("4.21.0", "2026-02-10", x480=MISSING, x481=MISSING, x489=CONFLICT, x496=MISSING, x509=MISSING),
    release("4.21.1", "2026-07-02", x489=CONFLICT, x496=MISSING),
)
OLDER = Evidence("xen-4.20", "4.20.1", "4.20.1", "QEMU 7.2.22, tcg",
                 (StepResult(Step.BUILD, "passed"), StepResult(Step.XTF, "passed")),
                 (("test-pv64-a", "SUCCESS"), ("test-pv64-b", "FAILURE"), ("test-pv64-c", "SUCCESS"),
                  ("test-pv64-gone", "SUCCESS")), when="2026-04-02T10:00:00+00:00")  # fmt: skip
CHECKS = (CheckResult("xl", "xl answers", "passed"), CheckResult("version", "the version", "passed"))
PROVED = Evidence(
    "xen-4.20", "4.20.2", "4.20.2", "QEMU 7.2.22, tcg",
    (StepResult(Step.BUILD, "passed", "", (), 312.4), judged(Step.DOM0, CHECKS, seconds=22.0),
     StepResult(Step.GUESTS, "skipped", "there is no <device> model"), StepResult(Step.XTF, "passed", "", (), 61.0)),
    (("test-pv64-a", "SUCCESS"), ("test-pv64-b", "SUCCESS"), ("test-pv64-c", "CRASH"), ("test-pv64-new", "SKIP")),
    compared="4.20.1", when="2026-05-21T10:00:00+00:00", of="the working tree",
)  # fmt: skip


def request(number: int, at: datetime, *closes: int, action: str = "opened", package: str = "xen-4.20") -> Request:
    url = f"https://github.example/NixOS/nixpkgs/pull/{number}"
    return Request(package, number, url, f"{package}: a change", action, at, closes)


REQUESTS = (
    request(7, datetime(2026, 5, 12, 13, 30, tzinfo=UTC), 480),
    request(8, datetime(2026, 8, 26, 6, 0, tzinfo=UTC), 509),
    request(8, datetime(2026, 8, 27, 6, 0, tzinfo=UTC), 509, 481, action="updated"),
    request(8, datetime(2026, 8, 28, 6, 0, tzinfo=UTC), 489, action="hands-off"),
)


def advisory(number: int) -> Advisory:
    lines = build(number, TABLES[number]).lines if number in TABLES and number != 489 else ()
    unread = "E-ADVISORY-RANGE: line 3: odd" if number == 489 else ""
    return Advisory(number, TITLES.get(number, ""), CVES.get(number, ()), PUBLIC.get(number, ""), lines, unread)


def window(initial: str, full: str, security: str) -> Window:
    return Window(date.fromisoformat(initial), date.fromisoformat(full), date.fromisoformat(security))


SMALL = Overview(
    MADE, "0.1.0", (OLD, NEW), RELEASES, tuple(advisory(number) for number in sorted({*TABLES, 500, 501})),
    (Branch("4.20", window("2025-03-05", "2026-08-05", "2028-03-05")),
     Branch("4.21", None, "how long Xen 4.21 is supported is not known: E-SUPPORT-FORM")),
    REQUESTS, (Proof(PROVED, OLDER), Proof(OLDER)),
)  # fmt: skip
GOOD = replace(SMALL, packages=(replace(NEW, decisions=decisions("4.21.1")),), requests=(), proofs=(), releases=())


class _Large:
    """Made-up decisions of full size: an advisory every ten days, each branch 260 days younger than the one before."""

    def __init__(self, advisories: int, branches: int) -> None:
        self.names = [f"4.{17 + place}" for place in range(branches)]
        self.texts = [real(fact) for fact in resolutions()]
        first = MADE - timedelta(days=10 * advisories)
        self.days = {number: first + timedelta(days=10 * number) for number in range(1, advisories + 1)}

    def begun(self, place: int) -> datetime:
        return MADE - timedelta(days=260 * (len(self.names) - place))

    def judge(self, place: int, version: str, day: datetime, *, listed: bool) -> tuple[Decision, ...]:
        return tuple(self._decide(number, version, place, day, listed=listed) for number in self.days)

    def _decide(self, number: int, name: str, place: int, day: datetime, *, listed: bool) -> Decision:
        text, branch, own = self.texts[number % len(self.texts)], self.names[place], f"XSA-{number}"
        line = text.lines[0]
        verdict, reason = Verdict.IN_RELEASE, f"{name} has the fix of {own}: it was there when branch {branch} was cut"
        if number % 9 == 4:
            verdict, reason = Verdict.OTHER_TREE, f"{own} is for {line.range.text}, not for Xen"
        elif self.days[number] > self.begun(place) - timedelta(days=400) and number % 7 == 3:
            verdict = Verdict.OTHER_BRANCH
            reason = f"{own} has no patch for Xen {branch}: its patches are for {line.range.text}"
        elif self.days[number] > day:
            verdict = PATCHED if listed and number % 20 else MISSING
            reason = f"{name} has not the fix of {own}; xsa{number}/xsa{number}-{branch}.patch for {branch}"
        evidence = (
            f"advisory, version {text.version}: {line.glob} for {line.range.text}",
            f"git: a commit in the history of {name} says that it is {own}, or a part of it",
        )
        public = f"{self.days[number]:%Y-%m-%d} 12:00"
        patches = (f"xsa{number}.patch",)
        return Decision(number, verdict, reason, patches, evidence, f"{text.title} ({number})", text.cves, public)


def large(*, advisories: int = 509, branches: int = 6, each: int = 10) -> Overview:
    """A made-up overview as large as they get."""
    made = _Large(advisories, branches)
    releases, packages, shown = [], [], []
    for place, name in enumerate(made.names):
        begun = made.begun(place)
        for count in range(each):
            day = begun + timedelta(days=26 * count * (branches - place))
            version, tag = f"{name}.{count}", f"RELEASE-{name}.{count}"
            decided = made.judge(place, version, day, listed=False)
            releases.append(Exposed(f"xen-{version}", version, tag, name, decided, released=day.date()))
        decided, file = made.judge(place, version, day, listed=True), f"nix/xen/{name}/default.nix"
        packages.append(Exposed(f"xen-{name}", version, tag, name, decided, attribute=f"xen_{place}", file=file))
        first = begun.date()
        shown.append(Branch(name, Window(first, first + timedelta(days=1096), first + timedelta(days=1826))))
    known = tuple(
        Advisory(one.xsa, one.title, one.cves, one.public, made.texts[one.xsa % len(made.texts)].lines)
        for one in packages[0].decisions
    )
    return Overview(MADE, "0.1.0", tuple(packages), tuple(releases), known, tuple(shown), REQUESTS, SMALL.proofs)
