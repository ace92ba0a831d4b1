"""What is installed for development and what a release is made of: the locks, the audit, the tag."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from xenbump.demo.git_server import isolated_git
from xenbump.demo.signing import SigningKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = {"run": (), "dev": ("dev",), "bench": ("dev", "bench"), "supply": ("supply",)}
CHANGELOG = (
    "# Changelog\n\n## 1.2.4 (unreleased)\n\n## 1.2.3 (2026-01-02)\n\n- One.\n\n## 1.2.2 (2025-01-02)\n\n- Old.\n"
)


def tool(name: str) -> ModuleType:
    """A script of tools/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look a module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


LOCKED, FAULTS, RELEASE = tool("locked"), tool("known_faults"), tool("release")


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")


def test_there_is_a_lock_for_each_environment_and_no_other_file() -> None:
    assert sorted(path.name for path in (ROOT / "requirements").iterdir()) == sorted(f"{name}.txt" for name in LOCKS)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_all_that_the_project_asks_for_in_the_range_that_it_asks_for(name: str) -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    asked = [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"]]
    asked += [one for extra in LOCKS[name] for one in extras[extra]]
    found = LOCKED.read_lock(lock(name))
    for requirement in map(Requirement, asked):
        pin = found.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement} is not in requirements/{name}.txt: make lock"
        assert requirement.specifier.contains(pin.version), f"{requirement}, locked at {pin.version}: make lock"
        assert requirement.marker is not None or pin.requirement.marker is None


def test_the_flake_has_the_dependencies_of_the_project() -> None:
    text = (ROOT / "nix" / "xenbump.nix").read_text("utf-8")
    (told,) = re.findall(r"dependencies = with python3Packages; \[(.*?)\]", text, re.DOTALL)
    asked = {canonicalize_name(Requirement(one).name) for one in PROJECT["project"]["dependencies"]}
    assert set(told.split()) == asked
    (backend,) = re.findall(r"build-system = \[ python3Packages\.(\w+) \]", text)
    assert backend in {Requirement(one).name for one in PROJECT["build-system"]["requires"]}


