"""What a watch knows and has yet to tell, kept in the journal; and the program that is told, the hook.

A new state is kept before anybody is told of what is new in it. What the hook does not take stays, and is told again
at the next look, for a day.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from xenbump import process
from xenbump.errors import Failure
from xenbump.events import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from xenbump.journal import Run
    from xenbump.report.values import Event

_MEMORY = "watch"
_GIVEN_UP = timedelta(days=1)


def call(hook: Sequence[str], event: Event, *, folder: Path, seconds: float) -> Failure | None:
    """Tell an event to the hook. No shell looks at its words, and no token is in its environment.

    Args:
        hook: the program and its arguments; a path with a slash starts from `folder`.
        event: what happened; one line of JSON on its stdin.
        folder: it runs in it.
        seconds: its limit; then it is ended with its children.

    Returns:
        Why it failed: E-PROGRAM-MISSING, E-PROGRAM-FAILED (another exit status than 0) or E-TIMEOUT; None: it did not.
    """
    try:
        process.run(hook, cwd=folder, stdin=msgspec.json.encode(event) + b"\n", timeout=seconds)
    except Failure as error:
        return error
    return None


class Ledger:
    """What is known, and what is to be told.

    Args:
        key: of what it is about, the addresses of the upstream; other addresses have a state of their own.
        hook: tells an event, and says why that failed; None: nobody wants to be told.
        told: is told each event once, when it is new.
        progress: is told in a sentence what the hook did not take.

    Attributes:
        state: what is known.
        error: why the last call of the hook failed; empty where it did not.
    """

    def __init__(
        self,
        key: str,
        hook: Callable[[Event], Failure | None] | None,
        told: Callable[[Event], None],
        progress: Callable[[str], None],
    ) -> None:
        self.state = State()
        self.error = ""
        self._key = key
        self._hook = hook
        self._told = told
        self._progress = progress
        self._kept: State | None = None

    def recall(self, run: Run) -> None:
        """Read what earlier watches knew, once; what was noticed before the journal could be read is added."""
        if self._kept is not None:
            return
        known = State()
        content = run.recall(_MEMORY, self._key)
        if content is not None:
            # What cannot be read was written by another program: then everything is seen for the first time.
            with contextlib.suppress(msgspec.MsgspecError):
                known = msgspec.json.decode(content, type=State)
        self._kept = known
        ours = self.state
        self.state = msgspec.structs.replace(
            known, troubles={**known.troubles, **ours.troubles}, outbox=(*known.outbox, *ours.outbox)
        )

    def advance(self, run: Run | None, state: State) -> None:
        """Go to another state: keep it, and tell what is new in it. Without a run it is not kept yet."""
        known = {event.id for event in self.state.outbox}
        fresh = [event for event in state.outbox if event.id not in known]
        self.state = state
        self._keep(run)
        for event in fresh:
            self._told(event)

    def deliver(self, run: Run | None, now: datetime) -> None:
        """Tell the hook what it has not taken yet, the oldest first; whether it fails is said, and stops nothing.

        Where an event makes the hook fail the next one is tried; where it is not there or does not end, none is.
        """
        for event in self.state.outbox:
            error = None if self._hook is None else self._hook(event)
            self.error = "" if error is None else str(error)
            if error is None:
                self._remove(run, event)
            elif now - datetime.fromisoformat(event.at) >= _GIVEN_UP:
                self._progress(f"the hook failed for a day and is not told any more ({event.id}): {error}")
                self._remove(run, event)
            else:
                self._progress(f"the hook failed; it is told again at the next look ({event.id}): {error}")
            if error is not None and error.code != "E-PROGRAM-FAILED":
                return

    def _remove(self, run: Run | None, event: Event) -> None:
        left = tuple(one for one in self.state.outbox if one.id != event.id)
        self.state = msgspec.structs.replace(self.state, outbox=left)
        self._keep(run)

    def _keep(self, run: Run | None) -> None:
        if run is not None and self.state != self._kept:
            run.remember(_MEMORY, self._key, msgspec.json.encode(self.state).decode("utf-8"))
            self._kept = self.state
