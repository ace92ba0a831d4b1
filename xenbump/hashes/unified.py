"""Unified diffs, read strictly: which files, which names, which hunks.

Unified diffs are specified in the manual of GNU diffutils, "Detailed Description of Unified Format", git's lines above
the names in `git help diff-format`. Text around the diffs is passed over, as patchutils does; but patchutils reads
almost anything and drops in silence what it does not know. Here everything is refused that patchutils would misread,
that depends on its version, or that `patch` could take in two ways.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

DEV_NULL = b"/dev/null"
# What shell, sed, xargs and fnmatch all pass on as it is, whichever version of fetchpatch is at work.
PLAIN = re.compile(rb"[A-Za-z0-9._+,@=~%#:^/-]+")

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@[^\n]*\n")
_STRAY_HUNK = re.compile(rb"@@+ -\d")
_BINARY = re.compile(rb"GIT binary patch\s|Binary files .* differ\s*$")
_NAMES_LINE = re.compile(rb"(?:---|\+\+\+) ([^\t\n]*)((?:\t[^\n]*)?\n)")
_DRIVE = re.compile(rb"[A-Za-z]:")
# The lines that git writes between its `diff` line and the names.
_EXTENDED = (
    b"old mode ",
    b"new mode ",
    b"deleted file mode ",
    b"new file mode ",
    b"copy from ",
    b"copy to ",
    b"rename from ",
    b"rename to ",
    b"similarity index ",
    b"dissimilarity index ",
    b"index ",
)
_RENAMES = (b"copy from ", b"copy to ", b"rename from ", b"rename to ")
_LINK_MODE = re.compile(rb".* 1[26]0000\n")


@dataclass(frozen=True, slots=True)
class Entry:
    """The diff of one file.

    Attributes:
        line: the number of its `---` line.
        extended: the `diff` line and git's lines, where they stand right above the names.
        old, new: the names as written, one of them perhaps `/dev/null`; both are equally deep.
        old_rest, new_rest: what follows each name: a tab with a time, or nothing, and the end of the line.
        hunks: the hunks; counts of one and the text after the closing `@@` are left out.
    """

    line: int
    extended: tuple[bytes, ...]
    old: bytes
    old_rest: bytes
    new: bytes
    new_rest: bytes
    hunks: bytes

    @property
    def names(self) -> tuple[bytes, ...]:
        """The names of files: one, or old and new."""
        return tuple(name for name in (self.old, self.new) if name != DEV_NULL)


def form(what: str, line: int) -> Refusal:
    """The refusal of a patch for what stands in a line."""
    return Refusal("E-PATCH-FORM", what, where=f"line {line}")


def read(content: bytes) -> list[Entry]:
    """The diffs in a patch, in order.

    Raises:
        Refusal: E-PATCH-FORM, where something is not certain to be read as meant; E-PATCH-PATH for a path that leads
            out of the tree.
    """
    lines = content.split(b"\n")
    lines = [line + b"\n" for line in lines[:-1]] + lines[-1:]
    entries: list[Entry] = []
    extended: list[bytes] = []
    promised = 0  # the line of a `diff --git` whose names have not come yet
    at = 0
    while at < len(lines):
        line, following = lines[at], lines[at + 1 : at + 2]
        if line.startswith(b"--- ") and following and following[0].startswith(b"+++ "):
            if not extended:
                _refuse_promise(promised)
            entry, at = _entry(lines, at, extended)
            entries.append(entry)
            extended, promised = [], 0
            continue
        at += 1
        _refuse_text(line, following, at)
        if line.startswith(b"diff "):
            _refuse_promise(promised)
            extended, promised = [line], at if line.startswith(b"diff --git ") else 0
        elif extended and line.startswith(_EXTENDED):
            if line.startswith(_RENAMES):
                raise form("it renames or copies a file", at)
            extended.append(line)
        else:
            extended = []
    _refuse_promise(promised)
    if not entries:
        raise Refusal("E-PATCH-FORM", "there is no unified diff in it")
    if b"\0" in content:
        raise Refusal("E-PATCH-FORM", "it has a NUL byte: it is not text")
    return entries


def _refuse_text(line: bytes, following: Sequence[bytes], number: int) -> None:
    """Refuse a line outside of hunks that is a change which patchutils does not see, or sees as something else."""
    if line.startswith(b"*** ") and following and following[0].startswith(b"--- "):
        raise form("it is, or looks like, a context diff", number)
    if line.startswith((b"diff --cc ", b"diff --combined ")):
        raise form("it is a combined diff, of a merge", number)
    if _STRAY_HUNK.match(line):
        raise form("a hunk stands outside of a file's diff", number)
    if _BINARY.match(line):
        raise form("it changes a binary file", number)


def _refuse_promise(number: int) -> None:
    if number:
        raise form("git's diff of a file has no hunks: an empty or binary file, or a change of name or mode", number)


def _entry(lines: list[bytes], at: int, extended: list[bytes]) -> tuple[Entry, int]:
    """Read the diff of one file whose `---` is line `at`; also give the number of lines read so far."""
    first = at
    old, old_rest = _name(lines[at], at + 1)
    new, new_rest = _name(lines[at + 1], at + 2)
    names = {old, new} - {DEV_NULL}
    if not names:
        raise form("both names are /dev/null", at + 1)
    if len({name.count(b"/") for name in names}) > 1:
        raise form("the old and the new name are not equally deep", at + 1)
    if extended and extended[0].startswith(b"diff --git "):
        words = extended[0].split()[2:]
        if not names <= set(words):
            raise form("the names are not those of the `diff --git` line above", at + 1)
        for way in filter(None, map(reach, words)):
            raise Refusal("E-PATCH-PATH", f"{way}: in the `diff --git` line above", where=f"line {at + 1}")
    if any(_LINK_MODE.fullmatch(line) for line in extended):
        raise form("it changes a symbolic link or a submodule", at + 1)
    at += 2
    hunks: list[bytes] = []
    while at < len(lines) and lines[at].startswith(b"@@ "):
        at = _hunk(lines, at, hunks)
    if not hunks:
        raise form("a file's names are followed by no hunk", first + 1)
    if at < len(lines) and _leftover(lines, at):
        raise form("a hunk has more lines than it says", at + 1)
    return Entry(first + 1, tuple(extended), old, old_rest, new, new_rest, b"".join(hunks)), at


def _leftover(lines: list[bytes], at: int) -> bool:
    """Whether the line after a hunk looks like one more of its lines."""
    line, following = lines[at], lines[at + 1 : at + 2]
    if line.startswith(b"--- "):
        return not (following and following[0].startswith(b"+++ "))
    # `-- ` is the line above a mail's signature.
    return line.startswith((b"+", b" ", b"-", b"\\")) and line.rstrip() not in {b"--", b"---"}


def _hunk(lines: list[bytes], at: int, into: list[bytes]) -> int:
    """Read one hunk, write its normal form, and give the number of lines read so far."""
    found = _HUNK.fullmatch(lines[at])
    if found is None:
        raise form("a hunk's first line is not `@@ -line,count +line,count @@`", at + 1)
    start, end = int(found[1]), int(found[3])
    olds, news = (1 if count is None else int(count) for count in found.group(2, 4))
    if not olds and not news:
        raise form("a hunk is empty", at + 1)
    # A count of one is not written, and numbers have no leading zeros.
    into.append(b"@@ -%d%s +%d%s @@\n" % (start, _count(olds), end, _count(news)))
    marked = True
    while True:
        at += 1
        line = lines[at] if at < len(lines) else b""
        if line.startswith(b"\\ ") and not marked:
            marked = True
        elif not olds and not news:
            return at
        else:
            # An empty line is an empty line of context whose space was lost on the way.
            kind, marked = line[:1], False
            olds -= kind in b" -\n"
            news -= kind in b" +\n"
            if not kind or kind not in b" +-\n" or olds < 0 or news < 0:
                raise form("a hunk has fewer lines than it says, or other ones", at + 1)
        if not line.endswith(b"\n"):
            raise form("it ends in the middle of a line of a hunk", at + 1)
        into.append(line)


def _count(lines: int) -> bytes:
    return b"" if lines == 1 else b",%d" % lines


def _name(line: bytes, number: int) -> tuple[bytes, bytes]:
    """The name in a `---` or `+++` line, and what follows it: perhaps a tab with a time, and the end of the line."""
    found = _NAMES_LINE.fullmatch(line)
    if found is None:
        raise form("it ends in the middle of a file's name", number)
    name, rest = found[1], found[2]
    if name == DEV_NULL:
        return name, rest
    way = reach(name)
    if way:
        raise Refusal("E-PATCH-PATH", f"{way}: {name.decode('ascii', 'backslashreplace')!r}", where=f"line {number}")
    if not PLAIN.fullmatch(name):
        raise form("a file's name is quoted or has a character that shells and tools read in their own ways", number)
    parts = name.split(b"/")
    if not all(parts) or b"." in parts[1:]:
        raise form("a file's path has an empty component or is not in its shortest form", number)
    return name, rest


def reach(name: bytes) -> str:
    """How a path could lead out of the tree, in words; empty where it cannot."""
    parts = name.split(b"/")
    if name.startswith(b"/"):
        return "the path is absolute"
    if b".." in parts:
        return "the path leads upwards"
    if b"\0" in name:
        return "the path has a NUL byte"
    if b"\\" in name and not name.startswith(b'"'):
        return "the path has a backslash"
    return "the path has a drive letter" if any(map(_DRIVE.match, parts)) else ""
