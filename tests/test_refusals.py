"""Every error code has a page, and every page an error."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from xenbump import refusals
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError

ROOT = Path(__file__).parents[1]
CODE = re.compile(r"E(-[A-Z0-9]+)+")


def used() -> dict[str, list[str]]:
    """The codes that are string literals of the program (docstrings do not count), with where they are."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "xenbump").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                found.setdefault(node.value, []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def prefixes() -> set[str]:
    """The beginnings of codes that are put together, as in `f"E-ADVISORY-{code}"`."""
    found = set()
    for path in (ROOT / "xenbump").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                begin = str(node.values[0].value)
                if re.fullmatch(r"E(-[A-Z0-9]+)+-", begin):
                    found.add(begin)
    return found


def test_every_code_that_is_used_has_a_page() -> None:
    assert {code: places for code, places in used().items() if code not in refusals.pages()} == {}


def test_every_page_has_a_code_that_is_used() -> None:
    # A beginning can stand for several codes; each of those modules is tested for its own.
    beginnings = tuple(prefixes())
    pages = {code for code in refusals.pages() if not code.startswith(beginnings)} if beginnings else refusals.pages()
    assert set(pages) - set(used()) == set()
    assert all(any(code.startswith(begin) for code in refusals.pages()) for begin in beginnings)


def test_the_document_is_made_from_the_pages() -> None:
    assert (ROOT / "docs" / "refusals.md").read_text("utf-8") == refusals.markdown()


def test_each_page_says_something() -> None:
    for code, page in refusals.pages().items():
        assert CODE.fullmatch(code)
        for text in (page.means, page.why, page.do):
            assert re.fullmatch(r"[\w`-].*[.?]", text), code
        assert refusals.page(code).startswith(f"{code}\n\n")
        assert max(map(len, refusals.page(code).splitlines())) <= 100


def test_no_meaning_is_given_twice() -> None:
    meanings = [page.means for page in refusals.pages().values()]
    assert len(meanings) == len(set(meanings))


@pytest.mark.parametrize("asked", ["E-TAG-UNSIGNED", "e-tag-unsigned", "tag-unsigned", "Tag-Unsigned"])
def test_a_page_is_found_however_it_is_written(asked: str) -> None:
    text = refusals.page(asked)
    assert text.startswith("E-TAG-UNSIGNED\n")
    assert "\n\nWhy it stops: " in text
    assert "\n\nWhat to do: " in text


@pytest.mark.parametrize("asked", ["", "E-", "E-NONE", "TAG_UNSIGNED", "E-TAG-UNSIGNED "])
def test_an_unknown_code_is_wrong_usage(asked: str) -> None:
    with pytest.raises(UsageError) as caught:
        refusals.page(asked)
    assert caught.value.code == "E-CODE-UNKNOWN"
    assert repr(asked) in caught.value.what


def test_the_list_has_all_codes() -> None:
    listed = [line.split()[0] for line in refusals.index().splitlines() if line.startswith("E-")]
    assert listed == list(refusals.pages())


@pytest.mark.parametrize(
    ("kind", "status", "word"),
    [(UsageError, 2, "usage"), (Refusal, 20, "refused"), (Failure, 1, "failed"), (XenbumpError, 1, "failed")],
)
def test_the_class_of_an_error_is_its_exit_status(kind: type[XenbumpError], status: int, word: str) -> None:
    error = kind("E-X", "it is so", where="there", remedy="do this")
    assert (error.exit_status, error.kind) == (status, word)
    assert str(error) == "E-X: there: it is so"
    assert str(kind("E-X", "it is so")) == "E-X: it is so"
    assert error.remedy == "do this"
