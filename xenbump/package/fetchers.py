"""The arguments of the outermost function that bring the fetchers of patches into the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.document import parse
from xenbump.nixlang.edit import Replacement, apply
from xenbump.nixlang.find import ancestors, visible
from xenbump.nixlang.formals import add_formal, find_formal, remove_formal
from xenbump.nixlang.lexer import Kind
from xenbump.nixlang.tree import Formals, Lambda
from xenbump.package.lines import indent, newline, starts_line
from xenbump.package.patches import FETCHERS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import Expression, Node


def edits(
    document: Document, place: Node, gone: Sequence[Expression], wanted: Collection[str], known: Collection[str]
) -> list[Replacement]:
    """Say which formal arguments come and go with the calls of fetchers.

    Args:
        document: the file as it is.
        place: the set in it whose list of patches changes.
        gone: the elements of the list that go.
        wanted: the functions that are called by what comes, as written.
        known: the functions that the list calls before anything goes. One that no scope defines is there by a `with`.

    Returns:
        The edits, one for each function whose arguments change. A fetcher comes where its plain name is called and is
        neither in a scope of the file nor known; one goes with the last place that names it.

    Raises:
        Refusal: E-PATCH-LIST when a fetcher must come, and no function around the set has formal arguments.
    """
    around = [node.parameter for node in ancestors(document, place) if isinstance(node, Lambda)]
    functions = [parameter for parameter in around if isinstance(parameter, Formals)]
    coming: dict[Formals, list[str]] = {}
    for name in sorted(wanted):
        if "." in name or name in known or visible(document, place, name) is not None:
            continue
        if not functions:
            raise Refusal(
                "E-PATCH-LIST",
                f"`{name}` is not in scope, and no function has arguments to add it to",
                where=document.where(place),
            )
        coming.setdefault(functions[-1], []).append(name)
    going: dict[Formals, list[str]] = {}
    for name in sorted(FETCHERS - set(wanted)):
        uses = [token.start for token in document.tokens if token.kind is Kind.IDENTIFIER and token.text == name]
        holders = [formals for formals in functions if find_formal(formals, name) is not None]
        inside = [offset for offset in uses if any(one.start <= offset < one.end for one in gone)]
        # The one that is left is the argument itself; what is selected from a set never was its use.
        is_used = any(document.source[offset - 1] != "." for offset in inside)
        if len(holders) == 1 and is_used and len(uses) == len(inside) + 1:
            going.setdefault(holders[0], []).append(name)
    return [
        _changed(document, formals, coming.get(formals, []), going.get(formals, []))
        for formals in functions
        if formals in coming or formals in going
    ]


def _changed(document: Document, formals: Formals, coming: Sequence[str], going: Sequence[str]) -> Replacement:
    """One after the other, because what goes may stand beside what comes."""
    source = document.source
    ahead = indent(source, formals.start) if starts_line(source, formals.start) else ""
    behind = ": 0" + newline(source)
    text = ahead + document.text(formals) + behind
    for names, change in ((coming, add_formal), (going, remove_formal)):
        for name in names:
            small = parse(text)
            if not isinstance(small.root, Lambda) or not isinstance(small.root.parameter, Formals):
                message = "the arguments of a function are no longer those of one"
                raise TypeError(message)
            text = apply(text, change(small, small.root.parameter, name))
    return Replacement(formals.start, formals.end, text.removeprefix(ahead).removesuffix(behind))
