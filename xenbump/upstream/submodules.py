"""Submodules: which a tree has (`.gitmodules`), where each is to be had, and what stands in its folder.

`fetchgit { fetchSubmodules = true; }` runs `git submodule update --init --recursive` in its checkout and removes every
`.git`. So the tree of a submodule's commit stands where the tree above has a link to that commit (mode 160000). Git is
followed in what it makes of `.gitmodules` (`git help gitmodules`, `git help submodule`); where git itself would stop,
or where two of its versions might differ, the tree is refused.
"""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xenbump import process
from xenbump.errors import Refusal, UsageError
from xenbump.hashes import archive, nar
from xenbump.hashes.objects import DIRECTORY, SUBMODULE, SYMLINK
from xenbump.upstream import git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xenbump.hashes.objects import Commit
    from xenbump.upstream.objects import ObjectReader
    from xenbump.upstream.repository import Repository

GITMODULES = ".gitmodules"
# Those of OVMF lie three deep; who goes on for longer than this is leading us around.
DEEPEST = 10
_SCHEMES = frozenset({"https", "http", "ssh"})
_UPDATES = frozenset({"checkout", "rebase", "merge", "none"})
_LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Submodule:
    """What `.gitmodules` says of one submodule.

    Attributes:
        path: of its folder from the root of the tree.
        url: as it is written there; it may be relative to the address of the repository above.
        left_out: whether git leaves its folder empty (`update = none`).
    """

    path: bytes
    url: str
    left_out: bool


def parse(gitmodules: bytes, where: str) -> dict[bytes, Submodule]:
    """Read the content of a `.gitmodules` as git does; it has the form of git's configuration (`git help config`).

    Args:
        gitmodules: the content.
        where: the tree that has it, for errors.

    Returns:
        The submodules by the paths of their folders. One without URL, or without a path that git takes, is none.

    Raises:
        Refusal: E-SUBMODULE where git cannot read it, or would ignore, refuse or overwrite an entry.
    """
    place = f"{where}, {GITMODULES}"
    argv = ["git", "config", "--file", "-", "--no-includes", "--null", "--list"]
    # Git's own reader; its variables keep it from looking at any other file.
    env = {**git.environment(None), "GIT_DIR": "/dev/null"}
    done = process.run(argv, env=env, stdin=gitmodules, check=False)
    if done.status != 0:
        raise Refusal("E-SUBMODULE", f"git cannot read it: {done.error_text[:_LONGEST_SHOWN]}", where=place)
    sections: dict[bytes, dict[bytes, bytes]] = {}
    for entry in done.stdout.split(b"\0")[:-1]:
        key, equals, value = entry.partition(b"\n")
        section, _, rest = key.partition(b".")
        name, dot, variable = rest.rpartition(b".")
        if section != b"submodule" or not dot or variable not in {b"path", b"url", b"update"}:
            continue
        values = sections.setdefault(name, {})
        if not equals or values.get(variable, value) != value:
            count = "two values" if equals else "no value"
            raise Refusal("E-SUBMODULE", f"{_shown(name)} has {count} for `{variable.decode()}`", where=place)
        values[variable] = value
    return _submodules(sections, place)


def _submodules(sections: dict[bytes, dict[bytes, bytes]], place: str) -> dict[bytes, Submodule]:
    found: dict[bytes, Submodule] = {}
    for name, values in sections.items():
        if not name or b".." in name.replace(b"\\", b"/").split(b"/"):
            raise Refusal("E-SUBMODULE", f"the name {_shown(name)} is one that git ignores", where=place)
        update = values.get(b"update", b"checkout")
        if update.decode("utf-8", "replace") not in _UPDATES:
            raise Refusal("E-SUBMODULE", f"{_shown(name)} is to be updated by {_shown(update)}", where=place)
        path = values.get(b"path", b"")
        if not path or path.startswith(b"-") or b"url" not in values:
            continue
        if path in found:
            raise Refusal("E-SUBMODULE", f"two submodules have the path {_shown(path)}", where=place)
        try:
            url = values[b"url"].decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refusal("E-SUBMODULE", f"the URL {_shown(values[b'url'])} is no text", where=place) from error
        found[path] = Submodule(path, url, update == b"none")
    return found


