"""What proves a change: evidence that is at hand for just these contents, or a verification that is made now.

Evidence is about contents: the package file, those beside it, and what else was read of it, each by its SHA-256. What
was verified in the working tree is at hand for a pull request that brings the same contents, and a scheduled run does
not build again what an earlier one built. A verification that failed counts for a day, then it is made again: what was
in its way may have been passing.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from xenbump import contents
from xenbump.dom0.report import SKIPPED
from xenbump.errors import Failure
from xenbump.locks import locked
from xenbump.package import files, rewrite
from xenbump.package.beside import Overlay
from xenbump.progress import StepEnded, emit
from xenbump.verify import image, logs, probe
from xenbump.verify.evidence import Evidence, Step, StepResult
from xenbump.verify.nix import Buildable
from xenbump.verify.verifier import Verifier, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.journal import Noted, Run
    from xenbump.package.model import Beside
    from xenbump.package.rewrite import Edit
    from xenbump.plan.model import Plan, Subject
    from xenbump.settings import Package

# A failure stands for this long.
_FAILED_SECONDS = 86400.0
_HASHED = "the source of Xen"
_DIGITS = 16


class Prover:
    """Finds evidence, or makes it.

    Args:
        config: what is to be verified and where things lie.
        run: where evidence is kept.
        progress: told in a sentence what is being done.
    """

    def __init__(self, config: Config, run: Run, progress: Callable[[str], None]) -> None:
        self._config = config
        self._run = run
        self._progress = progress

    def tree(
        self, package: Package, subject: Subject, seen: contents.Seen, only: tuple[Step, ...], hashes: Mapping[str, str]
    ) -> Evidence:
        """Verify a package as it stands in the working tree, and write down what came out.

        Args:
            package: the configured package.
            subject: what its file says.
            seen: the files that were read for that.
            only: the steps; empty: those of the configuration.
            hashes: computed here, by what they are of, for a build that finds another one.
        """
        settings, folder = self._config.verify, self._config.folder
        path = self._config.file_of(package)
        made_of = self._made_of(path, seen)
        buildable = Buildable(
            package.attribute or package.name,
            folder,
            flake=settings.flake,
            nixpkgs=settings.nixpkgs,
            options=settings.nix_options,
        )
        wanted = self._wanted(package, subject, buildable, only or self.steps, hashes)
        evidence = Verifier(replace(wanted, of="the working tree"), self._progress).verify()
        evidence = replace(evidence, under=_digits(self.conditions(only)))
        if made_of == self._made_of(path, seen):
            self._keep(package, evidence, made_of, self.conditions(only))
        else:
            self._progress("files of the package changed meanwhile; the evidence is not kept for a pull request")
        return evidence

    def change(
        self,
        package: Package,
        plan: Plan,
        edits: tuple[Edit, ...],
        beside: contents.Seen,
        write_out: Callable[[Path], str],
    ) -> Evidence:
        """Verify a change, unless another run has done it meanwhile.

        Args:
            package: the configured package.
            plan: what changes.
            edits: the files before and after.
            beside: the files around the package file before the change, and which of them were read.
            write_out: writes the whole tree with the change into a folder, and gives the name of what it wrote; empty
                where it cannot.

        Returns:
            The evidence. What kept a verification from being made is in it.
        """
        with locked(self._config.state / "verify.lock", seconds=self._limit * 2, progress=self._progress):
            # Whoever held the lock may have verified just this.
            found = self.standing(package, edits, beside)
            return self._made(package, plan, edits, beside, write_out) if found is None else found

    def at_hand(self, package: Package, edits: tuple[Edit, ...], beside: Beside) -> Evidence | None:
        """The newest evidence for a change, under whichever conditions; None where there is none."""
        return next((noted.evidence for noted in self._matching(package, edits, beside)), None)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the configuration, in their order."""
        return tuple(step for step in Step if step.value in self._config.verify.steps)

    @property
    def _limit(self) -> float:
        return self._config.verify.build_minutes * 60.0

    def conditions(self, only: tuple[Step, ...] = ()) -> str:
        """What a verification of these steps depends on besides the contents, as text to be compared."""
        settings = self._config.verify
        facts = msgspec.to_builtins(settings) | {
            "steps": [step.value for step in only or self.steps],
            "xtf": self._xtf(),
            # What is missing today may be there tomorrow.
            "programs": [name for name in ("nix", probe.QEMU) if shutil.which(name)],
        }
        return msgspec.json.encode(facts, order="sorted").decode()

    def _xtf(self) -> str:
        return self._config.verify.xtf or os.environ.get("XENBUMP_XTF", "")

    @property
    def under(self) -> str:
        """A digest of the conditions of the configuration."""
        return _digits(self.conditions())

    def standing(self, package: Package, edits: tuple[Edit, ...], beside: Beside) -> Evidence | None:
        """What was verified of a change under the conditions of the configuration, where it still counts."""
        conditions = self.conditions()
        for noted in self._matching(package, edits, beside):
            if noted.conditions == conditions:
                if noted.evidence.failed and time.time() - noted.at > _FAILED_SECONDS:
                    return None
                when = noted.evidence.when or "at an unknown time"
                self._progress(f"{package.name}: verified before, {when}")
                for one in noted.evidence.steps:
                    reason = f"verified before, {when}" + (f": {one.reason}" if one.reason else "")
                    emit(self._progress, StepEnded(package.name, one.step.value, one.result, 0.0, reason))
                return noted.evidence
        return None

    def _matching(self, package: Package, edits: tuple[Edit, ...], beside: Beside) -> Iterator[Noted[Evidence]]:
        """The notes about just the contents that a change brings, newest first."""
        changed = contents.changed(package.file, edits)
        known: dict[str, str] = {}
        for noted in self._run.proofs(package.name, Evidence):
            if any(noted.contents.get(name, "") != after for name, after in changed.items()):
                continue
            for name in noted.contents.keys() - changed.keys() - known.keys():
                known[name] = contents.digest(beside.read(name))
            if all(known[name] == noted.contents[name] for name in noted.contents.keys() - changed.keys()):
                yield noted

    def _made(
        self,
        package: Package,
        plan: Plan,
        edits: tuple[Edit, ...],
        beside: contents.Seen,
        write_out: Callable[[Path], str],
    ) -> Evidence:
        """Verify a change in a tree of its own, and write down what came out."""
        root = self._config.state / "trees" / package.name
        with self._tree(root) as folder:
            subject = _after(package, plan, edits, beside)
            try:
                of = write_out(folder)
                buildable = self._buildable(package, plan, folder) if of else None
                if buildable is None:
                    why = "there is no checkout here to build it from"
                    if of:
                        why = f"the flake {self._config.verify.flake} is not in the tree that changes"
                    return self._undone(package, subject, why)
                wanted = self._wanted(package, subject, buildable, self.steps, {_HASHED: plan.hash})
                older = self._before(package, plan)
                evidence = Verifier(replace(wanted, of=of, before=older), self._progress).verify()
                evidence = replace(evidence, under=self.under)
            except Failure as error:
                # What may be tried again is tried again by the next run; the change itself is not held up by it.
                # Only the sentence: where it was is a path of this machine, and a pull request is public.
                return self._undone(package, subject, f"{error.code}: {error.what}")
        made_of = {**beside.contents, **contents.changed(package.file, edits)}
        self._keep(package, evidence, made_of, self.conditions())
        return evidence

    def _before(self, package: Package, plan: Plan) -> Evidence | None:
        """What was verified of the version that the file has now, with results of XTF."""
        noted = self._run.proofs(package.name, Evidence, plan.subject.version)
        return next((one.evidence for one in noted if one.evidence.tests), None)

    def _undone(self, package: Package, subject: Subject, why: str) -> Evidence:
        self._progress(f"{package.name}: not verified: {why}")
        for step in self.steps:
            emit(self._progress, StepEnded(package.name, step.value, SKIPPED, 0.0, why))
        steps = tuple(StepResult(step, SKIPPED, why) for step in self.steps)
        return Evidence(package.name, subject.version, subject.upstream_version or subject.version, "", steps)

    def _made_of(self, path: Path, seen: contents.Seen) -> dict[str, str]:
        """What a package in the working tree is made of."""
        return {**contents.around(path.parent), **seen.contents, path.name: contents.digest(files.read(path))}

    def _keep(self, package: Package, evidence: Evidence, made_of: dict[str, str], conditions: str) -> None:
        self._run.proved(package.name, evidence.version, made_of, conditions, evidence)

    @contextlib.contextmanager
    def _tree(self, root: Path) -> Iterator[Path]:
        """An empty folder that is gone afterwards; one that a killed run left is gone before."""
        try:
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True)
        except OSError as error:
            raise Failure("E-STATE", f"the folder cannot be made: {error.strerror}", where=str(root)) from error
        try:
            yield root
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _buildable(self, package: Package, plan: Plan, root: Path) -> Buildable | None:
        """How Nix is asked for the package in a tree that was written out; None for a flake that lies elsewhere."""
        settings = self._config.verify
        attribute = plan.adds or package.attribute or package.name
        inside = self._inside(package)
        if settings.nixpkgs:
            return Buildable(attribute, root / inside, nixpkgs=True, options=settings.nix_options)
        if not settings.flake.startswith("."):
            return None
        place = posixpath.normpath(posixpath.join(inside, settings.flake))
        if place.startswith(".."):
            return None
        # Said as a path: the folder may lie in a checkout that knows nothing of it.
        flake = f"path:{root}" + ("" if place == "." else f"?dir={place}")
        return Buildable(attribute, root, flake=flake, options=settings.nix_options)

    def _inside(self, package: Package) -> str:
        """The folder of the configuration, seen from the root of the checkout that has it; `.` without one."""
        if self._config.github.write != "checkout":
            return "."
        from xenbump.publish.branch import Checkout  # noqa: PLC0415 - GitPython is slow to import

        with contextlib.closing(Checkout(self._config.file_of(package))) as checkout:
            return os.path.relpath(self._config.folder.resolve(), checkout.root)

    def _wanted(
        self,
        package: Package,
        subject: Subject,
        buildable: Buildable,
        steps: tuple[Step, ...],
        hashes: Mapping[str, str],
    ) -> Wanted:
        settings, folder, xtf = self._config.verify, self._config.folder, self._xtf()
        return Wanted(
            package=package.name,
            version=subject.version,
            upstream_version=subject.upstream_version or subject.version,
            efi=subject.efi,
            buildable=buildable,
            steps=steps,
            computed=hashes,
            image=folder / settings.image if settings.image else None,
            cache=image.cache_folder(os.environ),
            xtf=folder / xtf if xtf else None,
            baseline=folder / settings.xtf_baseline if settings.xtf_baseline else None,
            logs=logs.fresh(self._config.state / "logs", package.name, datetime.now(UTC)),
            limit=self._limit,
            engine=settings.engine,
            nixos_test=settings.nixos_test,
            accelerator=settings.accelerator,
            hvm=settings.hvm,
        )


def _after(package: Package, plan: Plan, edits: tuple[Edit, ...], beside: Beside) -> Subject:
    """What the package file says after a change; of a branch that comes with it, as far as the plan knows."""
    name = posixpath.basename(package.file)
    start = posixpath.dirname(package.file) or "."
    changes = {posixpath.relpath(edit.file, start): edit.after for edit in edits}
    content = changes.get(name)
    if plan.adds is not None or content is None:
        return replace(plan.subject, version=plan.target.version, upstream_version=None, efi=None)
    around = Overlay(beside, changes)
    attribute = package.attribute or package.name
    return rewrite.read(content, name=package.name, file=package.file, attribute=attribute, beside=around)


def _digits(conditions: str) -> str:
    return contents.digest(conditions.encode())[:_DIGITS]
