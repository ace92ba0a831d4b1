"""What renderers are told: a story with all kinds of events, and any sequence of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from xenbump.cli.board import Board
from xenbump.progress import (
    Building,
    Checked,
    ConsoleLine,
    Dom0Up,
    Event,
    RunBegan,
    RunEnded,
    Said,
    StepBegan,
    StepEnded,
    StepsAhead,
    XtfTest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# An event, or seconds that pass.
Told = Event | float


class Clock:
    """Goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def play(tell: Callable[[Event], object], clock: Clock, *story: Told) -> None:
    """Tell it all."""
    for one in story:
        if isinstance(one, float):
            clock.now += one
        else:
            tell(one)


def told(*story: Told) -> Board:
    """What is known after it."""
    board, clock = Board(), Clock()
    play(lambda event: board.take(event, clock.now), clock, *story)
    return board


STEPS = ("plan", "build", "meta", "dom0", "guests", "xtf", "publish")
UP_TO_THE_BUILD: tuple[Told, ...] = (
    RunBegan("run"),
    StepsAhead("xen", STEPS),
    StepBegan("xen", "plan"),
    Said("asking for releases"),
    12.25,
    StepEnded("xen", "plan", "done", 12.25),
    StepBegan("xen", "build"),
    Said("xen: build"),
    Said("building xen-4.20.4.drv"),
    75.0,
    Building(3, 14, 2, 0, "xen-4.20.4", "buildPhase", "ssh://builder.example", "CC  common/grant_table.o"),
)
UP_TO_THE_BOOT: tuple[Told, ...] = (
    725.0,
    StepEnded("xen", "build", "passed", 800.0),
    StepBegan("xen", "meta"),
    StepEnded("xen", "meta", "skipped", 0.5, "it cannot be evaluated"),
    StepBegan("xen", "dom0"),
    Said("xen: booting dom0 on QEMU 7.2.22, tcg"),
    4.0,
    ConsoleLine("(XEN) Xen version 4.20.4 (nixbld@) (gcc 14) debug=n"),
    ConsoleLine("[    0.000000] Linux version 6.12.43+deb13-amd64, built by Debian, with a long line behind it"),
)
UP_TO_XTF: tuple[Told, ...] = (
    20.0,
    Said("dom0 is up after 24.0 s"),
    Dom0Up(24.0),
    Said("control: passed"),
    Checked("control", "passed"),
    Checked("guest-pv", "passed"),
    30.0,
    XtfTest("test-pv64-xsa-122", "SUCCESS"),
    XtfTest("test-pv64-xsa-123", "SKIP"),
    8.0,
)
TO_THE_END: tuple[Told, ...] = (
    StepEnded("xen", "dom0", "passed", 60.0),
    StepEnded("xen", "guests", "passed", 60.0),
    StepEnded("xen", "xtf", "failed", 8.0, "test-pv64-xsa-124: CRASH"),
    RunEnded(),
)

_TEXTS = st.text(max_size=90) | st.sampled_from(["", "xsa-123 漢字", "\x1b[2J", "::error::x"])
_PACKAGES = st.sampled_from(["xen", "xen-legacy", "漢字"])
_NAMES = st.sampled_from([*STEPS, "advisory", "x" * 30])
_COUNTS = st.integers(0, 200)
EVENTS: st.SearchStrategy[list[Told]] = st.lists(
    st.one_of(
        st.builds(RunBegan, st.just("run")),
        st.just(RunEnded()),
        st.builds(Said, _TEXTS),
        st.builds(StepsAhead, _PACKAGES, st.lists(_NAMES, max_size=4).map(tuple)),
        st.builds(StepBegan, _PACKAGES, _NAMES, st.booleans()),
        st.builds(
            StepEnded, _PACKAGES, _NAMES, st.sampled_from(["done", "failed", "skipped"]), st.floats(0, 1e5), _TEXTS,
            st.booleans(),
        ),
        st.builds(Building, _COUNTS, _COUNTS, _COUNTS, _COUNTS, _TEXTS, _TEXTS, _TEXTS, _TEXTS, _TEXTS),
        st.builds(ConsoleLine, _TEXTS),
        st.builds(Dom0Up, st.floats(0, 1e4)),
        st.builds(Checked, _TEXTS | st.just("guest-pv"), st.sampled_from(["passed", "failed"])),
        st.builds(XtfTest, _TEXTS, st.sampled_from(["SUCCESS", "SKIP"])),
        st.floats(0, 4000),
    ),
    max_size=25,
)  # fmt: skip
