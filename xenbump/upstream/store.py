"""Bare repositories in a cache, and what comes into them: under a lock, from the first address that serves.

A store is there whole or not at all, and a fetch brings all that was asked for or nothing: git takes a pack in as one,
and moves refs when it has it. One that was killed leaves files that the next one clears. A store in which git itself
finds damage (`git fsck`) is thrown away, and fetched anew: all that is in it is the upstream's.

What a fetch may leave out (`git help fetch`, `--filter`) is a wish: a server that cannot leave anything out sends
everything.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from xenbump import durable
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.locks import locked
from xenbump.upstream import git
from xenbump.upstream.objects import ObjectReader, open_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")

NO_HISTORY = "--depth=1"
WITH_PARENT = "--depth=2"
NO_TREES = "--filter=tree:0"
ROOT_ONLY = "--filter=tree:1"
NO_FILES = "--filter=blob:none"

# Git takes no path for a place that left something out (a slash begins no such name), and would miss it.
_NOT_OF_A_PATH = frozenset({ROOT_ONLY, NO_FILES})
# The server is not told what is there: as git itself fetches what a partial clone lacks (`git help partial-clone`).
_TELLING_NOTHING = ("-c", "fetch.negotiationAlgorithm=noop")
# What git, and what is read of it, comes to where a store is damaged; a server can be the reason of each, too.
_OF_A_DAMAGED_STORE = frozenset({"E-GIT", "E-GIT-FSCK", "E-GIT-REPOSITORY", "E-OBJECT", "E-TRUNCATED"})
_OF_A_STORE = frozenset({
    "FETCH_HEAD", "HEAD", "branches", "config", "description", "hooks", "info", "logs", "objects", "packed-refs",
    "refs", "shallow",
})  # fmt: skip
_LEFT_BY_A_KILLED_GIT = ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*")


class Stores:
    """The stores of one repository.

    Args:
        addresses: where it can be had, tried in order; checked by `git.check_address`.
        folder: where the stores are; made when it is missing.
        progress: told in a sentence what takes time.
    """

    def __init__(self, addresses: Sequence[str], folder: Path, progress: Callable[[str], None]) -> None:
        self.addresses = tuple(addresses)
        self.folder = folder
        self._progress = progress

    def path(self, name: str) -> Path:
        """Where the store of this name is, or will be."""
        return self.folder / name

    @contextlib.contextmanager
    def reading(self, store: Path) -> Iterator[ObjectReader]:
        """Read the objects of a store that is there."""
        git.refuse_foreign(store)
        with open_objects(store, git.environment(None)) as objects:
            yield objects

    def mended(self, work: Callable[[], T]) -> T:
        """What `work` gives, which is done once more where a store of these was damaged, and is thrown away.

        Raises:
            XenbumpError: what `work` raises.
        """
        try:
            return work()
        except XenbumpError as error:
            if Path(error.where).parent != self.folder or not self.thrown_away(Path(error.where), error):
                raise
        return work()

    def thrown_away(self, store: Path, error: XenbumpError) -> bool:
        """Throw a store away if it is the reason of an error: git finds it damaged, and nothing else is in it.

        Args:
            store: the store.
            error: what came of reading it.

        Raises:
            Failure: E-STATE, E-LOCKED.
        """
        if error.code not in _OF_A_DAMAGED_STORE:
            return False
        with self.locked():
            # Another process may have done so meanwhile.
            return not store.is_dir() or (_is_damaged(store) and self._throw_away(store))

    def _throw_away(self, store: Path) -> bool:
        """Remove a store, the lock being held; whether it is gone: what is not a store by its content stays."""
        if not _is_ours(store):
            return False
        self._progress(f"the cache {store} is damaged; it is thrown away and fetched anew")
        _remove(store)
        return True

    def has(self, store: Path, oid: str, kind: str) -> bool:
        """Whether a store has an object of this type, unaltered."""
        return not self.lacking(store, [oid], kind)

    def lacking(self, store: Path, oids: Iterable[str], kind: str) -> list[str]:
        """Those of the objects that a store does not have as this type, unaltered; each once, in order."""
        wanted = list(dict.fromkeys(oids))
        if not wanted or not store.is_dir():
            return wanted
        found = set()
        with self.reading(store) as objects:
            for oid in wanted:
                with contextlib.suppress(Failure):
                    objects.raw(oid, kind)
                    found.add(oid)
        return [oid for oid in wanted if oid not in found]

    def first_answer(self, ask: Callable[[str], T], *, source: str = "") -> T:
        """What the first address gives that serves; `source` is tried before the others.

        Raises:
            XenbumpError: none served; the error is that of the first, and names how many were tried.
        """
        addresses = list(dict.fromkeys([source, *self.addresses] if source else self.addresses))
        first: XenbumpError | None = None
        for address in addresses:
            try:
                return ask(address)
            except XenbumpError as error:
                first = first or error
                self._progress(f"{address} did not serve ({error.code}): {error.what}")
        if first is None:
            message = "there is no address to ask"
            raise ValueError(message)
        if len(addresses) > 1:
            first.what += f"; the other {len(addresses) - 1} configured address(es) failed too"
        raise first

    def fetch(self, store: Path, source: str, ref: str, wanted: str, extent: Sequence[str]) -> str:
        """Fetch one ref, as much of it as the options `extent` say; returns the address that served it.

        Raises:
            Refusal: E-TAG-MISMATCH, or E-TAG-MISSING for a branch, when the ref is not what was listed (`wanted`).
            XenbumpError: no address served it.
        """
        local = ref if ref.startswith("refs/") else f"refs/xenbump/{ref}"
        with self.locked() as lock:
            origin = self._transfer(store, source, [f"+{ref}:{local}"], extent, what=_short(ref), lock=lock)
            form = "--format=%(objectname) %(*objectname)"
            given = git.call(["for-each-ref", form, local], repository=store).stdout.decode("ascii", "replace").split()
        if wanted not in given:
            raise Refusal(
                "E-TAG-MISMATCH" if ref.startswith("refs/tags/") else "E-TAG-MISSING",
                f"{ref} was listed as {wanted} and came as {' '.join(given) or 'nothing'}",
                where=origin,
            )
        return origin

    def fetch_tips(self, store: Path, source: str, tips: Mapping[str, str], extent: Sequence[str]) -> None:
        """Fetch the commits that refs were listed with; one that has moved since then comes by its identifier.

        Args:
            store: where they go.
            source: the address tried first.
            tips: the commits by the full names of the refs.
            extent: options that say how much of them.

        Raises:
            Refusal: E-TAG-MISSING where a ref is gone, or its commit is not to be had any more.
            XenbumpError: no address served them.
        """
        with self.locked() as lock:
            wants = [f"+{ref}:{ref}" for ref in tips]
            self._transfer(store, source, wants, extent, what=_several(map(_short, tips)), lock=lock)
            moved = self.lacking(store, tips.values(), "commit")
            if moved:
                told = _several(moved)
                self._transfer(store, source, moved, extent, what=told, lock=lock)

    def fetch_files(self, store: Path, source: str, oids: Sequence[str]) -> None:
        """Fetch files by their identifiers.

        Raises:
            XenbumpError: no address served them.
        """
        with self.locked() as lock:
            what = f"{len(oids)} file(s)"
            self._transfer(store, source, oids, (NO_FILES,), what=what, lock=lock, settings=_TELLING_NOTHING)

    @contextlib.contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the lock of the cache; gives its open file, which a git that outlives us is to hold on.

        Raises:
            Failure: E-STATE, E-LOCKED.
        """
        durable.make(self.folder, what="the cache cannot be made")
        with locked(self.folder / "lock", seconds=git.FETCH_SECONDS, progress=self._progress) as lock:
            yield lock

    def _transfer(
        self,
        store: Path,
        source: str,
        wants: Sequence[str],
        extent: Sequence[str],
        *,
        what: str,
        lock: int,
        settings: Sequence[str] = (),
    ) -> str:
        """Fetch refs or objects into a store, the lock being held; returns the address that served them."""

        def fetch(address: str, settings: Sequence[str]) -> None:
            used = [one for one in extent if one not in _NOT_OF_A_PATH or not git.is_path(address)]
            git.call(
                [*settings, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *used, "--", address, *wants],
                address=address,
                repository=store,
                timeout=git.FETCH_SECONDS,
                keep=(lock,),
            )

        def ask(address: str) -> str:
            self._progress(f"fetching {what} from {address}")
            try:
                fetch(address, settings)
            except Failure:
                # This address builds on what it is told of, and may think to be there what another one left out.
                if settings or not _left_out_by_others(store, address):
                    raise
                self._progress(f"fetching {what} once more, with all that belongs to it")
                fetch(address, _TELLING_NOTHING)
            return address

        _prepare(store)
        try:
            return self.first_answer(ask, source=source)
        except XenbumpError as error:
            # Git says much the same of a damaged cache as of a server that fails.
            if error.code not in _OF_A_DAMAGED_STORE or not _is_damaged(store):
                raise
            if not self._throw_away(store):
                raise Failure("E-OBJECT", f"the cache is damaged ({error.what})", where=str(store)) from error
        _prepare(store)
        return self.first_answer(ask, source=source)


