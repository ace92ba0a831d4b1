"""Debian's packages of one suite, by the machine's own apt: which there are, what they need, and their files.

apt gets folders of its own, so that nothing of the machine changes and nobody has to be root; keys, proxies and
credentials stay those of the machine's configuration. The sources are the machine's as well: where its packages come
from, the same is asked for the other suite. Whether a package is the one that the suite signed, apt checks.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from xenbump.errors import Failure, Refusal
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ARCHITECTURE: Final = "amd64"
# The lists are asked for again after this time: an image is as new as they are.
LISTS_SECONDS: Final = 24 * 3600.0
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LABELS: Final = ("Debian", "Debian-Security")
_FILE = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+)_(?P<version>[^_/]+)_(?:all|amd64)\.deb")
_URI = re.compile(r"'(?P<uri>[^']+)' (?P<file>\S+\.deb) (?P<size>[0-9]+)")
_UPDATE_SECONDS = 300.0
_DOWNLOAD_SECONDS = 1800.0


@dataclass(frozen=True)
class Package:
    """A package: name, version, and the name of its file; once downloaded also that file's SHA-256."""

    name: str
    version: str
    file: str
    sha256: str = ""


def sources(targets: str, suite: str) -> str:
    """The lines of a `sources.list` for a suite, made of where the machine's own Debian packages come from.

    Args:
        targets: a line `LABEL|CODENAME|RELEASE|REPOSITORY` for each index that the machine's apt has.
        suite: such as `trixie`.

    Raises:
        Refusal: E-IMAGE-SOURCES when none of them is Debian's.
    """
    keyring = f" signed-by={_KEYRING}" if _KEYRING.exists() else ""
    lines: dict[str, None] = {}
    for target in targets.splitlines():
        label, codename, release, address = (*target.split("|"), "", "", "", "")[:4]
        if label in _LABELS and address:
            base, dash, rest = (codename or release).partition("-")
            if base:
                lines[f"deb [arch={ARCHITECTURE}{keyring}] {address} {suite}{dash}{rest} main"] = None
    if not lines:
        raise Refusal(
            "E-IMAGE-SOURCES",
            "none of the sources in the apt configuration of this machine is Debian's",
            remedy="run it on Debian, or use an image folder that was made elsewhere",
        )
    return "".join(f"{line}\n" for line in lines)


class Suite:
    """One suite of Debian, with lists and downloads in a folder of its own."""

    def __init__(self, name: str, folder: Path, progress: Callable[[str], None]) -> None:
        self.name = name
        self._folder = folder
        self._progress = progress

    def resolve(self, names: Sequence[str]) -> tuple[Package, ...]:
        """The packages of these names with all that they depend on, by name.

        The lists are brought up to date first when they are older than a day; when that fails, older ones will do.

        Raises:
            Refusal: E-IMAGE-SOURCES, E-IMAGE-RELEASE when the suite has no such package.
            Failure: E-PROGRAM-MISSING (apt-get), E-IMAGE-DEBIAN when there are no lists and none can be had.
        """
        self._update()
        done = run(
            [*self._apt(), "install", "--yes", "--print-uris", "--", *names],
            env=_messages(),
            timeout=_UPDATE_SECONDS,
            check=False,
        )
        if done.status != 0:
            raise Refusal("E-IMAGE-RELEASE", f"Debian {self.name}: {_complaint(done.stderr)}", where="apt-get")
        found = {}
        for match in _URI.finditer(done.stdout.decode("utf-8", "replace")):
            package = _package(match["file"])
            found[package.name] = package
        if not found:
            raise Failure("E-IMAGE-DEBIAN", f"Debian {self.name}: apt-get named no package to fetch", where="apt-get")
        return tuple(found[name] for name in sorted(found))

    def download(self, packages: Sequence[Package]) -> Mapping[str, tuple[Package, Path]]:
        """The packages' files, by name, with their SHA-256; they stay until `clean`.

        Raises:
            Failure: E-IMAGE-DEBIAN when one cannot be had.
        """
        self._progress(f"downloading {len(packages)} packages of Debian {self.name}")
        wanted = [f"{package.name}={package.version}" for package in packages]
        done = run(
            [*self._apt(), "install", "--yes", "--download-only", "--", *wanted],
            env=_messages(),
            timeout=_DOWNLOAD_SECONDS,
            check=False,
        )
        if done.status != 0:
            raise Failure("E-IMAGE-DEBIAN", f"Debian {self.name}: {_complaint(done.stderr)}", where="apt-get")
        found = {}
        for package in packages:
            path = self._folder / "archives" / package.file
            try:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                raise Failure("E-IMAGE-DEBIAN", f"apt-get left no {package.file}", where=str(path)) from error
            found[package.name] = Package(package.name, package.version, package.file, digest), path
        return found

    def clean(self) -> None:
        """Remove the downloaded files; the lists stay."""
        shutil.rmtree(self._folder / "archives", ignore_errors=True)

    def _update(self) -> None:
        stamp = self._folder / "updated"
        self._write_configuration()
        with contextlib.suppress(OSError):
            if 0 <= time.time() - stamp.stat().st_mtime < LISTS_SECONDS:
                return
        self._progress(f"asking for the packages of Debian {self.name}")
        done = run([*self._apt(), "update"], env=_messages(), timeout=_UPDATE_SECONDS, check=False)
        # apt-get ends with 0 also when it falls back on older lists, and says so with a W.
        complaint = _complaint(done.stderr)
        if done.status == 0 and "Failed to fetch" not in complaint:
            stamp.touch()
        elif stamp.exists():
            self._progress(f"the lists of Debian {self.name} are older than a day, and newer ones cannot be had")
        else:
            raise Failure("E-IMAGE-DEBIAN", f"Debian {self.name}: {complaint}", where="apt-get")

    def _write_configuration(self) -> None:
        form = "$(LABEL)|$(CODENAME)|$(RELEASE)|$(REPO_URI)"
        asked = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
        found = sources(run(asked, env=_messages()).stdout.decode("utf-8", "replace"), self.name)
        for part in ("lists/partial", "archives/partial", "empty"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        (self._folder / "sources.list").write_text(found)
        (self._folder / "apt.conf").write_text(_CONFIGURATION.replace("FOLDER", str(self._folder)))

    def _apt(self) -> list[str]:
        return ["apt-get", "-q", "-c", str(self._folder / "apt.conf")]


# Read after the machine's own configuration. What is cleared would run programs or throw the downloads away.
_CONFIGURATION = """\
Dir::State "FOLDER";
Dir::State::status "FOLDER/status";
Dir::Cache "FOLDER";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "FOLDER/sources.list";
Dir::Etc::sourceparts "FOLDER/empty";
Dir::Etc::preferences "FOLDER/none";
Dir::Etc::preferencesparts "FOLDER/empty";
APT::Architecture "amd64";
#clear APT::Architectures;
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "root";
APT::Keep-Downloaded-Packages "true";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
Acquire::Languages "none";
Acquire::Retries "2";
"""


def _package(file: str) -> Package:
    match = _FILE.fullmatch(file)
    if match is None:
        raise Failure("E-IMAGE-DEBIAN", f"apt-get names a file that is called like no package: {file}", where="apt-get")
    return Package(match["name"], unquote(match["version"]), file)


def _complaint(stderr: bytes) -> str:
    """Apt's errors and warnings on one line."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.startswith(("E:", "W:"))]
    return " ".join(lines[:4]) or "apt-get ended with an error and said nothing"


def _messages() -> dict[str, str]:
    return {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
