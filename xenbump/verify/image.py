"""Image folders: what is booted to check a dom0. Read and checked here, made of Debian's packages, kept in a cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from xenbump.errors import Failure, Refusal
from xenbump.locks import locked
from xenbump.verify import debian, kernel, manifest, payload, recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from xenbump.verify.manifest import Manifest

_BUILD_SECONDS = 1800.0
_UNUSED_SECONDS: Final = 14 * 24 * 3600.0
# Those with tools put in are many where revisions are tried, large, and made again in a second.
_UNUSED_TOOLS_SECONDS: Final = 24 * 3600.0
_TOOLS: Final = "+tools-"
# The packages of one image, apt's lists, the part that is unpacked and the image itself take 156, 63, 30 and 90 MB by
# measurement, and there is to be some room left.
_DISK = 600 << 20
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Image:
    """An image folder whose files are there and are those that its manifest names."""

    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path | None:
        """The path of one of the image's files; None when it has none of that name."""
        return self.folder / name if name in self.manifest.files else None

    @property
    def hypervisor(self) -> Path:
        """The hypervisor."""
        return self.folder / manifest.HYPERVISOR

    @property
    def kernel(self) -> Path:
        """The kernel."""
        return self.folder / manifest.KERNEL

    @property
    def initrd(self) -> Path:
        """The root file system."""
        return self.folder / manifest.INITRD


def load(folder: Path) -> Image:
    """An image folder, with each file's size and hash looked at.

    Raises:
        Refusal: E-IMAGE-MISSING, E-IMAGE-MANIFEST, E-IMAGE-DAMAGED, with the file.
    """
    path = folder / manifest.NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        what = f"there is no {manifest.NAME} in it" if folder.is_dir() else "there is no such folder"
        raise Refusal("E-IMAGE-MISSING", what, where=str(folder)) from error
    except OSError as error:
        raise Refusal("E-IMAGE-MISSING", f"it cannot be read: {error.strerror}", where=str(path)) from error
    found = manifest.decode(text, str(path))
    for name, wanted in found.files.items():
        _check(folder / name, wanted)
    return Image(folder, found)


def _check(path: Path, wanted: manifest.File) -> None:
    try:
        size = path.stat().st_size
        digest = _sha256(path) if size == wanted.size else ""
    except OSError as error:
        raise Refusal("E-IMAGE-DAMAGED", f"the file cannot be read: {error.strerror}", where=str(path)) from error
    if size != wanted.size:
        raise Refusal("E-IMAGE-DAMAGED", f"it has {size} bytes and should have {wanted.size}", where=str(path))
    if digest != wanted.sha256:
        raise Refusal("E-IMAGE-DAMAGED", "its content is not what the manifest says", where=str(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder(env: Mapping[str, str]) -> Path:
    """Where images are kept: `XENBUMP_IMAGES`, else `xenbump/images` in the user's cache folder."""
    if env.get("XENBUMP_IMAGES"):
        return Path(env["XENBUMP_IMAGES"]).absolute()
    base = env.get("XDG_CACHE_HOME", "")
    root = Path(base) if base.startswith("/") else Path(env.get("HOME") or Path.home()) / ".cache"
    return root / "xenbump" / "images"


def from_debian(
    release: str,
    cache: Path,
    progress: Callable[[str], None],
    hypervisor: Path | None = None,
    *,
    device_model: bool = False,
) -> Image:
    """An image of Debian's Xen of a release line, out of the cache when it is there.

    Args:
        release: such as `4.20`.
        cache: the folder of all images; made when it is missing.
        progress: told what is done.
        hypervisor: a build to be booted in place of Debian's: an ELF32 file, or one packed by gzip.
        device_model: with Debian's build of QEMU for Xen in it, so that HVM guests can be started.

    Raises:
        Refusal: E-IMAGE-RELEASE, E-IMAGE-SOURCES, E-IMAGE-HYPERVISOR, E-IMAGE-KERNEL, E-IMAGE-CONTENT.
        Failure: E-IMAGE-DEBIAN, E-IMAGE-PACKAGE, E-IMAGE-DISK, E-PROGRAM-MISSING, E-LOCKED.
    """
    suite = recipe.suite(release)
    with _disk_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / f"{suite}.lock", seconds=_BUILD_SECONDS, progress=progress):
            packages = recipe.packages(release, device_model=device_model)
            apt = debian.Suite(suite, cache / f"apt-{suite}", progress)
            image = _debian(release, packages, cache, apt, progress)
            image = with_agent(image, cache)
        return image if hypervisor is None else with_hypervisor(image, hypervisor, cache)


def _debian(
    release: str, names: tuple[str, ...], cache: Path, suite: debian.Suite, progress: Callable[[str], None]
) -> Image:
    packages = suite.resolve(names)
    folder = cache / recipe.fingerprint(release, packages)
    kept = _kept(folder)
    if kept is not None:
        return kept
    _room(cache)
    try:
        made, described = recipe.files(release, suite.download(packages), progress)
    finally:
        suite.clean()
    image = _store(folder, described, made)
    _prune(cache, keep=folder)
    return image


def with_agent(image: Image, cache: Path) -> Image:
    """The same image with what runs in a dom0 compiled: a folder of its own, whose other files are hard links.

    Raises:
        Failure: E-IMAGE-CONTENT when the image's Python does not run here; E-IMAGE-DISK.
    """
    wanted = payload.agent_hash()
    if image.manifest.agent == wanted:
        return image
    folder = cache / f"{image.folder.name}+agent-{wanted[:16]}"
    kept = _kept(folder)
    if kept is not None:
        return kept
    described = msgspec.structs.replace(image.manifest, agent=wanted)
    return _store(folder, described, {manifest.AGENT: recipe.agent(image.initrd.read_bytes())}, image)


def with_hypervisor(image: Image, hypervisor: Path, cache: Path) -> Image:
    """The same image with another hypervisor: a folder of its own, whose other files are hard links.

    Raises:
        Refusal: E-IMAGE-HYPERVISOR when the file is none or cannot be read.
        Failure: E-IMAGE-DISK.
    """
    content, digest = _hypervisor(hypervisor)
    folder = cache / f"{image.folder.name}+{digest[:16]}"
    kept = _kept(folder)
    if kept is not None:
        return kept
    described = msgspec.structs.replace(image.manifest, hypervisor=f"put in, SHA-256 {digest}")
    return _store(folder, described, {manifest.HYPERVISOR: content}, image)


def with_tools(image: Image, archive: bytes, line: str, described: str, cache: Path) -> Image:
    """The same image with an archive unpacked over its root file system: tools that fit another hypervisor.

    Args:
        image: what is taken as it is besides.
        archive: in cpio's form, as Linux unpacks it after the one before.
        line: the release line of the tools, such as `4.22`, which the hypervisor is to be of.
        described: what the tools are, for people.
        cache: the folder of images.

    Raises:
        Failure: E-IMAGE-DISK.
    """
    digest = hashlib.sha256(f"{line}\n".encode() + archive).hexdigest()
    folder = cache / f"{image.folder.name}{_TOOLS}{digest[:16]}"
    kept = _kept(folder)
    if kept is not None:
        return kept
    changed = msgspec.structs.replace(image.manifest, xen=line, tools=described)
    made = _store(folder, changed, {manifest.INITRD: image.initrd.read_bytes() + archive}, image)
    _prune(cache, keep=folder)
    return made


@contextlib.contextmanager
def lent_hypervisor(image: Image, hypervisor: Path, cache: Path) -> Iterator[Image]:
    """The same image with another hypervisor for the time of a `with` block; nothing of it is kept.

    Raises:
        Refusal: E-IMAGE-HYPERVISOR when the file is none or cannot be read.
        Failure: E-IMAGE-DISK.
    """
    content, digest = _hypervisor(hypervisor)
    with _disk_errors(cache):
        # One that a killed run leaves has the name of those that are removed by their age.
        folder = Path(tempfile.mkdtemp(prefix=".new-", dir=cache)) / "image"
    try:
        described = msgspec.structs.replace(image.manifest, hypervisor=f"put in, SHA-256 {digest}")
        yield _store(folder, described, {manifest.HYPERVISOR: content}, image)
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)


