"""Objects that are asked for ahead come as they would by themselves, in whatever order they are wanted then."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenbump.demo.git_server import isolated_git
from xenbump.errors import Failure
from xenbump.process import run
from xenbump.upstream import git
from xenbump.upstream.objects import ObjectReader, open_objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 300
NONE = "0" * 40


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A repository with some hundred files, small ones and a few that are larger than a pipe, by their identifiers."""
    store = tmp_path_factory.mktemp("objects") / "store.git"
    run(["git", "init", "--quiet", "--bare", str(store)], env=isolated_git())
    chance = random.Random(5)  # noqa: S311 - nothing here is a secret
    contents = [chance.randbytes(chance.choice((0, 10, 3000, 200_000))) + b"%d" % number for number in range(COUNT)]
    stream = b"".join(b"blob\nmark :%d\ndata %d\n%b\n" % (at + 1, len(one), one) for at, one in enumerate(contents))
    marks = store / "marks"
    run(["git", f"--git-dir={store}", "fast-import", "--quiet", f"--export-marks={marks}"], stdin=stream)
    named = dict(line.split()[::-1] for line in marks.read_text().splitlines())
    marks.unlink()
    return store, {oid: contents[int(mark[1:]) - 1] for oid, mark in named.items()}


@pytest.fixture(scope="module")
def reader(files: tuple[Path, dict[str, bytes]]) -> Iterator[ObjectReader]:
    with open_objects(files[0], git.environment(None)) as found:
        yield found


def content(reader: ObjectReader, oid: str) -> bytes:
    return b"".join(reader.blob(oid).chunks)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_order(data: st.DataObject, reader: ObjectReader, files: tuple[Path, dict[str, bytes]]) -> None:
    oids = st.sampled_from(sorted(files[1]))
    for _ in range(data.draw(st.integers(1, 3))):
        expected = data.draw(st.lists(oids, max_size=90))
        reader.expect(expected)
        # As expected, with some left out, and others in between.
        for oid in [one for one in expected if data.draw(st.integers(0, 9))] + data.draw(st.lists(oids, max_size=3)):
            assert content(reader, oid) == files[1][oid]


def test_all_of_them_in_order(reader: ObjectReader, files: tuple[Path, dict[str, bytes]]) -> None:
    reader.expect(list(files[1]))
    assert all(content(reader, oid) == wanted for oid, wanted in files[1].items())
    assert not reader._asked
    assert not reader._expected


def test_one_that_is_not_there_is_told_when_it_is_wanted(
    reader: ObjectReader, files: tuple[Path, dict[str, bytes]]
) -> None:
    first, second, *_ = files[1]
    reader.expect([first, NONE, second])
    assert content(reader, first) == files[1][first]
    with pytest.raises(Failure) as caught:
        reader.blob(NONE)
    assert (caught.value.code, NONE in caught.value.what) == ("E-OBJECT", True)
    assert content(reader, second) == files[1][second]
    # And one that nobody wants any more is passed over.
    reader.expect([NONE, first])
    assert content(reader, second) == files[1][second]


def test_a_git_that_has_gone(files: tuple[Path, dict[str, bytes]]) -> None:
    first, second, *_ = files[1]
    with open_objects(files[0], git.environment(None)) as reader:
        reader._process.kill()
        reader._process.wait()
        reader.expect([first, second])
        for oid in (second, first):
            with pytest.raises(Failure) as caught:
                reader.blob(oid)
            assert caught.value.code == "E-OBJECT"
