"""The function of a collection that fetches the patch of an advisory, such as `xsaPatch`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.nixlang.find import ancestors, bare, bindings, body, call, inherits
from xenbump.nixlang.tree import AttrSet, Binding, Formals, Identifier, Interpolation, Lambda, Let, String, Text
from xenbump.package import patches
from xenbump.plan.model import Naming

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xenbump.nixlang.document import Document

DIGESTS = ("hash", "sha256")
TITLE, DESCRIPTION, CVES = ("title",), ("description",), ("cve", "cves")
_TOLD = frozenset({*TITLE, *DESCRIPTION, *CVES})
_PATCH, _ADVISORY = ".patch", "xsa"


@dataclass(frozen=True, slots=True, eq=False)
class Helper:
    """A function of a collection that fetches the patch of an advisory.

    Attributes:
        name: its name.
        formals: its arguments.
        url: the address that it fetches from: text, and the names of arguments in it.
        argument: the argument that tells one patch from another.
        digest: the argument that is the hash; empty where there is none.
        fetcher: what it calls.
        options: the names of the fetcher's arguments that may change what it gives.
    """

    name: str
    formals: Formals
    url: tuple[str | Identifier, ...]
    argument: str
    digest: str
    fetcher: str
    options: tuple[str, ...]

    def address(self, given: Mapping[str, str]) -> str | None:
        """The address for some arguments; None where one of them is not given and has no plain default."""
        known = {**defaults(self.formals), **given}
        parts = [part if isinstance(part, str) else known.get(part.name) for part in self.url]
        return None if None in parts else "".join(part or "" for part in parts)

    def given(self, address: str) -> str | None:
        """What the argument must be for an address; None where no value of it gives that."""
        mark = "\0"
        whole = self.address({self.argument: mark}) or ""
        before, _, after = whole.partition(mark)
        fits = whole.count(mark) == 1 and address.startswith(before) and address.endswith(after)
        return address[len(before) : len(address) - len(after)] if fits and len(address) > len(before + after) else None

    @property
    def missing(self) -> frozenset[str]:
        """The arguments without a default that are not known here, so that nobody can say what to give them."""
        needed = {one.name.name for one in self.formals.formals if one.default is None}
        return frozenset(needed - {self.argument, self.digest} - _TOLD)

    def needs(self, name: str) -> bool:
        """Whether an argument has no default."""
        return any(one.name.name == name and one.default is None for one in self.formals.formals)

    def takes(self, names: tuple[str, ...]) -> str | None:
        """The argument that has one of some names; None where there is none."""
        return next((one.name.name for one in self.formals.formals if one.name.name in names), None)

    @property
    def naming(self) -> Naming | None:
        """How patches of advisories come by it: from the folder in which it reaches them all; None where it cannot."""
        before, _, after = (self.address({self.argument: "\0"}) or "").partition("\0")
        folder, slash, rest = before.rpartition("/")
        reaches = bool(slash) and _ADVISORY.startswith(rest) and _PATCH.endswith(after)
        if not reaches or self.options or self.missing or not self.digest:
            return None
        return Naming(folder + slash, self.fetcher)


def find(document: Document, holder: AttrSet) -> Helper | None:
    """The one function around a collection's set, or in it where it is recursive, that fetches by its argument."""
    found = []
    for node in (holder, *ancestors(document, holder)):
        if isinstance(node, Let) or (isinstance(node, AttrSet) and node.recursive):
            found += [_as_helper(document, one) for one in node.bindings if isinstance(one, Binding)]
    helpers = [one for one in found if one is not None]
    return helpers[0] if len(helpers) == 1 else None


def _as_helper(document: Document, binding: Binding) -> Helper | None:
    function = bare(binding.value)
    name = binding.names[0] if len(binding.path) == 1 else None
    if name is None or not isinstance(function, Lambda) or not isinstance(function.parameter, Formals):
        return None
    made = call(body(function.body))
    fetcher = "" if made is None else (made.name or "").rpartition(".")[2]
    facts = body(made.arguments[-1]) if made is not None else None
    if fetcher not in patches.FETCHERS or not isinstance(facts, AttrSet):
        return None
    formals = function.parameter
    url = _address(facts, formals)
    known = defaults(formals)
    own = [part.name for part in url if not isinstance(part, str) and part.name not in known]
    if len(own) != 1:
        return None
    digest = next((one for one in DIGESTS if bindings(facts, [one]) or inherits(facts, one)), "")
    options = patches.arguments(facts) - patches.PLAIN_ARGUMENTS - {digest}
    return Helper(
        name, formals, url, own[0], _passed(document, facts, digest, formals), fetcher, tuple(sorted(options))
    )


def _address(facts: AttrSet, formals: Formals) -> tuple[str | Identifier, ...]:
    """The address that a helper fetches from, in parts; nothing where it is no string of text and arguments."""
    found = bindings(facts, ["url"])
    value = bare(found[0].value) if len(found) == 1 else None
    names = {one.name.name for one in formals.formals}
    parts: list[str | Identifier] = []
    for part in value.parts if isinstance(value, String) and not value.indented else ():
        match part:
            case Text(raw=raw, is_escape=False):
                parts.append(raw)
            case Interpolation(expression=Identifier(name=name) as argument) if name in names:
                parts.append(argument)
            case _:
                return ()
    return tuple(parts)


def _passed(document: Document, facts: AttrSet, name: str, formals: Formals) -> str:
    """The argument that an attribute of a helper's call is; empty where it is none."""
    names = {one.name.name for one in formals.formals}
    given = name if inherits(facts, name) else "".join(document.text(one.value) for one in bindings(facts, [name]))
    return given if given in names else ""


def defaults(formals: Formals) -> dict[str, str]:
    """The arguments that have a plain string for a default."""
    values = ((one.name.name, None if one.default is None else bare(one.default)) for one in formals.formals)
    literals = ((name, value.literal()) for name, value in values if isinstance(value, String))
    return {name: literal for name, literal in literals if literal is not None}