def _hypervisor(path: Path) -> tuple[bytes, str]:
    """A hypervisor's bytes as they are booted, and their SHA-256."""
    try:
        content = kernel.hypervisor(path.read_bytes(), str(path))
    except OSError as error:
        raise Refusal("E-IMAGE-HYPERVISOR", f"it cannot be read: {error.strerror}", where=str(path)) from error
    return content, hashlib.sha256(content).hexdigest()


def _kept(folder: Path) -> Image | None:
    """An image of the cache; None when it is not there, or is damaged and has to be made again."""
    try:
        image = load(folder)
    except Refusal:
        return None
    with contextlib.suppress(OSError):
        os.utime(folder / manifest.NAME)
    return image


def _store(folder: Path, described: Manifest, made: Mapping[str, bytes], like: Image | None = None) -> Image:
    """Write an image to a folder beside its place, and put it there when it is whole."""
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    with _disk_errors(folder), contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        files = dict(like.manifest.files) if like is not None else {}
        for name in files:
            if like is not None and name not in made:
                _link(like.folder / name, work / name)
        for name, content in made.items():
            (work / name).write_bytes(content)
            files[name] = manifest.File(len(content), hashlib.sha256(content).hexdigest())
        described = msgspec.structs.replace(described, files=files)
        (work / manifest.NAME).write_bytes(manifest.encode(described))
        work.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        try:
            work.rename(folder)
        except OSError:
            # Another process was quicker with the same image.
            if _kept(folder) is None:
                raise
    return Image(folder, described)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Some file systems have no hard links, and two cannot share one.
        shutil.copyfile(source, target)


def _prune(cache: Path, keep: Path) -> None:
    """Remove images that were not used for two weeks, with tools put in for a day, and what killed runs left."""
    for folder in cache.iterdir():
        if folder == keep or not folder.name.startswith(("debian-", ".new-")):
            continue
        age_of = folder / manifest.NAME if (folder / manifest.NAME).exists() else folder
        with contextlib.suppress(OSError):
            limit = _UNUSED_TOOLS_SECONDS if _TOOLS in folder.name else _UNUSED_SECONDS
            if time.time() - age_of.stat().st_mtime > limit:
                shutil.rmtree(folder, ignore_errors=True)


def _room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _DISK:
        raise Failure(
            "E-IMAGE-DISK",
            f"{free >> 20} MiB are free, and making an image takes {_DISK >> 20} MiB",
            where=str(folder),
        )


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure("E-IMAGE-DISK", f"it cannot be written: {error.strerror}", where=str(folder)) from error
