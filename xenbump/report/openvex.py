"""An audit as an OpenVEX 0.2.0 document (openvex.dev/ns/v0.2.0): for each vulnerability and product a status and why.

A vulnerability is called by its CVE, with the number of the advisory as another name; by that number where it has no
CVE. Products are package URLs of the type `generic`, since there is none for Nix: a package has the repository as its
namespace and the release of Xen that it is made of as a subcomponent. What nobody can vouch for is
`under_investigation` and never `not_affected`.
"""

from __future__ import annotations

import hashlib
import string
from typing import TYPE_CHECKING, Literal

import msgspec

from xenbump.plan.model import Verdict
from xenbump.publish import links
from xenbump.publish.markup import plain
from xenbump.report import view
from xenbump.upstream import ranges, release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.plan.model import Decision
    from xenbump.report.view import Advisory, Exposed, Overview
    from xenbump.upstream.support import Window

CONTEXT = "https://openvex.dev/ns/v0.2.0"
# The specification leaves identifiers to the author; this is the root for documents that have no home of their own.
_ROOT = "https://openvex.dev/docs/public/vex-"
# Trees that a build of Xen never brings along, as `ranges` calls them; of others that is not certain.
_ELSEWHERE = frozenset({"Linux", "varstored", "XAPI", "blktap"})
# What RFC 3986 (2.3) leaves as it is.
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_SOURCE = "git+https://xenbits.xenproject.org/git-http/xen.git@"

Status = Literal["not_affected", "affected", "fixed", "under_investigation"]
Justification = Literal["component_not_present", "vulnerable_code_not_present"]


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A product or a part of one (the specification's component)."""

    id: str = msgspec.field(name="@id")
    identifiers: dict[str, str]
    subcomponents: tuple[Part, ...] = ()


class Vulnerability(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is told of: the page of the advisory, its CVE or number, a title, its other names."""

    id: str = msgspec.field(name="@id")
    name: str
    description: str = ""
    aliases: tuple[str, ...] = ()


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    """One vulnerability, one product, and what it means there."""

    vulnerability: Vulnerability
    products: tuple[Part, ...]
    status: Status
    status_notes: str = ""
    justification: Justification | None = None
    impact_statement: str = ""
    action_statement: str = ""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    context: str = msgspec.field(name="@context", default=CONTEXT)
    id: str = msgspec.field(name="@id", default="")
    author: str
    timestamp: str
    version: int = 1
    tooling: str
    statements: tuple[Statement, ...]


def document(overview: Overview, *, author: str, repository: str) -> Document:
    """The document on the packages of an overview.

    Args:
        overview: its packages may be releases, too.
        author: who makes the statements, a person or an organisation.
        repository: `owner/name`, where the packages are; it becomes their namespace.

    Returns:
        A document whose identifier is made from its content, so that each is the first version of itself. Numbers
        without an advisory are not in it.
    """
    by_number = {one.number: one for one in overview.advisories}
    windows = {one.name: one.window for one in overview.branches}
    statements = tuple(
        statement
        for one in overview.packages
        for decision in one.decisions
        if decision.verdict is not Verdict.UNUSED
        for statement in _statements(one, decision, by_number[decision.xsa], windows.get(one.branch), repository)
    )
    made = Document(
        author=author,
        timestamp=f"{overview.made:%Y-%m-%dT%H:%M:%SZ}",
        tooling=f"xenbump {overview.program}",
        statements=statements,
    )
    digest = hashlib.sha256(msgspec.json.encode(made)).hexdigest()
    return msgspec.structs.replace(made, id=_ROOT + digest)


def _statements(
    one: Exposed, decision: Decision, advisory: Advisory, window: Window | None, repository: str
) -> Iterator[Statement]:
    """A statement for each CVE; one for the advisory where it has none."""
    own = f"XSA-{decision.xsa}"
    product = _product(one, repository)
    plain_statement = _judged(one, decision, advisory, window)
    for name in decision.cves or (own,):
        vulnerability = Vulnerability(
            links.advisory(decision.xsa), name, plain(decision.title), (own,) if name != own else ()
        )
        yield msgspec.structs.replace(plain_statement, vulnerability=vulnerability, products=(product,))


def _judged(one: Exposed, decision: Decision, advisory: Advisory, window: Window | None) -> Statement:
    """The statement without its vulnerability and product."""
    blank = Statement(Vulnerability("", ""), (), "under_investigation", status_notes=plain(decision.reason))
    replaced = msgspec.structs.replace
    match decision.verdict:
        case Verdict.IN_RELEASE | Verdict.ALREADY_PATCHED:
            return replaced(blank, status="fixed")
        case Verdict.NEEDS_PATCH:
            names = ", ".join(plain(name) for name in decision.patches)
            action = f"Apply {names}, or move to a release that has the fix."
            return replaced(blank, status="affected", action_statement=action)
        case Verdict.OTHER_TREE if _is_elsewhere(advisory):
            return replaced(
                blank, status="not_affected", status_notes="", justification="component_not_present",
                impact_statement=plain(decision.reason),
            )  # fmt: skip
        case Verdict.OTHER_BRANCH if spared := _spared(one, decision, advisory, window):
            return replaced(
                blank, status="not_affected", status_notes="", justification="vulnerable_code_not_present",
                impact_statement=spared,
            )  # fmt: skip
        case Verdict.CONFLICT if decision.xsa in dict(one.decided):
            why = f"{blank.status_notes}; decided by hand: {plain(dict(one.decided)[decision.xsa])}"
            return replaced(blank, status_notes=why)
    return blank


def _is_elsewhere(advisory: Advisory) -> bool:
    """Whether all of it is for trees that no build of Xen brings along."""
    return bool(advisory.lines) and all(line.range.tree in _ELSEWHERE for line in advisory.lines)


def _spared(one: Exposed, decision: Decision, advisory: Advisory, window: Window | None) -> str:
    """Why the branch would have a patch if it were affected; empty where that is not certain.

    The table names an older branch, or the branch had security support on the day of the advisory. A branch that is
    older than all that are named, and had no support any more, gets no patch, affected or not.
    """
    oldest = [line.range.oldest for line in advisory.lines if line.range.oldest is not None]
    where = "; ".join(line.range.text for line in advisory.lines)
    told = f"XSA-{decision.xsa} has patches for {where} and none for Xen {one.branch}"
    if any(ranges.order(name) < ranges.order(one.branch) for name in oldest):
        return plain(f"{told}, though for an older branch")
    public = view.moment(decision.public)
    if not oldest or public is None or window is None:
        return ""
    first, last = window.initial_release, window.security_until
    if first is None or last is None or not first <= public.date() <= last:
        return ""
    return plain(f"{told}, which had security support when it was published, from {first} to {last}")


def _product(one: Exposed, repository: str) -> Part:
    base = release.base_of(one.version)
    origin = _part(f"pkg:generic/xen@{_word(base or one.version)}?vcs_url={_word(_SOURCE + one.tag)}")
    if not one.attribute:
        return origin
    namespace = "".join(f"{_word(part)}/" for part in repository.split("/") if part)
    own = _part(f"pkg:generic/{namespace}{_word(one.attribute)}@{_word(one.version)}")
    return msgspec.structs.replace(own, subcomponents=(origin,))


def _part(purl: str) -> Part:
    return Part(purl, {"purl": purl})


def _word(text: str) -> str:
    """A segment or a value of a package URL, percent-encoded."""
    signs = (chr(byte) for byte in text.encode("utf-8", "replace"))
    return "".join(sign if sign in _UNRESERVED else f"%{ord(sign):02X}" for sign in signs)
