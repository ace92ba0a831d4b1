"""Git trees made of named contents, read by xenbump and judged by the real git and the real Nix."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from xenbump.demo.git_server import isolated_git
from xenbump.errors import Refusal
from xenbump.hashes import archive, nar, sri
from xenbump.process import run
from xenbump.upstream import git
from xenbump.upstream.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
PERSON = "Xen demo <demo@localhost> {time}"


def needed(program: str) -> str:
    """The path of a program; without it the test is left out, except in CI."""
    path = shutil.which(program)
    if path is None:
        message = f"{program} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


@dataclass(frozen=True)
class Entry:
    """A file of a tree: git's mode and the content (of a link where it points, of a submodule its commit)."""

    content: bytes
    mode: str = FILE


class Trees:
    """A bare repository to which trees are written, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store.git"
        run(["git", "init", "--quiet", "--bare", "--template=", str(self.store)], env=isolated_git())

    def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run git in the repository."""
        argv = ["git", f"--git-dir={self.store}", "-c", "core.quotePath=false", *arguments]
        return run(argv, env=isolated_git(), stdin=stdin).stdout

    def commit(self, files: Mapping[bytes, Entry], *, times: str = "1767614400 +0000") -> str:
        """Write a commit with these files by path; its identifier."""
        author, _, committer = times.partition("|")
        people = (PERSON.format(time=author), PERSON.format(time=committer or author))
        stream = [b"commit refs/heads/x\nauthor %b\ncommitter %b\ndata 1\nx\n" % tuple(map(str.encode, people))]
        stream.append(b"deleteall\n")
        for path, entry in files.items():
            quoted = b"".join(b"\\%03o" % byte if byte < 33 or byte in b'"\\' else bytes([byte]) for byte in path)
            if entry.mode == SUBMODULE:
                stream.append(b'M 160000 %b "%b"\n' % (entry.content, quoted))
            else:
                head = b'M %b inline "%b"\ndata %d\n' % (entry.mode.encode(), quoted, len(entry.content))
                stream += [head, entry.content, b"\n"]
        self.git("update-ref", "-d", "refs/heads/x")
        self.git("fast-import", "--quiet", "--force", "--date-format=raw-permissive", stdin=b"".join(stream))
        return self.git("rev-parse", "refs/heads/x").decode().strip()

    def ours(self, commit: str, fetcher: str = "fetchgit") -> str:
        """The hash as xenbump computes it."""
        with open_objects(self.store, git.environment(None)) as objects:
            facts = objects.commit(commit)
            replaced = {}
            if fetcher == "fetchFromGitHub":
                replaced = archive.substitutions(objects, facts)
            else:
                archive.refuse_conversions(objects, facts)
            return sri.encode(nar.tree_hash(objects, facts.tree, replaced))

    def refusal(self, commit: str, fetcher: str = "fetchgit") -> Refusal:
        """What xenbump refuses a commit with."""
        with pytest.raises(Refusal) as caught:
            self.ours(commit, fetcher)
        return caught.value

    @contextlib.contextmanager
    def checked_out(self, commit: str) -> Iterator[Path]:
        """The checkout of a commit, made by git, without `.git`."""
        with self._folder() as place:
            self.git(f"--work-tree={place}", "-c", "core.symlinks=true", "read-tree", commit)
            self.git(f"--work-tree={place}", "checkout-index", "--all", "--force")
            yield place

    @contextlib.contextmanager
    def archived(self, commit: str) -> Iterator[Path]:
        """What `git archive` makes of a commit, unpacked by tar."""
        with self._folder() as place:
            tar = self.git("archive", "--format=tar", commit)
            run(["tar", "--extract", f"--directory={place}"], stdin=tar)
            yield place

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        place = self.folder / "place"
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place)


def nix_hash(folder: Path) -> str:
    """The hash of a folder as Nix computes it."""
    env = {"NIX_CONFIG": "experimental-features = nix-command", "HOME": str(folder.parent)}
    argv = [needed("nix"), "hash", "path", "--sri", "--type", "sha256", str(folder)]
    return run(argv, env=env).stdout.decode().strip()


def modes(folder: Path) -> set[int]:
    """The kinds of files in a folder, so that a test can say that it had them all."""
    return {stat.S_IFMT(path.lstat().st_mode) for path in folder.rglob("*")}
