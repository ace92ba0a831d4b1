"""What a repository says of its commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.trying import fake_tree, histories
from xenbump.errors import Failure, Refusal
from xenbump.trying.history import History
from xenbump.trying.source import Workshop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    return histories.repository(tmp_path_factory.mktemp("history") / "xen.git")


@pytest.fixture
def history(made: tuple[Path, list[str]], tmp_path: Path) -> History:
    return History(Workshop(str(made[0]), tmp_path))


def test_the_commits_between_two(history: History, made: tuple[Path, list[str]]) -> None:
    commits = made[1]
    found = history.between(commits[3], commits[6])
    assert [one.sha for one in found] == [commits[6], commits[5], commits[4]]
    assert [one.subject for one in found] == ["c6: a change", "c5: a change", "c4: a change"]
    assert found[-1].parents == (commits[3],)
    assert history.between(commits[6], commits[3]) == ()
    assert history.commit(commits[0]).parents == ()


def test_where_two_histories_part(history: History, made: tuple[Path, list[str]]) -> None:
    commits = made[1]
    stable, other = history.resolved("stable"), history.resolved("other")
    assert history.bases(stable, commits[20]) == (commits[10],)
    assert history.bases(commits[4], commits[20]) == (commits[4],)
    assert history.bases(other, commits[20]) == ()


def test_all_that_a_commit_says(history: History, made: tuple[Path, list[str]]) -> None:
    commits = made[1]
    told = history.told(commits[7])
    assert (told.sha, told.author) == (commits[7], "A <a@example.org>")
    assert told.date == "1970-01-01T00:00:08+00:00"
    assert told.message == ("c7: a change", "", "With a reason.")
    assert told.files == (("A", "f8"),)
    assert history.told(commits[0]).files == (("A", "f1"),)


def test_a_merge_is_told_against_its_first_parent(tmp_path: Path) -> None:
    folder = tmp_path / "merged"
    folder.mkdir()
    fake_tree.git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    fake_tree.commit(folder, "first", {"a": "1"})
    fake_tree.git(folder, "checkout", "--quiet", "-b", "side")
    fake_tree.commit(folder, "side", {"b\nc": "1"})
    fake_tree.git(folder, "checkout", "--quiet", "main")
    fake_tree.commit(folder, "main", {"a": "2"})
    fake_tree.git(folder, "merge", "--quiet", "--no-ff", "-m", "merged", "side")
    history = History(Workshop(str(folder), tmp_path / "state"))
    merged = history.resolved("main")
    assert len(history.commit(merged).parents) == 2
    assert history.told(merged).files == (("A", "b\nc"),)


def test_what_is_not_there(history: History) -> None:
    with pytest.raises(Refusal, match="E-TRY-REV"):
        history.resolved("nowhere")
    with pytest.raises(Failure, match="E-GIT"):
        history.commit("0" * 40)
