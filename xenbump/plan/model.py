"""The values of this stage: what a package file says now (`Subject`), and what it is to say (`Plan`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_NUMBERS = re.compile(r"\d+(?:\.\d+)*", re.ASCII)


class Verdict(StrEnum):
    """What an advisory means for one tree; the names are fixed by `docs/interface.md`."""

    IN_RELEASE = "in-release"
    ALREADY_PATCHED = "already-patched"
    NEEDS_PATCH = "needs-patch"
    OTHER_BRANCH = "other-branch"
    OTHER_TREE = "other-tree"
    EMBARGOED = "embargoed"
    UNUSED = "unused"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Condition:
    """When a part of a file's list of patches counts.

    Attributes:
        text: as the file has it, in one line.
        function: `versionOlder` or `versionAtLeast`, where it compares the package's own version; else empty.
        bound: what the version is compared with; empty where there is no function.
    """

    text: str
    function: str = ""
    bound: str = ""

    def holds(self, version: str) -> bool | None:
        """Whether the part counts for a version, as Nix' `compareVersions` has it; None where that is not known."""
        ours, bound = _NUMBERS.match(version), _NUMBERS.fullmatch(self.bound)
        if not self.function or ours is None or bound is None:
            return None
        left, right = ([int(part) for part in match[0].split(".")] for match in (ours, bound))
        if left[: len(right)] == right and ours[0] != version:
            return None  # what comes behind the numbers would decide
        return (left < right) == (self.function == "versionOlder")


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch that a file lists.

    Attributes:
        url: its address, or the element as the file has it for a local one.
        xsa: the number of the advisory that its name gives; None where it gives none.
        hash: the SRI in the file; None for a local one.
        fetcher: `fetchpatch`, `fetchpatch2` or `fetchurl`; None for a local one.
        options: the names of the fetcher's arguments that may change what it gives: all but `url`, `hash`, `name`,
            `passthru` and `meta`.
        path: of a local one, from the folder of the package file; None where it is not a plain path.
        condition: of the part of the list that it stands in; None where it always counts.
        name: of an entry in a collection that several package files share; None where the patch is written in the list.
    """

    url: str
    xsa: int | None
    hash: str | None
    fetcher: str | None = None
    options: tuple[str, ...] = ()
    path: str | None = None
    condition: Condition | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One advisory, one tree.

    Attributes:
        xsa: N of XSA-N.
        verdict: what it means for the tree.
        reason: a sentence for a reviewer.
        patches: the names of the patches that it brings, in the order in which they apply.
        evidence: what the verdict rests on, a sentence each.
        title: of the advisory; empty where it has none yet.
        cves: of the advisory.
        public: when it was or will be published, `YYYY-MM-DD HH:MM` (UTC); empty where that is not known.
    """

    xsa: int
    verdict: Verdict
    reason: str
    patches: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    title: str = ""
    cves: tuple[str, ...] = ()
    public: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """A patch that goes, and why."""

    patch: Patch
    reason: str


