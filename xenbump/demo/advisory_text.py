"""Builds advisories from facts and renders them as the Xen Project lays them out.

`build` makes the value that the parser (`xenbump.upstream.advisory`) must give back, `render` its text; sign that with
`xenbump.demo.signing.SigningKey.clearsign`. Nobody specifies the layout; it is that of published advisories.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from xenbump.upstream import ranges
from xenbump.upstream.advisory import RESOLUTION, Advisory, PatchFile, ResolutionLine, Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH = 64
_DEFAULT_SECTIONS = {
    "ISSUE DESCRIPTION": "Something is wrong.  This text\nhas two lines.",
    "IMPACT": "A guest can do harm.",
    "VULNERABLE SYSTEMS": "All versions are vulnerable.",
    "MITIGATION": "There is no known mitigation.",
}
_PROSE = "Applying the appropriate attached patch resolves this issue.\n\nDownstreams are encouraged to update first."
_AFTER = {"DEPLOYMENT DURING EMBARGO": "Deployment of the patches is permitted.\n\n(Note: this is retained.)"}


def content_of(name: str) -> bytes:
    """The stand-in content of a patch that `build` was not given."""
    return f"patch {name}\n".encode()


def expand(glob: str, count: int = 1, first: int = 1) -> tuple[str, ...]:
    """Names that a pattern stands for, numbered from `first`; the pattern itself when it has no wildcard."""
    wildcards = re.search(r"[?*]+", glob)
    if wildcards is None:
        return (glob,)
    width = 2 if wildcards[0] == "*" else len(wildcards[0])
    return tuple(
        glob[: wildcards.start()] + str(number).zfill(width) + glob[wildcards.end() :]
        for number in range(first, first + count)
    )


def build(
    number: int,
    table: Sequence[tuple[str, str] | tuple[str, str, Sequence[str]]],
    *,
    title: str = "x86: something is wrong",
    version: int = 2,
    cves: Sequence[str] = (),
    contents: Mapping[str, bytes] | None = None,
    sections: Mapping[str, str] | None = None,
) -> Advisory:
    """An advisory.

    Args:
        number: N of XSA-N.
        table: lines of file pattern, range, and the names of the files in their order (else `expand`, two of each).
        title: in one line.
        version: of the text.
        cves: in the text's order.
        contents: of patches, by name; else `content_of`.
        sections: which stand before the resolution; else some of the usual ones.
    """
    lines = []
    for glob, text, *given in table:
        names: Sequence[str] = given[0] if given else expand(glob, 2)
        files = []
        for name in names:
            digest = hashlib.sha256((contents or {}).get(name, content_of(name))).hexdigest()
            files.append(PatchFile(name, digest, prerequisite=_number(glob, name) == 0))
        lines.append(ResolutionLine(glob, ranges.parse(text), tuple(files)))
    before = dict(_DEFAULT_SECTIONS if sections is None else sections)
    if version > 1:
        before = {f"UPDATES IN VERSION {version}": "Public release.", **before}
    everything = {**before, RESOLUTION: f"{_PROSE}\n\n{render_table(number, lines)}", **_AFTER}
    return Advisory(number, version, title, tuple(cves), _sections(everything), tuple(lines))


def render(advisory: Advisory) -> bytes:
    """The text of an advisory, ready to be signed."""
    name = f"XSA-{advisory.number}"
    head = (
        f"Xen Security Advisory {','.join(advisory.cves)} / {name}"
        if advisory.cves
        else f"Xen Security Advisory {name}"
    )
    lines = [head.center(_WIDTH).rstrip()]
    if advisory.version > 1:
        lines.append(f"version {advisory.version}".center(_WIDTH).rstrip())
    lines += ["", advisory.title.center(_WIDTH).rstrip(), ""]
    for section in advisory.sections:
        lines += [section.name, "=" * len(section.name), "", *section.text.split("\n"), ""]
    return "\n".join(lines).rstrip("\n").encode() + b"\n"


def render_table(number: int, lines: Sequence[ResolutionLine]) -> str:
    """The table of patches and the listing of their files."""
    width = max((len(line.glob) for line in lines), default=0) + 6
    table = [f"{line.glob:{width}}{line.range.text}" for line in lines]
    files = sorted((file for line in lines for file in line.files), key=lambda file: file.name)
    folder = "*/*" if files and "/" in files[0].name else "*"
    listing = [f"{file.sha256}  {file.name}" for file in files]
    return "\n".join([*table, "", f"$ sha256sum xsa{number}{folder}", *listing, "$"])


def _sections(texts: Mapping[str, str]) -> tuple[Section, ...]:
    return tuple(Section(name, text) for name, text in texts.items())


def _number(glob: str, name: str) -> int | None:
    """The number of a file in the series of a pattern; None where there is none."""
    wildcards = re.search(r"[?*]+", glob)
    if wildcards is None:
        return None
    digits = name[wildcards.start() : len(name) - (len(glob) - wildcards.end())]
    return int(digits) if digits.isdigit() else None
