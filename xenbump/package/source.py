"""Which version of Xen a file names and where it comes from: what the shapes share of reading and rewriting that.

A file has the version, and the revision as a tag, as a commit, or made from the version; for a commit of a stable
branch also the version that the tree gives itself, `upstreamVersion`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.edit import Replacement
from xenbump.nixlang.errors import LINE_BREAK
from xenbump.nixlang.find import bare, bindings, body, call, dotted, inherits
from xenbump.nixlang.lexer import Kind
from xenbump.nixlang.strings import quote
from xenbump.nixlang.tree import AttrSet, Binding, Identifier, Interpolation, Lambda, Select, String, Text
from xenbump.package.lines import BLANKS, add_binding, after_blanks, line_end, line_start, starts_line
from xenbump.package.literals import followed, has, literal, literal_of, shown, value_of
from xenbump.upstream.release import base_of, is_version, tag_of

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Call
    from xenbump.nixlang.tree import Expression
    from xenbump.package.model import Literal, PackageFile
    from xenbump.plan.model import Target

GITHUB, GIT = "fetchFromGitHub", "fetchgit"
UPSTREAM = "upstreamVersion"
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_OWNER, _REPOSITORY = "xen-project", "xen"
_ADDRESS = re.compile(
    r"(?:https?|git)://(?:xenbits\.xen(?:project)?\.org/(?:git-http/)?|(?:github|gitlab)\.com/xen-project/)xen(?:\.git)?/?",
    re.ASCII,
)
# Anything else can change what is fetched, and so the hash: submodules, a sparse checkout, a step after fetching.
_KNOWN_ARGUMENTS = {
    GITHUB: frozenset({"owner", "repo", "tag", "rev", "hash", "name"}),
    GIT: frozenset({"url", "tag", "rev", "hash", "name"}),
}


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A call that fetches a repository.

    Attributes:
        fetcher: the fetcher's name.
        arguments: the set of its arguments.
        function: the fetcher, as the file calls it.
    """

    fetcher: str
    arguments: AttrSet
    function: Expression

    @property
    def revision(self) -> Binding | None:
        """The binding of the tag or revision; None where it is inherited or missing."""
        found = bindings(self.arguments, ["tag"]) or bindings(self.arguments, ["rev"])
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Revision:
    """What a file has of a tag and a commit, one literal at most; neither where the tag is made from the version."""

    tag: Literal | None = None
    rev: Literal | None = None


def is_named(found: Call, name: str) -> bool:
    """Whether a call is of a function of this name, plain or out of a set."""
    return function_name(found) == name


def function_name(found: Call) -> str | None:
    """The last name of a called function, also of one out of a set that only the evaluator knows; None for others."""
    function = bare(found.function)
    if isinstance(function, Select):
        return function.path[-1].name if function.default is None else None
    return function.name if isinstance(function, Identifier) else None


def final_name(argument: Expression) -> str | None:
    """The name that `finalAttrs:` gives the final set of a derivation; None where the argument is a plain set."""
    inner = bare(argument)
    if isinstance(inner, Lambda) and isinstance(inner.parameter, Identifier):
        return inner.parameter.name
    return None


def version_names(document: Document, attributes: AttrSet, itself: str | None) -> tuple[str, ...]:
    """The dotted names that stand for the version of a derivation in its set, the best one first.

    Args:
        document: the file.
        attributes: the derivation's set.
        itself: as `final_name` gives it.
    """
    final = (f"{itself}.version",) if itself else ()
    found = bindings(attributes, ["version"])
    own = (*final, "version") if attributes.recursive or not found else final
    # `version = v;` lets `v` mean it as well.
    value = bare(found[0].value) if found else None
    return (*own, value.name) if isinstance(value, Identifier) and followed(document, value) is not value else own


def source_of(value: Expression) -> Source | None:
    """The fetcher's call that a value is; None where it is none, or has neither a tag nor a revision."""
    found = _fetched(value)
    return found if found and (has(found.arguments, "tag") or has(found.arguments, "rev")) else None


def source(document: Document, holder: AttrSet) -> Source:
    """The source of a derivation: the value of `src`, straight or one step away.

    Raises:
        Refusal: E-MISSING where there is none, E-SOURCE-OTHER where it is no call of a known fetcher, E-NOT-LITERAL.
    """
    value = value_of(document, holder, "src")
    found = _fetched(followed(document, value))
    if found is None:
        raise Refusal(
            "E-SOURCE-OTHER",
            f"`src` is `{shown(document, value)}`, no call of {GITHUB} or {GIT} with a set",
            where=document.where(value),
        )
    return found


def _fetched(value: Expression) -> Source | None:
    made = call(value)
    name = None if made is None else function_name(made)
    if made is None or name is None or name not in _KNOWN_ARGUMENTS or len(made.arguments) != 1:
        return None
    arguments = body(made.arguments[0])
    return Source(name, arguments, made.function) if isinstance(arguments, AttrSet) else None


