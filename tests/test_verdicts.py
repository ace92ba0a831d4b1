"""Decisions that are kept: always what they would be without, and used where nothing has changed."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st

from xenbump import verdicts
from xenbump.demo.advisory_text import build, render
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.judge import Judge, Tree
from xenbump.plan import decision
from xenbump.plan.model import Decision, Verdict
from xenbump.upstream import history, signature, trial
from xenbump.upstream.history import Fixes
from xenbump.upstream.library import Library
from xenbump.upstream.model import Listing
from xenbump.upstream.signature import Signature, Trust
from xenbump.verdicts import Verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from xenbump.upstream.repository import Repository
    from xenbump.upstream.xenbits import Xenbits

NUMBERS = (481, 482, 483)
RANGES = ("xen-unstable - Xen 4.17.x", "xen-unstable - Xen 4.21.x", "Linux", "not understood", "xen-unstable")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Notes:
    """A memory as the journal is one: JSON goes in, and comes out where the input is the same."""

    def __init__(self) -> None:
        self.steps: dict[tuple[str, bytes], bytes] = {}
        self.facts: dict[tuple[str, str], str] = {}

    def step(self, _: str, name: str, given: object, kind: type[Any], work: Callable[[], Any]) -> Any:
        key = (name, msgspec.json.encode(given))
        if key in self.steps:
            return msgspec.json.decode(self.steps[key], type=kind)
        made = work()
        self.steps[key] = msgspec.json.encode(made)
        return made

    def recall(self, kind: str, key: str) -> str | None:
        return self.facts.get((kind, key))

    def remember(self, kind: str, key: str, value: str) -> None:
        self.facts[kind, key] = value


class Files:
    """Xenbits with its cache, in memory: what is not damaged is kept, and what was asked for is."""

    root = "https://xenbits.test/"

    def __init__(self, served: dict[str, bytes], cache: dict[str, bytes]) -> None:
        self.served, self.cache = served, cache

    def kept(self, name: str) -> bytes | None:
        content = self.cache.get(name)
        return None if content == b"damaged" else content

    def digests(self, names: Iterable[str]) -> dict[str, str] | None:
        found: dict[str, str] = {}
        for name in names:
            content = self.kept(name)
            if content is None:
                return None
            found[name] = hashlib.sha256(content).hexdigest()
        return found

    def forget(self, name: str) -> None:
        self.cache.pop(name, None)

    def get(self, name: str) -> bytes:
        if name not in self.served:
            raise Failure("E-XSA-MISSING", "the server has no such file", where=name)
        self.cache[name] = self.served[name]
        return self.cache[name]


class Xen:
    """Of three commits: what their messages say, and which patches are in their trees, by chance."""

    def messages(self, commit: str, *_: object, **__: object) -> list[tuple[str, str]]:
        return [(commit, "This is XSA-481." if commit[0] == "b" else "nothing")]

    def with_tree(self, *_: object) -> Path:
        return Path("nowhere")


@dataclasses.dataclass
class Tried:
    """The tree of a commit: a patch is in it, out of it, or neither, as its bytes have it."""

    commit: str

    def _state(self, series: Sequence[bytes]) -> int:
        return zlib.crc32(b"".join((self.commit.encode(), *series))) % 3

    def comes_out(self, series: Sequence[bytes]) -> int | None:
        return None if self._state(series) == 0 else 0

    def goes_in(self, series: Sequence[bytes]) -> int | None:
        return None if self._state(series) == 1 else 0


@contextlib.contextmanager
def on_tree(_: object, commit: str) -> Iterator[Tried]:
    yield Tried(commit)


def judged(content: bytes, trust: Trust, *, what: str) -> tuple[bytes, Signature]:
    """Signatures as a first line with the name of the key."""
    key, _, text = content.partition(b"\n")
    if key.decode("utf-8", "replace") not in trust.fingerprints:
        raise Refusal("E-SIGNATURE-KEY", f"{key!r} is not trusted", where=what)
    return text, Signature(key.decode(), 1)


@pytest.fixture(autouse=True)
def _no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "verify_clearsigned", judged)
    monkeypatch.setattr(trial, "on_tree", on_tree)


class World:
    """All that decisions depend on. What is done to it (`do`) is a word and a number, which says to what and how."""

    def __init__(self) -> None:
        self.entries: dict[int, dict[str, Any]] = {}
        self.served: dict[str, bytes] = {}
        self.cache: dict[str, bytes] = {}
        self.hidden: dict[str, bytes] = {}
        self.now = NOON
        self.tree = Tree("4.20.1", "4.20", "a" * 40, "refs/tags/RELEASE-4.20.1")
        self.key = "one"
        self.listed: frozenset[str] = frozenset()
        self.doubted: frozenset[int] = frozenset()
        for chance, number in enumerate(NUMBERS):
            self.publish(number, chance)

    def publish(self, number: int, chance: int, *, quietly: bool = False) -> None:
        """A text with its patches; `quietly` without a new version."""
        before = self.entries.get(number, {}).get("version", 1)
        version = before if quietly else before + 1
        self.served[f"advisory-{number}.txt"] = self.text(number, chance, version)
        self.entries[number] = {"version": version, "title": "x", "public_time": "2026-03-17 12:00"}

    def text(self, number: int, chance: int, version: int) -> bytes:
        name = f"xsa{number}.patch"
        patch = f"--- a/file\n+++ b/file\n@@ -1 +1 @@\n-{chance}\n+{number}\n".encode()
        self.served[name] = patch
        wanted = RANGES[chance % len(RANGES)]
        advisory = build(number, [(name, RANGES[0])], version=version, contents={name: patch}, title=f"no {chance}")
        return self.key.encode() + b"\n" + render(advisory).replace(RANGES[0].encode(), wanted.encode())

    def do(self, what: str, chance: int) -> None:  # noqa: C901, PLR0912 - a list of what can happen
        number = NUMBERS[chance % len(NUMBERS)]
        text, patch = f"advisory-{number}.txt", f"xsa{number}.patch"
        version = self.entries[number].get("version", 1)
        match what:
            case "publish":
                self.publish(number, chance)
            case "change quietly":
                self.publish(number, chance, quietly=True)
            case "withhold":
                self.entries[number] = {"public_time": f"2026-06-0{1 + chance % 4} 12:00"}
            case "list without version":
                self.entries[number].pop("version", None)
            case "list another version":
                self.entries[number]["version"] = max(1, version + chance % 3 - 1)
            case "exchange the kept text":
                self.cache[text] = self.text(number, chance, max(1, version - chance % 2))
            case "exchange for a foreign one":
                self.cache[text] = b"nobody\n" + self.text(number, chance, version).partition(b"\n")[2]
            case "damage the kept text":
                self.cache[text] = b"damaged"
            case "lose what is kept":
                self.cache.pop((text, patch)[chance % 2], None)
            case "damage the kept patch":
                self.cache[patch] = b"another"
            case "take the patch away":
                if patch in self.served:
                    self.hidden[patch] = self.served.pop(patch)
            case "give it back":
                self.served.update(self.hidden)
                self.hidden.clear()
            case "wait":
                self.now += timedelta(days=chance % 3)
            case "another commit":
                self.tree = dataclasses.replace(self.tree, commit="abc"[chance % 3] * 40)
            case "another branch":
                self.tree = dataclasses.replace(self.tree, branch=("4.20", "4.22")[chance % 2])
            case "list the patch":
                self.listed ^= {patch}
            case "doubt":
                self.doubted ^= {number}
            case _:
                self.key = ("one", "two")[chance % 2]
                for name in [name for name in self.served if name.endswith(".txt")]:
                    self.served[name] = self.key.encode() + b"\n" + self.served[name].partition(b"\n")[2]

    def decided(self, notes: Notes, cache: dict[str, bytes]) -> tuple[Decision, ...] | str:
        """The decisions, or the code of the error."""
        index = [{"xsas": [{"xsa": number, **entry} for number, entry in self.entries.items()]}]
        self.served["xsa.json"] = json.dumps(index).encode()
        files = cast("Xenbits", Files(self.served, cache))
        library = Library(files, Trust(self.key.encode(), frozenset({self.key})), notes)
        judge = Judge(
            cast("Repository", Xen()),
            Listing("x", {}),
            library,
            memory=notes,
            now=self.now,
            progress=lambda _: None,
        )
        try:
            return judge.decisions(self.tree, self.listed, doubted=self.doubted)
        except XenbumpError as error:
            return error.code


DEEDS = (
    "publish", "change quietly", "withhold", "list without version", "list another version", "exchange the kept text",
    "exchange for a foreign one", "damage the kept text", "lose what is kept", "damage the kept patch",
    "take the patch away", "give it back", "wait", "another commit", "another branch", "list the patch", "doubt",
    "another key",
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 29)), max_size=10))
@checked(max_examples=40)
def test_whatever_changes_the_decisions_are_what_they_are_without_memory(deeds: list[tuple[str, int]]) -> None:
    world, notes = World(), Notes()
    for what, chance in (("wait", 0), ("wait", 0), *deeds):
        world.do(what, chance)
        without = world.decided(Notes(), copy.copy(world.cache))
        assert world.decided(notes, world.cache) == without


@pytest.fixture
def decides(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers on which is decided, from a text."""
    calls: list[int] = []
    real = decision.decide

    def noted(advisory: Any, *given: Any, **named: Any) -> Decision:
        calls.append(advisory.number)
        return real(advisory, *given, **named)

    monkeypatch.setattr(decision, "decide", noted)
    return calls


