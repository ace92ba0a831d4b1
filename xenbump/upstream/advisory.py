"""A Xen Security Advisory: its head, its sections, and which patches are for which branches of which tree.

Nobody specifies the form; it is the one of published advisories since about XSA-380. What is read here must be the
signed text as `signature.verify_clearsigned` gives it. The program concludes from the table of patches which branches
are affected, so the table is read all or nothing: each file of the signed listing belongs to exactly one line, each
line has its files, and whatever might be a further line is refused. Older advisories, and a few newer ones (XSA-456
names releases instead of patches), have other forms; those are refused by code, never read as "no patches".

`outline` reads only head and sections, so that a refused table can still be shown with its title and text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.upstream import ranges
from xenbump.upstream.ranges import Range, Reach

if TYPE_CHECKING:
    from collections.abc import Iterable

ISSUE, RESOLUTION = "ISSUE DESCRIPTION", "RESOLUTION"
_CVE = r"CVE-\d{4}-\d{4,10}"
_HEAD = re.compile(
    rf"Xen Security Advisory (?:(?P<cves>{_CVE}(?: ?, ?{_CVE})*) / )?XSA-(?P<number>[1-9]\d{{0,4}})"
    r"(?: version (?P<version>[1-9]\d{0,2}))?",
    re.ASCII,
)
_UNDERLINE = re.compile(r"={3,}")
_UPDATES = re.compile(r"UPDATES IN VERSION (\d{1,3})", re.ASCII)
_PROMPT = re.compile(r"[ \t]*\$[ \t]*(?:sha\d+|md5)sum\b")
_COMMAND = re.compile(r"\$ sha256sum (?P<globs>xsa\S+(?: xsa\S+)*)", re.ASCII)
_LISTED = re.compile(r"(?P<hex>\S+) [ *](?P<name>\S.*)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LINE = re.compile(r"[ \t]*(?P<glob>xsa\d\S*)(?:[ \t]+(?P<range>\S.*))?", re.ASCII)
_HEX_LINE = re.compile(r"[ \t]*[0-9a-fA-F]{32,}[ \t]")
_WILDCARDS = re.compile(r"[?*]+")
_LONGEST_NAME = 120
# Control and format characters and odd line ends: a reader could see something else than what is read here.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its heading, and its text without the blank lines around it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Outline:
    """What an advisory says apart from its table of patches.

    Attributes:
        number: N of XSA-N.
        version: of the text; a re-issue raises it.
        title: in one line.
        cves: in the text's order; often none.
        sections: in the text's order.
    """

    number: int
    version: int
    title: str
    cves: tuple[str, ...]
    sections: tuple[Section, ...]

    def section(self, name: str) -> str | None:
        """The text of the first section of a name; None where there is none."""
        return next((section.text for section in self.sections if section.name == name), None)


@dataclass(frozen=True, slots=True)
class PatchFile:
    """A patch: its path below the advisories' folder, its signed SHA-256, and whether it is a prerequisite.

    A prerequisite is number 0 of a series: on the tip of the stable branch it is there already.
    """

    name: str
    sha256: str
    prerequisite: bool = False


@dataclass(frozen=True, slots=True)
class ResolutionLine:
    """A line of the table: the file pattern, what it is for, and its files in the order in which they apply."""

    glob: str
    range: Range
    files: tuple[PatchFile, ...]


@dataclass(frozen=True, slots=True)
class Advisory(Outline):
    """An advisory with its table of patches.

    Attributes:
        lines: the lines of the table, at least one, in the text's order.
    """

    lines: tuple[ResolutionLine, ...]

    def reach(self, branch: str) -> tuple[Reach, tuple[ResolutionLine, ...]]:
        """What the table says of a branch `X.Y` of Xen, and the lines that say it.

        The unstable of that day was newer than every branch that the table names, so an older branch that no line names
        is outside, and a newer one may or may not have been unstable then (`Reach.UNSTABLE`).
        """
        xen = [line for line in self.lines if line.range.is_xen]
        named = tuple(line for line in xen if line.range.covers(branch))
        if named:
            return Reach.NAMED, named
        unstable = tuple(line for line in xen if line.range.newest == ranges.UNSTABLE)
        bounds = [line.range.newest_named for line in xen]
        if unstable and all(bound is None or ranges.order(branch) > ranges.order(bound) for bound in bounds):
            return Reach.UNSTABLE, unstable
        return Reach.OUTSIDE, ()


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the text with its number, for errors."""

    number: int
    text: str


def parse(text: bytes | str, number: int) -> Advisory:
    """Read an advisory.

    Args:
        text: the signed text.
        number: of the advisory that was asked for.

    Raises:
        Refusal: as `outline`, and E-ADVISORY-NO-TABLE where there is no table of patches, E-ADVISORY-RANGE,
            E-ADVISORY-FILES where table and listing do not fit, E-ADVISORY-NAME for a file name that is not one of this
            advisory's, E-ADVISORY-FORM for anything else; each names the line.
    """
    lines = _lines(text, number)
    head, sections = _split(lines, number)
    known = _outline(head, sections, number)
    return Advisory(
        number=known.number,
        version=known.version,
        title=known.title,
        cves=known.cves,
        sections=known.sections,
        lines=_resolution(lines, sections, number),
    )


