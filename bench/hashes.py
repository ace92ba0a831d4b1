"""The hash of a release from git's objects, against a checkout that `nix hash path` reads.

Both start from the same bare repository and must come to the same hash. A checkout is `git checkout` into a new folder;
the other way that people have is a clone of only the tag (`git clone --depth 1`), and against that the objects are
fetched as well, into an empty cache from the same repository. They are measured in the same run, turn and turn about,
and the best of the rounds counts.

That nothing is written is shown by what is below the folder with the repository, the folder for temporary files and the
home, before and after: names, sizes and times.

The commit is made for the occasion, with about as many files as Xen has, or is the newest release in the repository
that `XENBUMP_REAL_XEN` names. Run it with `python bench/hashes.py`; `--json FILE` hands the figures over.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from support import place
from support.measured import GENERATED, REAL, Measured, Missing, main, real_xen
from support.stopwatch import best_elapsed

from xenbump.demo.git_server import isolated_git
from xenbump.hashes import archive, nar, sri
from xenbump.process import environment, run
from xenbump.upstream import git, release
from xenbump.upstream.objects import open_objects
from xenbump.upstream.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterable

FILES = 3000
ROUNDS = 3
TARGET = 3.0
_TAG = "RELEASE-4.20.4"


def generated(folder: Path) -> Path:
    """Make a repository with one commit of about Xen's size, and a tag for it."""
    source = random.Random(23)  # noqa: S311 - nothing here is a secret
    words = [bytes(source.choices(b"abcdefghij_(){};\n ", k=12)) for _ in range(4000)]
    stream = [f"commit refs/tags/{_TAG}\ncommitter Xen demo <demo@localhost> 1767614400 +0000\ndata 1\nx\n".encode()]
    files = {b".gitattributes": b".gitarchive-info export-subst\n", b".gitarchive-info": b"$Format:%H$ $Format:%cD$\n"}
    for number in range(FILES):
        path = b"folder-%d/part.%d/file-%d.c" % (number % 40, number % 7, number)
        files[path] = b"".join(source.choices(words, k=source.randrange(1, 1600)))
    for path, content in files.items():
        stream += [b"M 100644 inline %b\ndata %d\n" % (path, len(content)), content, b"\n"]
    store = folder / "store.git"
    run(["git", "init", "--quiet", "--bare", str(store)], env=isolated_git())
    run(["git", f"--git-dir={store}", "fast-import", "--quiet"], env=isolated_git(), stdin=b"".join(stream))
    return store


def newest(store: Path) -> str:
    """The tag of the newest release of a repository, which need not be signed."""
    tags = run(["git", f"--git-dir={store}", "tag", "--list", "RELEASE-*"], env=isolated_git()).stdout.decode().split()
    versions = [version for tag in tags if (version := release.version_of(tag)) is not None]
    return release.tag_of(max(versions, key=release.order))


def from_objects(store: Path, commit: str) -> str:
    """Compute the hash from git's objects, as `fetchgit` pins it."""
    with open_objects(store, git.environment(None)) as objects:
        facts = objects.commit(commit)
        archive.refuse_conversions(objects, facts)
        return sri.encode(nar.tree_hash(objects, facts.tree))


def fetched(store: Path, commit: str, tag: str) -> str:
    """Fetch the objects into an empty cache, and compute it from them."""
    with tempfile.TemporaryDirectory() as cache:
        address = f"file://{store}"
        return Repository([address], Path(cache)).source_hash(commit, f"refs/tags/{tag}", address, "fetchgit")


def call(*argv: str) -> bytes:
    """Run a program; what it prints."""
    env = environment(
        {**isolated_git({"advice.detachedHead": "false"}), "NIX_CONFIG": "experimental-features = nix-command"}
    )
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, env=env).stdout


def hashed(folder: Path) -> str:
    """Let Nix hash a folder."""
    return call("nix", "hash", "path", "--sri", "--type", "sha256", str(folder)).decode().strip()


def checked_out(store: Path, tag: str) -> str:
    """Check a tag out into a new folder, and let Nix hash that."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        tree.mkdir()
        # The index lies beside, so that the repository stays as it is.
        index = {"GIT_INDEX_FILE": str(Path(name) / "index")}
        argv = ["git", f"--git-dir={store}", f"--work-tree={tree}", "checkout", "--quiet", tag, "--", "."]
        subprocess.run(argv, check=True, env=environment({**isolated_git({"core.bare": "false"}), **index}))
        return hashed(tree)


def cloned(store: Path, tag: str) -> str:
    """Clone only a tag, and let Nix hash that without the folder of git."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        call("git", "clone", "--quiet", "--depth", "1", "--branch", tag, f"file://{store}", str(tree))
        shutil.rmtree(tree / ".git")
        return hashed(tree)


def seen(folders: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """Everything below some folders, with its size and when it was changed."""
    found = {}
    for folder in folders:
        for at, _, names in os.walk(folder):
            for path in (at, *(f"{at}/{name}" for name in names)):
                status = os.lstat(path)
                found[path] = (status.st_size, status.st_mtime_ns)
    return found


def measure() -> list[Measured]:
    """Measure and print."""
    if shutil.which("nix") is None:
        raise Missing("nix is not installed, so there is nothing to compare with")
    with place.folder() as folder:
        real = real_xen()
        store = (real or generated(folder)).absolute()
        tag = newest(store)
        commit = call("git", f"--git-dir={store}", "rev-parse", f"{tag}^{{commit}}").decode().strip()
        temporary = folder / "temporary"
        temporary.mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
        try:
            before = seen((folder, store))
            ours = from_objects(store, commit)
            written = len(before.items() ^ seen((folder, store)).items())
            expected = {checked_out(store, tag), cloned(store, tag), fetched(store, commit, tag)}
            assert expected == {ours}, expected
            mine, theirs, fetching, cloning = best_elapsed(
                ROUNDS,
                lambda: from_objects(store, commit),
                lambda: checked_out(store, tag),
                lambda: fetched(store, commit, tag),
                lambda: cloned(store, tag),
            )
        finally:
            tempfile.tempdir = None
            del os.environ["TMPDIR"]
        files = len(call("git", f"--git-dir={store}", "ls-tree", "-r", "--name-only", "-z", tag).split(b"\0")) - 1
    print(f"{f'{tag} of Xen' if real else 'generated'}, {files} files: {ours}")
    print(f"objects                      {mine:8.2f} s   files written or changed: {written}")
    print(f"git checkout, nix hash path  {theirs:8.2f} s   files written: {files}")
    print(f"objects, fetched             {fetching:8.2f} s")
    print(f"git clone, nix hash path     {cloning:8.2f} s")
    given = REAL if real else GENERATED
    return [
        Measured(
            "Hash of a release from git's objects", "`git checkout` and `nix hash path`", theirs / mine, TARGET,
            faster=True, given=given, told=f"{mine:.2f} s and {theirs:.2f} s",
        ),
        Measured(
            "Hash of a release, its objects fetched first", "`git clone --depth 1` and `nix hash path`",
            cloning / fetching, None, faster=True, given=given, told=f"{fetching:.2f} s and {cloning:.2f} s",
        ),
        Measured("Files written for the hash", "", written, 0, unit="files", given=given,
                 told=f"a checkout writes {files:,}"),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(measure))