def healed(error: XenbumpError, cache: Path, progress: Callable[[str], None]) -> bool:
    """Whether an error came of a damaged store below the folder of all caches, and the store is thrown away now.

    Raises:
        Failure: E-STATE, E-LOCKED.
    """
    store = Path(error.where)
    if error.code not in _OF_A_DAMAGED_STORE or not store.is_relative_to(cache) or not store.name.endswith(".git"):
        return False
    return store.parent.is_dir() and Stores((), store.parent, progress).thrown_away(store, error)


def _prepare(store: Path) -> None:
    """Make a store, or clear what a killed git left in it; the lock is held, so nothing there is in use."""
    if (store / "HEAD").is_file():
        for pattern in _LEFT_BY_A_KILLED_GIT:
            for left in store.glob(pattern):
                left.unlink(missing_ok=True)
        return
    # Built aside and renamed, so that a store is there whole or not at all.
    fresh = store.with_name(store.name + ".new")
    for half in (fresh, store):
        if half.is_symlink() or half.exists():
            if not _is_ours(half):
                raise Failure("E-STATE", "something that is no cache lies where it is to be", where=str(half))
            _remove(half)
    git.call(["init", "--quiet", "--bare", "--template=", str(fresh)])
    try:
        fresh.rename(store)
    except OSError as error:
        raise durable.failure(error, store, what="the cache cannot be made") from error


