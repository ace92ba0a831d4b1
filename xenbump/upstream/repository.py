"""What the Xen repository says: what it lists, a release's verified tag, trees, messages and changes, all from a cache.

The cache is made of stores (`store.py`). `tags.git` holds tag objects and their commits, fetched without trees or files
where the server can leave them out, so that a signature is judged before the tree is fetched. `trees.git` holds whole
trees without history. A server that cannot leave anything out sends the tree with the tag; then `tags.git` has it, and
nothing is fetched twice.

`tips.git` has of each tip that was asked the root folder, and those of its files that were asked for. The stores of
`changes.py` have what single commits change, those for histories are named by `history.py`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.hashes import archive, nar, sri
from xenbump.hashes import objects as form
from xenbump.upstream import git, release, signature
from xenbump.upstream.changes import Changes
from xenbump.upstream.model import Listing, VerifiedRelease
from xenbump.upstream.store import NO_HISTORY, NO_TREES, ROOT_ONLY, Stores
from xenbump.upstream.tag import parse_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from xenbump.upstream.objects import ObjectReader
    from xenbump.upstream.release import Release
    from xenbump.upstream.signature import Trust


_OF_A_CHECKOUT, _OF_AN_ARCHIVE = _FETCHERS = ("fetchgit", "fetchFromGitHub")


P = ParamSpec("P")
T = TypeVar("T")


def _mended(method: Callable[Concatenate[Repository, P], T]) -> Callable[Concatenate[Repository, P], T]:
    """Do it once more where a store turned out to be damaged: it is fetched anew then."""

    @functools.wraps(method)
    def work(self: Repository, /, *arguments: P.args, **named: P.kwargs) -> T:
        return self._stores.mended(lambda: method(self, *arguments, **named))

    return work


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
        folder = cache / hashlib.sha256(self.addresses[0].encode()).hexdigest()[:16]
        self._stores = Stores(self.addresses, folder, progress)
        self._changes = Changes(self._stores, progress)
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

        return self._stores.first_answer(ask)

    @_mended
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
        store = self._stores.path("tags.git")
        origin = source
        if not self._stores.has(store, wanted.tag_object, "tag"):
            origin = self._stores.fetch(store, source, ref, wanted.tag_object, (NO_HISTORY, NO_TREES))
        with self._stores.reading(store) as objects:
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
        with self._stores.reading(self.with_tree(commit, ref, source)) as objects:
            yield objects

    def with_tree(self, commit: str, ref: str, source: str) -> Path:
        """A bare repository in the cache that has everything below a commit, fetched first where none has.

        The arguments are those of `objects`.
        """
        store = self._with_tree(commit)
        if store is None:
            store = self._stores.path("trees.git")
            self._stores.fetch(store, source, ref, commit, (NO_HISTORY,))
        return store

    @_mended
    def root_files(self, name: str, tips: Mapping[str, str], source: str) -> dict[str, bytes | None]:
        """One file of the root folder in several commits; where the server can, little else is fetched.

        Whole trees are, where it cannot be had like that from any address.

        Args:
            name: the file's name.
            tips: the commits' identifiers by the full names of the refs that were listed with them.
            source: the address tried first.

        Returns:
            The contents by ref; None where a commit has no such file.

        Raises:
            Refusal: E-TAG-MISSING when a ref is gone, or has moved and its commit is not to be had by its identifier.
            Failure: it could not be fetched or read.
        """
        store = self._stores.path("tips.git")
        found = self._held(store, name, tips)
        lacking = {ref: commit for ref, commit in tips.items() if ref not in found}
        if lacking:
            try:
                self._fetch_root_files(store, name, lacking, source)
            except XenbumpError as error:
                if error.code == "E-OBJECT":  # the cache is damaged
                    raise
                self._progress(f"{name} is not to be had by itself: {error.what}")
            found |= self._held(store, name, lacking)
        for ref, commit in lacking.items():
            if ref not in found:
                with self.objects(commit, ref, source) as objects:
                    found[ref] = objects.file(objects.commit(commit).tree, name)
        return found

    def _held(self, store: Path, name: str, tips: Mapping[str, str]) -> dict[str, bytes | None]:
        """What a store has of the contents, by ref; nothing of a commit that it does not have."""
        found: dict[str, bytes | None] = {}
        if store.is_dir():
            with self._stores.reading(store) as objects:
                for ref, commit in tips.items():
                    with contextlib.suppress(Failure):
                        found[ref] = objects.file(objects.commit(commit).tree, name)
        return found

    def _fetch_root_files(self, store: Path, name: str, tips: Mapping[str, str], source: str) -> None:
        commits = self._stores.lacking(store, tips.values(), "commit")
        if commits:
            wanted = {ref: commit for ref, commit in tips.items() if commit in commits}
            self._stores.fetch_tips(store, source, wanted, (NO_HISTORY, ROOT_ONLY))
        with self._stores.reading(store) as objects:
            entries = [entry for commit in tips.values() for entry in objects.tree(objects.commit(commit).tree)]
        folders = {form.DIRECTORY, form.SUBMODULE}
        named = [one.oid for one in entries if one.name == name.encode() and one.mode not in folders]
        missing = self._stores.lacking(store, named, "blob")
        if missing:
            self._stores.fetch_files(store, source, missing)

    @_mended
    def source_hash(self, commit: str, ref: str, source: str, fetcher: str) -> str:
        """The SRI that a fetcher of nixpkgs wants for a commit.

        Args:
            commit: the commit's identifier.
            ref: a full ref name that has it, or the identifier itself.
            source: the address tried first.
            fetcher: `fetchgit` or `fetchFromGitHub`.

        Raises:
            ValueError: of what another fetcher fetches, nothing is known here.
            Refusal: the tree has something whose effect on the hash is not known.
            Failure: it could not be fetched or read.
        """
        if fetcher not in _FETCHERS:
            message = f"not a fetcher of revisions whose hash is known: {fetcher!r}"
            raise ValueError(message)
        with self.objects(commit, ref, source) as objects:
            self._progress(f"computing the {fetcher} hash of {commit[:12]}")
            facts = objects.commit(commit)
            if fetcher == _OF_AN_ARCHIVE:
                replaced = archive.substitutions(objects, facts)
            else:
                archive.refuse_conversions(objects, facts)
                replaced = {}
            return sri.encode(nar.tree_hash(objects, facts.tree, replaced))

    @_mended
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

    @_mended
    def patch_of(self, commit: str, source: str) -> bytes:
        """The change of a commit against its parent, as a unified diff with git's lines above each file.

        Args:
            commit: the commit's identifier; no ref needs to have it.
            source: the address tried first.

        Raises:
            Refusal: E-COMMIT-FORM where it has several parents, or none; E-TAG-MISSING where the server has it not.
            Failure: it could not be fetched or read.
        """
        return self._changes.patch_of(commit, source)

    @_mended
    def messages(self, commit: str, ref: str, source: str, *, store: str, since: str) -> list[tuple[str, str]]:
        """The messages of a commit's history, newest first, each with its commit's identifier.

        Args:
            commit: the commit's identifier.
            ref: a full ref name that has it, or the identifier itself.
            source: the address tried first.
            store: the name of the store for this history; two histories with different beginnings must not share one.
            since: a tag; what is reachable from it is left out. Empty: the whole history.
        """
        path = self._stores.path(store)
        if not self._stores.has(path, commit, "commit"):
            extent = (f"--shallow-exclude={since}", NO_TREES) if since else (NO_TREES,)
            self._stores.fetch(path, source, ref, commit, extent)
        log = git.call(["log", "-z", "--format=%H%n%B", commit], repository=path).stdout.decode("utf-8", "replace")
        found = [(oid, message) for oid, _, message in (entry.partition("\n") for entry in log.split("\0")) if oid]
        if not found or found[0][0] != commit:
            # To take it for a history without fixes would be remembered of the commit.
            raise Failure("E-GIT", "git 'log' does not begin with the commit that was asked for", where=str(path))
        return found

    def _with_tree(self, commit: str) -> Path | None:
        """The store that has everything below a commit."""
        for name in ("trees.git", "tags.git"):
            store = self._stores.path(name)
            if store.is_dir():
                with contextlib.suppress(Failure):
                    listed = git.call(
                        ["rev-list", "--objects", "--no-walk", "--missing=print", commit],
                        repository=store,
                    )
                    if not any(line.startswith(b"?") for line in listed.stdout.splitlines()):
                        return store
        return None
