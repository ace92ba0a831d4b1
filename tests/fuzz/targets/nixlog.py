"""The log of Nix and of the driver of its tests: nothing fails on any input, however it comes in pieces."""

from __future__ import annotations

from tests.fuzz import shown
from xenbump.verify import driver_log, nixlog, nixstate

_CONTROLS = frozenset(map(chr, (*range(9), *range(11, 32), *range(127, 160))))


def one(data: bytes) -> bool:
    """Read a log at once and in pieces, fold it, and show it."""
    events = nixlog.read(data)
    size = 1 + (data[0] if data else 0)
    reader = nixlog.Reader()
    pieces = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    assert [*pieces, *reader.close()] == events
    state = nixstate.State()
    told = []
    for event in events:
        state = nixstate.advance(state, event)
        text = nixlog.shown(event)
        if text is not None:
            text.encode()
            assert not _CONTROLS & set(text)
            told += text.split("\n")
    cause = state.cause()
    assert (cause is None) == (not state.problems)
    shown.check((events, state, state.interrupted))
    for derivation in ("", "vm-test-run-xen.drv"):
        seen = driver_log.read(told, derivation)
        assert len({check.name for check in seen.checks}) <= len(seen.checks)
        shown.check(seen)
    return any(not isinstance(event, nixlog.Plain | nixlog.Unknown) for event in events)