def settled() -> tuple[World, Notes]:
    """A world in which nothing is missing, after two runs."""
    world, notes = World(), Notes()
    world.decided(notes, world.cache)
    world.decided(notes, world.cache)
    return world, notes


def test_where_nothing_has_changed_nothing_is_decided_anew(decides: list[int]) -> None:
    world, notes = World(), Notes()
    first = world.decided(notes, world.cache)
    assert sorted(decides) == list(NUMBERS)
    assert world.decided(notes, world.cache) == first
    assert sorted(decides) == list(NUMBERS)


# What each does is in `World.do`; the numbers are such that it concerns what the decisions rest on.
@pytest.mark.parametrize(
    ("what", "chance"),
    [
        ("publish", 1),
        ("list another version", 2),
        ("exchange the kept text", 6),
        ("exchange for a foreign one", 0),
        ("damage the kept text", 0),
        ("lose what is kept", 0),
        ("lose what is kept", 3),
        ("damage the kept patch", 0),
        ("another commit", 1),
        ("another commit", 2),
        ("another branch", 1),
        ("list the patch", 0),
        ("another key", 1),
        ("doubt", 0),
    ],
)
def test_what_changes_is_decided_anew(what: str, chance: int, decides: list[int]) -> None:
    world, notes = settled()
    decides.clear()
    world.do(what, chance)
    world.decided(notes, world.cache)
    assert decides


