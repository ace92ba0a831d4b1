"""Container images: an OCI image layout in a folder or a tar, or what `docker save` writes, as a root file system.

Specified in the OCI image specification 1.1: image-layout.md ("Image Layout"), image-index.md, manifest.md, config.md
("Properties") and layer.md ("Applying Changesets", "Whiteouts"); digests in descriptor.md. Each blob is believed only
by its digest and size, each layer also by its DiffID.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import posixpath
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xenbump import durable
from xenbump.errors import Failure, Refusal
from xenbump.process import run
from xenbump.verify import guest_tar
from xenbump.verify.guest_init import Process
from xenbump.verify.guest_tree import MOST_BYTES, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import IO

PLATFORM: Final = ("linux", "amd64")
_MOST_JSON = 4 << 20
_MOST_LAYERS = 256
_MOST_MEMBERS = 20_000
# Of all layers together: each may hide what the one before has brought, so that little is left of much.
_MOST_UNPACKED = 4 * MOST_BYTES
_DEEPEST = 4  # indexes in indexes
_CHUNK = 1 << 20
_PULL_SECONDS = 1800.0
_DIGEST = re.compile(r"(?P<form>sha256):(?P<hex>[a-f0-9]{64})|(?P<form2>sha512):(?P<hex2>[a-f0-9]{128})")
_INDEXES: Final = frozenset(
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"]
)
_MANIFESTS: Final = frozenset(
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"]
)
_LAYERS: Final = re.compile(
    r"application/vnd\.(oci\.image\.layer\.v1\.tar(\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(\.gzip)?)"
)
_REFERENCE = re.compile(r"docker://[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,250}")

Document = dict[str, Any]


@dataclass(frozen=True)
class Container:
    """A container image: its root file system, and what it runs."""

    tree: Tree
    process: Process


class _Store:
    """The files of a layout, in a folder or a tar, by their paths in it."""

    def __init__(self, path: Path, work: Path) -> None:
        self.path = path
        self.work = work
        self._members: dict[str, tarfile.TarInfo] = {}
        self._archive: tarfile.TarFile | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[_Store]:
        if self.path.is_dir():
            yield self
            return
        with contextlib.ExitStack() as stack:
            with self._reading():
                with self.path.open("rb") as file:
                    packing = guest_tar.packing(file.read(8))
                if packing:
                    raise self.wrong(f"it is packed by {packing}", "unpack it, and give what comes out")
                self._archive = stack.enter_context(tarfile.open(self.path, "r:"))
                for member in self._archive:
                    self._take(member)
            yield self

    def _take(self, member: tarfile.TarInfo) -> None:
        name = posixpath.normpath(member.name)
        if name in self._members and not member.isdir():
            # Which of the two is meant is for nobody to guess.
            raise self.wrong(f"`{name[:100]}` is twice in it")
        if len(self._members) >= _MOST_MEMBERS:
            raise self.wrong(f"it has more than {_MOST_MEMBERS} files")
        self._members[name] = member

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except guest_tar.BROKEN as error:
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise self.wrong(f"it cannot be read: {said}") from error

    def wrong(self, what: str, remedy: str = "") -> Refusal:
        return Refusal("E-GUEST-OCI", what, where=str(self.path), remedy=remedy)

    def has(self, name: str) -> bool:
        return name in self._members if self._archive is not None else (self.path / name).is_file()

    @contextlib.contextmanager
    def _stream(self, name: str) -> Iterator[IO[bytes]]:
        with self._reading():
            opened = self._on_disk(name) if self._archive is None else self._in_archive(self._archive, name)
        if opened is None:
            raise self.wrong(f"there is no `{name[:200]}` in it")
        with opened:
            yield opened

    def _on_disk(self, name: str) -> IO[bytes] | None:
        path = self.path / name
        # A link in the layout could lead to any file of this machine.
        inside = path.resolve().is_relative_to(self.path.resolve())
        return path.open("rb") if inside and path.is_file() else None

    def _in_archive(self, archive: tarfile.TarFile, name: str) -> IO[bytes] | None:
        member = self._members.get(name)
        if member is not None and member.issym():
            # `docker save` wrote layers that are alike once, and links to them.
            member = self._members.get(posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname)))
        return archive.extractfile(member) if member is not None and member.isfile() else None

    def start(self, name: str, most: int) -> bytes:
        """The first bytes of a file."""
        with self._stream(name) as file, self._reading():
            return file.read(most)

    def json(self, name: str) -> Any:
        return self.parsed(self.start(name, _MOST_JSON + 1), name)

    def parsed(self, data: bytes, name: str) -> Any:
        if len(data) > _MOST_JSON:
            raise self.wrong(f"`{name}` is longer than {_MOST_JSON >> 20} MiB")
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self.wrong(f"`{name}` is no JSON") from error

    def blob(self, descriptor: Any) -> bytes:
        """A small blob, verified."""
        name, form, wanted, size = self._described(descriptor)
        data = self.start(name, min(size, _MOST_JSON) + 1)
        if len(data) != size or hashlib.new(form, data).hexdigest() != wanted:
            raise self.wrong(f"`{name}` is not what its digest and size say")
        return data

    def layer(self, descriptor: Any) -> Path:
        """A layer as a file in the folder for work, verified while it is copied there."""
        name, form, wanted, size = self._described(descriptor)
        if size > MOST_BYTES:
            raise Refusal("E-GUEST-SIZE", f"the layer `{name}` has {size >> 20} MiB", where=str(self.path))
        total = hashlib.new(form)
        copy = self.copied(name, size, total)
        if copy.stat().st_size != size or total.hexdigest() != wanted:
            copy.unlink()
            raise self.wrong(f"`{name}` is not what its digest and size say")
        return copy

    def copied(self, name: str, most: int, total: Any = None) -> Path:
        """A file of the layout, copied into the folder for work."""
        copy = self.work / "layer"
        left = most + 1
        try:
            with self._stream(name) as file, copy.open("wb") as target:
                while data := self._piece(file, left):
                    left -= len(data)
                    target.write(data)
                    if total is not None:
                        total.update(data)
        except OSError as error:
            raise durable.failure(error, copy, code="E-VERIFY-DISK", what="a layer cannot be written") from error
        return copy

    def _piece(self, file: IO[bytes], left: int) -> bytes:
        with self._reading():
            return file.read(min(_CHUNK, left))

    def _described(self, descriptor: Any) -> tuple[str, str, str, int]:
        if not isinstance(descriptor, dict):
            raise self.wrong("a descriptor is no object")
        digest, size = descriptor.get("digest"), descriptor.get("size")
        match = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
        if match is None or isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise self.wrong(f"`{str(digest)[:80]}` is no digest with a size that is known here")
        form, wanted = match["form"] or match["form2"], match["hex"] or match["hex2"]
        return f"blobs/{form}/{wanted}", form, wanted, size


def load(path: Path, work: Path, ref: str = "", command: tuple[str, ...] = (), limit: int = MOST_BYTES) -> Container:
    """A container image for linux/amd64.

    Args:
        path: the layout, a folder or a tar that is not packed; or an archive of `docker save`.
        work: a folder of ours, for one layer at a time.
        ref: the name of the image in an index of several (`org.opencontainers.image.ref.name`); empty: the only one.
        command: what is run in place of entry point and arguments of the image; empty: those.
        limit: bytes of contents that are taken.

    Raises:
        Refusal: E-GUEST-OCI, E-GUEST-TAR, E-GUEST-TREE, E-GUEST-SIZE.
        Failure: E-PROGRAM-MISSING, where a layer is packed by zstd; E-DISK, E-VERIFY-DISK.
    """
    with _Store(path, work).opened() as store:
        if store.has("oci-layout"):
            config, layers = _from_layout(store, ref)
        elif store.has("manifest.json"):
            config, layers = _from_docker(store, ref)
        else:
            raise store.wrong("it has neither an `oci-layout` nor a `manifest.json`")
        if (config.get("os", "linux"), config.get("architecture", "amd64")) != PLATFORM:
            raise store.wrong(f"it is for {config.get('os')}/{config.get('architecture')}, not linux/amd64")
        diffs = _list(store, _object(store, config.get("rootfs"), "rootfs").get("diff_ids"), "diff_ids")
        if len(diffs) != len(layers) or len(layers) > _MOST_LAYERS:
            raise store.wrong(f"it has {len(layers)} layers, and its configuration names {len(diffs)}")
        tree = Tree(str(path), limit)
        left = _MOST_UNPACKED
        for layer, diff in zip(layers, diffs, strict=True):
            copy = store.layer(layer) if isinstance(layer, dict) else store.copied(layer, MOST_BYTES)
            try:
                most = min(left, guest_tar.MOST_UNPACKED)
                found = guest_tar.put(tree, copy, str(path), whiteouts=True, most=most)
            finally:
                copy.unlink(missing_ok=True)
            left -= found.size
            if diff != f"sha256:{found.digest}":
                what = f"a layer's content is {found.digest[:16]}…, and its configuration says {str(diff)[:23]}…"
                raise store.wrong(what)
        inner = _object(store, config.get("config") or {}, "config")
        return Container(tree, _process(store, tree, inner, command))


def _from_layout(store: _Store, ref: str) -> tuple[Document, list[Any]]:
    version = _object(store, store.json("oci-layout"), "oci-layout").get("imageLayoutVersion")
    if version != "1.0.0":
        raise store.wrong(f"its layout is of version {str(version)[:20]}; known is 1.0.0")
    index = _object(store, store.json("index.json"), "index.json")
    manifest = _manifest(store, index, ref, _DEEPEST)
    layers = _list(store, manifest.get("layers"), "layers")
    for layer in layers:
        media = _object(store, layer, "a layer").get("mediaType", "")
        if not isinstance(media, str) or not _LAYERS.fullmatch(media):
            raise store.wrong(f"a layer is of the type `{str(media)[:100]}`, which is not known here")
    config = store.parsed(store.blob(manifest.get("config")), "the configuration")
    return _object(store, config, "the configuration"), layers


def _manifest(store: _Store, index: Document, ref: str, depth: int) -> Document:
    """The manifest that an index leads to: of the name, and for the platform."""
    found = [_object(store, one, "a descriptor") for one in _list(store, index.get("manifests"), "manifests")]
    found = [one for one in found if one.get("mediaType") in _INDEXES | _MANIFESTS]
    if ref:
        key = "org.opencontainers.image.ref.name"
        found = [one for one in found if _object(store, one.get("annotations") or {}, "annotations").get(key) == ref]
    fitting = [one for one in found if _fits(one.get("platform"))]
    if len(fitting) != 1:
        what = f"it has {len(fitting)} images for linux/amd64" if fitting else "it has no image for linux/amd64"
        remedy = "name one of them: oci:PATH:NAME" if len(fitting) > 1 and not ref else ""
        raise Refusal("E-GUEST-OCI", what + (f" called `{ref}`" if ref else ""), where=str(store.path), remedy=remedy)
    (chosen,) = fitting
    document = _object(store, store.parsed(store.blob(chosen), "a manifest"), "a manifest")
    if chosen["mediaType"] in _MANIFESTS:
        return document
    if depth == 0:
        raise store.wrong("its indexes lie in each other too deeply")
    return _manifest(store, document, "", depth - 1)


def _fits(platform: object) -> bool:
    """Whether a descriptor's platform is ours; one without says so in its configuration, which is looked at later."""
    return not isinstance(platform, dict) or (platform.get("os"), platform.get("architecture")) == PLATFORM