def check(document: Document, source: Source) -> None:
    """Refuse a source that is not Xen's own, or is fetched in a way of which the hash is not known here.

    Raises:
        Refusal: E-SOURCE-OTHER, E-FETCHER-OPTION, E-AMBIGUOUS where there are a tag and a revision; E-MISSING,
            E-NOT-LITERAL.
    """
    arguments = source.arguments
    if source.fetcher == GITHUB:
        for name, expected in (("owner", _OWNER), ("repo", _REPOSITORY)):
            found = literal_of(document, arguments, name)
            if found.value.lower() != expected:
                raise Refusal(
                    "E-SOURCE-OTHER",
                    f"`{name}` is {found.value!r}; only {_OWNER}/{_REPOSITORY} is what Xen signs",
                    where=document.where(found.start),
                )
    else:
        found = literal_of(document, arguments, "url")
        if not _ADDRESS.fullmatch(found.value):
            raise Refusal(
                "E-SOURCE-OTHER",
                f"`url` is {found.value!r}, which is not Xen's repository or its mirror",
                where=document.where(found.start),
            )
    for one in arguments.bindings:
        names = one.names[:1] if isinstance(one, Binding) else [step.name for step in one.names]
        for argument in names:
            if argument not in _KNOWN_ARGUMENTS[source.fetcher]:
                raise Refusal(
                    "E-FETCHER-OPTION",
                    f"`{argument}` may change what {source.fetcher} fetches, so its hash cannot be computed here",
                    where=document.where(one),
                )
    if has(arguments, "tag") and has(arguments, "rev"):
        raise Refusal("E-AMBIGUOUS", f"{source.fetcher} has both `tag` and `rev`", where=document.where(arguments))


def version(document: Document, holder: AttrSet) -> Literal:
    """The literal of the version.

    Raises:
        Refusal: E-VERSION-FORM when it is neither a release nor a commit of a stable branch; E-MISSING, E-NOT-LITERAL.
    """
    found = literal_of(document, holder, "version")
    if not is_version(found.value) and base_of(found.value) is None:
        raise Refusal(
            "E-VERSION-FORM",
            f"the version {found.value!r} is neither X.Y.Z nor X.Y.Z-unstable-YYYY-MM-DD",
            where=document.where(found.start),
        )
    return found


def revision(document: Document, holder: AttrSet, found: Literal, versions: tuple[str, ...]) -> Revision:
    """The tag or the commit of a set that has one of `tag` and `rev`.

    Args:
        document: the file.
        holder: the set.
        found: the literal of the version.
        versions: the dotted names that stand for it, as `version_names` gives them.

    Raises:
        Refusal: E-TAG-DISAGREES when the tag is not that of the version; E-MISSING, E-NOT-LITERAL.
    """
    name = "tag" if has(holder, "tag") else "rev"
    value = value_of(document, holder, name)
    written = None
    if is_plain(value):
        written = literal(document, value, name)
    elif not _is_derived(value, versions):
        step = followed(document, value)
        if step is value or not is_plain(step):
            raise Refusal(
                "E-NOT-LITERAL",
                f'`{name}` is `{shown(document, value)}`, neither a plain string nor "RELEASE-" with this'
                " derivation's version",
                where=document.where(value),
            )
        written = literal(document, step, name)
    if written is not None and name == "rev" and _COMMIT.fullmatch(written.value):
        return Revision(rev=written)
    # What is no release has no tag, whatever the name would be.
    plain_tag = None if written is None else written.value.removeprefix("refs/tags/")
    if not is_version(found.value) or (plain_tag is not None and plain_tag != tag_of(found.value)):
        said = repr(written.value) if written is not None else "made from it"
        raise Refusal("E-TAG-DISAGREES", f"the version is {found.value}, the tag {said}", where=document.where(value))
    return Revision(tag=written)


def is_plain(value: Expression) -> bool:
    """Whether an expression is a string without interpolation."""
    return isinstance(value, String) and value.literal() is not None


def _is_derived(value: Expression, versions: tuple[str, ...]) -> bool:
    """Whether it is `"RELEASE-${finalAttrs.version}"`: any other expression could name another tag."""
    match value:
        case String(
            parts=(Text(raw="RELEASE-" | "refs/tags/RELEASE-"), Interpolation(expression=name)), indented=False
        ):
            return dotted(name) in versions
    return False


def upstream_version(document: Document, holder: AttrSet, versions: tuple[str, ...]) -> Literal | None:
    """The literal of `upstreamVersion`; None where there is none, or where it is the version.

    Raises:
        Refusal: E-NOT-LITERAL for any other expression.
    """
    if not has(holder, UPSTREAM):
        return None
    value = value_of(document, holder, UPSTREAM)
    return None if dotted(value) in versions else literal(document, followed(document, value), UPSTREAM)


def odd_pin(document: Document, found: Literal, upstream: Literal | None) -> tuple[str, ...]:
    """A warning where a commit of a stable branch is pinned and the file does not say what its tree calls itself."""
    if upstream is not None or base_of(found.value) is None:
        return ()
    where = document.where(found.start)
    return (f"{found.value} is pinned without `{UPSTREAM}`: what the tree calls itself is not said ({where})",)


