"""Nix text: tokens join to the text, spans lie in each other, and what is edited can be read again."""

from __future__ import annotations

from itertools import pairwise

from xenbump.errors import Refusal
from xenbump.nixlang import (
    Document,
    NixSyntaxError,
    add_formal,
    apply,
    bindings,
    call,
    elements,
    free_comments,
    groups,
    inherits,
    operands,
    parse,
    quote,
    removal,
    remove_formal,
    resolve,
    tokenize,
    walk,
)
from xenbump.nixlang.find import ancestors, dotted, visible
from xenbump.nixlang.tree import AttrSet, Expression, Formals, Identifier, Lambda, List, Node, String

# The finders are asked about so many nodes; more would make the time quadratic.
_MOST = 60


def one(data: bytes) -> bool:
    """Read, ask and edit a text."""
    text = data.decode("utf-8", "replace")
    try:
        tokens = tokenize(text)
    except NixSyntaxError as error:
        _placed(text, error)
        return False
    assert "".join(token.text for token in tokens) == text
    assert all(token.text for token in tokens)
    assert all(token.end == after.start for token, after in pairwise(tokens))
    try:
        document = parse(text)
    except NixSyntaxError as error:
        _placed(text, error)
        return False
    nodes = list(walk(document))
    for node in nodes:
        assert 0 <= node.start <= node.end <= len(text)
        for below in node.children():
            assert node.start <= below.start
            assert below.end <= node.end
    # A long text is read once more for each edit.
    for node in nodes[: max(2, _MOST * 4096 // max(len(text), 4096))]:
        _ask(document, node)
        _edit(document, node)
    return True


def _placed(text: str, error: NixSyntaxError) -> None:
    assert 0 <= error.offset <= len(text)
    assert error.line >= 1
    assert error.column >= 1


def _ask(document: Document, node: Node) -> None:
    around = ancestors(document, node)
    assert not around or around[-1] is document.root
    if isinstance(node, Identifier):
        resolve(document, node)
        visible(document, node, node.name)
    if isinstance(node, Expression):
        call(node)
        dotted(node)
        operands(node, "++")
        bindings(node, ["version"])
        bindings(node, ["src", "hash"])
        inherits(node, "version")
    if isinstance(node, String) and (value := node.literal()) is not None:
        again = parse(quote(value)).root
        assert isinstance(again, String)
        assert again.literal() == value


def _edit(document: Document, node: Node) -> None:
    """Take an element out of a list, an argument out of a function, and put one in: the rest must still be read."""
    source = document.source
    if isinstance(node, List):
        inner = elements(document, node)
        assert sum(map(len, groups(document, node))) == len(inner)
        free_comments(document, node)
        for element in inner[:2]:
            after = parse(apply(source, removal(document, node, [element.node])))
            assert len(after.source) < len(source)
    if isinstance(node, Formals) and _lambda_of(document, node):
        names = [formal.name.name for formal in node.formals]
        for name in names[:2]:
            try:
                after = parse(apply(source, remove_formal(document, node, name)))
            except NixSyntaxError:
                raise
            except Refusal:
                continue
            assert len(after.source) < len(source)
        if "zzz" not in names:
            _added(document, node)


def _added(document: Document, node: Formals) -> None:
    try:
        edits = add_formal(document, node, "zzz")
    except Refusal:
        return
    after = parse(apply(document.source, edits))
    added = [found for found in walk(after) if isinstance(found, Formals) and found.start == node.start]
    assert any(formal.name.name == "zzz" for found in added for formal in found.formals)


def _lambda_of(document: Document, node: Formals) -> bool:
    """Whether the arguments are those of a function, and a name occurs once: what a plan may edit."""
    names = [formal.name.name for formal in node.formals]
    above = ancestors(document, node)
    return len(set(names)) == len(names) and bool(above) and isinstance(above[0], Lambda | AttrSet)
