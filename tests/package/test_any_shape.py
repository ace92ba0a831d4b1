"""Whatever a file looks like: an edit changes the planned texts and nothing else, and Nix makes of it what is planned.

A layout is the file of a shape with its bindings in another order, other white space and comments between its tokens,
and perhaps a binding that looks like what an edit is after. What an edit must change is known by the pieces that the
layout is made of, not by a parser.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.nixlang.support import seeded
from tests.package.evaluate import evaluate
from tests.package.support import changed_to, xsa
from tests.package.trivia import Piece, Taste, dressed, joined, marked, replaced, scattered, shuffled
from tests.package.written import BY_KEY, TIP, Written, bumped, expected, moved_to, secured, spelt
from xenbump.errors import Refusal
from xenbump.nixlang import tokenize
from xenbump.nixlang.lexer import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from xenbump.plan.model import Patch, Plan, Subject

# How many layouts each property tries for each shape. By hand, with hundreds of them, it is a search for faults.
EXAMPLES = int(os.environ.get("XENBUMP_LAYOUTS", "6"))
# A seed does not get simpler by getting smaller.
ANY = settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate])
POOL = (xsa(300), xsa(490), xsa(491, 1), xsa(491, 2), xsa(492, 1))
# Bindings that look like what an edit is after; each is put into the set that has the version.
DECOYS = (
    "",
    'decoy = { version = "@V"; tag = "RELEASE-@V"; src = { hash = "@H"; rev = "@R"; }; patches = [ ./decoy.patch ]; };',
    "decoy = ''\n    version = \"@V\"; hash = \"@H\"; }\n  '';",
    'decoy = let version = "@V"; src.hash = "@H"; in version;',
    'decoy.src.hash = "@H"; decoy.version = "@V";',
    'decoy = version: rec { hash = "@H"; inherit version; patches = [ hash "@V" ]; };',
    'decoy = if false then { version = "@V"; } else "@H";',
)
TASTES = st.just(Taste(density=0, kept=0, breaks=(" ",), comments=False, ending="")) | st.builds(
    Taste,
    density=st.sampled_from([0, 3, 25, 60]),
    kept=st.sampled_from([0, 50, 100]),
    breaks=st.sampled_from([("\n",), ("\r\n",), ("\n", "\r\n"), ("\r",)]),
    comments=st.booleans(),
    ending=st.sampled_from(["", "\n", "\r\n", "  \n\n"]),
)


@dataclass(frozen=True)
class Layout:
    """A file laid out in some way."""

    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        return joined(self.pieces)


@cache
def plain_subject(key: str) -> Subject:
    """What the file of a shape says as it is."""
    written = BY_KEY[key]
    return written.read(written.files())


@cache
def plain_pieces(key: str, decoy: str) -> tuple[Piece, ...]:
    """The pieces of the file of a shape."""
    written, said = BY_KEY[key], plain_subject(key)
    text = written.text
    if decoy:
        binding = decoy.replace("@V", said.version).replace("@H", said.hash).replace("@R", said.rev or "0" * 40)
        assert text.count(written.decoys) == 1
        text = text.replace(written.decoys, f"\n  {binding}{written.decoys}")
    return tuple(marked(text, written.spots, patches=written.patches, revision=written.revision))


def laid_out(written: Written, random: Random, taste: Taste, *, decoy: str = "", mixed: bool = True) -> Layout:
    """The file of a shape in another layout."""
    pieces: Sequence[Piece] = plain_pieces(written.key, decoy)
    if mixed:
        pieces = shuffled(pieces, random)
    return Layout(tuple(scattered(pieces, random, taste)))


def layouts(written: Written) -> st.SearchStrategy[Layout]:
    return st.builds(
        lambda seed, taste, decoy, mixed: laid_out(written, seeded(seed), taste, decoy=decoy, mixed=mixed),
        st.integers(0, 2**32 - 1),
        TASTES,
        st.sampled_from(DECOYS),
        st.booleans(),
    )


def after_write(written: Written, layout: Layout, plan: Plan) -> str:
    """The text of the package file with a plan written into it."""
    return written.write(written.files(layout.text), plan)[written.main].decode()


def values(plan: Plan) -> dict[str, str]:
    """What each mark is to be."""
    target = plan.target
    pins = {f"{pin.component}.{name}": getattr(pin, name) for pin in plan.pins for name in ("rev", "hash")}
    return {"version": target.version, "tag": target.tag or "", "rev": target.commit, "hash": plan.hash, **pins}


def solid(text: str) -> list[str]:
    """The tokens of a text that are neither white space nor comments."""
    return [token.text for token in tokenize(text) if not token.is_trivia]


def comments(text: str) -> list[str]:
    return [token.text for token in tokenize(text) if token.kind is Kind.COMMENT]


def first_difference(one: Sequence[str], other: Sequence[str]) -> int:
    """How many items two sequences begin with in common."""
    return next((number for number, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1), len(one))


def is_put_in(before: str, after: str, text: str) -> bool:
    """Whether a file is another one with this text at one place, laid out in any way."""
    size = len(after) - len(before)
    old, new, tokens = solid(before), solid(after), solid(text)
    shared, place = first_difference(before, after), first_difference(old, new)
    # The first tokens of what comes may be like those of what follows.
    return before[shared:] == after[shared + size :] and any(
        new == [*old[:start], *tokens, *old[start:]] for start in range(max(0, place - len(tokens)), place + 1)
    )


def assert_said(said: Subject, plain: Subject) -> None:
    """Assert that a layout says what the file says as it is."""
    for name in ("shape", "version", "fetcher", "hash", "rev", "upstream_version", "branch", "siblings", "efi"):
        assert getattr(said, name) == getattr(plain, name), name
    assert set(said.pins) == set(plain.pins)
    # The address of a local patch is its text, which has the layout's white space.
    facts, others = (
        [(one.hash, one.path, one.xsa, one.fetcher, one.options, one.name) for one in subject.patches]
        for subject in (said, plain)
    )
    assert facts == others
    assert len([one for one in said.warnings if "also names" not in one]) == len(plain.warnings)


def assert_bumped(written: Written, layout: Layout, plan: Plan, after: str) -> None:
    """Assert that an edit replaced the planned texts and nothing else, and put in what such a file needs."""
    wanted = joined(replaced(layout.pieces, values(plan)))
    if written.inserts:
        core = plan.hash.removeprefix("sha256-").removesuffix("=")
        text = written.inserts.format(version=plan.target.version, hash=core)
        # What comes is written as its neighbour is, perhaps with parentheses.
        assert is_put_in(wanted, after, text) or is_put_in(wanted, after, text.replace(f'"{core}"', f'("{core}")'))
    else:
        assert after == wanted


@pytest.mark.parametrize("key", BY_KEY)
@ANY
@given(data=st.data())
def test_a_bump_changes_the_planned_texts_and_no_other_byte(key: str, data: st.DataObject) -> None:
    written = BY_KEY[key]
    layout = data.draw(layouts(written))
    subject = written.read(written.files(layout.text))
    assert_said(subject, plain_subject(key))
    plan = bumped(subject)
    after = after_write(written, layout, plan)
    assert_bumped(written, layout, plan, after)


@pytest.mark.parametrize("key", BY_KEY)
@ANY
@given(seed=st.integers(0, 2**32 - 1), taste=TASTES, share=st.sampled_from([2, 10, 40]))
def test_an_unusual_spelling_is_edited_as_planned_or_refused(key: str, seed: int, taste: Taste, share: int) -> None:
    written, random = BY_KEY[key], seeded(seed)
    layout = Layout(tuple(scattered(dressed(plain_pieces(key, ""), random, share), random, taste)))
    found = bumped_or_refused(written, layout)
    if isinstance(found, Refusal):
        assert found.code == "E-NOT-LITERAL", found
        assert re.search(r"line \d+, column \d+", found.where)
    else:
        assert_bumped(written, layout, *found)


def bumped_or_refused(written: Written, layout: Layout) -> tuple[Plan, str] | Refusal:
    try:
        plan = bumped(written.read(written.files(layout.text)))
        return plan, after_write(written, layout, plan)
    except Refusal as error:
        return error


# --- patches ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A change of patches: what goes, and what comes behind which element; -1: before the first one."""

    drop: tuple[int, ...]
    add: tuple[tuple[int, Patch], ...]


