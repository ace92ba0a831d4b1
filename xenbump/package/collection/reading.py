"""What a collection has: its entries and the patches that they fetch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from xenbump.nixlang import NixSyntaxError, parse
from xenbump.nixlang.find import bare, bindings, body, call, visible
from xenbump.nixlang.tree import AttrSet, Binding, Expression, List, String
from xenbump.package import patches
from xenbump.package.collection import helper as helpers
from xenbump.plan import series
from xenbump.plan.model import Naming, Patch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Call
    from xenbump.package.collection.helper import Helper

_NUMBER = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An entry of a collection.

    Attributes:
        name: its name.
        binding: in the collection's set.
        patches: what it fetches; nothing where that cannot be read.
        arguments: the set that the helper or fetcher is called with; None for a list, and where it cannot be read.
        digest: the name of the attribute in it that is the hash.
    """

    name: str
    binding: Binding
    patches: tuple[Patch, ...]
    arguments: AttrSet | None = None
    digest: str = "hash"


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """A collection.

    Attributes:
        file: its path, from the folder of the package file.
        document: the file.
        holder: the set of its entries.
        entries: in order.
        helper: the function that it has for patches of advisories; None where it has none that can be read.
    """

    file: str
    document: Document
    holder: AttrSet
    entries: tuple[Entry, ...]
    helper: Helper | None

    @property
    def patches(self) -> Mapping[str, tuple[Patch, ...]]:
        """The patches of each entry, by its name; nothing where they cannot be read."""
        return {one.name: one.patches for one in self.entries}

    @property
    def naming(self) -> Naming | None:
        """Where the patches of advisories that come into it are fetched from, and by what; None where none can come."""
        if self.helper is not None:
            return self.helper.naming
        listed = [patch for entry in self.entries for patch in entry.patches]
        fetcher = series.fetcher_of(listed)
        if not any(patch.fetcher == fetcher for patch in listed) and not visible(self.document, self.holder, fetcher):
            return None
        return Naming(series.root_of(listed, patches.advisory_files(listed)), fetcher)


def name_of(url: str) -> str:
    """The name that the patch of an advisory has in a collection: of `…/xsa490-4.21.patch` it is `XSA_490_4_21`.

    Raises:
        ValueError: it is no address of an advisory's patch.
    """
    name = patches.advisory_file(url)
    if name is None:
        message = f"{url} is no patch of an advisory"
        raise ValueError(message)
    stem = name.rpartition("/")[2].removesuffix(".patch").removeprefix("xsa")
    return "XSA_" + re.sub(r"[^0-9A-Za-z]", "_", stem)


def order_of(name: str) -> tuple[tuple[int, str], ...] | None:
    """What sorts the names of a collection by the numbers in them; None for one without a number."""
    parts = [part for part in _NUMBER.split(name) if part]
    key = tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)
    return key if any(number >= 0 for number, _ in key) else None


@lru_cache(maxsize=8)
def read(file: str, content: bytes) -> Collection | None:
    """Read a collection.

    Args:
        file: its path, for messages.
        content: its bytes.

    Returns:
        The collection; None where the file is no Nix, or its value is no set, or one without any patch and helper.
    """
    try:
        document = parse(content.decode("utf-8"))
    except (UnicodeDecodeError, NixSyntaxError):
        return None
    holder = body(document)
    if not isinstance(holder, AttrSet):
        return None
    helper = helpers.find(document, holder)
    entries = tuple(
        _entry(document, one, helper)
        for one in holder.bindings
        if isinstance(one, Binding) and len(one.path) == 1 and one.path[0].name is not None
    )
    if helper is None and holder.bindings and not any(entry.patches for entry in entries):
        return None
    return Collection(file, document, holder, entries, helper)


def _entry(document: Document, binding: Binding, helper: Helper | None) -> Entry:
    name = binding.path[0].name or ""
    value = bare(binding.value)
    if isinstance(value, List):
        found = [_fetched(document, name, bare(one), helper) for one in value.elements]
        whole = all(one.patches for one in found)
        return Entry(name, binding, tuple(patch for one in found for patch in one.patches) if whole else ())
    read = _fetched(document, name, value, helper)
    return Entry(name, binding, read.patches, read.arguments, read.digest)


@dataclass(frozen=True, slots=True, eq=False)
class _Fetched:
    """A call of the helper or a fetcher: what it fetches, its set, and the name of the hash in that."""

    patches: tuple[Patch, ...] = ()
    arguments: AttrSet | None = None
    digest: str = "hash"


def _fetched(document: Document, name: str, value: Expression, helper: Helper | None) -> _Fetched:
    made = call(value)
    arguments = None if made is None else body(made.arguments[-1])
    if made is None or not isinstance(arguments, AttrSet):
        return _Fetched()
    if helper is not None and made.name == helper.name:
        return _helped(name, made, arguments, helper)
    plain = patches.fetched(document, value)
    if plain is None:
        return _Fetched()
    digest = next((one for one in helpers.DIGESTS if bindings(arguments, [one])), "hash")
    return _Fetched((_with_name(plain, name),), arguments, digest)


def _helped(name: str, made: Call, arguments: AttrSet, helper: Helper) -> _Fetched:
    given = {}
    for one in arguments.bindings:
        value = bare(one.value) if isinstance(one, Binding) and len(one.path) == 1 else None
        literal = value.literal() if isinstance(value, String) else None
        if isinstance(one, Binding) and literal is not None:
            given[one.names[0] or ""] = literal
    url = helper.address(given)
    if url is None or len(made.arguments) != 1:
        return _Fetched()
    digest = {**helpers.defaults(helper.formals), **given}.get(helper.digest)
    patch = Patch(url, patches.advisory_of(url), digest, helper.fetcher, helper.options, name=name)
    return _Fetched((patch,), arguments, helper.digest)


def _with_name(patch: Patch, name: str) -> Patch:
    return Patch(patch.url, patch.xsa, patch.hash, patch.fetcher, patch.options, name=name)
