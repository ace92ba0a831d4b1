"""The other projects' sources that a file pins beside Xen's, brought to what the target's tree names.

A tree names some of them by commit and some by tag. A commit in a signed tree is as good as that signature; a tag is as
good as the repository that says what it stands for, and the plan says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.errors import Refusal, XenbumpError
from xenbump.hashes import sri
from xenbump.upstream import components

if TYPE_CHECKING:
    from xenbump.journal import Run
    from xenbump.plan.model import Pin, Subject, Target
    from xenbump.upstream.components import Named
    from xenbump.xen import Xen


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the journal keeps of a component: its commit, the ref that has it, and the address it comes from."""

    commit: str
    ref: str
    address: str


class Pins:
    """Brings the pins of a file to a target.

    Args:
        xen: what upstream has.
        run: where results are remembered.
    """

    def __init__(self, xen: Xen, run: Run) -> None:
        self._xen = xen
        self._run = run

    def towards(self, subject: Subject, target: Target, *, moves: bool) -> tuple[tuple[Pin, ...], tuple[str, ...]]:
        """The pins as a file is to have them, and what a reviewer should know of them.

        Where the file stays on its commit of Xen, only a hash that is none is looked for, and where it cannot be had
        the pin stays as it is.

        Args:
            subject: what the file says.
            target: what it is to package.
            moves: whether that is another commit of Xen than before.

        Raises:
            Refusal: E-COMPONENT-PIN where the tree names a component in an unknown form, or how the file fetches one
                cannot be read; its repository lacks the revision, or its tree cannot be hashed.
            Failure: a component could not be had.
        """
        wanted = [pin for pin in subject.pins if moves or not sri.is_hash(pin.hash)]
        if not wanted:
            return subject.pins, ()
        named = self._named(target)
        found: dict[str, Pin] = {}
        warnings: list[str] = []
        for pin in wanted:
            if pin.component not in named:
                warnings.append(f"{target.version} names no revision of {pin.component}; the file's pin stays")
                continue
            try:
                new = self._pin(pin, named[pin.component])
            except XenbumpError as error:
                # Without the commit, or with another one, the file would be wrong; without the hash it stays as it is.
                if moves and not (pin.rev == named[pin.component].revision and not sri.is_hash(pin.hash)):
                    raise
                warnings.append(f"the hash of {pin.component} is still missing: {error}")
                continue
            found[pin.component] = new
            if new.rev not in {pin.rev, new.called}:
                warnings.append(
                    f"{pin.component} is {new.called} in Xen's tree; its repository says that this is {new.rev}"
                )
        return tuple(found.get(pin.component, pin) for pin in subject.pins), tuple(warnings)

    def _named(self, target: Target) -> dict[str, Named]:
        def ask() -> dict[str, tuple[str, str]]:
            with self._xen.repository.objects(target.commit, target.ref, target.source) as objects:
                tree = objects.commit(target.commit).tree
                config, etherboot = (objects.file(tree, path) for path in (components.CONFIG, components.ETHERBOOT))
            read = components.read(config, etherboot, target.tag or target.commit)
            return {name: (one.url, one.revision) for name, one in read.items()}

        found = self._run.step("", "components", target.commit, dict[str, tuple[str, str]], ask)
        return {name: components.Named(name, url, revision) for name, (url, revision) in found.items()}

    def _pin(self, pin: Pin, named: Named) -> Pin:
        """A pin as it is to be; as it is, where it stands for what the tree names and has a hash."""
        sources = self._xen.components
        resolved = self._run.step(
            "", "component", (named.name, named.url, named.revision, sources.address(named)), Resolved,
            lambda: Resolved(*sources.resolve(named)),
        )  # fmt: skip
        if pin.rev in {resolved.commit, named.revision} and sri.is_hash(pin.hash):
            return replace(pin, called=named.revision)
        if pin.submodules is None:
            raise Refusal(
                "E-COMPONENT-PIN",
                f"whether {pin.component} is fetched with its submodules cannot be read, so its hash is not known",
            )
        submodules = pin.submodules
        digest = self._run.step(
            "", "component-hash", (resolved.commit, submodules), str,
            lambda: sources.hash(named, resolved.commit, resolved.ref, resolved.address, submodules=submodules),
        )  # fmt: skip
        return replace(pin, rev=resolved.commit, hash=digest, called=named.revision)
