"""The words of a commit and a pull request, by nixpkgs' conventions: titles, bodies, the hidden marker."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from xenbump import __version__

if TYPE_CHECKING:
    from jinja2 import Template

    from xenbump.plan.model import Plan

_MARKER = re.compile(r"<!-- xenbump: (?P<facts>\{.*?\}) -->")
TRAILER = "Automated-by: xenbump"
_COMPARE = "https://github.com/xen-project/xen/compare"
_TAG = "https://xenbits.xenproject.org/gitweb/?p=xen.git;a=tag;h=refs/tags"


@dataclass(frozen=True, slots=True)
class Message:
    """What a publication says.

    Attributes:
        title: of the commit and the pull request.
        commit: the whole commit message.
        body: of the pull request, in GitHub's Markdown.
    """

    title: str
    commit: str
    body: str


def title(plan: Plan) -> str:
    """The title, such as `xen: 4.20.3 -> 4.20.4`."""
    attribute = " ".join(plan.subject.attribute.split())
    return f"{attribute}: {plan.subject.version} -> {plan.target.version}"


def branch_line(plan: Plan) -> str:
    """The branch of Xen that the plan ends on, `X.Y`."""
    return plan.target.version.rpartition(".")[0]


def head_branch(plan: Plan) -> str:
    """The git branch of the pull request: one for each package and branch of Xen."""
    return f"xenbump/{plan.subject.name}-{branch_line(plan)}"


def compare_url(plan: Plan) -> str:
    """Where a person sees what changed between the two releases."""
    return f"{_COMPARE}/RELEASE-{plan.subject.version}...{plan.target.tag}"


def write(plan: Plan, *, operator: str, refused_labels: tuple[str, ...] = ()) -> Message:
    """Write title, commit message and body.

    Args:
        plan: what changes.
        operator: the person responsible for the bot; empty when none is configured.
        refused_labels: labels that could not be set, for a maintainer to set.
    """
    heading = title(plan)
    commit = "\n".join(
        (
            heading,
            "",
            f"Release {plan.target.version} of Xen, tag {plan.target.tag},",
            f"commit {plan.target.commit},",
            f"signed by {plan.target.signed_by}.",
            "",
            compare_url(plan),
            "",
            f"{TRAILER} {__version__}",
            "",
        )
    )
    body = _template().render(
        plan=plan,
        compare=compare_url(plan),
        tag_url=f"{_TAG}/{plan.target.tag}",
        operator=operator,
        refused_labels=refused_labels,
        version=__version__,
    )
    body = body.strip() + "\n"
    return Message(heading, commit, f"{marker(plan, body)}\n{body}")


def marker(plan: Plan, body: str) -> str:
    """The comment by which a later run knows its pull request again, and whether it would say anything else now."""
    facts = {
        "package": plan.subject.name,
        "branch": branch_line(plan),
        "target": plan.target.version,
        "text": hashlib.sha256(f"{title(plan)}\n{body}".encode()).hexdigest()[:16],
    }
    # Nothing in it may end the comment.
    written = json.dumps(facts, sort_keys=True).replace("<", r"\u003c").replace(">", r"\u003e")
    return f"<!-- xenbump: {written} -->"


def says_the_same(body: str, message: Message) -> bool:
    """Whether a body was written from the same facts; what a person changed in it since then does not count."""
    return read_marker(body) == read_marker(message.body)


def same_target(body: str, message: Message) -> bool:
    """Whether a body was written for the same package and release."""
    facts, wanted = read_marker(body), read_marker(message.body)
    keys = ("package", "branch", "target")
    return bool(facts and wanted) and all((facts or {}).get(key) == (wanted or {}).get(key) for key in keys)


def read_marker(body: str) -> dict[str, str] | None:
    """The facts in a body's marker; None where it has none that can be read."""
    match = _MARKER.search(body)
    if match is None:
        return None
    try:
        facts = json.loads(match["facts"])
    except ValueError:
        return None
    return {str(key): str(value) for key, value in facts.items()}


def is_ours(commit_message: str) -> bool:
    """Whether a commit message carries the trailer of a commit that xenbump made."""
    return any(line.startswith(TRAILER + " ") for line in commit_message.splitlines())


def _code(text: str) -> str:
    """A code span that nothing in `text` can end or disguise: GitHub's Markdown, section 6.3.

    In it there are no mentions, links or tags; characters without a glyph, which could turn the text round, are shown
    as replaced.
    """
    flat = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split())) or " "
    longest = max((len(run) for run in re.findall(r"`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _cell(text: str) -> str:
    """A code span in a table, where a bar would end the cell in spite of it; escapes do not help behind a backslash."""
    return _code(text.replace("|", "¦"))


@cache
def _template() -> Template:
    # Imported here: a run that publishes nothing does not need it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    # Markdown, not HTML: escaping is the business of `code`.
    environment = Environment(  # noqa: S701
        loader=PackageLoader("xenbump.publish"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["code"] = _code
    environment.filters["cell"] = _cell
    return environment.get_template("body.md.j2")
