"""The package files of the tests, and a plan for them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xenbump.package import rewrite
from xenbump.plan.model import PatchChange, Plan
from xenbump.upstream.model import VerifiedRelease

if TYPE_CHECKING:
    from xenbump.plan.model import Subject

FIXTURES = {path.stem: path.read_text("utf-8") for path in sorted((Path(__file__).parent / "fixtures").glob("*.nix"))}
LITERAL, DERIVED = "derivation-github", "derivation-github-derived"
READ = (LITERAL, DERIVED)
OLD_HASH = "sha256-+qTHIsDD2A5lVwmpJ7artnzdviT1XN05CYeu7JFxfqc="
NEW_HASH = "sha256-YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWI="
FILE = "pkgs/xen/package.nix"


def read(text: str | bytes) -> Subject:
    content = text if isinstance(text, bytes) else text.encode()
    return rewrite.read(content, name="xen", file=FILE, attribute="xen")


def release(version: str = "4.20.4") -> VerifiedRelease:
    return VerifiedRelease(
        version=version,
        tag=f"RELEASE-{version}",
        tag_object="1" * 40,
        commit="2" * 40,
        signed_by="A" * 40,
        signed_at=1_767_225_600,
        source="https://example.org/xen.git",
    )


def plan_for(subject: Subject, version: str = "4.20.4", digest: str = NEW_HASH) -> Plan:
    return Plan(subject, release(version), digest, PatchChange(keep=subject.patches), warnings=subject.warnings)


def rewritten(text: str, version: str = "4.20.4") -> str:
    content = text.encode()
    edit = rewrite.write(content, plan_for(read(content), version))
    assert edit.before == content
    assert edit.file == FILE
    return edit.after.decode()


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
