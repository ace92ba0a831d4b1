"""A Xen Project of any size: many commits, files and branches, signed releases, and fixes that name their advisories.

`xenbump.demo.xen_project` writes every file of every commit anew, which is right for few of them; here each commit
changes some lines of one file. All releases have the files that the program reads.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.demo.git_server import isolated_git
from xenbump.demo.xen_project import FIRST_COMMIT
from xenbump.demo.xen_tree import sources, support_at_tag, support_at_tip, usual_pins, version_files
from xenbump.process import run

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.demo.signing import SigningKey

_SOMEBODY = b"Xen demo <demo@localhost>"
_WORDS = 8
_MINUTE = 60
_SEED = 23


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is.

    Attributes:
        branches: as `X.Y`, oldest first.
        points: releases of each.
        trunk: commits on `master` before each branch is cut.
        between: commits on a branch before each of its releases.
        files: that the commits change.
        lines: of each file, of about 50 characters.
        tight: whether it is packed once more, as a server has it, and not as it was written.
        advisories: numbers of the advisories that are fixed, as evenly spread over the branches as can be.
    """

    branches: tuple[str, ...]
    points: int
    trunk: int
    between: int
    files: int
    advisories: tuple[int, ...] = ()
    lines: int = 60
    tight: bool = True

    @property
    def commits(self) -> int:
        """How many commits there are, but for some that write versions."""
        return len(self.branches) * (self.trunk + self.points * self.between)


class _Writer:
    """Writes the stream of a `git fast-import`."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.stream: list[bytes] = []
        self.commits: dict[str, int] = {}
        self.time = FIRST_COMMIT
        self._random = random.Random(_SEED)  # noqa: S311 - nothing here is a secret
        self._words = [bytes(self._random.choices(b"abcdefghijklmnop_();{}", k=6)) for _ in range(3000)]
        self._mark = 0
        self._texts = [[self._line() for _ in range(size.lines)] for _ in range(size.files)]

    def _line(self) -> bytes:
        return b"    " + b" ".join(self._random.choices(self._words, k=_WORDS)) + b"\n"

    def commit(self, ref: str, message: str, files: dict[str, tuple[str, bytes]], start: int | None = None) -> None:
        """Write a commit on a ref, on top of another mark where the ref begins."""
        self._mark += 1
        self.time += _MINUTE
        text = message.encode() + b"\n"
        self.stream.append(
            b"commit refs/heads/%b\nmark :%d\ncommitter %b %d +0000\ndata %d\n%b"
            % (ref.encode(), self._mark, _SOMEBODY, self.time, len(text), text)
        )
        if start is not None:
            self.stream.append(b"from :%d\n" % start)
        for path, (mode, data) in files.items():
            self.stream += [f"M {mode} inline {path}\ndata {len(data)}\n".encode(), data, b"\n"]
        self.commits[ref] = self._mark

    def work(self, ref: str, count: int, fixed: list[int]) -> None:
        """Write commits that change a few lines each; some say that they fix an advisory."""
        for number in range(count):
            place = self._random.randrange(self.size.files)
            text, at = self._texts[place], self._random.randrange(self.size.lines - 3)
            text[at : at + 3] = [self._line() for _ in range(3)]
            told = f"\n\nThis is XSA-{fixed[number]}." if number < len(fixed) else ""
            words = " ".join(one.decode() for one in self._random.choices(self._words, k=40))
            message = f"part {place}: change lines {at} to {at + 3}\n\n{words}{told}"
            self.commit(ref, message, {path_of(place): ("100644", b"".join(text))})

    def everything(self) -> dict[str, tuple[str, bytes]]:
        """All files as they are now."""
        found = {path: (one.mode, one.data) for path, one in sources().items()}
        return found | {path_of(place): ("100644", b"".join(text)) for place, text in enumerate(self._texts)}

    def version(self, ref: str, version: str, *, tip: bool = False, start: int | None = None) -> None:
        """Write the commit that sets the version."""
        line = ".".join(version.split(".")[:2])
        windows = support_at_tip(line) if tip else support_at_tag(version)
        written = version_files(version, usual_pins(version), windows)
        self.commit(ref, f"Xen {version}", {path: (one.mode, one.data) for path, one in written.items()}, start)


def path_of(place: int) -> str:
    """Where the file of that number lies."""
    return f"xen/part-{place % 23}/folder-{place % 7}/file-{place}.c"


def build(path: Path, key: SigningKey, size: Size) -> None:
    """Make a bare repository, packed as a server has it.

    Args:
        path: where it is to be.
        key: signs the releases; made no later than `FIRST_COMMIT`.
        size: how much there is.
    """
    git = ["git", f"--git-dir={path}"]
    run(["git", "init", "--quiet", "--bare", "--template=", "--initial-branch=master", str(path)], env=isolated_git())
    made = _Writer(size)
    made.commit("master", "Xen begins", made.everything())
    marks: dict[str, tuple[int, int]] = {}
    share = -(-len(size.advisories) // len(size.branches)) if size.advisories else 0
    before = ""
    for place, branch in enumerate(size.branches):
        fixed = list(size.advisories[place * share : (place + 1) * share])
        made.work("master", max(size.trunk, len(fixed)), fixed)
        made.version("master", f"{branch}-unstable")
        stable = f"stable-{branch}"
        made.version(stable, f"{branch}.0-rc1", start=made.commits["master"])
        if before:
            # What `master` had fixed meanwhile, the branch before gets with its later releases.
            made.work(before, len(fixed), fixed)
        for point in range(size.points):
            made.work(stable, size.between, [])
            made.version(stable, f"{branch}.{point}")
            marks[f"RELEASE-{branch}.{point}"] = (made.commits[stable], made.time)
        made.version(stable, f"{branch}.{size.points}-pre", tip=True)
        before = stable
    exported = path / "marks"
    run([*git, "fast-import", "--quiet", f"--export-marks={exported}"], env=isolated_git(), stdin=b"".join(made.stream),
        timeout=300)  # fmt: skip
    oids = dict(line.split(" ") for line in exported.read_text(encoding="ascii").splitlines())
    exported.unlink()
    refs = []
    for name, (mark, at) in marks.items():
        body = f"object {oids[f':{mark}']}\ntype commit\ntag {name}\ntagger {_SOMEBODY.decode()} {at} +0000\n\n{name}\n"
        signed = body.encode() + key.sign_detached(body.encode(), at=at)
        oid = run([*git, "hash-object", "-t", "tag", "-w", "--stdin"], env=isolated_git(), stdin=signed).stdout
        refs.append(f"create refs/tags/{name} {oid.decode().strip()}\n")
    run([*git, "update-ref", "--stdin"], env=isolated_git(), stdin="".join(refs).encode())
    if size.tight:
        run([*git, "repack", "-a", "-d", "-q"], env=isolated_git(), timeout=300)
