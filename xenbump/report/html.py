"""A report as one page: no network, no other file, nothing in it that text from outside could turn into a script.

The page's style and script are allowed by their digests and nothing else is (Content Security Policy, level 3, section
6.6): not a script in an attribute, no frame, no request. What came from outside is escaped by the template, and in the
page's data by JSON without `<`, `>`, `&`.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from xenbump.dom0.report import PASSED, SKIPPED, TEST_RESULTS
from xenbump.publish import links
from xenbump.publish.markup import clipped, plain
from xenbump.report import packed, timeline, view
from xenbump.report.packed import SIGNS, WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from markupsafe import Markup

    from xenbump.report.view import Exposed, Overview, Proof

_LONGEST = 600
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_DAY_HOURS = 48


@dataclass(frozen=True, slots=True)
class Tests:
    """The results of XTF side by side: those that differ or are not good, all of them, and counts by result."""

    old: str
    differ: tuple[tuple[str, str, str], ...]
    all: tuple[tuple[str, str, str], ...]
    counts: tuple[tuple[str, int, int], ...]


def page(overview: Overview) -> str:
    """The page."""
    environment = _environment()
    style, script = _source(environment, "report.css"), _source(environment, "report.js")
    return environment.get_template("report.html.j2").render(
        policy=f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)};"
        " base-uri 'none'; form-action 'none'",
        style=_markup(style),
        script=_markup(script),
        data=_markup(embedded(packed.pack(overview))),
        overview=overview,
        figures=view.figures(overview),
        packages=[_package(overview, one) for one in overview.packages],
        waits=view.waits(overview),
        proofs=[(one.evidence, one.older, tests(one)) for one in overview.proofs],
        picture=timeline.picture(overview),
        place=timeline,
        legend=[(SIGNS[verdict], words) for verdict, words in WORDS.items() if SIGNS[verdict].strip()],
    )


def embedded(value: Any) -> str:
    """JSON that may stand in a script element: nothing in it can end that or begin another."""
    return msgspec.json.encode(value).decode("utf-8").translate(_ESCAPES)


def tests(proof: Proof) -> Tests | None:
    """The results of XTF of a verification beside those that they were compared with; None where there are none."""
    new = dict(proof.evidence.tests)
    old = dict(proof.older.tests) if proof.older is not None else {}
    if not new:
        return None
    rows = tuple((name, old.get(name, ""), new.get(name, "")) for name in sorted({*new, *old}))
    differ = tuple(row for row in rows if (old and row[1] != row[2]) or row[2] not in {"SUCCESS", "SKIP"})
    counted = {result: (_count(old, result), _count(new, result)) for result in TEST_RESULTS}
    counts = tuple((result, *both) for result, both in counted.items() if any(both))
    return Tests(proof.older.version if proof.older is not None else "", differ, rows, counts)


def _count(results: Mapping[str, str], wanted: str) -> int:
    return sum(result == wanted for result in results.values())


def _package(overview: Overview, one: Exposed) -> dict[str, Any]:
    counts = view.counts(one)
    found = view.lacks(overview, one)
    branch = next((branch for branch in overview.branches if branch.name == one.branch), None)
    proof = next((proof.evidence for proof in overview.proofs if proof.evidence.package == one.name), None)
    return {
        "one": one,
        "lacks": found,
        "missing": sum(lack.decision.verdict.value == "needs-patch" for lack in found),
        "uncertain": sum(lack.decision.verdict.value == "conflict" for lack in found),
        "counts": [(words, counts[verdict]) for verdict, words in WORDS.items() if counts[verdict]],
        "patched": next((counts[verdict] for verdict in WORDS if verdict.value == "already-patched"), 0),
        "longest": max((lack.days for lack in found if lack.days is not None), default=None),
        "window": branch.window if branch is not None else None,
        "ended": branch is not None and branch.window is not None and branch.window.ended(overview.made.date()),
        "note": branch.note if branch is not None else "",
        "proof": proof,
    }


def _span(hours: float) -> str:
    """A time in hours, and in days where it is longer than two."""
    return f"{hours:.0f} h" if hours < _DAY_HOURS else f"{hours / 24:.0f} days"


def _digest(source: str) -> str:
    """What the policy allows a style or script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _source(environment: Environment, name: str) -> str:
    """A style or script as it lies beside the template; the line break at its end belongs to the page."""
    loader: Any = environment.loader
    source: str = loader.get_source(environment, name)[0]
    return source.strip()


def _markup(text: str) -> Markup:
    from markupsafe import Markup  # noqa: PLC0415 - as in `_environment`

    return Markup(text)  # noqa: S704 - our own files, and JSON from `embedded`


def _tidy(value: Any) -> Any:
    """What is filled in: text on one line without characters that could turn it round; an empty day as a dash."""
    if value is None:
        return "\u2013"
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return clipped(plain(value), _LONGEST)
    return value.isoformat() if isinstance(value, date) else value


@cache
def _environment() -> Environment:
    # Imported here: what writes no page does not need it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    made = Environment(
        loader=PackageLoader("xenbump.report"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_tidy,
    )
    made.globals.update(
        advisory=links.advisory, address=packed.address, how=view.how, span=_span, passed=PASSED, skipped=SKIPPED
    )
    return made