@st.composite
def changes(draw: st.DrawFn, subject: Subject, first: int) -> Change:
    """A change of the list that begins with a certain patch of the file."""
    old = subject.patches
    places = [number for number, patch in enumerate(old) if number >= first and patch.condition is None]
    drop = draw(st.lists(st.sampled_from(places), unique=True, max_size=2))
    add = spelt(subject, *draw(st.lists(st.sampled_from(POOL), unique=True, max_size=3)))
    at = draw(st.sampled_from([first - 1, *places]))
    if not add and all(patch.fetcher is None for number, patch in enumerate(old) if number not in drop):
        # With the last call of a fetcher its argument goes, too; here all outside of the list is to stay.
        drop = []
    return Change(tuple(drop), tuple((at, patch) for patch in add))


def series_of(old: Sequence[Patch], change: Change) -> list[Patch]:
    found = [patch for place, patch in change.add if place == -1]
    for number, patch in enumerate(old):
        found += [] if number in change.drop else [patch]
        found += [new for place, new in change.add if place == number]
    return found


def planned_list(pieces: Sequence[Piece], change: Change, call: str, first: int) -> list[str]:
    """The tokens of the list as it is to be.

    Args:
        pieces: the list as it was.
        change: what goes and comes.
        call: how what comes is written.
        first: the number of the list's first patch in the file.
    """
    found: list[str] = []
    waiting: dict[int, list[str]] = {}
    for place, patch in change.add:
        waiting.setdefault(place - first, []).extend(solid(call.format(patch=patch)))
    last: int | None = -1
    opened = False
    for piece in pieces:
        if piece.is_trivia:
            continue
        if piece.place != last and last is not None and (last >= 0 or opened):
            found += waiting.pop(last, [])
        if piece.place is None or piece.place + first not in change.drop:
            found.append(piece.text)
        opened = True
        last = piece.place
    assert not waiting
    return found


