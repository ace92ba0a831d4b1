"""What boots a dom0 and has it checked: one interface, behind which are QEMU here and a test of NixOS.

An engine is asked for steps and gives one result for each; one that cannot be done is skipped and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from xenbump.dom0.report import SKIPPED
from xenbump.progress import Building, emit
from xenbump.verify import nixlog
from xenbump.verify.evidence import Step, StepResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.dom0.report import CheckResult
    from xenbump.verify.nixstate import State

STEPS = (Step.DOM0, Step.GUESTS, Step.XTF)
_GUEST = "guest-"


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of it.

    Attributes:
        steps: a result for each step that was asked for, in that order.
        engine: what dom0 ran on, such as `QEMU 7.2.22, tcg`; empty where nothing was started.
        tests: the results of XTF, each by the test's full name.
        compared: the version with whose results those were compared; empty: with none.
    """

    steps: tuple[StepResult, ...]
    engine: str = ""
    tests: tuple[tuple[str, str], ...] = ()
    compared: str = ""


class Engine(Protocol):
    """Boots what was built, once, and does the steps in it."""

    def run(self, steps: tuple[Step, ...]) -> Ran:
        """Do the steps, which are some of STEPS. A dom0 that does not boot is a result, not an error.

        Raises:
            Failure: a program is missing or could not be started, the disk is full.
            UsageError: E-CONFIG for a baseline that is none.
        """


def skipped(steps: tuple[Step, ...], reason: str) -> Ran:
    """Nothing was started, for this reason."""
    return Ran(tuple(StepResult(step, SKIPPED, reason) for step in steps))


def checks_of(step: Step, checks: tuple[CheckResult, ...]) -> tuple[CheckResult, ...]:
    """Those of the checks in a dom0 that make up `dom0` or `guests`."""
    return tuple(one for one in checks if one.name.startswith(_GUEST) == (step is Step.GUESTS))


@dataclass(slots=True)
class Told:
    """Tells how far a build is, and says a sentence whenever another derivation is being built.

    Attributes:
        say: is told it.
        last: the derivation of the last sentence.
    """

    say: Callable[[str], None]
    last: str = ""

    def tell(self, state: State) -> None:
        """Take what is known of a build by now."""
        current = state.current
        emit(self.say, _fact(state))
        name = "" if current is None else current.derivation
        if name and name != self.last:
            self.last = name
            self.say(f"building {Path(name).name}")


def _fact(state: State) -> Building:
    """What is known of a build, for a renderer."""
    counts, current = state.builds, state.current
    return Building(
        counts.done,
        counts.expected,
        # Nix says its numbers now and then, and the start of a build at once.
        max(counts.running, len(state.running)),
        counts.failed,
        name="" if current is None else nixlog.name_of(current.derivation),
        phase="" if current is None else current.phase,
        builder="" if current is None else current.builder,
        line=current.lines[-1] if current is not None and current.lines else "",
        doing=state.doing,
    )
