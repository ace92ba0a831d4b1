"""A hostile package file: it is read or refused, and what is planned for it can be read from what was written."""

from __future__ import annotations

from tests.fuzz import shown
from tests.fuzz.shown import refused
from xenbump.errors import XenbumpError
from xenbump.package import rewrite
from xenbump.plan.model import Addition, Drop, Patch, PatchChange, Plan, Target

_FILE = "pkgs/xen/package.nix"
_HASH = "sha256-YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWI="
_COMES = Patch("https://xenbits.xenproject.org/xsa/xsa999.patch", 999, _HASH, "fetchpatch")
_TARGET = Target(
    version="4.20.9",
    tree_version="4.20.9",
    commit="2" * 40,
    ref="refs/tags/RELEASE-4.20.9",
    source="https://example.org/xen.git",
    tag="RELEASE-4.20.9",
    tag_object="1" * 40,
    signed_by="A" * 40,
    signed_at=1_767_225_600,
)


def one(data: bytes) -> bool:
    """Read a package file; bump it, take its patches out, put one in."""
    try:
        subject = rewrite.read(data, name="xen", file=_FILE, attribute="xen")
    except XenbumpError as error:
        return refused(error, where=_FILE)
    # Whatever it says is shown, and kept as UTF-8.
    shown.check(subject)
    old = subject.patches
    for series in (old, (), (*old, _COMES)):
        change = PatchChange(
            keep=tuple(one for one in old if one in series),
            drop=tuple(Drop(one, "is in the tree") for one in old if one not in series),
            add=tuple(Addition(one, "0" * 64) for one in series if one not in old),
            series=series,
        )
        try:
            edits = rewrite.write(data, Plan(subject, _TARGET, _HASH, change))
        except XenbumpError as error:
            if error.code == "E-EDIT-CHECK":
                # `write` reads its own work again: that it does not say what was planned is a fault of the editor.
                raise AssertionError(str(error)) from error
            refused(error, where=_FILE)
            continue
        assert all(edit.file == _FILE and edit.before == data for edit in edits)
    return True
