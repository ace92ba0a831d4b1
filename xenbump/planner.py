"""From a package file to its plan: which release or commit, which patches, why; the next way where one is blocked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xenbump.errors import Refusal, XenbumpError
from xenbump.hashes import sri
from xenbump.judge import Tree
from xenbump.package import patches
from xenbump.plan import plan as planning
from xenbump.plan import support as supported
from xenbump.plan import target as targets
from xenbump.plan.model import Plan, Target, Verdict
from xenbump.upstream import release, support

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xenbump.journal import Run
    from xenbump.package.model import Beside
    from xenbump.plan.model import Decision, Retired, Subject
    from xenbump.settings import Package
    from xenbump.xen import Xen

_BLOCKED = frozenset({"E-PATCH-CONFLICT", "E-XSA-CONFLICT"})
_TWO_WAYS = (
    'pin the stable branch, where they are or fit (strategy = "stable-tip" in the configuration, or --to stable-tip),'
    " or put a patch of your own in the place of what fails"
)
_OPEN = frozenset({Verdict.NEEDS_PATCH, Verdict.CONFLICT})


class Planner:
    """Makes plans.

    Args:
        xen: what upstream has.
        run: where results are remembered.
        progress: told in a sentence what is being done.
    """

    def __init__(self, xen: Xen, run: Run, progress: Callable[[str], None]) -> None:
        self._xen = xen
        self._run = run
        self._progress = progress

    def plan(
        self,
        package: Package,
        subject: Subject,
        *,
        beside: Beside,
        to: str = "",
        security_only: bool = False,
    ) -> Plan:
        """The plan for a file; one that changes nothing (`planning.is_idle`) where there is nothing to do.

        Args:
            package: as configured.
            subject: what its file says.
            beside: the files around the package file.
            to: a version, `latest` or `stable-tip`; empty: as `track` and `strategy` say.
            security_only: stay on the version that the file has.

        Raises:
            Refusal: every way is blocked, or something must not be believed.
            Failure: something could not be had.
        """
        if subject.read_only:
            raise Refusal(
                "E-SHAPE-UNSUPPORTED",
                f"the file has the shape `{subject.shape}`, which is read and not rewritten",
                where=subject.file,
            )
        blocked: Refusal | None = None
        for ways, find in self._ways(package, subject, to, security_only=security_only):
            try:
                return self._towards(package, subject, find(), beside)
            except Refusal as error:
                if error.code not in _BLOCKED:
                    raise
                if not error.where:
                    error.where = subject.file
                if not ways and blocked is None:
                    error.remedy = error.remedy or _TWO_WAYS
                    raise
                self._progress(f"{package.name}: {error.what}")
                if blocked is not None:
                    error.what = f"{blocked.what}; on the stable branch: {error.what}"
                    raise
                blocked = error
        wrong = "there is no way to plan"
        raise AssertionError(wrong)

    def open_advisories(self, package: Package, subject: Subject) -> tuple[Decision, ...]:
        """The decisions on advisories that a file as it is leaves open."""
        tree = self._tree_of(subject)
        listed = frozenset(patches.advisory_files(subject.patches).values())
        decided = {int(number) for number in package.decided}
        return tuple(
            one for one in self._xen.judge.decisions(tree, listed) if one.verdict in _OPEN and one.xsa not in decided
        )

    def _ways(
        self, package: Package, subject: Subject, to: str, *, security_only: bool
    ) -> Iterator[tuple[bool, Callable[[], Target]]]:
        """The targets to try, in order, each with whether there is another one behind it."""

        def tip() -> Target:
            commit, ref = targets.tip(subject, self._xen.listing(), track=package.track)
            return self._xen.tip(package.name, commit, ref)

        always = package.strategy == "always-stable-tip" and not to and not security_only
        if to == targets.STABLE_TIP or always:
            yield False, tip
            return
        fallback = package.strategy == "stable-tip" and not to
        yield fallback, lambda: self._release(package, subject, to, security_only=security_only)
        if fallback:
            yield False, tip

    def _release(self, package: Package, subject: Subject, to: str, *, security_only: bool) -> Target:
        """The release to move to, or what the file packages now."""
        listing = self._xen.listing()
        chosen = None if security_only else targets.choose(subject, listing, track=package.track, to=to)
        if chosen is None:
            chosen = targets.own(subject, listing)
        if chosen is not None:
            return self._xen.released(package.name, chosen)
        if subject.rev is None:
            raise Refusal(
                "E-VERSION-UNKNOWN",
                f"the file packages {subject.version}, which is no release of {listing.source}",
                where=subject.file,
            )
        return Target(
            subject.version, subject.upstream_version or subject.version, subject.rev, subject.rev, listing.source
        )

    def _towards(self, package: Package, subject: Subject, target: Target, beside: Beside) -> Plan:
        # What a check needs not, which is to take no longer than to ask.
        from xenbump.assembly import Assembly  # noqa: PLC0415
        from xenbump.pins import Pins  # noqa: PLC0415

        judge = self._xen.judge
        adds = targets.added(subject, target)
        here = self._tree_of(subject)
        there = Tree(target.version, release.branch_of(target.version), target.commit, target.ref)
        # The target's history first: on one branch it has the other's in it.
        fixed_there = judge.fixes(there).numbers
        fixed_here = judge.fixes(here).numbers
        newly = fixed_there - fixed_here
        listed = frozenset(patch.xsa for patch in subject.patches if patch.xsa is not None)
        found = {one.xsa: one for one in judge.decisions(there, doubted=newly | listed)}
        decided = {int(number): reason for number, reason in package.decided.items()}
        decisions = {number: planning.settled(one, decided.get(number)) for number, one in found.items()}
        planning.refuse_conflicts(decisions.values(), decided, there.name)
        assembly = Assembly(self._xen, self._run, there, target.version, local=beside.read, progress=self._progress)
        change, warnings = assembly.change(subject, decisions)
        moves = target.version != subject.version or target.commit != (subject.rev or target.commit)
        digest = subject.hash
        if moves or change.changes or not sri.is_hash(subject.hash):
            source = self._xen.source(package.name, target, subject.fetcher)
            target = planning.confirmed(target, source.tree_version)
            digest = source.hash
        pins, told = Pins(self._xen, self._run).towards(subject, target, moves=moves)
        efi, switch = self._efi(package, subject)
        retired, support = self._retired(package, subject, adds)
        made = planning.make(
            subject,
            target,
            digest,
            change,
            decisions=planning.relevant(
                planning.listed(decisions.values(), change),
                before=fixed_here,
                fixed=newly,
                since=self._since(package, subject),
            ),
            warnings=(*self._repinned(subject), *warnings, *told, *switch, *support),
            fixed=newly,
        )
        return replace(made, pins=pins, efi=efi, adds=adds, retired=retired)

    def _efi(self, package: Package, subject: Subject) -> tuple[bool | None, tuple[str, ...]]:
        """What the switch for `xen.efi` is to be, as configured."""
        wanted = None if package.efi == "keep" else package.efi
        if wanted in {None, subject.efi}:
            return None, ()
        if subject.efi is None:
            raise Refusal(
                "E-EFI-SWITCH", f"efi = {str(wanted).lower()} is configured, and the file has no switch for it",
                where=subject.file,
            )  # fmt: skip
        told = f"xen.efi is switched {'on' if wanted else 'off'}, as configured"
        return wanted, (told if subject.branch is None else f"{told}; that is so for every branch",)

    def _retired(
        self, package: Package, subject: Subject, adds: str | None
    ) -> tuple[tuple[Retired, ...], tuple[str, ...]]:
        """The branches past their security support, where one is added and it is configured what becomes of them."""
        if adds is None or package.retire == "keep":
            return (), ()
        listing = self._xen.listing()
        windows = support.windows(self._xen.repository, listing, subject.siblings)
        removed = package.retire == "remove"
        found = supported.retired(
            subject.siblings,
            windows,
            self._xen.today,
            spared={subject.branch or "", adds},
            removed=removed,
        )
        how = "removed" if removed else "marked as unsupported"
        return found, tuple(f"branch {one.branch} is {how}: its security support ended on {one.until}" for one in found)

    def _repinned(self, subject: Subject) -> tuple[str, ...]:
        """A warning where the file pins something else than the commit of the release that it names."""
        own = targets.own(subject, self._xen.listing())
        if own is None or subject.rev in {None, own.commit}:
            return ()
        if subject.rev == own.tag_object:
            return (f"the file pins {subject.rev}, which is the tag object of {own.tag} and not its commit",)
        return (f"the file pins {subject.rev}, which is not the commit of {own.tag}",)

    def _tree_of(self, subject: Subject) -> Tree:
        """The tree that a file packages as it is."""
        branch = release.branch_of(subject.version)
        own = targets.own(subject, self._xen.listing())
        if subject.rev is not None and own is None:
            return Tree(subject.version, branch, subject.rev, subject.rev)
        if own is None or own.commit is None:
            raise Refusal(
                "E-VERSION-UNKNOWN" if own is None else "E-TAG-LIGHTWEIGHT",
                f"the file packages {subject.version}, which is no signed release of {self._xen.listing().source}",
                where=subject.file,
            )
        return Tree(subject.version, branch, own.commit, f"refs/tags/{own.tag}")

    def _since(self, package: Package, subject: Subject) -> str:
        """When the file's release was signed, as decisions have times; empty where that cannot be said."""
        own = targets.own(subject, self._xen.listing())
        if own is None:
            return ""
        try:
            signed_at = self._xen.verified(package.name, own).signed_at
        except XenbumpError:
            return ""  # only more decisions are shown then
        return f"{datetime.fromtimestamp(signed_at, UTC):%Y-%m-%d %H:%M}"
