"""Nix as text with spans: read without loss, find places, edit only those.

`tokenize` and `parse` give tokens and a tree whose nodes know where in the text they stand; `find`, `lists` and
`formals` find places in the tree; `apply` carries out edits of those places and leaves all else as it is. What cannot
be read is refused with `NixSyntaxError`. Nothing here reads a file or knows what a file is about.

The node types are in `xenbump.nixlang.tree`.
"""

from xenbump.nixlang.document import Document, parse
from xenbump.nixlang.edit import Replacement, apply
from xenbump.nixlang.errors import NixSyntaxError
from xenbump.nixlang.find import bindings, body, call, inherits, operands, resolve, walk
from xenbump.nixlang.formals import add_formal, find_formal, remove_formal
from xenbump.nixlang.lexer import Kind, Token, tokenize
from xenbump.nixlang.lists import elements, free_comments, groups, removal
from xenbump.nixlang.strings import quote

__all__ = [
    "Document",
    "Kind",
    "NixSyntaxError",
    "Replacement",
    "Token",
    "add_formal",
    "apply",
    "bindings",
    "body",
    "call",
    "elements",
    "find_formal",
    "free_comments",
    "groups",
    "inherits",
    "operands",
    "parse",
    "quote",
    "removal",
    "remove_formal",
    "resolve",
    "tokenize",
    "walk",
]