@pytest.mark.parametrize("key", BY_KEY)
@ANY
@given(data=st.data())
def test_patches_come_and_go_and_the_rest_of_the_file_stays(key: str, data: st.DataObject) -> None:
    written = BY_KEY[key]
    layout = data.draw(layouts(written))
    subject = written.read(written.files(layout.text))
    change = data.draw(changes(subject, written.first))
    patches = changed_to(subject.patches, series_of(subject.patches, change))
    plan = data.draw(st.sampled_from([secured] if written.inserts else [bumped, secured]))(subject, patches)
    after = after_write(written, layout, plan)

    pieces = replaced(layout.pieces, values(plan) if plan.moves else {})
    inside = [number for number, piece in enumerate(pieces) if piece.place is not None]
    first, last = inside[0], inside[-1] + 1
    head, region, tail = joined(pieces[:first]), pieces[first:last], joined(pieces[last:])
    assert after.startswith(head)
    assert after.endswith(tail)
    now = after[len(head) : len(after) - len(tail)]
    assert solid(now) in [planned_list(region, change, call, written.first) for call in written.comes]
    left = Counter(comments(now))
    of_elements = [
        comment
        for number in {piece.place for piece in region} - {-1, None, *(drop - written.first for drop in change.drop)}
        for comment in comments(joined(piece for piece in region if piece.place == number))
    ]
    stay = of_elements if change.drop else comments(joined(region))
    assert not Counter(stay) - left
    if not patches.changes:
        assert now == joined(region)


# --- a commit of a stable branch -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [key for key, written in BY_KEY.items() if written.has_tip])
@ANY
@given(data=st.data())
def test_a_tip_takes_away_nothing_but_the_old_texts(key: str, data: st.DataObject) -> None:
    written = BY_KEY[key]
    layout = data.draw(layouts(written))
    plan = moved_to(written.read(written.files(layout.text)), TIP)
    after = [token.text for token in tokenize(after_write(written, layout, plan)) if token.kind is not Kind.WHITESPACE]
    kept = [piece for piece in layout.pieces if not piece.mark and not piece.revises]
    stay = [token.text for token in tokenize(joined(kept)) if token.kind is not Kind.WHITESPACE]
    coming = iter(after)
    assert all(text in coming for text in stay)  # each one behind the one before it
    new = [text for name, text in values(plan).items() if name not in {"tag", "rev"}]
    new += ["rev", *f'" {TIP.commit} " upstreamVersion = " {TIP.tree_version} " ;'.split()]
    assert Counter(after) - Counter(stay) == Counter(new)


# --- what Nix makes of it --------------------------------------------------------------------------------------------


def some_plan(written: Written, subject: Subject, random: Random) -> Plan:
    """A plan for a file, with any change of its patches."""
    old = [number for number, patch in enumerate(subject.patches) if patch.condition is None]
    drop = random.sample(old, random.randint(0, len(old)))
    at = random.choice([-1, *old])
    add = spelt(subject, *random.sample(POOL, random.randint(0, len(POOL))))
    change = Change(tuple(drop), tuple((at, patch) for patch in add))
    patches = changed_to(subject.patches, series_of(subject.patches, change))
    makers = [bumped, secured]
    if written.has_tip:
        makers.append(lambda subject, patches: moved_to(subject, TIP, patches))
    return random.choice(makers)(subject, patches)


@pytest.mark.parametrize("key", BY_KEY)
def test_nix_makes_of_any_layout_what_is_planned(key: str) -> None:
    written = BY_KEY[key]
    cases, plans = [written.case(written.files())], []
    for seed in range(EXAMPLES):
        random = seeded(seed)
        taste = Taste(
            density=random.choice([3, 25]),
            kept=random.choice([0, 50]),
            breaks=random.choice([("\n",), ("\r\n",)]),
            ending=random.choice(["", "\n"]),
        )
        layout = laid_out(written, random, taste, decoy=random.choice(DECOYS))
        files = written.files(layout.text)
        plan = some_plan(written, written.read(files), random)
        plans.append(plan)
        cases += [written.case(files), written.case(written.write(files, plan))]
    plain, *found = evaluate(cases)
    for plan, before, after in zip(plans, found[::2], found[1::2], strict=True):
        assert {name: one for name, one in before.items() if name != "decoy"} == plain
        assert after == expected(before, plan, written.places)
