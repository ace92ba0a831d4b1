"""The advisories that xenbits lists: texts verified and read, patches verified against the signed digests.

The index (xsa.json) is not signed, so it only says where to look; what counts is the signed text. A text that is kept
and has the version of the index is not asked for again. What was verified and read once is remembered by the digest of
the text, so that a warm run starts no gpgv; the index is asked for in every run, and remembered by its digest, too.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar

from xenbump.errors import Refusal
from xenbump.hashes import patch
from xenbump.upstream import advisory as grammar
from xenbump.upstream import index, signature
from xenbump.upstream.advisory import Advisory  # noqa: TC001 - the journal reads the type at run time
from xenbump.upstream.index import Entry
from xenbump.upstream.xenbits import INDEX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xenbump.upstream.advisory import PatchFile
    from xenbump.upstream.signature import Trust
    from xenbump.upstream.xenbits import Xenbits

T = TypeVar("T")
# Enough to see whether a kept text is of the version that the index has; the text is parsed only once verified.
_VERSION = re.compile(rb"^[ \t]+version (\d{1,3})[ \t]*\r?$", re.MULTILINE)


class Memory(Protocol):
    """Where a result is remembered: it fits `xenbump.journal.Run.step`."""

    def step(self, package: str, name: str, given: object, kind: type[T], work: Callable[[], T]) -> T:
        """The result of `work`, or what it gave for the same input before."""


@dataclass(frozen=True, slots=True)
class Text:
    """A verified text: the advisory, or why its table could not be read.

    Attributes:
        title: in one line; empty when not even that could be read.
        cves: in the text's order.
        version: of the text.
        advisory: with its table; None when that was refused.
        code: of the refusal; empty when there is an advisory.
        what: of the refusal, with its place.
        signed_by: fingerprint of the primary key.
        signed_at: seconds since 1970.
    """

    title: str
    cves: tuple[str, ...]
    version: int
    advisory: Advisory | None
    code: str
    what: str
    signed_by: str
    signed_at: int


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the index with its text.

    Attributes:
        entry: the entry.
        text: None for a number whose advisory is not public.
        digest: SHA-256 of the text as it was judged and is kept; empty where the next run will ask for it again: it
            is not kept, or has not the version that the index has.
    """

    entry: Entry
    text: Text | None
    digest: str = ""


