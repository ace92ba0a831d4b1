"""How long the hash of a release takes from git's objects, against what it takes with an archive, tar and Nix.

Both ways start from the same commit in a bare repository and must give the same hash; they are measured in the same
run, turn and turn about, and the best of the rounds counts. The commit is made for the occasion, with about as many
files as Xen has, or is the newest release in the repository that XENBUMP_REAL_XEN names. Run it with
`python bench/hashes.py`; the exit status is 1 when the hashes differ or the objects take longer than the limit says.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.demo.git_server import isolated_git
from xenbump.hashes import archive, nar, sri
from xenbump.process import run
from xenbump.upstream import git, release
from xenbump.upstream.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = 3000
ROUNDS = 3
# Times as long as the other way may ours take.
LIMIT = 1.0


def generated(folder: Path) -> tuple[Path, str]:
    """Make a repository with one commit of about Xen's size; its path and the commit."""
    source = random.Random(23)  # noqa: S311 - nothing here is a secret
    words = [bytes(source.choices(b"abcdefghij_(){};\n ", k=12)) for _ in range(4000)]
    stream = [b"commit refs/heads/x\ncommitter Xen demo <demo@localhost> 1767614400 +0000\ndata 1\nx\n"]
    files = {b".gitattributes": b".gitarchive-info export-subst\n", b".gitarchive-info": b"$Format:%H$ $Format:%cD$\n"}
    for number in range(FILES):
        path = b"folder-%d/part.%d/file-%d.c" % (number % 40, number % 7, number)
        files[path] = b"".join(source.choices(words, k=source.randrange(1, 1600)))
    for path, content in files.items():
        stream += [b"M 100644 inline %b\ndata %d\n" % (path, len(content)), content, b"\n"]
    store = folder / "store.git"
    run(["git", "init", "--quiet", "--bare", str(store)], env=isolated_git())
    run(["git", f"--git-dir={store}", "fast-import", "--quiet"], env=isolated_git(), stdin=b"".join(stream))
    commit = run(["git", f"--git-dir={store}", "rev-parse", "refs/heads/x"], env=isolated_git()).stdout
    return store, commit.decode().strip()


def newest_release(store: Path) -> tuple[Path, str]:
    """The repository at `store`, and the commit of its newest release."""
    address = str(store)
    listed = git.call(["ls-remote", "--", address, "refs/tags/*"], address=address).stdout.decode()
    found = release.newest(release.releases(release.parse_refs(listed, address)), branch=None, where=address)
    return store, found.commit or found.tag_object


def from_objects(store: Path, commit: str) -> str:
    """Compute the hash of the archive from git's objects."""
    with open_objects(store, git.environment(None)) as objects:
        facts = objects.commit(commit)
        return sri.encode(nar.tree_hash(objects, facts.tree, archive.substitutions(objects, facts)))


def from_archive(store: Path, commit: str) -> str:
    """Compute it as a fetcher does: unpack the archive, and let Nix hash the folder."""
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "tar"
        place = Path(folder) / "place"
        place.mkdir()
        argv = ["git", f"--git-dir={store}", "archive", "--format=tar", f"--output={tar}", commit]
        run(argv, env=isolated_git())
        run(["tar", "--extract", f"--file={tar}", f"--directory={place}"])
        env = {"NIX_CONFIG": "experimental-features = nix-command", "HOME": folder}
        return run(["nix", "hash", "path", "--sri", "--type", "sha256", str(place)], env=env).stdout.decode().strip()


def measure(work: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> int:
    """Measure and print; return the exit status."""
    if shutil.which("nix") is None:
        print("nix is not installed, so there is nothing to compare with")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        real = os.environ.get("XENBUMP_REAL_XEN")
        store, commit = newest_release(Path(real)) if real else generated(Path(folder))
        ours, theirs = from_objects(store, commit), from_archive(store, commit)
        print(f"{'the newest release of Xen' if real else f'{FILES} generated files'}: {ours}")
        if ours != theirs:
            print(f"Nix says {theirs}")
            return 1
        rounds = [
            (measure(lambda: from_objects(store, commit)), measure(lambda: from_archive(store, commit)))
            for _ in range(ROUNDS)
        ]
    mine, nix = (min(times) for times in zip(*rounds, strict=True))
    print(f"objects             {mine:8.2f} s")
    print(f"archive, tar, nix   {nix:8.2f} s")
    print(f"ratio: {mine / nix:.2f} (limit {LIMIT:.1f})")
    return int(mine > LIMIT * nix)


if __name__ == "__main__":
    sys.exit(main())
