"""The package files of the tests, and a plan for them."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xenbump.errors import Refusal
from xenbump.package import rewrite
from xenbump.plan.model import Addition, Drop, Patch, PatchChange, Plan, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xenbump.plan.model import Subject

FIXTURES = {path.stem: path.read_text("utf-8") for path in sorted((Path(__file__).parent / "fixtures").glob("*.nix"))}
LITERAL, DERIVED = "derivation-github", "derivation-github-derived"
READ = (LITERAL, DERIVED)
OLD_HASH = "sha256-+qTHIsDD2A5lVwmpJ7artnzdviT1XN05CYeu7JFxfqc="
NEW_HASH = "sha256-YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWI="
FILE = "pkgs/xen/package.nix"
SMALL = f"""{{
  lib,
  stdenv,
  fetchFromGitHub,@arguments@
  replaceVars,
}}:

stdenv.mkDerivation (finalAttrs: {{
  pname = "xen";
  version = "4.20.3";
@patches@
  src = fetchFromGitHub {{
    owner = "xen-project";
    repo = "xen";
    tag = "RELEASE-4.20.3";
    hash = "{OLD_HASH}";
  }};
}})
"""


def read(text: str | bytes) -> Subject:
    content = text if isinstance(text, bytes) else text.encode()
    return rewrite.read(content, name="xen", file=FILE, attribute="xen")


def refused(text: str, code: str) -> Refusal:
    """What a file is refused with: by this code, with line and column."""
    with pytest.raises(Refusal) as caught:
        read(text)
    assert caught.value.code == code, str(caught.value)
    assert re.fullmatch(rf"{FILE}, line \d+, column \d+(?: and line \d+, column \d+)?", caught.value.where)
    return caught.value


def release(version: str = "4.20.4") -> Target:
    return Target(
        version=version,
        tree_version=version,
        commit="2" * 40,
        ref=f"refs/tags/RELEASE-{version}",
        source="https://example.org/xen.git",
        tag=f"RELEASE-{version}",
        tag_object="1" * 40,
        signed_by="A" * 40,
        signed_at=1_767_225_600,
    )


def tip(version: str = "4.20.4-unstable-2026-08-01", tree_version: str = "4.20.4-pre") -> Target:
    return Target(
        version=version,
        tree_version=tree_version,
        commit="c" * 40,
        ref="refs/heads/stable-4.20",
        source="https://example.org/xen.git",
    )


def plan_for(subject: Subject, version: str = "4.20.4", digest: str = NEW_HASH) -> Plan:
    return plan_to(subject, release(version), digest=digest)


def plan_to(subject: Subject, target: Target, *, digest: str = NEW_HASH, patches: PatchChange | None = None) -> Plan:
    same = PatchChange(keep=subject.patches, series=subject.patches)
    return Plan(subject, target, digest, same if patches is None else patches, warnings=subject.warnings)


def rewritten(text: str, version: str = "4.20.4") -> str:
    return edited(text, plan_for(read(text), version))


def moved(text: str, target: Target) -> str:
    """The file with another target and the same patches."""
    return edited(text, plan_to(read(text), target))


def edited(text: str, plan: Plan) -> str:
    """The file with a plan written into it, which touches no other file."""
    content = text.encode()
    edits = rewrite.write(content, plan)
    assert all(edit.file == FILE and edit.before == content for edit in edits)
    return (edits[0].after or b"").decode() if edits else text


# --- patches ---------------------------------------------------------------------------------------------------------


def sri(number: int) -> str:
    """A hash that is well-formed and like no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(str(number).encode()).digest()).decode()


def xsa(number: int, part: int | None = None, *, fetcher: str = "fetchpatch") -> Patch:
    """A patch of an advisory, or one part of it."""
    name = f"xsa{number}.patch" if part is None else f"xsa{number}/xsa{number}-{part:02}.patch"
    digest = sri(number * 100 + (part or 0))
    return Patch(f"https://xenbits.xenproject.org/xsa/{name}", number, digest, fetcher)


def changed_to(old: Sequence[Patch], series: Sequence[Patch]) -> PatchChange:
    """The change from one list to another; what is in both keeps its order."""
    return PatchChange(
        keep=tuple(patch for patch in old if patch in series),
        drop=tuple(Drop(patch, "is in the tree") for patch in old if patch not in series),
        add=tuple(Addition(patch, "0" * 64) for patch in series if patch not in old),
        series=tuple(series),
    )


def patched(text: str, series: Sequence[Patch]) -> str:
    """The file with other patches and nothing else changed, which Nix' parser here can read."""
    subject = read(text)
    plan = plan_to(subject, release(subject.version), digest=subject.hash, patches=changed_to(subject.patches, series))
    after = edited(text, plan)
    assert read(after).patches == tuple(series)
    return after


def with_patches(value: str, *, arguments: str = "", shape: str = LITERAL) -> str:
    """A small file with this value of `patches`, or with none where it is empty."""
    text = SMALL.replace("@arguments@", arguments).replace("@patches@", f"\n  patches = {value};\n" if value else "")
    return text if shape == LITERAL else text.replace('"RELEASE-4.20.3"', '"RELEASE-${finalAttrs.version}"')


def nix_accepts(text: str) -> bool:
    """Whether Nix itself parses a file; the `with` leaves undefined variables to its evaluation."""
    program = shutil.which("nix-instantiate")
    if program is None:
        message = "nix-instantiate is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    done = subprocess.run(
        [program, "--store", "dummy://", "--parse", "-"],
        input=b"with { }; " + text.encode(),
        capture_output=True,
        check=False,
    )
    return done.returncode == 0
