"""Trees worked out here have the identifiers that git gives them."""

from __future__ import annotations

import random
import subprocess
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from xenbump.publish.git_trees import Entry, Trees, blob_id, tree_id

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.publish.git_trees import Entries

_KINDS = [("100644", "blob"), ("100755", "blob"), ("120000", "blob"), ("040000", "tree"), ("160000", "commit")]
_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=6)
_FILES = st.dictionaries(
    st.lists(_NAMES.filter(lambda name: name not in {".", "..", ".git"}), min_size=1, max_size=3).map("/".join),
    st.binary(max_size=8),
    max_size=6,
)


def test_the_identifiers_are_those_of_git(tmp_path: Path) -> None:
    dice = random.Random(1)  # noqa: S311
    trees: list[Entries] = [{}]
    for _ in range(60):
        names = {"".join(dice.choices("ab.-0~é", k=dice.randint(1, 4))) for _ in range(dice.randint(1, 12))} - {
            ".",
            "..",
        }
        trees.append({name: Entry(*dice.choice(_KINDS), f"{dice.getrandbits(160):040x}") for name in names})
    lines = ["".join(f"{e.mode} {e.kind} {e.oid}\t{name}\0" for name, e in tree.items()) + "\0" for tree in trees]
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path)], check=True)
    command = ["git", f"--git-dir={tmp_path}", "mktree", "-z", "--missing", "--batch"]
    done = subprocess.run(command, input="".join(lines).encode(), capture_output=True, check=True)
    assert [tree_id(tree) for tree in trees] == done.stdout.decode().split()
    assert tree_id({}) == _EMPTY
    assert blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def built(files: dict[str, bytes]) -> tuple[Trees, str]:
    """The tree of some files, one put into it after the other."""
    trees, tree = Trees({_EMPTY: {}}.__getitem__), _EMPTY
    for path, content in files.items():
        tree = trees.replaced(tree, path, Entry("100644", "blob", blob_id(content)))
    return trees, tree


@settings(max_examples=40)
@given(_FILES, st.randoms())
def test_the_order_of_changes_makes_no_difference(files: dict[str, bytes], dice: random.Random) -> None:
    paths = [path for path in files if not any(other.startswith(f"{path}/") for other in files)]
    files = {path: files[path] for path in paths}
    _, tree = built(files)
    dice.shuffle(paths)
    trees, other = built({path: files[path] for path in paths})
    assert other == tree
    for path in paths:
        found = trees.find(tree, path)
        assert found is not None
        assert found.oid == blob_id(files[path])
    for path in paths:
        other = trees.replaced(other, path, None)
    assert other == _EMPTY
    assert trees.exact


def test_a_name_that_json_cannot_say() -> None:
    """What was read is then not what its identifier says, and nothing is concluded from it."""
    trees = Trees({"1" * 40: {"\ufffd": Entry("100644", "blob", "2" * 40)}}.__getitem__)
    assert trees.find("1" * 40, "\ufffd") is not None
    assert not trees.exact
    assert trees.find("1" * 40, "\ufffd/below") is None
