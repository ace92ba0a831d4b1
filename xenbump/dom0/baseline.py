"""What results XTF is known to have, and how results differ from them.

A baseline is a text: a line for each test, its name, space, and its result; `#` begins a comment. The summary that
`xtf-runner` prints can be taken as it is. There is one for each engine in `baselines/`, since processors, and emulated
ones more, lack things that the tests need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .report import TEST_RESULTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .job import Xtf

ENVIRONMENTS = ("pv64", "pv32pae", "hvm64", "hvm32pae", "hvm32pse", "hvm32")
_FOLDER = Path(__file__).parent / "baselines"
_HEADING = "Combined test results:"
_NAME = re.compile(rf"test-({'|'.join(ENVIRONMENTS)})-([A-Za-z0-9_.+-]+)(~[A-Za-z0-9_.+-]+)?")
_ENGINE = re.compile(r"[a-z0-9-]+")
# From good to bad. A test that is skipped where it succeeded proves less than before.
_ORDER = ("SUCCESS", "SKIP", "ERROR", "FAILURE", "CRASH", "HANG", "RUNNER", "UNRUN")


@dataclass(frozen=True)
class Change:
    """A test whose result is another one than before."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Comparison:
    """How results differ from those of before.

    Attributes:
        same: how many tests have the result of before.
        worse: tests with a worse result: these fail a verification, and so do the next.
        missing: tests of before that have no result.
        better: tests with a better result.
        extra: tests that were not there before, with their results; one that fails there has to be looked at by a
            person, and fails nothing.
    """

    same: int
    worse: tuple[Change, ...]
    missing: tuple[str, ...]
    better: tuple[Change, ...]
    extra: tuple[tuple[str, str], ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is worse and nothing is missing."""
        return not self.worse and not self.missing


def split(name: str) -> tuple[str, str, str]:
    """A test's full name in its parts: environment, name, variation (empty, when it has none).

    Raises:
        ValueError: it is no full name of a test.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"`{name[:60]}` is no test of XTF")
    return match[1], match[2], (match[3] or "")[1:]


def parse(text: str) -> dict[str, str]:
    """The results in a baseline's text, by name, in its order.

    Raises:
        ValueError: a line that is none, with its number, or a test that has two.
    """
    found: dict[str, str] = {}
    for number, whole in enumerate(text.splitlines(), 1):
        line = whole.partition("#")[0].strip()
        if not line or line == _HEADING:
            continue
        words = line.split()
        if len(words) != 2 or _NAME.fullmatch(words[0]) is None or words[1] not in TEST_RESULTS:  # noqa: PLR2004
            raise ValueError(f"line {number}: a test's name and its result were expected, not `{line[:60]}`")
        if words[0] in found:
            raise ValueError(f"line {number}: `{words[0]}` has a result already")
        found[words[0]] = words[1]
    return found


def known(engine: str) -> dict[str, str] | None:
    """The results known for an engine, such as `qemu-tcg`; None when there are none.

    Raises:
        ValueError: the name is none, or the file is damaged.
    """
    if _ENGINE.fullmatch(engine) is None:
        raise ValueError(f"`{engine[:40]}` is no name of an engine")
    try:
        text = (_FOLDER / f"{engine}.txt").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return parse(text)


def within(results: Mapping[str, str], choice: Xtf) -> dict[str, str]:
    """Those of the results that a run with this choice of environments and tests has to have."""
    return {name: result for name, result in results.items() if chosen(name, choice)}


def chosen(name: str, choice: Xtf) -> bool:
    """Whether a test, by its full name, is among those that are to be run."""
    environment, short, variation = split(name)
    if choice.environments and environment not in choice.environments:
        return False
    base = name.partition("~")[0]
    with_variation = f"{short}~{variation}" if variation else short
    return not choice.tests or bool({name, base, short, with_variation} & set(choice.tests))


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> Comparison:
    """Results against a baseline, or against those of the version before.

    Args:
        before: the results that are known, by the tests' full names.
        after: the results that came.
    """
    both = [name for name in before if name in after]
    changed = [Change(name, before[name], after[name]) for name in both if before[name] != after[name]]
    return Comparison(
        same=len(both) - len(changed),
        worse=tuple(change for change in changed if _rank(change.after) > _rank(change.before)),
        missing=tuple(name for name in before if name not in after),
        better=tuple(change for change in changed if _rank(change.after) < _rank(change.before)),
        extra=tuple((name, result) for name, result in after.items() if name not in before),
    )


def expects(known: Mapping[str, str], name: str, result: str) -> bool:
    """Whether a test is known to have this result or a worse one."""
    return name in known and _rank(result) <= _rank(known[name])


def _rank(result: str) -> int:
    """How bad a result is; one that is not known is the worst."""
    return _ORDER.index(result) if result in _ORDER else len(_ORDER)