def address_of(url: str, parent: str, where: str) -> str:
    """The address of a submodule.

    Args:
        url: as `.gitmodules` has it; one that begins with `./` or `../` continues the parent's address, as in git.
        parent: the address of the repository above it.
        where: the submodule, for errors.

    Raises:
        Refusal: E-SUBMODULE for anything but https, http and ssh; paths and file URLs are for parents on this machine.
    """
    relative = url.startswith(("./", "../"))
    address = _continued(parent, url, where) if relative else url
    try:
        git.check_address(address, where)
        parts = urlsplit(address)
    except (UsageError, ValueError) as error:
        what = error.what if isinstance(error, UsageError) else f"{address!r} is no URL"
        raise Refusal("E-SUBMODULE", what, where=where) from error
    if git.is_path(address) or ("://" in address and parts.scheme == "file"):
        if not _is_here(parent):
            raise Refusal("E-SUBMODULE", f"{address!r} is a place on this machine", where=where)
        if not relative and not address.startswith(("/", "file:")):
            raise Refusal("E-SUBMODULE", f"{address!r} depends on the folder that git is called in", where=where)
    elif "://" in address and (parts.scheme not in _SCHEMES or not parts.netloc):
        raise Refusal("E-SUBMODULE", f"{address!r} is none of https, http and ssh", where=where)
    return address


def _continued(parent: str, url: str, where: str) -> str:
    """What git makes of a relative URL: text is taken off the parent's address, which is no path to be normalised."""
    base = parent.removesuffix("/")
    here = git.is_path(parent) and not parent.startswith("/")
    if here and not base.startswith(("./", "../")):
        base = f"./{base}"
    root = _root(base)
    between = "/"
    while url.startswith(("./", "../")):
        up = url.startswith("../")
        url = url[3:] if up else url[2:]
        if up:
            between = ":" if "/" not in base else between
            base = base.rpartition("/" if "/" in base else ":")[0]
    address = f"{base}{between}{url}".removesuffix("/")
    if not base or not url or url == "/" or (root and not address.startswith(root)):
        raise Refusal("E-SUBMODULE", f"its relative URL leads out of {parent!r}", where=where)
    return address.removeprefix("./") if here else address


def _root(base: str) -> str:
    """What every address in the same place begins with: scheme and host, or the host of ssh's short form."""
    if "://" in base:
        scheme, _, rest = base.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}/"
    return "" if git.is_path(base) else f"{base.partition(':')[0]}:"


def _is_here(address: str) -> bool:
    """Whether an address is on this machine: a path, a file URL or one of the loopback interface."""
    if git.is_path(address):
        return True
    parts = urlsplit(address)
    if parts.scheme == "file" or parts.hostname == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    return False


class Submodules:
    """What stands in the folders of the submodules of one tree; it fits `xenbump.hashes.nar.Submodules`.

    Args:
        objects: of the repository that has the tree; read when a submodule is asked for.
        commit: whose tree it is.
        address: of that repository, which relative URLs continue.
        repository: gives the repository behind an address; it may have it from another address.
        where: the tree, for errors.
        depth: how many submodules are above it.
    """

    def __init__(
        self,
        objects: ObjectReader,
        commit: Commit,
        address: str,
        *,
        repository: Callable[[str], Repository],
        where: str,
        depth: int = 0,
    ) -> None:
        self._objects = objects
        self._commit = commit
        self._address = address
        self._repository = repository
        self._where = where
        self._depth = depth
        self._listed: dict[bytes, Submodule] | None = None

    @contextlib.contextmanager
    def __call__(self, path: bytes, commit: str) -> Iterator[nar.Checkout | None]:
        """The checkout of a submodule, fetched first where the cache lacks it; None where git leaves its folder empty.

        Raises:
            Refusal: E-SUBMODULE, and what the fetch or the submodule's tree is refused with.
            Failure: it could not be fetched or read.
        """
        where = f"{self._where}, {_shown(path)}"
        if self._listed is None:
            self._listed = self._read()
        listed = self._listed.get(path)
        if listed is None:
            # git stops here too, and with it every fetcher that is asked for submodules
            raise Refusal("E-SUBMODULE", f"{GITMODULES} has no path and URL for it", where=where)
        if listed.left_out:
            yield None
            return
        if self._depth >= DEEPEST:
            raise Refusal("E-SUBMODULE", f"it lies in more than {DEEPEST} other submodules", where=where)
        repository = self._repository(address_of(listed.url, self._address, where))
        address = repository.addresses[0]
        with repository.objects(commit, commit, address) as objects:
            facts = objects.commit(commit)
            try:
                archive.refuse_conversions(objects, facts)
            except Refusal as error:
                error.where = f"{where}, {error.where}"
                raise
            below = Submodules(objects, facts, address, repository=self._repository, where=where, depth=self._depth + 1)
            yield nar.Checkout(objects, facts.tree, below)

    def _read(self) -> dict[bytes, Submodule]:
        name = GITMODULES.encode()
        entry = next((one for one in self._objects.tree(self._commit.tree) if one.name == name), None)
        if entry is None or entry.mode in {DIRECTORY, SUBMODULE, SYMLINK}:
            return {}  # git follows no link there
        return parse(self._objects.raw(entry.oid, "blob"), self._where)


def _shown(name: bytes) -> str:
    return repr(name.decode("utf-8", "backslashreplace"))[:_LONGEST_SHOWN]