def outline(text: bytes | str, number: int) -> Outline:
    """Read only the head and the sections of an advisory.

    Args:
        text: the signed text.
        number: of the advisory that was asked for.

    Raises:
        Refusal: E-ADVISORY-NUMBER where the text is another advisory's; E-ADVISORY-FORM.
    """
    head, sections = _split(_lines(text, number), number)
    return _outline(head, sections, number)


def _lines(text: bytes | str, number: int) -> list[_Line]:
    """The lines, without the white space behind them, which a clear-signature does not cover."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refusal("E-ADVISORY-FORM", "the text is not UTF-8", where=f"XSA-{number}") from error
    lines = [_Line(at, line.rstrip(" \t\r")) for at, line in enumerate(text.split("\n"), 1)]
    for line in lines:
        if not line.text.isprintable() and any(unicodedata.category(c) in _UNSEEN for c in line.text if c != "\t"):
            raise _refused("FORM", number, line, "has a control character")
    return lines


def _split(lines: list[_Line], number: int) -> tuple[list[_Line], list[tuple[_Line, list[_Line]]]]:
    """The lines before the first section, and each section's heading and lines."""
    head: list[_Line] = []
    sections: list[tuple[_Line, list[_Line]]] = []
    current = head
    for line in lines:
        if _UNDERLINE.fullmatch(line.text):
            if not current or not current[-1].text.strip():
                raise _refused("FORM", number, line, "underlines nothing")
            heading = current.pop()
            current = []
            sections.append((heading, current))
        else:
            current.append(line)
    return head, sections


def _outline(head: list[_Line], sections: list[tuple[_Line, list[_Line]]], number: int) -> Outline:
    blocks = _blocks(head)
    where = f"XSA-{number}"
    if len(blocks) != 2:  # noqa: PLR2004 - the head and the title
        raise Refusal(
            "E-ADVISORY-FORM", f"{len(blocks)} blocks stand before the sections, not head and title", where=where
        )
    match = _HEAD.fullmatch(_joined(blocks[0]))
    if match is None:
        raise _refused("FORM", number, blocks[0][0], "does not begin the head of an advisory")
    if int(match["number"]) != number:
        raise _refused("NUMBER", number, blocks[0][0], f"is of XSA-{match['number']}")
    # The first version of an advisory that was public at once does not say so.
    version = int(match["version"] or 1)
    for heading, _ in sections:
        update = _UPDATES.fullmatch(heading.text)
        if update is not None and int(update[1]) > version:
            raise _refused("FORM", number, heading, f"is newer than the version of the head, {version}")
    return Outline(
        number=number,
        version=version,
        title=_joined(blocks[1]),
        cves=tuple(cve.strip() for cve in match["cves"].split(",")) if match["cves"] else (),
        sections=tuple(
            Section(heading.text.strip(), "\n".join(line.text for line in body).strip("\n"))
            for heading, body in sections
        ),
    )


def _resolution(
    lines: list[_Line], sections: list[tuple[_Line, list[_Line]]], number: int
) -> tuple[ResolutionLine, ...]:
    bodies = [body for heading, body in sections if heading.text.strip() == RESOLUTION]
    if len(bodies) != 1:
        code = "NO-TABLE" if not bodies else "FORM"
        raise Refusal(f"E-ADVISORY-{code}", f"it has {len(bodies)} sections RESOLUTION", where=f"XSA-{number}")
    body = bodies[0]
    prompts = [line for line in lines if _PROMPT.match(line.text)]
    table = [line for line in lines if _LINE.fullmatch(line.text)]
    if not prompts and not table:
        raise Refusal(
            "E-ADVISORY-NO-TABLE", "its resolution names no patches, so for which branches it is cannot be said",
            where=f"XSA-{number}",
        )  # fmt: skip
    if len(prompts) != 1:
        raise Refusal("E-ADVISORY-FILES", f"it has {len(prompts)} listings of files, not one", where=f"XSA-{number}")
    if prompts[0] not in body:
        raise _refused("FORM", number, prompts[0], "stands outside of the section RESOLUTION")
    start = body.index(prompts[0])
    listing, end = _listing(body, start, number)
    inside = {line.number for line in body[:start] if _LINE.fullmatch(line.text)}
    inside |= {line.number for line in body[start:end]}
    for line in lines:
        if line.number not in inside and (_LINE.fullmatch(line.text) or _HEX_LINE.match(line.text)):
            raise _refused("FORM", number, line, "looks like a part of the table and stands outside of it")
    return _matched(_table(body[:start], number), listing, prompts[0], number)