def _from_docker(store: _Store, ref: str) -> tuple[Document, list[Any]]:
    """`docker save`: a list of images, each with its configuration and its layers by their names in the archive."""
    images = [_object(store, one, "an image") for one in _list(store, store.json("manifest.json"), "manifest.json")]
    if ref:
        # Some programs write names out, others as they were given.
        names = {ref, f"docker.io/{ref}", f"docker.io/library/{ref}"}
        images = [one for one in images if names & set(map(str, _list(store, one.get("RepoTags") or [], "RepoTags")))]
    if len(images) != 1:
        remedy = "name one of them: docker-archive:PATH:NAME" if len(images) > 1 and not ref else ""
        raise store.wrong(f"it has {len(images)} images{f' called `{ref}`' if ref else ''}; one was expected", remedy)
    name, layers = images[0].get("Config"), _list(store, images[0].get("Layers"), "Layers")
    if not isinstance(name, str) or not all(isinstance(layer, str) for layer in layers):
        raise store.wrong("`manifest.json` names no files")
    data = store.start(posixpath.normpath(name), _MOST_JSON + 1)
    wanted = posixpath.basename(name).removesuffix(".json")
    if re.fullmatch(r"[a-f0-9]{64}", wanted) and hashlib.sha256(data).hexdigest() != wanted:
        raise store.wrong(f"`{name[:100]}` is not what its name says")
    return _object(store, store.parsed(data, name), name), [posixpath.normpath(layer) for layer in layers]