def test_another_beginning_of_the_history_is_decided_anew(decides: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit is the same: what was fixed before its branch was cut, and when that was, is known from elsewhere."""
    world, notes = settled()
    for name, result in (("cut_of", NOON), ("fixed_in", Fixes({}, (482,), "c" * 40))):
        decides.clear()
        monkeypatch.setattr(history, name, lambda *_, result=result, **__: result)
        found = world.decided(notes, world.cache)
        assert found == world.decided(Notes(), copy.copy(world.cache))
        assert decides.count(481) == 2


def test_what_is_not_public_is_never_kept(decides: list[int]) -> None:
    world, notes = settled()
    world.entries[490] = {"public_time": "2026-06-03 12:00"}
    world.decided(notes, world.cache)
    decides.clear()
    verdict = {}
    for days in (0, 5):
        world.now = NOON + timedelta(days=days)
        found = world.decided(notes, world.cache)
        assert not isinstance(found, str)
        verdict[days] = found[-1].verdict
    assert verdict == {0: Verdict.EMBARGOED, 5: Verdict.CONFLICT}
    assert not decides
    (kept,) = notes.facts.values()
    assert "490" not in kept


@pytest.mark.parametrize(
    ("what", "chance"),
    [("take the patch away", 0), ("list without version", 0), ("change quietly", 3)],
)
def test_what_lacks_something_is_not_kept(what: str, chance: int) -> None:
    world, notes = World(), Notes()
    world.do(what, chance)
    world.decided(notes, world.cache)
    world.decided(notes, world.cache)
    assert not notes.facts


def test_another_program_decides_anew(decides: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    world, notes = settled()
    decides.clear()
    monkeypatch.setattr(verdicts, "__version__", "another")
    world.decided(notes, world.cache)
    assert decides


def test_what_another_program_kept_or_was_cut_off_is_not_read(decides: list[int]) -> None:
    world, notes = settled()
    ((place, value),) = notes.facts.items()
    for other in ("", "{", "[]", value[:-20], value.replace('"ground"', '"grond"')):
        notes.facts[place] = other
        decides.clear()
        assert world.decided(notes, world.cache) == world.decided(Notes(), copy.copy(world.cache))
        assert decides


def test_there_is_one_entry_for_each_branch() -> None:
    world, notes = settled()
    for commit in range(4):
        world.do("another commit", commit)
        world.decided(notes, world.cache)
    assert len(notes.facts) == 1
    world.do("another branch", 1)
    world.decided(notes, world.cache)
    assert len(notes.facts) == 2


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_the_ground_is_that_of_the_same_values_only(one: bytes, other: bytes) -> None:
    first, second = hashlib.sha256(one).hexdigest(), hashlib.sha256(other).hexdigest()
    assert (verdicts.ground(first, [second]) == verdicts.ground(second, [first])) == (one == other)


def test_what_is_kept_comes_back() -> None:
    notes = Notes()
    kept = Verdicts("ground", (Decision(481, Verdict.IN_RELEASE, "it is in", ("a",), ("b",), "t", ("CVE-1",), "now"),))
    verdicts.remember(notes, "4.20", kept)
    assert verdicts.recall(notes, "4.20", "ground") == kept
    assert verdicts.recall(notes, "4.20", "another") is None
    assert verdicts.recall(notes, "4.21", "ground") is None
