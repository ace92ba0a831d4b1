"""A trial by Nix: Xen as xenbump's flake builds it, hypervisor and tools, in a NixOS that a test boots.

That is for machines that have Nix, and neither a compiler nor Debian's packages. Nothing is compiled incrementally;
what was built, and what passed, is in Nix's store and found there again.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from xenbump import durable
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.errors import Refusal
from xenbump.trying import series
from xenbump.trying.model import Phase, PhaseResult
from xenbump.verify import build as building
from xenbump.verify import nixlog
from xenbump.verify.engine import Told
from xenbump.verify.evidence import Step
from xenbump.verify.nix import Buildable
from xenbump.verify.nixos import NixosTest
from xenbump.verify.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xenbump.trying.model import Prepared
    from xenbump.trying.setting import Setting

TOOLS: Final = "built from the source by Nix"
XEN: Final = "xen"
# The tests of the flake, and what each of them tells of.
TESTS: Final = {"dom0": (Phase.DOM0, Phase.XTF), "guests": (Phase.GUESTS,)}
_FILE: Final = "try.nix"
# What a derivation that runs a test is called (nixpkgs' nixos/lib/testing/run.nix).
_RUN: Final = "vm-test-run-"
_SAYS_VERSION: Final = "xen_version: "
# Ended by the tree; the other ends are of the flake, of Nix or of somebody who ended it.
_OF_THE_TREE: Final = frozenset({building.Outcome.FAILED, building.Outcome.TIMEOUT})


@dataclass(frozen=True, slots=True)
class Booted:
    """What a test came to.

    Attributes:
        phases: a result for each phase that was wanted of it.
        engine: the test, in words.
        version: what the hypervisor called itself; empty where that is not known.
        tests: the results of XTF, each by the test's full name.
    """

    phases: tuple[PhaseResult, ...]
    engine: str
    version: str
    tests: tuple[tuple[str, str], ...]


def address(flake: str, folder: Path) -> str:
    """A flake's address as Nix takes it wherever it is asked from.

    Args:
        flake: as it was given: an address, or the path of a folder.
        folder: what a path is seen from.
    """
    place = folder / Path(flake).expanduser()
    if not place.is_dir():
        return flake
    kind = "git+file://" if (place / ".git").exists() else "path:"
    return f"{kind}{place.resolve()}"


class ByNix:
    """Builds and boots one tree by Nix, for as long as it is entered.

    Args:
        prepared: the tree; its workshop is held.
        values: of the hypervisor's options, as `options.values` has them.
        setting: with the flake's address, what Nix gets besides, and the limit.
        logs: the folder that gets the logs.
        progress: told what is done.
    """

    def __init__(
        self,
        prepared: Prepared,
        values: Mapping[str, str],
        setting: Setting,
        logs: Path,
        progress: Callable[[str], None],
    ) -> None:
        self._prepared = prepared
        self._values = values
        self._setting = setting
        self._logs = logs
        self._progress = progress
        # Beside the work tree, which nobody else has meanwhile.
        self._folder = prepared.folder.with_name("nix").absolute()
        self._wanted = Buildable(XEN, self._folder, nixpkgs=True, options=setting.nix_options)

    def __enter__(self) -> Self:
        """Lay the source out, with the expression that Nix evaluates.

        Raises:
            Failure: E-STATE, E-DISK, E-GIT.
        """
        folder, tree = self._folder, self._prepared
        asked = {"flake": self._setting.nix, "version": tree.version, "options": self._values}
        what = "the source cannot be laid out for Nix"
        self._remove()
        durable.make(folder, what=what)
        try:
            series.git_in(tree.folder, "checkout-index", "--all", f"--prefix={folder}/source/")
            (folder / "trial.json").write_text(json.dumps(asked))
            (folder / "default.nix").write_bytes(resources.files("xenbump.trying").joinpath(_FILE).read_bytes())
        except BaseException as error:
            self._remove()
            if isinstance(error, OSError):
                raise durable.failure(error, folder, what=what) from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def built(self) -> PhaseResult:
        """Have Nix build hypervisor and tools.

        Raises:
            Refusal: E-TRY-NIX: it was not the tree that kept Nix from it.
            Failure: as `verify.build.build` has it.
        """
        limit = self._setting.seconds
        done = building.build(self._wanted, self._logs, limit=limit, progress=Told(self._progress).tell)
        log = "" if done.log is None else str(done.log)
        if done.outcome is building.Outcome.BUILT:
            return PhaseResult(Phase.BUILD, PASSED, seconds=done.seconds, log=log)
        name = nixlog.name_of(done.derivation) if done.derivation else ""
        if done.outcome not in _OF_THE_TREE or (name and not name.startswith(f"{XEN}-")):
            what = f"Nix does not build what the trial needs: {done.reason}"
            remedy = f"see {log}" if log else "give --nix the address of xenbump's flake"
            raise Refusal("E-TRY-NIX", what, where=done.place or name or self._setting.nix, remedy=remedy)
        return PhaseResult(Phase.BUILD, FAILED, done.reason, seconds=done.seconds, log=log, tail=done.lines)

    def booted(self, test: str, phases: tuple[Phase, ...]) -> Booted:
        """Have Nix build one of the tests, which boots a NixOS on what was built.

        Args:
            test: one of TESTS.
            phases: those of its phases that are wanted.

        Raises:
            Refusal: E-TRY-NIX: it was not run.
            Failure: as `verify.build.build` has it.
            UsageError: E-CONFIG for a baseline that is none.
        """
        steps = tuple(Step(phase.value) for phase in phases)
        ran = NixosTest(self._order(test, steps), self._progress).run(steps)
        told = tuple(
            PhaseResult(Phase(one.step.value), one.result, one.reason, one.checks, one.seconds, one.log, one.tail)
            for one in ran.steps
        )
        checks = [check for one in told for check in one.checks]
        failed = next((check for check in checks if check.name == "test" and check.result == FAILED), None)
        name = nixlog.name_of(failed.evidence[0]) if failed is not None and failed.evidence else ""
        if name and not name.startswith(_RUN):
            what = f"Nix does not build what the test needs: {told[0].reason}"
            raise Refusal("E-TRY-NIX", what, where=name, remedy=f"see {told[0].log}")
        if not checks and all(one.result == SKIPPED for one in told):
            remedy = "try it with --only build, or without --nix"
            raise Refusal("E-TRY-NIX", told[0].reason, where=f"the test {test}", remedy=remedy)
        lines = [line for check in checks for line in check.evidence]
        version = next((line.removeprefix(_SAYS_VERSION) for line in lines if line.startswith(_SAYS_VERSION)), "")
        return Booted(told, ran.engine, version, ran.tests)

    def _order(self, test: str, steps: tuple[Step, ...]) -> Wanted:
        setting, version = self._setting, self._prepared.version
        return Wanted(
            package=self._prepared.trial.rev,
            version=version,
            upstream_version=version,
            efi=None,
            buildable=replace(self._wanted, attribute=test),
            steps=steps,
            computed={},
            image=None,
            cache=setting.cache,
            xtf=None,
            baseline=setting.baseline,
            logs=self._logs,
            limit=setting.seconds,
            engine="nixos",
            nixos_test=test,
        )
