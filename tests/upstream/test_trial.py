"""Patches on a real tree: in, out, neither; the tree and the store stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.shelf import SOURCE, diff, source
from xenbump import process
from xenbump.demo.git_server import isolated_git
from xenbump.demo.xen_project import Release, XenProject, build
from xenbump.errors import Failure
from xenbump.process import run
from xenbump.upstream import trial

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.demo.signing import SigningKey

NEW_FILE = b"""\
--- /dev/null
+++ b/xen/common/new.c
@@ -0,0 +1 @@
+int new;
"""
MISSING = b"""\
--- a/xen/common/new.c
+++ b/xen/common/new.c
@@ -1 +1,2 @@
 int old;
+int new;
"""
OUTSIDE = b"""\
--- a/../outside
+++ b/../outside
@@ -0,0 +1 @@
+int outside;
"""


@pytest.fixture(scope="module")
def project(key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> XenProject:
    return build(tmp_path_factory.mktemp("trial") / "xen.git", key, [Release("4.20.0")])


@pytest.fixture(scope="module")
def commits(project: XenProject) -> list[str]:
    """Four commits: as it was, with the first change, with the second, and with both taken out again."""
    steps = [source(), source("one"), source("one", "two"), source()]
    return [project.add_commit("4.20", files, f"step {place}") for place, files in enumerate(steps)]


@pytest.fixture(scope="module")
def series(project: XenProject, commits: list[str]) -> list[bytes]:
    return [diff(project, commits[0], commits[1]), diff(project, commits[1], commits[2])]


def state_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_series_goes_in_and_comes_out(project: XenProject, commits: list[str], series: list[bytes]) -> None:
    before = state_of(project.path)
    with trial.on_tree(project.path, commits[0]) as tree:
        assert tree.goes_in(series) is None
        assert tree.comes_out(series) == 1  # the last one is the first to come out
        assert tree.goes_in(series) is None  # each series starts from the tree anew
        assert tree.goes_in(series[1:]) is None
    with trial.on_tree(project.path, commits[1]) as tree:
        assert tree.comes_out(series[:1]) is None
        assert tree.comes_out(series) == 1
        assert tree.goes_in(series) == 0
        assert tree.goes_in(series[1:]) is None
    with trial.on_tree(project.path, commits[2]) as tree:
        assert tree.comes_out(series) is None
        assert tree.goes_in(series) == 0
        assert tree.goes_in([]) is None
    assert state_of(project.path) == before


def test_patches_that_build_on_each_other(project: XenProject, commits: list[str], series: list[bytes]) -> None:
    whole = [*series, diff(project, commits[2], commits[3])]
    with trial.on_tree(project.path, commits[0]) as tree:
        assert tree.goes_in(whole) is None
        assert tree.goes_in(list(reversed(series))) is None  # lines apart
        assert tree.goes_in([series[0], series[0]]) == 1
        assert tree.goes_in(whole[1:]) == 1  # the last wants both


def test_the_context_must_fit_to_the_letter(project: XenProject, commits: list[str], series: list[bytes]) -> None:
    with trial.on_tree(project.path, commits[0]) as tree:
        assert tree.goes_in([series[0].replace(b" line 12;", b" line twelve;")]) == 0
        assert tree.goes_in([series[0].replace(b"@@ -8,", b"@@ -30,")]) is None  # elsewhere, as git finds it


NEAR = [b" line 10;", b" line 11;"]
FAR = [b" line 8;", b" line 9;", b" line 12;", b" line 13;"]


def test_with_fuzz_the_nearest_lines_must_fit(project: XenProject, commits: list[str], series: list[bytes]) -> None:
    """The change stands between the lines 10 and 11."""
    assert b" line 10;\n+    one;\n line 11;\n" in series[0]
    with trial.on_tree(project.path, commits[0]) as tree:
        for line in (*NEAR, *FAR):
            odd = series[0].replace(line, b" changed;")
            assert odd != series[0]
            assert tree.goes_in([odd]) == 0
            assert tree.goes_in([odd], {0}) == (None if line in FAR else 0)
        assert tree.goes_in(series, {0, 1}) is None


def test_fuzz_is_for_some_patches_of_a_series(project: XenProject, commits: list[str], series: list[bytes]) -> None:
    near = series[0].replace(FAR[0], b" changed;")
    last = diff(project, commits[2], commits[3])
    with trial.on_tree(project.path, commits[0]) as tree:
        assert tree.goes_in([near, series[1], last], {0}) is None
        assert tree.goes_in([near, series[1], last], {1, 2}) == 0
        assert tree.goes_in([series[1], near, last], [1]) is None
        assert tree.goes_in([series[1], near, last], [0]) == 1
        assert tree.goes_in([series[1], near, series[0]], [1]) == 2
    with trial.on_tree(project.path, commits[1]) as tree:
        assert tree.comes_out([near]) == 0  # taken out, it must fit to the letter


def added(place: int) -> bytes:
    return NEW_FILE.replace(b"new.c", b"new-%d.c" % place)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 30])
def test_the_first_that_does_not_fit_is_named(
    count: int, project: XenProject, commits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(argv: list[str], **more: Any) -> process.Completed:
        calls.append(argv)
        return run(argv, **more)

    with trial.on_tree(project.path, commits[0]) as tree:
        monkeypatch.setattr(process, "run", counted)
        good = [added(place) for place in range(count)]
        assert tree.goes_in(good) is None
        assert len(calls) == 1
        for bad in {0, 1, count // 2, count - 2, count - 1} & set(range(count)):
            calls.clear()
            # Everything behind it would not fit either.
            assert tree.goes_in([*good[:bad], MISSING, *[MISSING] * (count - bad - 1)]) == bad
            assert tree.goes_in([*good[:bad], MISSING, *good[bad + 1 :]]) == bad
            assert len(calls) <= 2 * (2 + count.bit_length())


def test_no_patch_in_the_middle_of_a_series(project: XenProject, commits: list[str]) -> None:
    with trial.on_tree(project.path, commits[0]) as tree:
        with pytest.raises(Failure) as caught:
            tree.goes_in([added(1), b"no patch at all\n", added(2)])
        assert caught.value.code == "E-GIT"
        assert tree.goes_in([added(1), MISSING, b"no patch at all\n"]) == 1


def test_files_that_are_new_and_files_that_are_missing(project: XenProject, commits: list[str]) -> None:
    with trial.on_tree(project.path, commits[0]) as tree:
        assert tree.goes_in([NEW_FILE]) is None
        assert tree.comes_out([NEW_FILE]) == 0
        assert tree.goes_in([NEW_FILE, NEW_FILE]) == 1
        assert tree.goes_in([MISSING]) == 0


def test_a_patch_outside_of_the_tree_writes_nothing(
    project: XenProject, commits: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with trial.on_tree(project.path, commits[0]) as tree:
        try:
            assert tree.goes_in([OUTSIDE]) == 0
        except Failure as error:
            assert "outside" in error.what  # noqa: PT017 - versions of git differ in the status
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("patch", [b"", b"no patch at all\n", b"--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n x\n"])
def test_what_is_no_patch_is_neither_in_nor_out(project: XenProject, commits: list[str], patch: bytes) -> None:
    with trial.on_tree(project.path, commits[0]) as tree:
        for attempt in (tree.goes_in, tree.comes_out):
            with pytest.raises(Failure):
                attempt([patch])


@pytest.mark.parametrize(
    "ended",
    [
        (1, "fatal: the moon is in the way"),
        (1, "error: unable to create backing store for newly created file xen/Makefile"),
        (1, ""),
        (0, ""),
    ],
)
def test_a_git_that_does_not_do_its_work_is_no_verdict(
    project: XenProject,
    commits: list[str],
    series: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    ended: tuple[int, str],
) -> None:
    """It would be remembered of the tree, and an advisory stand as in conflict for ever."""

    def broken(argv: list[str], **more: Any) -> process.Completed:
        if "apply" in argv:
            return process.Completed(tuple(argv), ended[0], b"", ended[1].encode())
        return run(argv, **more)

    monkeypatch.setattr(process, "run", broken)
    with trial.on_tree(project.path, commits[0]) as tree:
        for work in (tree.goes_in, tree.comes_out):
            with pytest.raises(Failure) as caught:
                work(series)
            assert caught.value.code == "E-GIT"


def test_a_git_that_writes_no_index(project: XenProject, commits: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "run", lambda argv, **_: process.Completed(tuple(argv), 0, b"", b""))
    with pytest.raises(Failure) as caught, trial.on_tree(project.path, commits[0]):
        pass
    assert caught.value.code == "E-OBJECT"


def test_a_tree_that_is_not_there(project: XenProject) -> None:
    with pytest.raises(Failure) as caught, trial.on_tree(project.path, "0" * 40):
        pass
    assert caught.value.code == "E-OBJECT"
    assert caught.value.where == str(project.path)


def test_the_tree_of_the_tests_is_what_it_says(project: XenProject, commits: list[str]) -> None:
    argv = ["git", f"--git-dir={project.path}", "show", f"{commits[2]}:{SOURCE}"]
    lines = run(argv, env=isolated_git()).stdout.decode().splitlines()
    assert [lines.index(f"    {change};") for change in ("one", "two")] == [10, 21]
