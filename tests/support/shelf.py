"""A copy of xenbits' advisories in a folder, with texts that are really signed, and a Xen project with fixes in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.advisories import build, content_of, render
from xenbump.demo.git_server import isolated_git
from xenbump.demo.xen_project import File
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xenbump.demo.signing import SigningKey
    from xenbump.demo.xen_project import XenProject
    from xenbump.upstream.advisory import Advisory

PUBLIC = "2026-03-17 12:00"
SOURCE = "xen/common/fix.c"


class Shelf:
    """The folder: `xsa.json`, texts and patches, as they are put there."""

    def __init__(self, folder: Path, key: SigningKey) -> None:
        self.folder = folder
        self.key = key
        self.entries: dict[int, dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        number: int,
        table: Sequence[tuple[str, str] | tuple[str, str, Sequence[str]]],
        *,
        contents: Mapping[str, bytes] | None = None,
        public: str = PUBLIC,
        **more: Any,
    ) -> Advisory:
        """Publish an advisory and its patches; `more` goes to `build`."""
        advisory = build(number, table, contents=contents, **more)
        self.put(number, self.key.clearsign(render(advisory)))
        for line in advisory.lines:
            for file in line.files:
                path = self.folder / file.name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes((contents or {}).get(file.name, content_of(file.name)))
        self.listed(number, version=advisory.version, title=advisory.title, public_time=public)
        return advisory

    def put(self, number: int, content: bytes) -> None:
        """Write the text of an advisory as it is, good or bad."""
        (self.folder / f"advisory-{number}.txt").write_bytes(content)

    def listed(self, number: int, **entry: Any) -> None:
        """List a number with these keys, and the whole index anew."""
        self.entries[number] = {"xsa": str(number), **entry}
        index = [{"xsas": list(self.entries.values())}]
        (self.folder / "xsa.json").write_text(json.dumps(index))


def source(*changes: str, at: int = 10) -> dict[str, File]:
    """A source file of numbered lines, with a line after number 10, 20, … for each change."""
    lines = []
    for number in range(1, 61):
        lines.append(f"line {number};\n")
        lines += [f"    {change};\n" for place, change in enumerate(changes, 1) if number == at * place]
    return {SOURCE: File.text("".join(lines))}


def diff(xen: XenProject, old: str, new: str) -> bytes:
    """The patch between two commits, as advisories bring them: for the source alone, without the changelog."""
    argv = ["git", f"--git-dir={xen.path}", "diff", old, new, "--", SOURCE]
    return b"x86: fix it\n\nThis is XSA-0.\n\n" + run(argv, env=isolated_git()).stdout
