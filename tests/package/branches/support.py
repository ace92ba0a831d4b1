"""A folder of branches, in memory."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from xenbump.nixlang import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xenbump.nixlang.document import Document

HERE = "xen/4.20"
NAME = "default.nix"


class Memory:
    """Files by their path from the folder above `xen`, seen from `xen/4.20`."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}

    def read(self, name: str) -> bytes | None:
        return self.files.get(posixpath.normpath(posixpath.join(HERE, name)))

    def names(self, folder: str) -> tuple[str, ...]:
        start = posixpath.normpath(posixpath.join(HERE, folder)) + "/"
        inside = {path.removeprefix(start).partition("/")[0] for path in self.files if path.startswith(start)}
        return tuple(sorted(inside))


def definition(branch: str, latest: str | None = None) -> str:
    line = "" if latest is None else f"  latest = {latest};\n"
    return (
        "{ callPackage }:\n\ncallPackage (import ../generic/default.nix {\n"
        f'  pname = "xen";\n  branch = "{branch}";\n  version = "{branch}.1";\n{line}'
        '  pkg = {\n    xen = {\n      rev = "";\n      hash = "";\n      patches = [ ];\n    };\n  };\n}) { }\n'
    )


def folder(
    listing: str | None,
    *more: tuple[str, str | bytes],
    branches: Sequence[str] = ("4.18", "4.19", "4.20"),
    latest: str = "4.20",
) -> Memory:
    """A folder with these branches, and `default.nix` in it where there is a text for it."""
    files: dict[str, str | bytes] = {
        f"xen/{one}/{NAME}": definition(one, str(one == latest).lower()) for one in branches
    }
    if listing is not None:
        files[f"xen/{NAME}"] = listing
    return Memory({**files, **dict(more)})


def read_back(content: bytes | None) -> Document:
    """A result, which must be Nix."""
    assert content is not None
    return parse(content.decode())


@dataclass(frozen=True)
class Style:
    """How a file lists branches."""

    before: str
    entry: str
    after: str


STYLES = {
    "attributes": Style("{ callPackage }:\nrec {\n", "xen_@u@ = callPackage ./@d@ { };", "}\n"),
    "files": Style("{\n", '"@d@" = ../xen/@d@/default.nix;', "}\n"),
    "nested": Style("let\n", 'pkgs.xen_@u@ = build {\n    branch = "@d@";\n  };', "in\npkgs\n"),
    "strings": Style("map build [\n", '"@d@"', "]\n"),
    "paths": Style("{ xenVersions = [\n", "./@d@", "]; }\n"),
    "sets": Style("[\n", '{ name = "xen"; path = ./@d@; }', "]\n"),
    "inherit": Style("p: {\n  inherit (p)\n", "xen_@u@", ";\n}\n"),
}  # fmt: skip


def entry(style: Style, branch: str) -> str:
    """The entry of a branch."""
    return style.entry.replace("@d@", branch).replace("@u@", branch.replace(".", "_"))


@st.composite
def listings(draw: st.DrawFn, style: Style, branches: Sequence[str]) -> str:
    """A file that lists branches in this order, with comments and white space of all kinds around them."""
    indent = draw(st.sampled_from(["  ", "\t", "    "]))
    apart = draw(st.sampled_from(["\n", "\n\n", " "]))
    comments = draw(st.booleans()) and apart != " "
    text = style.before
    for number, branch in enumerate(branches):
        if comments and draw(st.booleans()):
            kind = draw(st.sampled_from(["# of {}", "# two\n{i}# lines of {}", "/* of {} */", "# free\n\n{i}# of {}"]))
            text += indent + kind.replace("{}", f"no. {number}").replace("{i}", indent) + "\n"
        if apart != " " or not number:
            text += indent
        text += entry(style, branch)
        if comments and draw(st.booleans()):
            text += draw(st.sampled_from([" # behind {}", "\t/* behind {} */", "  "])).replace("{}", f"no. {number}")
        text += "\n" if number == len(branches) - 1 else apart
    text += style.after
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def is_insertion(before: str, after: str) -> bool:
    """Whether the text after is the one before with one piece more."""
    same = 0
    while same < len(before) and before[same] == after[same]:
        same += 1
    return after.endswith(before[same:])
