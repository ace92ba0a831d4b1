"""The shapes that are rewritten: for each a file, where its value has what an edit changes, and edits of it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.package import folders
from tests.package.evaluate import MAIN, Case, Outcome, Places, at, patches_after
from tests.package.support import FIXTURES, NEW_HASH, changed_to, plan_to, release, sri, tip, xsa
from xenbump.package import rewrite
from xenbump.package.collection import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xenbump.plan.model import Patch, PatchChange, Plan, Subject, Target

Files = dict[str, bytes]
TIP = tip()


class Folder:
    """The files around a package file, by their names from the root."""

    def __init__(self, files: Mapping[str, bytes], main: str) -> None:
        self._files = files
        self._folder = posixpath.dirname(main)

    def read(self, name: str) -> bytes | None:
        return self._files.get(posixpath.normpath(posixpath.join(self._folder, name)))

    def names(self, folder: str) -> tuple[str, ...]:
        start = posixpath.normpath(posixpath.join(self._folder, folder)) + "/"
        return tuple(
            sorted({name.removeprefix(start).partition("/")[0] for name in self._files if name.startswith(start)})
        )


@dataclass(frozen=True, slots=True)
class Written:
    """A shape that is rewritten.

    Attributes:
        key: of the shape.
        spots: what stands once in the fixture, just before each text that a bump replaces, with the name of the value.
        patches: what stands once in it, just before the value of `patches`.
        revision: the same of the tag or commit, with the name.
        decoys: what stands once in it, just before a place where any binding can come that the edits must leave alone.
        places: where the value of the file has what an edit changes.
        main: the name of the package file.
        around: the files around it.
        call: as in `Case`.
        has_tip: whether a file of the shape can go to a commit of a stable branch.
        has_branches: whether one file goes from branch to branch.
        first: how many patches of the file stand before the list.
        comes: what comes into the list for a patch, in any of these ways.
        inserts: what a bump puts in, with `{version}` and `{hash}`, this without what all hashes have in common.
    """

    key: str
    spots: Mapping[str, str]
    patches: str = "\n  patches = "
    revision: str = ""
    decoys: str = "\n  outputs = "
    places: Places = field(default_factory=Places)
    main: str = MAIN
    around: Mapping[str, bytes] = field(default_factory=dict)
    call: str = "package file"
    has_tip: bool = True
    has_branches: bool = True
    first: int = 0
    comes: tuple[str, ...] = (
        '({patch.fetcher} {{ url = "{patch.url}"; hash = "{patch.hash}"; }})',
        '({patch.fetcher} {{ hash = "{patch.hash}"; url = "{patch.url}"; }})',
    )
    inserts: str = ""

    @property
    def text(self) -> str:
        """The text of the package file."""
        return FIXTURES[self.key]

    def files(self, text: str | None = None) -> Files:
        """The files, with another text of the package file."""
        return {**self.around, self.main: (self.text if text is None else text).encode()}

    def case(self, files: Mapping[str, bytes]) -> Case:
        """Files as Nix is to evaluate them."""
        return Case(files, self.main, self.call)

    def read(self, files: Mapping[str, bytes]) -> Subject:
        """What the files say."""
        return rewrite.read(
            files[self.main], name="xen", file=self.main, attribute="xen", beside=Folder(files, self.main)
        )

    def write(self, files: Mapping[str, bytes], plan: Plan) -> Files:
        """The files with a plan written into them."""
        after = dict(files)
        for edit in rewrite.write(files[self.main], plan, Folder(files, self.main)):
            assert edit.before == files.get(edit.file)
            if edit.after is None:
                del after[edit.file]
            else:
                after[edit.file] = edit.after
        return after


_META = {
    "meta.branch": "{branch}",
    "meta.changelog": "https://wiki.xenproject.org/wiki/Xen_Project_{branch}_Release_Notes",
}
WRITTEN = (
    Written(
        "derivation-github",
        {'\n  version = "': "version", '\n    tag = "': "tag", 'RELEASE-4.20.3";\n    hash = "': "hash"},
        revision="\n    tag = ",
        places=Places(made=_META),
    ),
    Written(
        "derivation-github-derived",
        {'\n  version = "': "version", 'version}";\n    hash = "': "hash"},
        revision="\n    tag = ",
        places=Places(made=_META),
    ),
    Written(
        "derivation-fetchgit",
        {'\n  version = "': "version", '\n    rev = "': "rev", 'tag object\n    hash = "': "hash"},
        revision="\n    rev = ",
        places=Places(
            made={
                "passthru.rev": "{rev}",
                "passthru.efi": "boot/xen-{tree}.efi",
                "meta.branch": "{branch}",
                "meta.longDescription": "Xen {branch} boots before Linux, and ${{nothing}} else is needed.\n",
            }
        ),
    ),
    Written(
        "build-xen-package",
        {'\n  version = "': "version", '\n  rev = "': "rev", '\n  hash = "': "hash"},
        revision="\n  rev = ",
        decoys="\n  meta = ",
        places=Places(tag="tag", rev="rev", hash="hash", implied=True),
    ),
    Written(
        "override-attrs",
        {'\n  version = "': "version", '\n    tag = "': "tag", 'RELEASE-4.20.3";\n    hash = "': "hash"},
        revision="\n    tag = ",
        decoys="\n  meta = ",
        places=Places(implied=True),
    ),
    Written(
        "version-table",
        {'\n  v ? "': "version"},
        decoys="\n  meta = ",
        places=Places(made={"meta.changelog": "https://xenproject.org/downloads/xen-{branch}"}),
        inserts='"{version}" = "{hash}";',
        has_tip=False,
    ),
    Written(
        "version-definition",
        {
            '\n  version = "': "version",
            ' xen = {\n      rev = "': "rev",
            'aaaa";\n      hash = "': "hash",
            'qemu = {\n      rev = "': "qemu.rev",
            'bbbb";\n      hash = "': "qemu.hash",
            'seaBIOS = {\n      rev = "': "seabios.rev",
            'rel-1.16.3";\n      hash = "': "seabios.hash",
            'ovmf = {\n      rev = "': "ovmf.rev",
            'dddd";\n      hash = "': "ovmf.hash",
            'ipxe = {\n      rev = "': "ipxe.rev",
            'eeee";\n      hash = "': "ipxe.hash",
        },
        patches="with upstreamPatches;\n    ",
        first=2,
        comes=("{patch.name}",),
        revision=" xen = {\n      rev = ",
        decoys="\nin\n\ncallPackage",
        places=Places(
            upstream="passthru.upstreamVersion",
            pins={name: f"passthru.{name}" for name in ("qemu", "seabios", "ovmf", "ipxe")},
        ),
        main=folders.FILE,
        around={path: content for path, content in folders.folder().files.items() if path != folders.FILE},
        call="unadorned (package file)",
        has_branches=False,
    ),
)
BY_KEY = {one.key: one for one in WRITTEN}


# --- plans -----------------------------------------------------------------------------------------------------------


def following(version: str) -> str:
    """The point release after a version."""
    branch, _, point = version.rpartition(".")
    return f"{branch}.{int(point) + 1}"


def listing(old: Sequence[Patch], *, drop: Sequence[Patch] = (), add: Sequence[Patch] = ()) -> tuple[Patch, ...]:
    """A series: what comes stands behind the last patch that is fetched and always counts, else first."""
    kept = [patch for patch in old if patch not in drop]
    places = [place for place, patch in enumerate(kept, 1) if patch.fetcher is not None and patch.condition is None]
    place = places[-1] if places else 0
    return (*kept[:place], *add, *kept[place:])


def bumped(subject: Subject, patches: PatchChange | None = None) -> Plan:
    """A plan for the next point release."""
    return moved_to(subject, release(following(subject.version)), patches)


def secured(subject: Subject, patches: PatchChange) -> Plan:
    """A plan that changes patches alone."""
    target = replace(release(subject.version), commit=subject.rev or "2" * 40)
    return replace(plan_to(subject, target, digest=subject.hash, patches=patches), pins=subject.pins)


def moved_to(subject: Subject, target: Target, patches: PatchChange | None = None) -> Plan:
    """A plan for another target."""
    pins = tuple(replace(pin, rev=f"{number:x}" * 40, hash=sri(number)) for number, pin in enumerate(subject.pins, 1))
    return replace(plan_to(subject, target, digest=NEW_HASH, patches=patches), pins=pins)


def outcome(value: object, plan: Plan, places: Places) -> Outcome:
    """What a file is to say.

    Args:
        value: what Nix made of it as it was.
        plan: for it.
        places: where its shape has it.
    """
    subject, target = plan.subject, plan.target
    tag, rev, upstream = (at(value, path) for path in (places.tag, places.rev, places.upstream))
    if target.version == subject.version:
        return Outcome(target.version, plan.hash, tag, rev, upstream, plan.pins)
    if target.tag is None:
        return Outcome(target.version, plan.hash, None, target.commit, target.tree_version, plan.pins)
    # Back from a tip, what is fetched from GitHub names its tag again; what names a release by its commit goes on so.
    by_commit = rev is not None and not (subject.fetcher == "fetchFromGitHub" and "-unstable-" in subject.version)
    return Outcome(
        target.version,
        plan.hash,
        tag=None if by_commit else target.tag,
        rev=target.commit if by_commit else None,
        upstream=None if upstream is None or places.implied else target.tree_version,
        pins=plan.pins,
    )


def expected(value: object, plan: Plan, places: Places) -> object:
    """The value that a file is to have, from the one that it had."""
    listed = patches_after(
        at(value, places.patches) or [], plan.subject.patches, plan.patches.series, plan.target.version
    )
    return places.planned(value, outcome(value, plan, places), listed)


# --- changes of patches ----------------------------------------------------------------------------------------------


def spelt(subject: Subject, *patches: Patch) -> tuple[Patch, ...]:
    """Patches of advisories as a file has them: by name, where it takes those from a collection."""
    if all(patch.name is None for patch in subject.patches):
        return patches
    urls = [folders.ROOT + patch.url.rpartition("/xsa/")[2] for patch in patches]
    return tuple(replace(patch, url=url, name=name_of(url)) for patch, url in zip(patches, urls, strict=True))


def new(subject: Subject) -> tuple[Patch, ...]:
    """Three patches of two advisories, which the fixtures do not have."""
    return spelt(subject, xsa(490), xsa(491, 1), xsa(491, 2))


def with_new(subject: Subject) -> PatchChange:
    """They come."""
    return changed_to(subject.patches, listing(subject.patches, add=new(subject)))


def with_landed(subject: Subject) -> PatchChange:
    """A patch of an advisory goes, and another one comes."""
    landed = [patch for patch in subject.patches if patch.xsa is not None and patch.condition is None][-1:]
    return changed_to(subject.patches, listing(subject.patches, drop=landed, add=new(subject)[:1]))


def with_all_landed(subject: Subject) -> PatchChange:
    """Every patch of an advisory goes."""
    landed = [patch for patch in subject.patches if patch.xsa is not None]
    return changed_to(subject.patches, listing(subject.patches, drop=landed))