def _listing(body: list[_Line], start: int, number: int) -> tuple[dict[str, tuple[_Line, str]], int]:
    """The files that are listed behind the command, and where the listing ends."""
    if not _COMMAND.fullmatch(body[start].text):
        raise _refused("FORM", number, body[start], "is not the command that lists the files")
    found: dict[str, tuple[_Line, str]] = {}
    for at in range(start + 1, len(body)):
        line = body[at]
        if line.text == "$":
            return found, at
        match = _LISTED.fullmatch(line.text)
        if match is None or not _SHA256.fullmatch(match["hex"]):
            raise _refused("FORM", number, line, "is not a line of the listing: a SHA-256, two spaces, a name")
        _check_name(match["name"], line, number, glob=False)
        if match["name"] in found:
            raise _refused("FILES", number, line, "lists a file for the second time")
        found[match["name"]] = (line, match["hex"])
    raise _refused("FORM", number, body[start], "begins a listing that no line `$` ends")


def _table(body: list[_Line], number: int) -> list[tuple[_Line, str, Range]]:
    """The lines of the table: pattern and range."""
    found: list[tuple[_Line, str, Range]] = []
    for at, line in enumerate(body):
        match = _LINE.fullmatch(line.text)
        if match is None:
            if line.text and at and _LINE.fullmatch(body[at - 1].text):
                raise _refused("FORM", number, line, "follows the table without a blank line and may belong to it")
            continue
        if match["range"] is None:
            raise _refused("RANGE", number, line, "has no range")
        _check_name(match["glob"], line, number, glob=True)
        found.append((line, match["glob"], ranges.parse(match["range"], f"XSA-{number}, line {line.number}")))
    return found


def _matched(
    table: list[tuple[_Line, str, Range]], listing: dict[str, tuple[_Line, str]], prompt: _Line, number: int
) -> tuple[ResolutionLine, ...]:
    """Each line of the table with its files; every file belongs to exactly one."""
    if not table:
        raise _refused("FORM", number, prompt, "lists files without a table that says what they are for")
    taken: dict[str, str] = {}
    found: list[ResolutionLine] = []
    for line, glob, meant in table:
        series = _series(glob, listing)
        if not series:
            raise _refused("FILES", number, line, "fits no file of the listing")
        for name, _ in series:
            if name in taken:
                raise _refused("FILES", number, line, f"takes {name}, which {taken[name]} takes, too")
            taken[name] = glob
        numbers = [place for _, place in series if place is not None]
        first = min(numbers[:1], default=0)
        if first > 1 or numbers != list(range(first, first + len(numbers))):
            raise _refused("FILES", number, line, f"has the numbers {numbers[:30]}: one is missing or there twice")
        files = tuple(PatchFile(name, listing[name][1], place == 0) for name, place in series)
        found.append(ResolutionLine(glob, meant, files))
    for name, (line, _) in listing.items():
        if name not in taken and not name.endswith(".meta"):
            raise _refused("FILES", number, line, "lists a file that no line of the table has")
    return tuple(found)


def _series(glob: str, names: Iterable[str]) -> list[tuple[str, int | None]]:
    """The names that fit a pattern, each with its number in the series, by number; None for a plain name."""
    stars = _WILDCARDS.search(glob)
    if stars is None:
        return [(name, None) for name in names if name == glob]
    digits = stars[0].count("?")
    pattern = re.compile(
        rf"{re.escape(glob[: stars.start()])}(\d{{{max(digits, 1)},{6 if '*' in stars[0] else digits}}})"
        rf"{re.escape(glob[stars.end() :])}",
        re.ASCII,
    )
    found = [(name, int(match[1])) for name in names if (match := pattern.fullmatch(name)) is not None]
    return sorted(found, key=lambda item: (item[1], item[0]))


def _check_name(name: str, line: _Line, number: int, *, glob: bool) -> None:
    """Refuse what is not a file (or, for `glob`, a pattern of patches) of this advisory."""
    odd = "?*" if glob else ""
    kind = r"\.patch" if glob else r"\.(?:patch|meta)"
    form = re.compile(rf"(?:xsa{number}/)?xsa{number}(?:-[A-Za-z0-9._+{odd}-]*)?{kind}", re.ASCII)
    if not form.fullmatch(name) or ".." in name or len(name) > _LONGEST_NAME:
        raise _refused("NAME", number, line, f"has a name that no patch of XSA-{number} has")
    if len(_WILDCARDS.findall(name)) > 1 or re.search(r"[?*]{7}", name):
        raise _refused("NAME", number, line, "has a pattern with more than one number in it")


def _blocks(lines: list[_Line]) -> list[list[_Line]]:
    """Runs of lines that are not blank."""
    found: list[list[_Line]] = [[]]
    for line in lines:
        if line.text:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [block for block in found if block]


def _joined(lines: list[_Line]) -> str:
    return " ".join(" ".join(line.text for line in lines).split())


def _refused(code: str, number: int, line: _Line, what: str) -> Refusal:
    return Refusal(
        f"E-ADVISORY-{code}", f"{line.text.strip()[:100]!r} {what}", where=f"XSA-{number}, line {line.number}"
    )