def _object(store: _Store, value: object, what: str) -> Document:
    if not isinstance(value, dict):
        raise store.wrong(f"`{what[:60]}` is no object")
    return value


def _list(store: _Store, value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise store.wrong(f"`{what[:60]}` is no list")
    return value


def _process(store: _Store, tree: Tree, config: Mapping[str, Any], command: tuple[str, ...]) -> Process:
    """What an image runs (config.md: Entrypoint, Cmd, Env, WorkingDir, User)."""

    def texts(key: str) -> tuple[str, ...]:
        value = config.get(key) or []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise store.wrong(f"`{key}` is no list of texts")
        return tuple(value)

    place, user = (config.get(key) or "" for key in ("WorkingDir", "User"))
    if not isinstance(place, str) or not isinstance(user, str):
        raise store.wrong("`WorkingDir` or `User` is no text")
    uid, gid, home = _owner(store, tree, user)
    env = [("HOME", home)]
    for one in texts("Env"):
        key, equals, value = one.partition("=")
        if not key or not equals:
            raise store.wrong(f"`{one[:60]}` is no variable with a value")
        env.append((key, value))
    words = command or (*texts("Entrypoint"), *texts("Cmd"))
    return Process(words, tuple(env), posixpath.normpath(f"/{place}"), uid, gid)


def _owner(store: _Store, tree: Tree, user: str) -> tuple[int, int, str]:
    """User, group and home, by number or by the image's own /etc/passwd and /etc/group."""
    name, _, group = user.partition(":")
    accounts = [line.split(":") for line in _lines(tree, "/etc/passwd")]
    accounts = [one for one in accounts if len(one) > 5 and one[2].isdecimal() and one[3].isdecimal()]  # noqa: PLR2004
    name = name or "0"
    account = next((one for one in accounts if name in {one[0], str(int(one[2]))}), None)
    if account is None and not name.isdecimal():
        raise store.wrong(f"there is no user `{name[:60]}` in it")
    uid, gid = (int(account[2]), int(account[3])) if account is not None else (int(name), 0)
    if group:
        groups = {one[0]: one[2] for line in _lines(tree, "/etc/group") if len(one := line.split(":")) > 2}  # noqa: PLR2004
        number = group if group.isdecimal() else groups.get(group, "")
        if not number.isdecimal():
            raise store.wrong(f"there is no group `{group[:60]}` in it")
        gid = int(number)
    if max(uid, gid) > 0xFFFFFFFE:  # noqa: PLR2004 - the last one means nobody
        raise store.wrong(f"`{user[:60]}` is no user that there can be")
    return uid, gid, (account[5] if account is not None and account[5] else "/root" if uid == 0 else "/")


def _lines(tree: Tree, path: str) -> list[str]:
    name = tree.find(path)
    node = None if name is None else tree.get(name)
    return node.data.decode("utf-8", "replace").splitlines() if node is not None and node.is_file else []


def pull(reference: str, work: Path) -> Path:
    """Fetch an image by its reference, with `skopeo`, as an OCI archive in `work`.

    Args:
        reference: such as `docker://registry.example/image:tag`.
        work: a folder of ours.

    Raises:
        Refusal: E-GUEST-SOURCE when that is no reference.
        Failure: E-GUEST-PULL when there is no `skopeo`, or it fails.
    """
    if not _REFERENCE.fullmatch(reference):
        raise Refusal("E-GUEST-SOURCE", f"`{reference[:100]}` is no reference of an image")
    # Without a folder before it: skopeo takes what is behind a colon for a name.
    made = "pulled.tar"
    argv = ["skopeo", "copy", "--quiet", "--override-os", "linux", "--override-arch", "amd64", reference]
    try:
        done = run([*argv, f"oci-archive:{made}"], cwd=work, timeout=_PULL_SECONDS, check=False)
    except Failure as error:
        raise Failure("E-GUEST-PULL", error.what, where=reference, remedy=error.remedy) from error
    if done.status != 0:
        raise Failure("E-GUEST-PULL", " ".join(done.error_text.split())[-300:] or "skopeo failed", where=reference)
    return work / made
