"""The Xen repository: what it lists, a release's verified tag, and trees, kept in a cache without their history.

Bare repositories make up the cache. `tags.git` holds tag objects and their commits, fetched without trees and files
where the server can leave them out (`git help fetch`, `--filter`), so that a signature is judged before the tree is
fetched. `trees.git` holds whole trees without history. A server that cannot leave anything out sends the tree with the
tag; then `tags.git` has it, and nothing is fetched twice.

`commits.git` holds commits whose changes were asked for, with their parents: the trees, and of the files those that
differ. Where a server gives no files by their identifiers, `commits-whole.git` holds them all. The stores for histories
are named by `history.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from xenbump import process
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.hashes import archive, nar, sri
from xenbump.locks import locked
from xenbump.upstream import commits, git, release, signature
from xenbump.upstream.model import Listing, VerifiedRelease
from xenbump.upstream.objects import ObjectReader, open_objects
from xenbump.upstream.tag import parse_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xenbump.upstream.release import Release
    from xenbump.upstream.signature import Trust

T = TypeVar("T")


_LEFT_BY_A_KILLED_GIT = ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*")


_NO_TREES = "--filter=tree:0"
_NO_FILES = "--filter=blob:none"
_WITH_PARENT = "--depth=2"
# Each is an argument of 40 bytes; a change of more files is fetched with everything.
_MOST_FILES = 1000


class Repository:
    """The Xen repository behind a cache.

    Args:
        addresses: where it can be had, tried in order; checked by `git.check_address`.
        cache: the folder of the cache; made when it is missing.
        progress: told in a sentence what takes time.
    """

    def __init__(self, addresses: Sequence[str], cache: Path, progress: Callable[[str], None] = lambda _: None) -> None:
        self.addresses = tuple(addresses)
        # One cache per first address: tags of a test project never meet those of Xen.
        self._cache = cache / hashlib.sha256(self.addresses[0].encode()).hexdigest()[:16]
        self._progress = progress

    def listing(self) -> Listing:
        """Ask for the refs.

        Raises:
            XenbumpError: no address answered; the error is that of the first, and names how many were tried.
        """

        def ask(address: str) -> Listing:
            done = git.call(
                ["ls-remote", "--", address, "refs/tags/*", "refs/heads/stable-*"],
                address=address,
                timeout=git.LIST_SECONDS,
            )
            refs = release.parse_refs(done.stdout.decode("utf-8", "replace"), address)
            if not refs:
                # Git takes a web page without line breaks for the list of a repository that has nothing.
                raise Failure("E-GIT-LISTING", "the repository lists no tag and no stable branch", where=address)
            return Listing(address, refs)

        return self._first_answer(ask, self.addresses)

    def verify(self, wanted: Release, trust: Trust, source: str) -> VerifiedRelease:
        """Fetch a release's tag object and judge it.

        Args:
            wanted: the release as listed.
            trust: whose signature counts.
            source: the address that listed it; tried first.

        Raises:
            Refusal: E-TAG-LIGHTWEIGHT, E-TAG-UNSIGNED, E-TAG-MISMATCH, E-SIGNATURE-BAD or E-SIGNATURE-KEY.
            Failure: the tag could not be fetched.
        """
        if wanted.commit is None:
            raise Refusal(
                "E-TAG-LIGHTWEIGHT",
                "the tag is lightweight: it names a commit and carries no signature",
                where=wanted.tag,
            )
        ref = f"refs/tags/{wanted.tag}"
        store = self._cache / "tags.git"
        origin = source
        if not self._has(store, wanted.tag_object, "tag"):
            origin = self._fetch(store, source, ref, wanted.tag_object, ("--depth=1", _NO_TREES))
        with open_objects(store, git.environment(None)) as objects:
            raw = objects.raw(wanted.tag_object, "tag")
        tag = parse_tag(raw, wanted.tag)
        for found, expected, word in (
            (tag.name, wanted.tag, "name"),
            (tag.kind, "commit", "kind of object"),
            (tag.object, wanted.commit, "commit"),
        ):
            if found != expected:
                raise Refusal(
                    "E-TAG-MISMATCH",
                    f"the tag object has the {word} {found!r}, the repository lists {expected!r}",
                    where=wanted.tag,
                )
        if tag.signature is None:
            raise Refusal("E-TAG-UNSIGNED", "the tag object carries no signature", where=wanted.tag)
        judged = signature.verify(tag.signed, tag.signature, trust, what=f"tag {wanted.tag}")
        return VerifiedRelease(
            version=wanted.version,
            tag=wanted.tag,
            tag_object=wanted.tag_object,
            commit=wanted.commit,
            signed_by=judged.fingerprint,
            signed_at=judged.made,
            source=origin,
        )

    @contextlib.contextmanager
    def objects(self, commit: str, ref: str, source: str) -> Iterator[ObjectReader]:
        """Read the tree of a commit, fetched first where the cache lacks it.

        Args:
            commit: the commit's identifier.
            ref: a full ref name that has it, or the identifier itself.
            source: the address tried first.
        """
        with open_objects(self.with_tree(commit, ref, source), git.environment(None)) as objects:
            yield objects

    def with_tree(self, commit: str, ref: str, source: str) -> Path:
        """A bare repository in the cache that has everything below a commit, fetched first where none has.

        The arguments are those of `objects`.
        """
        store = self._with_tree(commit)
        if store is None:
            store = self._cache / "trees.git"
            self._fetch(store, source, ref, commit, ("--depth=1",))
        return store

    def source_hash(self, commit: str, ref: str, source: str, fetcher: str) -> str:
        """The SRI that a fetcher of nixpkgs wants for a commit.

        Args:
            commit: the commit's identifier.
            ref: a full ref name that has it, or the identifier itself.
            source: the address tried first.
            fetcher: `fetchgit` or `fetchFromGitHub`.
        """
        with self.objects(commit, ref, source) as objects:
            self._progress(f"computing the {fetcher} hash of {commit[:12]}")
            facts = objects.commit(commit)
            if fetcher == "fetchFromGitHub":
                replaced = archive.substitutions(objects, facts)
            else:
                archive.refuse_conversions(objects, facts)
                replaced = {}
            return sri.encode(nar.tree_hash(objects, facts.tree, replaced))

    def committed(self, commit: str, ref: str, source: str) -> datetime:
        """When a commit was made, by its committer's clock, in UTC.

        The arguments are those of `objects`.

        Raises:
            Refusal: E-COMMIT-FORM where it has no time, or one that no calendar has.
        """
        with self.objects(commit, ref, source) as objects:
            seconds = objects.commit(commit).committer_time
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise Refusal(
                "E-COMMIT-FORM", f"the commit's time is {seconds} seconds after 1970", where=commit
            ) from error

    def patch_of(self, commit: str, source: str) -> bytes:
        """The change of a commit against its parent, as a unified diff with git's lines above each file.

        Args:
            commit: the commit's identifier; no ref needs to have it.
            source: the address tried first.

        Raises:
            Refusal: E-COMMIT-FORM where it has several parents, or none; E-TAG-MISSING where the server has it not.
            Failure: it could not be fetched or read.
        """
        parent, store = self._with_change(commit, source)
        done = process.run(
            ["git", f"--git-dir={store}", *commits.DIFF, parent, commit],
            env={**git.environment(None), "GIT_ATTR_NOSYSTEM": "1"},
            check=False,
        )
        if done.status != 0:
            raise git.explained(done, str(store))
        return done.stdout

    def messages(self, commit: str, ref: str, source: str, *, store: str, since: str) -> list[tuple[str, str]]:
        """The messages of a commit's history, newest first, each with its commit's identifier.

        Args:
            commit: the commit's identifier.
            ref: a full ref name that has it, or the identifier itself.
            source: the address tried first.
            store: the name of the store for this history; two histories with different beginnings must not share one.
            since: a tag; what is reachable from it is left out. Empty: the whole history.
        """
        path = self._cache / store
        if not self._has(path, commit, "commit"):
            extent = (f"--shallow-exclude={since}", _NO_TREES) if since else (_NO_TREES,)
            self._fetch(path, source, ref, commit, extent)
        log = git.call(["log", "-z", "--format=%H%n%B", commit], repository=path).stdout.decode("utf-8", "replace")
        return [(oid, message) for oid, _, message in (entry.partition("\n") for entry in log.split("\0")) if oid]

    def _first_answer(self, ask: Callable[[str], T], addresses: Sequence[str]) -> T:
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

    def _has(self, store: Path, oid: str, kind: str) -> bool:
        if not store.is_dir():
            return False
        with open_objects(store, git.environment(None)) as objects, contextlib.suppress(Failure):
            objects.raw(oid, kind)
            return True
        return False

    def _with_tree(self, commit: str) -> Path | None:
        """The store that has everything below a commit."""
        for name in ("trees.git", "tags.git"):
            store = self._cache / name
            if store.is_dir():
                with contextlib.suppress(Failure):
                    listed = git.call(
                        ["rev-list", "--objects", "--no-walk", "--missing=print", commit],
                        repository=store,
                    )
                    if not any(line.startswith(b"?") for line in listed.stdout.splitlines()):
                        return store
        return None

    def _with_change(self, commit: str, source: str) -> tuple[str, Path]:
        """A commit's parent, and a store that has both with their trees and the files that differ."""
        store = self._cache / "commits.git"
        if not self._has_change(store, commit, source):
            store = self._cache / "commits-whole.git"
            if self._parent(store, commit) is None:
                self._fetch(store, source, commit, commit, (_WITH_PARENT,))
        parent, files = self._change(store, commit)
        with open_objects(store, git.environment(None)) as objects:
            for oid in files:
                objects.raw(oid, "blob")  # each fits its identifier
        return parent, store

    def _has_change(self, store: Path, commit: str, source: str) -> bool:
        """Fetch a commit and its parent, and then those of their files that differ; whether that did it."""
        if self._parent(store, commit) is None:
            self._fetch(store, source, commit, commit, (_WITH_PARENT, _NO_FILES))
        parent, files = self._change(store, commit)
        listed = git.call(["rev-list", "--objects", "--no-walk", "--missing=print", commit, parent], repository=store)
        missing = files & {line[1:].decode() for line in listed.stdout.splitlines() if line.startswith(b"?")}
        if len(missing) > _MOST_FILES:
            return False
        try:
            if missing:
                with self._locked() as lock:
                    self._transfer(store, source, sorted(missing), (_NO_FILES,), lock=lock)
        except XenbumpError as error:
            self._progress(f"the files of {commit[:12]} are not to be had by themselves: {error.what}")
            return False
        return True

    def _parent(self, store: Path, commit: str) -> str | None:
        """The parent of a commit where a store has both; a shallow store's own idea of parents is not asked."""
        if not self._has(store, commit, "commit"):
            return None
        with open_objects(store, git.environment(None)) as objects:
            parents = objects.commit(commit).parents
        if len(parents) != 1:
            raise Refusal(
                "E-COMMIT-FORM", f"the commit has {len(parents)} parents; its change is not one", where=commit
            )
        return parents[0] if self._has(store, parents[0], "commit") else None

    def _change(self, store: Path, commit: str) -> tuple[str, frozenset[str]]:
        """A commit's parent, and the files that differ between them."""
        parent = self._parent(store, commit)
        if parent is None:
            raise Failure("E-OBJECT", f"the parent of {commit} did not come along", where=str(store))
        with open_objects(store, git.environment(None)) as objects:
            trees = [objects.commit(one).tree for one in (parent, commit)]
            return parent, commits.changed_files(objects, trees[0], trees[1])

    def _fetch(self, store: Path, source: str, ref: str, wanted: str, extent: tuple[str, ...]) -> str:
        """Fetch one ref, as much of it as the options `extent` say; returns the address that served it.

        Raises:
            Refusal: E-TAG-MISMATCH, or E-TAG-MISSING for a branch, when the ref is not what was listed (`wanted`).
        """
        local = ref if ref.startswith("refs/") else f"refs/xenbump/{ref}"

        with self._locked() as lock:
            origin = self._transfer(store, source, [f"+{ref}:{local}"], extent, lock=lock)
            form = "--format=%(objectname) %(*objectname)"
            given = git.call(["for-each-ref", form, local], repository=store).stdout.decode("ascii", "replace").split()
        if wanted not in given:
            raise Refusal(
                "E-TAG-MISMATCH" if ref.startswith("refs/tags/") else "E-TAG-MISSING",
                f"{ref} was listed as {wanted} and came as {' '.join(given) or 'nothing'}",
                where=origin,
            )
        return origin

    def _transfer(self, store: Path, source: str, wants: list[str], extent: tuple[str, ...], *, lock: int) -> str:
        """Fetch refs or objects into a store, the lock being held; returns the address that served them."""
        by_identifier = ":" not in wants[0]
        what = f"{len(wants)} file(s)" if by_identifier else wants[0].partition(":")[0].rpartition("/")[2].lstrip("+")
        # As git itself fetches what a partial clone lacks (`git help partial-clone`): without telling what is there.
        options = ("-c", "fetch.negotiationAlgorithm=noop") if by_identifier else ()

        def ask(address: str) -> str:
            self._progress(f"fetching {what} from {address}")
            # Git takes no path for a place that left something out (a slash begins no such name), and would miss it.
            used = [one for one in extent if one != _NO_FILES or not git.is_path(address)]
            git.call(
                [*options, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *used, "--", address, *wants],
                address=address,
                repository=store,
                timeout=git.FETCH_SECONDS,
                keep=(lock,),
            )
            return address

        self._prepare(store)
        try:
            return self._first_answer(ask, [source, *(address for address in self.addresses if address != source)])
        except XenbumpError as error:
            # Git says much the same of a damaged cache as of a server that fails.
            if error.code in {"E-GIT", "E-GIT-REPOSITORY"} and not _is_sound(store):
                raise Failure("E-OBJECT", f"the cache is damaged ({error.what})", where=str(store)) from error
            raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Failure("E-STATE", f"the cache cannot be made: {error.strerror}", where=str(self._cache)) from error
        with locked(self._cache / "lock", seconds=git.FETCH_SECONDS, progress=self._progress) as lock:
            yield lock

    def _prepare(self, store: Path) -> None:
        """Make a store, or clear what a killed git left in it; the lock is held, so nothing there is in use."""
        if (store / "HEAD").is_file():
            for pattern in _LEFT_BY_A_KILLED_GIT:
                for left in store.glob(pattern):
                    left.unlink(missing_ok=True)
            return
        # Built aside and renamed, so that a store is there whole or not at all.
        fresh = store.with_name(store.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(store, ignore_errors=True)
        git.call(["init", "--quiet", "--bare", "--template=", str(fresh)])
        fresh.rename(store)


def _is_sound(store: Path) -> bool:
    """Whether git finds nothing wrong with what a store has."""
    with contextlib.suppress(XenbumpError):
        git.call(["fsck", "--no-dangling", "--no-progress"], repository=store, timeout=git.FETCH_SECONDS)
        return True
    return False