def test_every_extra_is_in_a_lock() -> None:
    assert {extra for extras in LOCKS.values() for extra in extras} == set(PROJECT["project"]["optional-dependencies"])


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_of_a_lock_is_a_pin_a_hash_or_a_remark(name: str) -> None:
    pin = re.compile(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[0-9][0-9a-z.]* (; [^;:/@]+ )?\\")
    digest = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    remark = re.compile(r" +#( +via)?( +[a-z0-9_-]+( \(pyproject\.toml\))?)?")
    for line in lock(name).splitlines():
        assert any(kind.fullmatch(line) for kind in (pin, digest, remark)), line
    assert all(one.hashes for one in LOCKED.read_lock(lock(name)).values())
    # Neither a host nor a URL nor an option that leads to one.
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host|\b(www|files)\.", lock(name))


def test_a_package_has_one_release_and_the_same_hashes_in_all_locks() -> None:
    found: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
    for name in LOCKS:
        for package, one in LOCKED.read_lock(lock(name)).items():
            found.setdefault(package, set()).add((one.version, one.hashes))
    assert {package for package, releases in found.items() if len(releases) > 1} == set()


def test_what_xenbump_needs_here_is_locked_for_its_running() -> None:
    if not all(LOCKED.installed(name) in {None, one.version} for name, one in LOCKED.read_lock(lock("run")).items()):
        pytest.skip("what is installed here is not what is locked (make ready)")
    if LOCKED.installed("xenbump") is None:
        pytest.skip("xenbump is not installed here")
    needed = LOCKED.graph("xenbump")
    assert {canonicalize_name(Requirement(one).name) for one in PROJECT["project"]["dependencies"]} <= set(needed)
    assert needed["gitpython"] == {"gitdb"}
    assert set(needed) - set(LOCKED.read_lock(lock("run"))) == {"xenbump"}


def report(**more: object) -> dict[str, Any]:
    return {"dependencies": [{"name": "six", "version": "1.0", "vulns": []} | more], "fixes": []}


@pytest.mark.parametrize(
    ("told", "status", "word"),
    [
        (report(), 0, "1 packages, no fault known"),
        (report(vulns=[{"id": "PYSEC-1", "fix_versions": ["1.1"]}]), 1, "six 1.0: PYSEC-1, mended in 1.1"),
        (report(vulns=[{"id": "PYSEC-2", "fix_versions": []}]), 1, "mended in no release"),
        ({"dependencies": [{"name": "six", "skip_reason": "not known"}]}, 2, "NOT AUDITED"),
        ({"dependencies": []}, 2, "NOT AUDITED"),
        (None, 2, "This is no pass"),
    ],
)
def test_an_audit_passes_only_where_all_was_audited(told: dict[str, Any] | None, status: int, word: str) -> None:
    found, lines = FAULTS.verdict(told, "osv")
    assert found == status
    assert word in "\n".join(lines)


def test_an_audit_that_cannot_be_made_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    # As pip-audit ends where the service cannot be reached: without a report, with the status that faults have too.
    done = subprocess.CompletedProcess([], 1, "", "Traceback\nConnectionError: no name\n")
    monkeypatch.setattr(FAULTS.subprocess, "run", lambda *_, **__: done)
    assert FAULTS.audit([ROOT / "requirements" / "run.txt"], "osv") is None


def test_the_changelog_of_a_release_has_its_day_and_says_something() -> None:
    assert RELEASE.section(CHANGELOG, "1.2.3") == "- One."
    for version, word in (("1.2.4", "'unreleased'"), ("1.2.5", "no heading"), ("1.2", "no heading")):
        with pytest.raises(SystemExit, match=word):
            RELEASE.section(CHANGELOG, version)
    with pytest.raises(SystemExit, match="says nothing"):
        RELEASE.section("## 1.2.3 (2026-01-02)\n\n## 1.2.2 (2025-01-02)\n\n- Old.\n", "1.2.3")


class Tagged:
    """A repository of a program at 1.2.3, whose tags are signed by a key of releases or by another one."""

    def __init__(self, root: Path, key: SigningKey, other: SigningKey) -> None:
        self.root, self.key, self.other = root, key, other
        self.keys = root.parent / "keys.asc"
        self.keys.write_bytes(key.public_key())
        (root / "xenbump").mkdir(parents=True)
        (root / "xenbump" / "__init__.py").write_text('__version__ = "1.2.3"\n', "utf-8")
        (root / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message=One")

    def git(self, *arguments: str, home: Path | None = None) -> None:
        person = {"user.name": "A Person", "user.email": "person@localhost"}
        told = {"PATH": os.environ["PATH"], **isolated_git(person)}
        told |= {"GNUPGHOME": str(home)} if home else {}
        subprocess.run(["git", "-C", str(self.root), *arguments], env=told, check=True, capture_output=True)

    def tag(self, name: str, key: SigningKey, commit: str = "HEAD") -> None:
        self.git("tag", "--force", "--local-user", key.fingerprint, "--message=1.2.3", name, commit, home=key.home)

    def check(self, tag: str = "v1.2.3") -> str:
        return str(RELEASE.check(self.root, tag, self.keys, "main")[0])


@pytest.fixture(scope="module")
def keys() -> Iterator[tuple[SigningKey, SigningKey]]:
    with SigningKey() as key, SigningKey() as other:
        yield key, other


@pytest.fixture
def tagged(tmp_path: Path, keys: tuple[SigningKey, SigningKey]) -> Tagged:
    return Tagged(tmp_path / "repository", *keys)


def test_a_tag_that_a_key_of_releases_signed_may_become_one(tagged: Tagged) -> None:
    tagged.tag("v1.2.3", tagged.key)
    assert tagged.check() == "- One."


def test_no_other_tag_may(tagged: Tagged) -> None:
    tagged.tag("v1.2.3", tagged.other)
    with pytest.raises(SystemExit, match="not signed by a key of releases"):
        tagged.check()
    tagged.git("tag", "--force", "--annotate", "--message=1.2.3", "v1.2.3")
    with pytest.raises(SystemExit, match="not signed by a key of releases"):
        tagged.check()
    tagged.git("tag", "--force", "v1.2.3", "HEAD")
    with pytest.raises(SystemExit, match="no tag with a signature"):
        tagged.check()
    tagged.tag("v1.2.4", tagged.key)
    with pytest.raises(SystemExit, match=r"the tag is v1\.2\.4 and the program's version is 1\.2\.3"):
        tagged.check("v1.2.4")
    # A signed tag under the name of another.
    tagged.git("update-ref", "refs/tags/v1.2.3", "refs/tags/v1.2.4")
    with pytest.raises(SystemExit, match="signed under another name"):
        tagged.check()


def test_a_tag_is_of_the_commit_that_is_checked_out_on_the_main_branch(tagged: Tagged) -> None:
    tagged.tag("v1.2.3", tagged.key)
    tagged.git("checkout", "--quiet", "-b", "aside")
    tagged.git("commit", "--quiet", "--allow-empty", "--message=Two")
    with pytest.raises(SystemExit, match="not the commit that is checked out"):
        tagged.check()
    tagged.tag("v1.2.3", tagged.key)
    with pytest.raises(SystemExit, match="is not on main"):
        tagged.check()


def test_no_key_that_can_be_read_is_no_release(tagged: Tagged) -> None:
    tagged.tag("v1.2.3", tagged.key)
    tagged.keys.write_text("\n", "utf-8")
    with pytest.raises(SystemExit, match="keys of releases cannot be read"):
        tagged.check()


def test_the_text_of_a_release_says_how_its_files_are_verified() -> None:
    text = RELEASE.notes("- One.", "v1.2.3", "a" * 40, "some-body/xenbump")
    assert text.startswith("- One.\n")
    assert "--signer-workflow some-body/xenbump/.github/workflows/release.yml" in text
    assert (ROOT / RELEASE.WORKFLOW).is_file()
    assert " \\\n  --signer-workflow" in text