def _is_ours(store: Path) -> bool:
    """Whether what is there is a bare repository, or the beginning of one, and nothing else."""
    try:
        found = [path.name for path in store.iterdir()]
    except OSError:
        return False
    return not store.is_symlink() and all(name in _OF_A_STORE or name.endswith(".lock") for name in found)


def _remove(store: Path) -> None:
    """Remove a store; half of one is not taken for one, as its HEAD goes first."""
    try:
        (store / "HEAD").unlink(missing_ok=True)
        shutil.rmtree(store)
    except OSError as error:
        raise durable.failure(error, store, what="the damaged cache cannot be removed") from error


def _left_out_by_others(store: Path, address: str) -> bool:
    """Whether another address may have left something out of what a store has: git notes it as a promisor."""
    with contextlib.suppress(XenbumpError):  # git's answer to there being none
        known = git.call(["config", "--name-only", "--get-regexp", r"^remote\..*\.promisor$"], repository=store)
        names = known.stdout.decode("utf-8", "replace").splitlines()
        return any(name != f"remote.{address}.promisor" for name in names)
    return False


def _is_damaged(store: Path) -> bool:
    """Whether git finds something wrong with what a store has; not, where git could not look."""
    try:
        git.call(["fsck", "--no-dangling", "--no-progress"], repository=store, timeout=git.FETCH_SECONDS)
    except XenbumpError as error:
        return error.code in _OF_A_DAMAGED_STORE
    return False


def _short(ref: str) -> str:
    return ref.rpartition("/")[2]


def _several(names: Iterable[str]) -> str:
    return ", ".join(names)
