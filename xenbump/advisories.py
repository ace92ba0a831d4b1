"""What `xenbump xsa` and `xenbump audit` show: single advisories, and all of them for packages and releases."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.errors import Refusal, UsageError
from xenbump.hashes import patch
from xenbump.journal import Journal
from xenbump.judge import Tree
from xenbump.outcomes import SourceHash
from xenbump.package import files, patches, rewrite
from xenbump.upstream import release
from xenbump.xen import Xen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xenbump.config import Config
    from xenbump.journal import Run
    from xenbump.plan.model import Decision
    from xenbump.settings import Package
    from xenbump.upstream.index import Entry
    from xenbump.upstream.library import Listed

# The first branch all of whose releases have a complete history of markers.
OLDEST_BRANCH = "4.13"
_CANDIDATE = re.compile(r"(\d+\.\d+)\.\d+(?:-rc\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Audit:
    """One subject of an audit: a package file, a release or a tag, and a decision on each advisory."""

    name: str
    version: str
    tag: str
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """An advisory with the first release of each branch that has its fix; None where no release has it."""

    listed: Listed
    first: dict[str, str | None]


class Advisories:
    """The advisories, for one run. Made by `opened`."""

    def __init__(self, config: Config, xen: Xen) -> None:
        self._config = config
        self._xen = xen

    def index(self) -> tuple[Entry, ...]:
        """What the index lists, lowest number first."""
        return self._xen.library.index()

    def show(self, number: int) -> Shown:
        """An advisory, verified, with the releases that have its fix."""
        judge = self._xen.judge
        return Shown(judge.text(number), judge.first_releases(number, OLDEST_BRANCH))

    def patch(self, number: int, name: str) -> tuple[bytes, str]:
        """A patch of an advisory, verified by the signed digest, and the fingerprint of the key that signed.

        Raises:
            Refusal: E-XSA-UNKNOWN when the advisory lists no such patch, or its table was not understood.
        """
        text = self._xen.library.read(self._xen.library.entry(number)).text
        for line in text.advisory.lines if text is not None and text.advisory is not None else ():
            for file in line.files:
                if file.name == name and text is not None:
                    return self._xen.library.patch(file), text.signed_by
        why = f" ({text.code}: {text.what})" if text is not None and text.code else ""
        raise Refusal("E-XSA-UNKNOWN", f"XSA-{number} lists no patch {name}{why}")

    def of_package(self, package: Package) -> Audit:
        """The audit of a package file as it stands in the working tree."""
        path = self._config.file_of(package)
        subject = rewrite.read(
            files.read(path),
            name=package.name,
            file=package.file,
            attribute=package.attribute or package.name,
            beside=files.Around(path, self._config.folder),
        )
        listed = frozenset(patches.advisory_files(subject.patches).values())
        if subject.rev is not None and release.base_of(subject.version) is not None:
            tree = Tree(subject.version, release.branch_of(subject.version), subject.rev, subject.rev)
            return Audit(package.name, subject.version, subject.rev, self._xen.judge.decisions(tree, listed))
        return self._of_release(subject.version, package.name, listed)

    def of_version(self, version: str) -> Audit:
        """The audit of a release without any patches."""
        return self._of_release(version, f"xen-{version}", frozenset())

    def of_tag(self, tag: str) -> Audit:
        """The audit of a tag: of a release, or of a release candidate, which is judged as its branch.

        Raises:
            Refusal: E-REV-UNKNOWN for any other tag: its branch is not known.
        """
        version = release.version_of(tag)
        if version is not None:
            return self._of_release(version, tag, frozenset())
        match = _CANDIDATE.fullmatch(tag)
        listing = self._xen.listing()
        if match is None:
            raise Refusal(
                "E-REV-UNKNOWN", f"{tag!r} is no tag of a release or a release candidate", where=listing.source
            )
        commit, ref = listing.find(tag)
        return Audit(tag, tag, tag, self._xen.judge.decisions(Tree(tag, match[1], commit, ref)))

    def since(self, branch: str) -> tuple[Audit, ...]:
        """The audits of all releases from a branch on, oldest version first."""
        wanted = [
            one.version
            for one in self._xen.listing().releases
            if one.commit is not None and release.order(one.branch) >= release.order(branch)
        ]
        return tuple(self.of_version(version) for version in wanted)

    def _of_release(self, version: str, name: str, listed: frozenset[str]) -> Audit:
        listing = self._xen.listing()
        chosen = release.named(listing.releases, version, where=listing.source)
        verified = self._xen.verified("", chosen)
        tree = Tree(version, chosen.branch, verified.commit, f"refs/tags/{chosen.tag}")
        return Audit(name, version, chosen.tag, self._xen.judge.decisions(tree, listed))


@contextlib.contextmanager
def opened(config: Config, run: Run, progress: Callable[[str], None]) -> Iterator[Advisories]:
    """The advisories that the configuration points to, for the time of a `with` block."""
    with contextlib.closing(Xen(config, run, progress)) as xen:
        yield Advisories(config, xen)


def subjects(
    found: Advisories, *, packages: Sequence[Package], versions: Sequence[str], tags: Sequence[str], since: str
) -> list[Audit]:
    """The audits that were asked for: those of the packages where nothing else was."""
    audits = [found.of_version(version) for version in versions]
    audits += [found.of_tag(tag) for tag in tags]
    if since:
        audits += found.since(since)
    if not (versions or tags or since):
        audits += [found.of_package(package) for package in packages]
    return audits


def hash_of_patch(config: Config, address: str, fetcher: str, progress: Callable[[str], None]) -> SourceHash:
    """The hash that a fetcher will want for a patch.

    Args:
        config: where advisories are published, whose signature counts, and where the cache lies.
        address: an advisory's patch below the configured root, checked against the signed digest; or a file, as it is.
        fetcher: `fetchpatch`, `fetchpatch2` or `fetchurl`.
        progress: told in a sentence what is being done.

    Raises:
        UsageError: E-PATCH-ADDRESS for an address elsewhere, E-FILE-MISSING for a file that is not there.
        Refusal: the patch is not what the advisory signs, or has a form whose hash is not certain.
    """
    if "://" not in address:
        content, name, signed_by = files.read(Path(address)), address, None
    else:
        root = config.upstream.xsa.rstrip("/") + "/"
        name = address.removeprefix(root)
        number = patches.advisory_of(name)
        if name == address or number is None or patches.advisory_file(address) != name:
            raise UsageError("E-PATCH-ADDRESS", f"it is no patch of an advisory below {root}", where=address)
        with Journal(config.state).run("hash") as run, opened(config, run, progress) as found:
            content, signed_by = found.patch(number, name)
            run.end(0)
    return SourceHash(name, None, fetcher, patch.FETCHERS[fetcher](content), signed_by, address)