class Library:
    """The advisories of xenbits.

    Args:
        xenbits: where files come from.
        trust: whose signature counts.
        memory: where verified texts are remembered.
    """

    def __init__(self, xenbits: Xenbits, trust: Trust, memory: Memory) -> None:
        self._xenbits = xenbits
        self._trust = trust
        self.trusted = (hashlib.sha256(trust.keyring).hexdigest(), tuple(sorted(trust.fingerprints)))
        self._memory = memory

    def index(self) -> tuple[Entry, ...]:
        """The entries of the index, lowest number first; asked for once.

        Raises:
            Refusal: E-XSA-INDEX for a form that is not understood.
            Failure: it could not be had.
        """
        return self._index[1]

    @property
    def index_digest(self) -> str:
        """The SHA-256 of the index; the errors are those of `index`."""
        return self._index[0]

    @cached_property
    def _index(self) -> tuple[str, tuple[Entry, ...]]:
        """The index: its digest and its entries. What raises is not kept, and is asked for again."""
        try:
            return self._read_index(self._xenbits.get(INDEX))
        except Refusal:
            if self._xenbits.kept(INDEX) is None:
                raise
            # As for a text: the server would say of what came damaged once that nothing has changed.
            self._xenbits.forget(INDEX)
            return self._read_index(self._xenbits.get(INDEX))

    def _read_index(self, content: bytes) -> tuple[str, tuple[Entry, ...]]:
        digest = hashlib.sha256(content).hexdigest()
        return digest, self._memory.step("", "index", digest, tuple[Entry, ...], lambda: index.parse(content))

    @cached_property
    def _by_number(self) -> dict[int, Entry]:
        return {entry.number: entry for entry in self.index()}

    def entry(self, number: int) -> Entry:
        """The entry of an advisory.

        Raises:
            Refusal: E-XSA-UNKNOWN when the index has none.
        """
        found = self._by_number.get(number)
        if found is None:
            raise Refusal("E-XSA-UNKNOWN", f"xenbits lists no XSA-{number}", where=self._xenbits.root)
        return found

    def digests(self, numbers: Iterable[int]) -> dict[int, str] | None:
        """The SHA-256 of the texts that are kept, without asking; None when one of them is not, or is damaged."""
        names = {_name(number): number for number in numbers}
        found = self._xenbits.digests(names)
        return None if found is None else {names[name]: digest for name, digest in found.items()}

    def has_kept(self, file: PatchFile) -> bool:
        """Whether a patch is kept with the signed digest, so that it can be had without asking."""
        kept = self._xenbits.kept(file.name)
        return kept is not None and hashlib.sha256(kept).hexdigest() == file.sha256

    def read(self, entry: Entry) -> Listed:
        """An entry with its verified text.

        Raises:
            Refusal: the text's signature is not good, or it is not of the version that the index has.
            Failure: it could not be had.
        """
        if not entry.is_published:
            return Listed(entry, None)
        name = _name(entry.number)
        kept = self._xenbits.kept(name)
        if kept is not None and _version(kept) != entry.version:
            kept = None
        try:
            content = self._xenbits.get(name) if kept is None else kept
            text, digest = self._read_text(content, entry.number)
        except Refusal:
            # What came damaged once and was kept must not be refused for ever.
            if self._xenbits.kept(name) is None:
                raise
            self._xenbits.forget(name)
            content = self._xenbits.get(name)
            text, digest = self._read_text(content, entry.number)
        if entry.version is not None and text.version and text.version < entry.version:
            raise Refusal(
                "E-XSA-OLD",
                f"the index has version {entry.version} of the advisory, its text is version {text.version}",
                where=f"{self._xenbits.root}, {name}",
            )
        stays = _version(content) == entry.version and (content is kept or self._xenbits.kept(name) == content)
        return Listed(entry, text, digest if stays else "")

    def patch(self, file: PatchFile) -> bytes:
        """A patch whose bytes have the signed SHA-256; one that is kept and has it is not asked for.

        Raises:
            Refusal: E-PATCH-SHA256.
            Failure: it could not be had.
        """
        kept = self._xenbits.kept(file.name)
        if kept is not None and hashlib.sha256(kept).hexdigest() == file.sha256:
            return kept
        if kept is not None:
            self._xenbits.forget(file.name)
        content = self._xenbits.get(file.name)
        try:
            patch.flat(content, file.sha256)
        except Refusal as error:
            error.where = f"{self._xenbits.root}, {file.name}"
            raise
        return content

    def _read_text(self, content: bytes, number: int) -> tuple[Text, str]:
        """A text, and the digest of what was judged."""
        digest = hashlib.sha256(content).hexdigest()
        given = (number, digest, self.trusted)
        return self._memory.step("", "advisory", given, Text, lambda: self._judged(content, number)), digest

    def _judged(self, content: bytes, number: int) -> Text:
        signed, judged = signature.verify_clearsigned(content, self._trust, what=f"advisory {number}")
        outline = grammar.outline(signed, number)
        advisory, code, what = None, "", ""
        try:
            advisory = grammar.parse(signed, number)
        except Refusal as error:
            code, what = error.code, f"{error.where}: {error.what}" if error.where else error.what
        return Text(
            title=outline.title,
            cves=outline.cves,
            version=outline.version,
            advisory=advisory,
            code=code,
            what=what,
            signed_by=judged.fingerprint,
            signed_at=judged.made,
        )


def _name(number: int) -> str:
    return f"advisory-{number}.txt"


def _version(content: bytes) -> int:
    match = _VERSION.search(content)
    return int(match[1]) if match else 1  # the first version of a text that was public at once does not say so
