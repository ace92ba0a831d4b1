"""The Xen Project as one run sees it: repository, verified releases, tips of stable branches, advisories."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.errors import Failure, Refusal
from xenbump.judge import Judge
from xenbump.plan.model import Target
from xenbump.upstream import history, release, signature, support, tree
from xenbump.upstream.library import Library
from xenbump.upstream.model import Listing, VerifiedRelease
from xenbump.upstream.repository import Repository
from xenbump.upstream.xenbits import Xenbits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xenbump.config import Config
    from xenbump.journal import Run
    from xenbump.upstream.components import Components
    from xenbump.upstream.release import Release

_OPEN = "-pre"


@dataclass(frozen=True, slots=True)
class Listed:
    """What the journal keeps of a listing."""

    source: str
    releases: int
    newest: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """What a tree gives: its own version, and the hash for a fetcher."""

    tree_version: str
    hash: str


class Xen:
    """What upstream has. Made by `opened`.

    Args:
        config: the configuration.
        run: where the steps are written and remembered.
        progress: told in a sentence what is being done.
    """

    def __init__(self, config: Config, run: Run, progress: Callable[[str], None]) -> None:
        self._config = config
        self._run = run
        self._progress = progress
        self.repository = Repository(config.upstream.addresses(config.folder), config.state / "git", progress)
        self.trust = trust_of(config)
        self._listing: Listing | None = None
        self._xenbits: Xenbits | None = None
        self._library: Library | None = None
        self._judge: Judge | None = None
        self._components: Components | None = None
        self._windows: dict[str, tuple[support.Window | None, str]] = {}

    def close(self) -> None:
        """Close the connections."""
        if self._xenbits is not None:
            self._xenbits.close()

    def listing(self) -> Listing:
        """What the repository lists; asked for once in a run."""
        if self._listing is None:
            self._run.step("", "list", self.repository.addresses, Listed, self._list, again=False)
        if self._listing is None:
            wrong = "the listing step ended without a listing"
            raise AssertionError(wrong)
        return self._listing

    def _list(self) -> Listed:
        self._progress("asking for releases")
        self._listing = listing = self.repository.listing()
        known = listing.releases
        digest = hashlib.sha256("\n".join(f"{oid} {name}" for name, oid in sorted(listing.refs.items())).encode())
        return Listed(listing.source, len(known), known[-1].version if known else "", digest.hexdigest())

    @property
    def components(self) -> Components:
        """The repositories of what is built with Xen."""
        if self._components is None:
            from xenbump.upstream.components import Components  # noqa: PLC0415 - a check needs none

            roots = self._config.upstream.component_addresses(self._config.folder)
            self._components = Components(roots, self._config.state / "git" / "components", self._progress)
        return self._components

    @property
    def library(self) -> Library:
        """The advisories."""
        if self._library is None:
            root = self._config.upstream.xsa
            if "://" not in root:
                root = str(self._config.folder / root)
            self._xenbits = Xenbits(root, self._config.state / "xsa", self._progress)
            self._library = Library(self._xenbits, self.trust, self._run)
        return self._library

    @property
    def judge(self) -> Judge:
        """Who decides on advisories."""
        if self._judge is None:
            self._judge = Judge(
                self.repository,
                self.listing(),
                self.library,
                memory=self._run,
                now=datetime.now(UTC),
                progress=self._progress,
            )
        return self._judge

    def verified(self, package: str, chosen: Release) -> VerifiedRelease:
        """A release with its signature judged."""
        listing = self.listing()
        trust = (hashlib.sha256(self.trust.keyring).hexdigest(), sorted(self.trust.fingerprints))
        return self._run.step(
            package,
            "verify",
            (chosen, trust),
            VerifiedRelease,
            lambda: self.repository.verify(chosen, self.trust, listing.source),
        )

    @cached_property
    def today(self) -> date:
        """The day that counts for support windows, in UTC; one for the whole run."""
        return datetime.now(UTC).date()

    def window(self, branch: str) -> tuple[support.Window | None, str]:
        """How long a branch is supported; asked for once in a run, and of each tip of the branch only once.

        Args:
            branch: `X.Y`.

        Returns:
            The window, None where the repository says nothing of it; and why it could not be had, else empty.

        Raises:
            Refusal: what would be refused of any tip; a form of the window that is not known is only told.
        """
        if branch not in self._windows:
            self._windows[branch] = self._window(branch)
        return self._windows[branch]

    def _window(self, branch: str) -> tuple[support.Window | None, str]:
        listing = self.listing()
        tip = listing.refs.get(f"refs/heads/stable-{branch}")
        if tip is None:
            return None, ""

        def work() -> support.Window:
            return support.windows(self.repository, listing, [branch])[branch]

        try:
            found = self._run.step("", "support", (branch, tip), support.Window, work)
        except (Failure, Refusal) as error:
            if isinstance(error, Refusal) and error.code != "E-SUPPORT-FORM":
                raise
            return None, f"how long Xen {branch} is supported is not known: {error}"
        return (None if found == support.UNKNOWN else found), ""

    def source(self, package: str, target: Target, fetcher: str) -> Source:
        """The version and hash of a target's tree."""

        def work() -> Source:
            version = self._tree_version(target.commit, target.ref, target.source, target.tag or target.commit)
            digest = self.repository.source_hash(target.commit, target.ref, target.source, fetcher)
            return Source(version, digest)

        return self._run.step(package, "source", (target.commit, target.ref, fetcher), Source, work)

    def released(self, package: str, chosen: Release) -> Target:
        """A release as a target, its signature judged; its tree is not asked yet."""
        verified = self.verified(package, chosen)
        return Target(
            version=verified.version,
            tree_version=verified.version,
            commit=verified.commit,
            ref=f"refs/tags/{verified.tag}",
            source=verified.source,
            tag=verified.tag,
            tag_object=verified.tag_object,
            signed_by=verified.signed_by,
            signed_at=verified.signed_at,
        )

    def tip(self, package: str, commit: str, ref: str) -> Target:
        """The tip of a stable branch as a target.

        Nobody has signed it. What vouches for it is the repository it comes from, and that it descends from the newest
        signed release of the branch.

        Args:
            package: the package that it is for.
            commit: the commit's identifier.
            ref: the full name of the branch.

        Raises:
            Refusal: E-TIP-ANCESTRY where it does not descend from that release, E-TREE-VERSION where its tree has
                another version than such a commit has; that release's signature is not good.
        """
        listing = self.listing()
        branch = ref.rpartition("-")[2]
        newest = release.newest(listing.releases, branch=branch, where=listing.source)
        verified = self.verified(package, newest)
        if commit == verified.commit:
            return self.released(package, newest)
        if not history.descends(self.repository, listing, commit, ref, verified.commit, branch=branch):
            raise Refusal(
                "E-TIP-ANCESTRY", f"{commit} does not descend from the signed release {newest.version}",
                where=ref.removeprefix("refs/heads/"),
            )  # fmt: skip
        tree_version = self._tree_version(commit, ref, listing.source, commit)
        base = tree_version.removesuffix(_OPEN)
        if base == tree_version or not release.is_version(base) or release.branch_of(base) != branch:
            raise Refusal(
                "E-TREE-VERSION", f"the tree calls itself {tree_version}, which is no {branch}.Z{_OPEN}", where=commit
            )
        day = self.repository.committed(commit, ref, listing.source)
        return Target(f"{base}-unstable-{day:%Y-%m-%d}", tree_version, commit, ref, listing.source)

    def _tree_version(self, commit: str, ref: str, source: str, name: str) -> str:
        with self.repository.objects(commit, ref, source) as objects:
            return tree.version(objects.file(objects.commit(commit).tree, tree.MAKEFILE), name)


@contextlib.contextmanager
def opened(config: Config, run: Run, progress: Callable[[str], None]) -> Iterator[Xen]:
    """The Xen Project that the configuration points to, for the time of a `with` block."""
    with contextlib.closing(Xen(config, run, progress)) as found:
        yield found


def trust_of(config: Config) -> signature.Trust:
    """Whose signature counts, by the configuration; a relative keyring starts from its folder.

    Raises:
        UsageError: E-KEYRING.
    """
    keyring = config.upstream.keyring
    path = config.folder / Path(keyring).expanduser() if keyring else None
    return signature.load_trust(path, config.upstream.fingerprints)
