"""What an issue says of a candidate that was tried: title, Markdown, and the facts by which it is known again. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xenbump import __version__
from xenbump.publish.markup import block, code, plain
from xenbump.trying import mail, report

if TYPE_CHECKING:
    from xenbump.trying.candidates import Candidate
    from xenbump.trying.report import Told

_KIND: Final = "candidate"
# GitHub takes 65536 characters; the rest is for what stands around.
_MOST: Final = 60_000
_LINES: Final = 4000


def which(package: str, candidate: Candidate) -> dict[str, str]:
    """The facts that tell the issue on a candidate from all others of a repository."""
    return {"kind": _KIND, "package": package, "candidate": candidate.tag}


def facts(package: str, candidate: Candidate, told: Told) -> dict[str, str]:
    """All facts of that issue: with the tag object that was tried, and what came out."""
    result = "passed" if told.verdict.passed else "failed"
    return {**which(package, candidate), "object": candidate.tag_object, "result": result}


def is_done(known: dict[str, str], candidate: Candidate) -> str:
    """What came out of the trial that an issue's facts tell of; empty where they tell of none, or of another tag."""
    result = known.get("result", "")
    return result if known.get("object") == candidate.tag_object and result in {"passed", "failed"} else ""


def title(told: Told) -> str:
    """The title: it says at once where a candidate failed."""
    return f"Xen {plain(told.verdict.rev)}: {report.outcome(told.verdict)}"


def body(told: Told, operator: str) -> str:
    """The body without markers, in GitHub's Markdown; all from outside stands in code.

    Args:
        told: what the report says.
        operator: who runs this, a login; empty: nobody is named.
    """
    verdict = told.verdict
    said = f"The release candidate {code(verdict.rev)} of Xen was tried: **{report.outcome(verdict)}**."
    who = f", run by {code(operator)}" if operator else ""
    return "\n\n".join(
        [
            said,
            code(report.summary(told)),
            f"Its tag is signed: {code(told.signed.words)}. Nothing is changed for it: it is no release.",
            "The report, as it can be mailed to xen-devel:",
            _quoted(mail.mail(told)),
            f"Written by xenbump {__version__}{who}. Where this issue is closed, it stays closed.",
        ]
    )


def _quoted(text: str) -> str:
    lines = text.rstrip("\n").split("\n")
    kept: list[str] = []
    left = _MOST
    for line in lines:
        left -= len(line.encode()) + 1
        if left < 0:
            kept.append("(the rest has no room here)")
            break
        kept.append(line)
    return block(kept, _LINES, 2 * mail.WIDTH)
