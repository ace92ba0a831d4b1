"""Hostile patches: out of the tree, through links, of odd modes, of very many hunks; tried and hashed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from xenbump.demo.git_server import isolated_git
from xenbump.errors import Refusal, XenbumpError
from xenbump.hashes import patch
from xenbump.process import run
from xenbump.upstream.trial import on_tree

if TYPE_CHECKING:
    from pathlib import Path

    Made = tuple[Path, str]

NEW = (
    "diff --git a/{0} b/{0}\nnew file mode {1}\nindex 0000000..257cc56\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+foo\n"
)
MOVED = "diff --git a/f b/{0}\nsimilarity index 100%\n{1} from f\n{1} to {0}\n"
OUT = ("../../x", "/etc/passwd", ".git/config", "a/../../x", ".GIT/hooks/x", "a/.git/x")
LINK = (
    "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+{0}\n"
    "\\ No newline at end of file\n"
)
BINARY = "diff --git a/b b/b\nnew file mode 100644\nindex 0000000..1111111\nBinary files /dev/null and b/b differ\n"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A repository with one file, and its commit."""
    store = tmp_path / "store.git"

    def git(*arguments: str, stdin: bytes = b"") -> str:
        person = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = run(["git", f"--git-dir={store}", *arguments], env={**isolated_git(), **person}, stdin=stdin)
        return done.stdout.decode().strip()

    git("init", "--quiet", "--bare", str(store))
    blob = git("hash-object", "-w", "--stdin", stdin=b"foo\n")
    tree = git("mktree", stdin=f"100644 blob {blob}\tf\n".encode())
    return store, git("commit-tree", tree, "-m", "x")


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if "/objects" not in str(path)}


@pytest.mark.parametrize(
    "content",
    [
        *(NEW.format(name, "100644") for name in OUT),
        *(MOVED.format(name, how) for name in OUT for how in ("rename", "copy")),
        LINK.format("../..") + NEW.format("l/x", "100644"),
        LINK.format("/etc") + NEW.format("l/passwd", "100644"),
        NEW.format("f/x", "100644"),
        NEW.format("s", "160000"),
        BINARY,
    ],
)
def test_it_does_not_go_in_and_writes_nowhere(content: str, made: Made, tmp_path: Path) -> None:
    store, commit = made
    before = everything(tmp_path)
    with on_tree(store, commit) as trial:
        try:
            fits = trial.goes_in([content.encode()]) is None
        except XenbumpError as error:
            assert error.code in {"E-GIT", "E-GIT-REPOSITORY"}  # noqa: PT017 - either is fine
            fits = False
    assert everything(tmp_path) == before
    assert not fits


@pytest.mark.parametrize("name", [*OUT, "a/../x"])
def test_its_normal_form_is_refused(name: str) -> None:
    if "git/" in name.lower() and ".." not in name:
        pytest.skip("inside of the tree: what a builder makes of it stays there")
    with pytest.raises(Refusal) as caught:
        patch.fetchpatch(NEW.format(name, "100644").encode())
    assert caught.value.code in {"E-PATCH-PATH", "E-PATCH-FORM"}


def test_many_hunks_take_time_in_proportion() -> None:
    def of(count: int) -> float:
        hunks = "".join(f"@@ -{10 * n + 1},1 +{10 * n + 1},1 @@\n-a\n+b\n" for n in range(count))
        content = f"--- a/f\n+++ b/f\n{hunks}".encode()
        began = time.process_time()
        patch.fetchpatch(content)
        return time.process_time() - began

    few, many = min(of(5_000) for _ in range(3)), of(50_000)
    assert many < 30 * few + 0.5
