"""A Xen project with fixes in it: a source file, and the patches between its states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.demo.git_server import isolated_git
from xenbump.demo.xen_project import File
from xenbump.process import run

if TYPE_CHECKING:
    from xenbump.demo.xen_project import XenProject

SOURCE = "xen/common/fix.c"


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
