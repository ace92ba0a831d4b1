"""Hostile objects that git takes in: too large, too many, too deep, of odd names; by the whole program's `hash`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hostile.sizes import FULL, REPORT
from xenbump.demo.git_server import isolated_git
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.hostile.conftest import Siege

PERSON = "A U Thor <a@example.org> 1767225600 +0000"
MOST_MIB = 400


class Repository:
    """The Xen project's repository, with what is added to it by identifiers alone."""

    def __init__(self, siege: Siege) -> None:
        self._folder = siege.stage.world.folder / "xen.git"

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = run(["git", f"--git-dir={self._folder}", *arguments], env=isolated_git(), stdin=stdin)
        return done.stdout.decode().strip()

    def write(self, kind: str, content: bytes) -> str:
        return self.git("hash-object", "-w", "--literally", "--stdin", "-t", kind, stdin=content)

    def tree(self, *entries: tuple[str, bytes, str]) -> str:
        """A tree as it is given: mode, name and identifier."""
        return self.write("tree", b"".join(f"{m} ".encode() + n + b"\0" + bytes.fromhex(o) for m, n, o in entries))

    def commit(self, tree: str, message: bytes = b"m\n") -> str:
        return self.write("commit", f"tree {tree}\nauthor {PERSON}\ncommitter {PERSON}\n\n".encode() + message)

    def refs(self) -> set[str]:
        return set(self.git("for-each-ref", "--format=%(refname)").split())


@pytest.fixture
def repository(siege: Siege) -> Iterator[Repository]:
    made = Repository(siege)
    before = made.refs()
    yield made
    for ref in made.refs() - before:
        made.git("update-ref", "-d", ref)


def bomb(repository: Repository) -> str:
    """Ten to the ninth files, of ten objects."""
    oid = repository.write("blob", b"x")
    oid = repository.tree(*(("100644", b"%d" % number, oid) for number in range(10)))
    for _ in range(8):
        oid = repository.tree(*(("40000", b"%d" % number, oid) for number in range(10)))
    return repository.commit(oid)


def deep(repository: Repository) -> str:
    oid = repository.tree(("100644", b"f", repository.write("blob", b"x")))
    for _ in range(3000 if FULL else 400):
        oid = repository.tree(("40000", b"d", oid))
    return repository.commit(oid)


def many(repository: Repository) -> str:
    oid = repository.write("blob", b"x")
    return repository.commit(repository.tree(*(("100644", b"%07d" % number, oid) for number in range(250_000))))


def large(repository: Repository) -> str:
    oid = repository.write("blob", bytes((500 if FULL else 65) * 1_000_000))
    return repository.commit(repository.tree(("100644", b"f", oid)))


def long(repository: Repository) -> str:
    tree = repository.tree(("100644", b"f", repository.write("blob", b"x")))
    return repository.commit(tree, b"m" * ((100 if FULL else 2) * 1_000_000))


def named(*names: bytes) -> Callable[[Repository], str]:
    def make(repository: Repository) -> str:
        oid = repository.write("blob", b"x")
        return repository.commit(repository.tree(*(("100644", name, oid) for name in names)))

    return make


def folder(name: bytes) -> Callable[[Repository], str]:
    def make(repository: Repository) -> str:
        below = repository.tree(("100644", b"config", repository.write("blob", b"[core]\n")))
        return repository.commit(repository.tree(("40000", name, below)))

    return make


CASES: tuple[tuple[str, Callable[[Repository], str], tuple[str, ...]], ...] = (
    ("bomb", bomb, ("E-TREE-SIZE",)),
    ("deep", deep, ("E-TREE-SIZE", "E-GIT-FSCK", "E-TRUNCATED")),
    ("many", many, ("E-OBJECT-SIZE",)),
    ("large", large, ("E-OBJECT-SIZE",)),
    ("long", long, ("E-OBJECT-SIZE",)),
    ("up", named(b".."), ("E-GIT-FSCK", "E-TRUNCATED", "E-TREE-FORM")),
    ("slash", named(b"a/b"), ("E-GIT-FSCK", "E-TRUNCATED", "E-TREE-FORM")),
    ("git", folder(b".git"), ("E-GIT-FSCK", "E-TRUNCATED", "E-TREE-FORM")),
    ("git-in-capitals", folder(b".GIT"), ("E-GIT-FSCK", "E-TRUNCATED", "E-TREE-FORM")),
    ("twice", named(b"a", b"a"), ("E-GIT-FSCK", "E-TRUNCATED", "E-TREE-FORM")),
)
# A million entries take some seconds.
SMALL: dict[str, object] = {} if FULL else {"xenbump.hashes.objects:_MOST_ENTRIES": 20_000}


@pytest.mark.parametrize(("name", "make", "codes"), CASES, ids=[case[0] for case in CASES])
def test_what_no_tree_is_refused(
    name: str, make: Callable[[Repository], str], codes: tuple[str, ...], siege: Siege, repository: Repository
) -> None:
    repository.git("update-ref", f"refs/tags/{name}", make(repository))
    ended = siege.run("hash", name, "--fetcher", "github", seconds=90, constants=SMALL)
    REPORT.note(f"objects: {name}", ended)
    assert ended.status in {1, 20}, ended.text
    assert any(f": {code}: " in ended.err for code in codes), ended.err
    assert not ended.out
    assert "Traceback" not in ended.err
    assert not [line for line in ended.err.split("\n") if not line.isprintable()]
    assert ended.own < MOST_MIB


@pytest.mark.parametrize(
    "name", [b"a\nb", b"\x1b[31m", b"\xff\xfe", "\u202ex".encode(), b"-u", b"--exec=x", b"a\\..\\b"]
)
def test_names_that_are_odd_and_allowed(name: bytes, siege: Siege, repository: Repository) -> None:
    """NAR takes any bytes, so there is a hash; and nothing of the name is said."""
    repository.git("update-ref", "refs/tags/odd", named(name)(repository))
    ended = siege.run("hash", "odd", "--fetcher", "github")
    assert ended.status in {0, 1, 20}, ended.text
    assert not [line for line in ended.text.split("\n") if not line.isprintable()]
    assert "Traceback" not in ended.err
    assert (ended.status == 0) == ended.out.startswith("sha256-")


def test_a_tag_of_two_megabytes(siege: Siege, repository: Repository) -> None:
    commit = repository.git("rev-parse", "RELEASE-4.20.4^{commit}")
    size = (200 if FULL else 2) * 1_000_000
    body = f"object {commit}\ntype commit\ntag RELEASE-4.20.9\ntagger {PERSON}\n\n".encode() + b"m" * size
    repository.git("update-ref", "refs/tags/RELEASE-4.20.9", repository.write("tag", body))
    ended = siege.run("check")
    REPORT.note("objects: tag", ended)
    assert ended.status == 20, ended.text
    assert "refused: E-OBJECT-SIZE: " in ended.err
    assert ended.own < MOST_MIB


def test_afterwards_all_is_as_ever(siege: Siege) -> None:
    siege.recovers()
