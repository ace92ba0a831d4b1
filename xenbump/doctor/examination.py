"""The checks, made side by side with a time limit each: one that hangs holds up neither the others nor the end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xenbump.errors import XenbumpError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xenbump.doctor.model import Check, Probe


@dataclass
class _Patient:
    """A probe under way; `found` is set when it has ended."""

    probe: Probe
    found: Check | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def examine(self) -> None:
        began = time.monotonic()
        try:
            check = self.probe.work()
        except XenbumpError as error:
            check = self.probe.failed(str(error), error.remedy or f"xenbump explain {error.code}")
        except Exception as error:  # noqa: BLE001 - whatever ails one check, the others are to be told
            check = self.probe.failed(f"the check itself failed: {type(error).__name__}: {error}")
        self.found = replace(check, seconds=round(time.monotonic() - began, 3))
        self.ended.set()


def examine(
    probes: Sequence[Probe],
    progress: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Check, ...]:
    """Make checks, all at once.

    Args:
        probes: the checks to be made.
        progress: told which are still waited for, where that takes a while.
        clock: seconds of any beginning.

    Returns:
        What was found, in the order of the probes. One that takes longer than it may, or raises, is broken or lacking
        as its probe says; its thread is left to itself and does not outlive the program.
    """
    began = clock()
    patients = [_Patient(probe) for probe in probes]
    for patient in patients:
        threading.Thread(target=patient.examine, name=patient.probe.name, daemon=True).start()
    found = []
    for patient in patients:
        limit = patient.probe.seconds
        if not patient.ended.wait(min(_PATIENCE_SECONDS, max(0.0, began + limit - clock()))):
            progress(f"waiting for: {', '.join(one.probe.name for one in patients if not one.ended.is_set())}")
            patient.ended.wait(max(0.0, began + limit - clock()))
        late = replace(patient.probe.failed(f"nothing came of it within {limit:g} seconds"), seconds=limit)
        found.append(patient.found or late)
    return tuple(found)


# So long nothing is said.
_PATIENCE_SECONDS = 2.0