@dataclass(frozen=True, slots=True)
class Addition:
    """A patch that comes.

    Attributes:
        patch: as the file is to list it.
        sha256: the signed SHA-256 of its file, in hexadecimal.
        title: of its advisory.
        description: what its advisory describes as the issue; empty where no one asked for it.
        cves: of its advisory.
    """

    patch: Patch
    sha256: str
    title: str = ""
    description: str = ""
    cves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PatchChange:
    """What happens to the patches of a file.

    Attributes:
        keep: those that stay, in the file's order.
        drop: those that go.
        add: those that come, in the order in which they apply.
        series: all that the file is to list, in order: what stays, with what comes at its place.
    """

    keep: tuple[Patch, ...] = ()
    drop: tuple[Drop, ...] = ()
    add: tuple[Addition, ...] = ()
    series: tuple[Patch, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything comes or goes."""
        return bool(self.drop or self.add)


@dataclass(frozen=True, slots=True)
class Pin:
    """Another project's source that is built with Xen, pinned to what Xen's tree names.

    Attributes:
        component: `qemu`, `seabios`, `ovmf`, `ipxe` or `minios`.
        rev: the commit; in a file as it is perhaps the name of a tag.
        hash: the SRI that fetchgit wants for it.
        submodules: whether the submodules are fetched with it; None where that is not known.
        called: what Xen's tree calls the revision, the name of a tag or the commit; empty where it was not asked.
    """

    component: str
    rev: str
    hash: str
    submodules: bool | None = False
    called: str = ""


@dataclass(frozen=True, slots=True)
class Naming:
    """How patches of advisories come into a collection that several package files name patches from.

    Attributes:
        root: the folder of advisories that their addresses begin with.
        fetcher: what fetches them.
    """

    root: str
    fetcher: str


@dataclass(frozen=True, slots=True)
class Retired:
    """A branch whose security support has ended, in a folder of branches.

    Attributes:
        branch: `X.Y`.
        until: the day on which it ended, `YYYY-MM-DD`.
        removed: whether its files go; else it is marked as unsupported.
    """

    branch: str
    until: str
    removed: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """What a package file says, as far as a plan needs it.

    Attributes:
        name: the configured name of the package.
        file: its path from the folder of the configuration.
        attribute: its attribute path in the package set, for titles.
        shape: the key of the file's shape.
        version: the release it packages, `X.Y.Z`, or a commit of a stable branch, `X.Y.Z-unstable-YYYY-MM-DD`.
        fetcher: `fetchFromGitHub` or `fetchgit`.
        hash: the source hash as it stands there.
        patches: the patches it lists.
        warnings: what is odd in the file and does not stop the work.
        rev: the commit that it pins; None where it names a tag.
        upstream_version: the version that it says the tree gives itself; None where that is its version.
        pins: the other projects' sources that it pins.
        branch: the branch that it is for, where each branch has a file of its own; None where one file serves all.
        siblings: the branches that have such a file beside it, its own among them.
        efi: whether it builds `xen.efi` unless told otherwise; None where the file has no such switch.
        naming: how the patches of advisories come that it lists by name; None where it lists them by their addresses.
        read_only: whether a file of its shape is read and not rewritten.
    """

    name: str
    file: str
    attribute: str
    shape: str
    version: str
    fetcher: str
    hash: str
    patches: tuple[Patch, ...] = ()
    warnings: tuple[str, ...] = ()
    rev: str | None = None
    upstream_version: str | None = None
    pins: tuple[Pin, ...] = ()
    branch: str | None = None
    siblings: tuple[str, ...] = ()
    efi: bool | None = None
    naming: Naming | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What a file is to package: a verified release, or the tip of a stable branch, which nobody has signed.

    Attributes:
        version: as the file is to have it: `X.Y.Z`, or `X.Y.Z-unstable-YYYY-MM-DD` for a tip.
        tree_version: the version that the tree gives itself: `X.Y.Z`, or `X.Y.Z-pre` for a tip.
        commit: identifier of the commit.
        ref: the full name of the ref that has it.
        source: the address that it was fetched from.
        tag: of a release; None for a tip.
        tag_object: identifier of a release's tag object; None for a tip.
        signed_by: fingerprint of the primary key that signed a release; None for a tip.
        signed_at: when it was signed, seconds since 1970; None for a tip.
    """

    version: str
    tree_version: str
    commit: str
    ref: str
    source: str
    tag: str | None = None
    tag_object: str | None = None
    signed_by: str | None = None
    signed_at: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """From what a file says to a target.

    Attributes:
        subject: the file as it is.
        target: what it is to package; its version may be the one that it has, where only patches change.
        hash: the SRI that the file's fetcher will want.
        patches: what happens to the patches.
        decisions: on each advisory that was published since the file's release, and on each older one that is not in
            the target's tree.
        warnings: what a reviewer should know.
        closes: the advisories that the file as it is leaves open, and as planned no more: by a patch or by the release.
        pins: the other projects' sources as the file is to pin them; those that it has.
        efi: whether the file is to build `xen.efi`; None: as it does.
        adds: the branch that gets a file of its own, beside the subject's, which stays; None: the file itself changes.
        retired: the branches beside it whose support has ended and that are marked or removed.
    """

    subject: Subject
    target: Target
    hash: str
    patches: PatchChange
    decisions: tuple[Decision, ...] = ()
    warnings: tuple[str, ...] = ()
    closes: tuple[int, ...] = ()
    pins: tuple[Pin, ...] = ()
    efi: bool | None = None
    adds: str | None = None
    retired: tuple[Retired, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether the file gets another version, not only other patches."""
        return self.subject.version != self.target.version

    @property
    def patched(self) -> tuple[int, ...]:
        """The advisories whose patches come, lowest number first."""
        return tuple(sorted({one.patch.xsa for one in self.patches.add if one.patch.xsa is not None}))
