"""Git objects read through one `git cat-file --batch`, each checked against its own identifier.

The check closes the chain from the signature to the hash: the signed tag names a commit, the commit a tree, the tree
its files, each by the SHA-1 of its content. Git checks that when objects arrive, and nobody would notice a cache that
was altered on disk afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from typing import IO, TYPE_CHECKING

from xenbump import process
from xenbump.errors import Failure, Refusal
from xenbump.hashes import objects as form

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence
    from pathlib import Path


# Bytes of an object, which is read into memory as a whole. The largest of Xen and of what its pins name are far below:
# a tag or a commit has some kilobytes, a folder as well, and a file some megabytes.
_LARGEST = {"tag": 1_000_000, "commit": 1_000_000, "tree": 8_000_000, "blob": 64_000_000}
# Objects that are asked for ahead: 64 names are 2.6 kB, and the smallest pipe has 4.
_AHEAD = 64
_CHUNK = 1 << 16


class ObjectReader:
    """Reads objects from one repository; it fits `xenbump.hashes.objects.Objects`. Made by `open_objects`."""

    def __init__(self, conversation: subprocess.Popen[bytes], where: str) -> None:
        self._process = conversation
        self._where = where
        self._trees: dict[str, tuple[form.TreeEntry, ...]] = {}
        # What git was asked for and has not been read yet, in this order, and what it will be asked for behind that.
        self._asked: deque[str] = deque()
        self._expected: deque[str] = deque()

    def raw(self, oid: str, kind: str) -> bytes:
        """The content of the object `oid`, which must be of the type `kind` (`blob`, `tree`, `commit`, `tag`).

        Raises:
            Refusal: E-OBJECT-SIZE when it is larger than any that is expected; nothing can be read any more then.
            Failure: E-OBJECT when it is missing, of another type, or its content does not fit its identifier.
        """
        requests, replies = self._process.stdin, self._process.stdout
        if requests is None or replies is None:
            raise Failure("E-OBJECT", "git is not listening", where=self._where)
        try:
            self._ask(oid, requests, replies)
            header = replies.readline().split()
            size = int(header[2]) if len(header) == 3 else -1  # noqa: PLR2004
            if size > _LARGEST.get(kind, 0):
                # Its content will not be read, and what git says next could not be found behind it.
                requests.close()
                replies.close()
                raise Refusal(
                    "E-OBJECT-SIZE",
                    f"the {kind} {oid} has {size} bytes; the limit is {_LARGEST.get(kind, 0)}",
                    where=self._where,
                )
            content = replies.read(size + 1)[:-1] if size >= 0 else b""
        except (OSError, ValueError) as error:
            raise Failure("E-OBJECT", f"git could not read the object {oid}", where=self._where) from error
        if size < 0:
            raise Failure("E-OBJECT", f"the object {oid} is not in the cache", where=self._where)
        found = header[1].decode("ascii", "replace")
        if found != kind:
            raise Failure("E-OBJECT", f"the object {oid} is a {found}, not a {kind}", where=self._where)
        # git's own identifiers are SHA-1; the collision check was done when the object arrived.
        digest = hashlib.sha1(b"%s %d\0" % (header[1], size), usedforsecurity=False)
        digest.update(content)
        if len(content) != size or digest.hexdigest() != oid:
            raise Failure("E-OBJECT", f"the object {oid} has been altered in the cache", where=self._where)
        return content

    def _ask(self, oid: str, requests: IO[bytes], replies: IO[bytes]) -> None:
        """Ask git for an object, unless that was done ahead; what it has to say next is about that one."""
        if self._asked and self._asked[0] != oid:
            # Somebody wants something else than what was expected.
            self._expected.clear()
            while self._asked:
                self._pass_over(self._asked.popleft(), requests, replies)
        if not self._asked:
            self._asked.append(oid)
            requests.write(oid.encode("ascii") + b"\n")
            requests.flush()
        self._asked.popleft()
        self._ask_ahead(requests)

    def _ask_ahead(self, requests: IO[bytes]) -> None:
        """Keep git at work: so little is asked that it fits into a pipe, whether git reads it or not."""
        if len(self._asked) < _AHEAD // 2 and self._expected:
            while len(self._asked) < _AHEAD and self._expected:
                self._asked.append(self._expected.popleft())
                requests.write(self._asked[-1].encode("ascii") + b"\n")
            requests.flush()

    def _pass_over(self, oid: str, requests: IO[bytes], replies: IO[bytes]) -> None:
        """Read an object that nobody wants any more."""
        header = replies.readline().split()
        left = int(header[2]) + 1 if len(header) == 3 else 0  # noqa: PLR2004
        if left > max(_LARGEST.values()) + 1:
            requests.close()
            replies.close()
            raise OSError(f"the object {oid} is too large to be passed over")
        while left > 0:
            part = replies.read(min(left, _CHUNK))
            if not part:
                raise OSError("git has ended")
            left -= len(part)

    def expect(self, files: Sequence[str]) -> None:
        """These files are asked for next, in this order: git can read one while another is being hashed.

        What comes in another order, or not at all, costs time and nothing else.
        """
        self._expected.extend(files)
        requests = self._process.stdin
        if requests is not None:
            # What is wrong is told when an object is asked for.
            with contextlib.suppress(OSError, ValueError):
                self._ask_ahead(requests)

    def gather(self, trees: Sequence[str]) -> None:
        """Read these trees, so that they are at hand."""
        lacking = [oid for oid in dict.fromkeys(trees) if oid not in self._trees]
        self.expect(lacking)
        for oid in lacking:
            self.tree(oid)

    def tree(self, oid: str) -> tuple[form.TreeEntry, ...]:
        """The entries of a tree, in git's order; kept, since archive and NAR both walk them."""
        if oid not in self._trees:
            self._trees[oid] = form.parse_tree(self.raw(oid, "tree"), f"tree {oid}")
        return self._trees[oid]

    def blob(self, oid: str) -> form.Blob:
        """The content of a file."""
        content = self.raw(oid, "blob")
        return form.Blob(len(content), (content,))

    def commit(self, oid: str) -> form.Commit:
        """A commit."""
        return form.parse_commit(self.raw(oid, "commit"), oid)

    def file(self, tree: str, path: str) -> bytes | None:
        """The content of the file at `path` below a tree; None where there is no such file."""
        *folders, name = path.encode().split(b"/")
        for folder in folders:
            entry = next((e for e in self.tree(tree) if e.name == folder and e.mode == form.DIRECTORY), None)
            if entry is None:
                return None
            tree = entry.oid
        entry = next(
            (e for e in self.tree(tree) if e.name == name and e.mode not in {form.DIRECTORY, form.SUBMODULE}), None
        )
        return None if entry is None else self.raw(entry.oid, "blob")


@contextlib.contextmanager
def open_objects(repository: Path, env: dict[str, str]) -> Iterator[ObjectReader]:
    """Start reading objects of the bare repository at `repository`; `env` is git's environment."""
    argv = ["git", f"--git-dir={repository}", "cat-file", "--batch"]
    with process.start(argv, env=env) as conversation:
        yield ObjectReader(conversation, str(repository))