def edits(
    document: Document,
    holder: AttrSet,
    file: PackageFile,
    target: Target,
    *,
    versions: tuple[str, ...],
    revised: AttrSet,
    implied: bool = False,
) -> list[Replacement]:
    """Version, tag or commit, and the version of the tree, as a target has them; none where the file is there already.

    Args:
        document: the file.
        holder: the set with `version` and `upstreamVersion`.
        file: what was read.
        target: what the file is to package.
        versions: the names that stand for the version in `holder`.
        revised: the set with `tag` or `rev`.
        implied: whether what `holder` is given to takes the version where there is no `upstreamVersion`, so that a
            release does without.

    Raises:
        Refusal: E-NOT-LITERAL where what must become an expression of another kind is not written in its set.
    """
    if target.version == file.version.value and (file.rev is None or file.rev.value == target.commit):
        return []
    return [
        filled(file.version, target.version),
        *_revision_edits(document, revised, file, target),
        *_upstream_edits(document, holder, file, target, versions, implied=implied),
    ]


def filled(old: Literal, new: str) -> Replacement:
    """The text between the quotes of a literal, replaced; of a placeholder without quotes all of it, where it goes."""
    if old.quoted:
        return Replacement(old.start, old.end, quote(new)[1:-1])
    return Replacement(old.start, old.end, new if new == old.value else quote(new))


def _revision_edits(document: Document, revised: AttrSet, file: PackageFile, target: Target) -> list[Replacement]:
    """The tag or the commit. A file that pins the commit of a release goes on to pin one."""
    commit_stays = target.tag is None or base_of(file.version.value) is None or file.fetcher != GITHUB
    if file.rev is not None and commit_stays:
        return [filled(file.rev, target.commit)]
    if target.tag is not None and file.rev is None:
        if file.tag is None:
            return []
        prefix = "refs/tags/" if file.tag.value.startswith("refs/tags/") else ""
        return [filled(file.tag, prefix + target.tag)]
    found = bindings(revised, ["tag"]) or bindings(revised, ["rev"])
    if not found:
        raise Refusal(
            "E-NOT-LITERAL",
            "the revision is inherited, so it cannot become another kind of revision",
            where=document.where([revised, *inherits(revised, "tag"), *inherits(revised, "rev")][-1]),
        )
    name, text = ("rev", target.commit) if target.tag is None else ("tag", target.tag)
    step, value = found[0].path[0], found[0].value
    return [Replacement(step.start, step.end, name), Replacement(value.start, value.end, quote(text))]


def _upstream_edits(
    document: Document, holder: AttrSet, file: PackageFile, target: Target, versions: tuple[str, ...], *, implied: bool
) -> list[Replacement]:
    """The version that the tree gives itself: of a release it is the version, of a tip it must be spelt out."""
    found = bindings(holder, [UPSTREAM])
    old = file.upstream_version
    if old is None and target.tag is not None:
        return []
    if old is None and not found:
        clauses = inherits(holder, UPSTREAM)
        if clauses:
            raise Refusal(
                "E-NOT-LITERAL",
                f"`{UPSTREAM}` is inherited as the version, and cannot become another one",
                where=document.where(clauses[0]),
            )
        text = f"{UPSTREAM} = {quote(target.tree_version)};"
        return [add_binding(document, _below(document, holder), text)]
    if old is None:
        return [Replacement(found[0].value.start, found[0].value.end, quote(target.tree_version))]
    is_landing = target.tag is not None and base_of(file.version.value) is not None
    uses = sum(token.kind is Kind.IDENTIFIER and token.text == UPSTREAM for token in document.tokens)
    if is_landing and found and implied and uses == 1:
        return [_removed(document, found[0])]
    if is_landing and found and versions:
        return [Replacement(found[0].value.start, found[0].value.end, versions[0])]
    return [filled(old, target.tree_version)]


def _below(document: Document, holder: AttrSet) -> Binding:
    """What a binding about the version comes after: the version, or where that is inherited, the name or the first."""
    own = [one for one in holder.bindings if isinstance(one, Binding)]
    found = bindings(holder, ["version"]) or bindings(holder, ["pname"]) or own
    if not found:
        raise Refusal("E-NOT-LITERAL", "the set has nothing but what it inherits", where=document.where(holder))
    return found[0]


def _removed(document: Document, one: Binding) -> Replacement:
    """A binding taken away, and its line where it has one to itself, with a comment behind it."""
    source = document.source
    if not starts_line(source, one.start):
        return Replacement(len(source[: one.start].rstrip(BLANKS)), one.end, "")
    end = line_end(document, one.end)
    if end is None:
        return Replacement(one.start, after_blanks(source, one.end), "")
    below = LINE_BREAK.match(source, end)
    return Replacement(line_start(source, one.start), end if below is None else below.end(), "")
