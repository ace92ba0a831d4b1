"""The source tree that is tried: any revision of a repository, in a work tree that lasts for incremental builds.

A work tree has a git folder of its own whose objects are those of the repository (`objects/info/alternates`,
gitrepository-layout(5)): nothing is copied, and nothing is written into the repository. There is one work tree for
each release line. Git rewrites only files that differ from one commit to the next, so that `make` finds the others as
old as they are. What a build leaves is not git's, and stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from xenbump import durable, process
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.locks import locked
from xenbump.trying import making, series
from xenbump.trying.model import Prepared
from xenbump.upstream import git, tree
from xenbump.upstream.store import Stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xenbump.trying.model import Trial

OLDEST: Final = (4, 17)
_LOCK_SECONDS = 4 * 3600.0
_GIT_SECONDS = 300.0
# A name as git takes it, and steps back from it; no ranges, no `@{…}`, no paths, nothing that looks like an option.
_REVISION = re.compile(r"(?P<name>[A-Za-z0-9_][\w.+/-]*)(?P<back>(?:[~^][0-9]{0,6})*)", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LINE = re.compile(r"(?P<major>\d+)\.(?P<minor>\d+)")
_FETCHED = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_TAGS = ("--match=RELEASE-*", "--match=[0-9]*.[0-9]*")
_LEFT = ("index.lock", "HEAD.lock", "rebase-apply")
_ADDED = "xenbump-added"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where revisions are resolved: a git folder, and that of its objects."""

    git: Path
    objects: Path
    shallow: bytes = b""


class Workshop:
    """The work trees of one repository.

    Args:
        repository: a path of a checkout or a bare repository, or the address of one, which is fetched as a whole.
        folder: below it lies all that lasts; made when it is missing.
        progress: told in a sentence what takes time.
        mirrors: other addresses of the same repository, asked when the first does not serve.

    Raises:
        UsageError: E-GIT-ADDRESS.
    """

    def __init__(
        self,
        repository: str,
        folder: Path,
        progress: Callable[[str], None] = lambda _: None,
        *,
        mirrors: Sequence[str] = (),
    ) -> None:
        self._address = repository
        self._path = _local(repository)
        if self._path is None:
            for address in (repository, *mirrors):
                git.check_address(address, "the repository")
        name = str(self._path.resolve()) if self._path is not None else repository
        self.folder = folder / hashlib.sha256(name.encode()).hexdigest()[:16]
        self._stores = Stores((repository, *mirrors), self.folder, progress)
        self._progress = progress
        self._found: _Place | None = None
        self._fetched = False
        self._holders = 0

    @property
    def repository(self) -> Path:
        """The git folder that has the history, for `git --git-dir`; fetched where it has to be.

        Raises:
            Refusal: E-TRY-REPOSITORY.
            XenbumpError: it could not be fetched.
        """
        return self._place().git

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the work trees for oneself, from `prepared` until what was built of it is no longer needed.

        It may be held several times by one workshop.

        Raises:
            Failure: E-LOCKED, E-STATE, E-DISK.
        """
        if self._holders:
            yield
            return
        durable.make(self.folder, what="the folder of source trees cannot be made")
        with locked(self.folder / "tree.lock", seconds=_LOCK_SECONDS, progress=self._progress):
            self._holders += 1
            try:
                yield
            finally:
                self._holders -= 1

    def resolved(self, rev: str) -> str:
        """The commit that a revision names, in 40 hexadecimal digits.

        Args:
            rev: a tag, a branch (also one that only a remote of a checkout has), a commit or an unambiguous beginning
                of one, each with steps back such as `~3` or `^2`.

        Raises:
            Refusal: E-TRY-REV, E-TRY-REPOSITORY.
            XenbumpError: it could not be fetched.
        """
        match = _REVISION.fullmatch(rev)
        if match is None or ".." in rev or rev.endswith((".lock", "/")):
            raise Refusal(
                "E-TRY-REV", "that is no tag, branch or commit, with or without steps back like ~3", where=rev
            )
        if self._path is None and not self._fetched and not self._is_settled(match["name"]):
            self._found = self._fetch()
            self._fetched = True
        place = self._place()
        for name in (match["name"], f"refs/remotes/origin/{match['name']}", *self._of_remotes(match["name"])):
            done = asked(place.git, "rev-parse", "--verify", f"{name}{match['back']}^{{commit}}")
            said = done.stdout.decode("ascii", "replace").strip()
            if done.status == 0 and _COMMIT.fullmatch(said):
                return said
            if b"ambiguous" in done.stderr:
                raise Refusal("E-TRY-REV", "more than one commit begins like this; give more digits", where=rev)
        if self._path is None and _COMMIT.fullmatch(match["name"]) and self._fetch_commit(match["name"]):
            return self.resolved(rev)
        what = "the repository has no such tag, branch or commit"
        if place.shallow:
            what += "; it is shallow, so it has not all of the history (`git fetch --unshallow` gets it)"
        raise Refusal("E-TRY-REV", what, where=rev)

    def described(self, commit: str) -> str:
        """A commit's name for people: its tag, or the newest before it with the steps since, else twelve digits."""
        done = asked(self._place().git, "describe", "--tags", "--abbrev=10", *_TAGS, commit)
        return done.stdout.decode("utf-8", "replace").strip() or commit[:12]

    def version(self, commit: str) -> str:
        """What the tree of a commit calls itself.

        Raises:
            Refusal: E-TRY-REV when it is no tree of Xen, or of one before 4.17; E-TREE-VERSION.
            Failure: E-TRY-OBJECTS.
        """
        done = asked(self._place().git, "cat-file", "blob", f"{commit}:{tree.MAKEFILE}")
        if done.status != 0:
            if b"does not exist in" in done.stderr or b"Not a valid object name" in done.stderr:
                raise Refusal("E-TRY-REV", f"it has no {tree.MAKEFILE}, so it is no Xen", where=commit)
            raise Refusal("E-TRY-OBJECTS", f"{tree.MAKEFILE} cannot be read: {done.error_text}", where=commit)
        found = tree.version(done.stdout, commit)
        line = _LINE.match(found)
        if line is None or (int(line["major"]), int(line["minor"])) < OLDEST:
            raise Refusal("E-TRY-REV", f"it is Xen {found}; only Xen 4.17 and later can be tried", where=commit)
        return found

    def prepared(self, trial: Trial) -> Prepared:
        """Bring a work tree to what is to be tried; what was built in it stays.

        Args:
            trial: revision and patches.

        Returns:
            The tree, good until the next call; `held` keeps others from calling.

        Raises:
            Refusal: E-TRY-REV, E-TRY-REPOSITORY, E-TRY-OBJECTS, E-TRY-PATCH, E-TREE-VERSION.
            XenbumpError: it could not be fetched, git did not do its work, or the disk is full.
        """
        patches = series.read(trial.patches)
        with self.held(), making.explained(self.folder):
            found = self.named(trial)
            folder, commit, described = found.folder, found.commit, found.described
            self._make(folder)
            self._move(folder, commit, described)
            if not patches:
                return found
            (folder / ".git" / _ADDED).write_text("\0".join(series.added(patches)))
            try:
                applied = series.apply(patches, folder, commit, self._progress)
            except BaseException:
                self._move(folder, commit, described)
                raise
            done = series.git_in(folder, "rev-parse", "--verify", "HEAD^{tree}")
            made = done.stdout.decode("ascii").strip()
            version = tree.version((folder / tree.MAKEFILE).read_bytes(), described)
            return replace(found, tree=made, version=version, applied=applied)

    def named(self, trial: Trial) -> Prepared:
        """What a trial's revision is, without its patches; no work tree is touched, and nobody is waited for.

        A work tree that moves to another revision and back has files that `make` takes for new ones. So who only wants
        to know which tree it is asks here.

        Raises:
            Refusal: E-TRY-REV, E-TRY-REPOSITORY, E-TRY-OBJECTS, E-TREE-VERSION.
            XenbumpError: it could not be fetched.
        """
        commit = self.resolved(trial.rev)
        described = self.described(commit)
        version = self.version(commit)
        folder = self.folder / ".".join(version.split("-")[0].split(".")[:2]) / "tree"
        done = asked(self._place().git, "rev-parse", "--verify", f"{commit}^{{tree}}")
        return Prepared(
            trial, commit, described, done.stdout.decode("ascii", "replace").strip(), version, folder.absolute()
        )

    def _make(self, folder: Path) -> None:
        """Make a work tree's git folder, or clear what a killed git left in it."""
        place = self._place()
        inner = folder / ".git"
        try:
            if not (inner / "HEAD").is_file():
                folder.mkdir(parents=True, exist_ok=True)
                series.git_in(folder, "init", "--quiet", "--template=", str(folder), anew=True)
            for name in _LEFT:
                left = inner / name
                if left.is_dir():
                    shutil.rmtree(left)
                else:
                    left.unlink(missing_ok=True)
            (inner / "info").mkdir(exist_ok=True)
            alternates = inner / "objects" / "info" / "alternates"
            alternates.parent.mkdir(exist_ok=True)
            _written(alternates, f"{place.objects}\n".encode())
            if place.shallow or (inner / "shallow").exists():
                _written(inner / "shallow", place.shallow)
        except OSError as error:
            raise durable.failure(error, folder, what="the source tree cannot be made") from error

    def _move(self, folder: Path, commit: str, described: str) -> None:
        """Check a commit out."""
        listed = asked(self._place().git, "rev-list", "--objects", "--no-walk", "--missing=print", commit)
        if listed.status != 0 or re.search(rb"^\?", listed.stdout, re.MULTILINE):
            raise Refusal(
                "E-TRY-OBJECTS",
                f"the repository has not all files of {described}: it is a partial clone, or damaged",
                where=str(self._path or self._address),
            )
        self._progress(f"checking out {described}")
        checkout = ("checkout", "--quiet", "--force", "--detach", commit)
        # Or a file that was touched, and is as it was, would be written anew; that there are others is no error.
        series.asked_in(folder, "update-index", "-q", "--refresh")
        try:
            series.git_in(folder, *checkout)
        except Failure as error:
            self._progress(f"the source tree is made anew: {error.what}")
            shutil.rmtree(folder / ".git", ignore_errors=True)
            self._make(folder)
            series.git_in(folder, *checkout)
        self._sweep(folder)

    def _sweep(self, folder: Path) -> None:
        """Remove what patches that are gone have added, where a killed git left it lying."""
        note = folder / ".git" / _ADDED
        if not note.is_file():
            return
        names = [name for name in note.read_text().split("\0") if name and Path(name).parts[0] != ".git"]
        tracked = set(series.git_in(folder, "ls-files", "-z").stdout.decode("utf-8", "replace").split("\0"))
        for name in names:
            path = folder / name
            if name not in tracked and path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                path.unlink()
        note.unlink()

    def _place(self) -> _Place:
        if self._found is None and self._path is not None:
            self._found = self._look(self._path)
        elif self._found is None:
            store = self._stores.path("mirror.git")
            self._found = _bare(store) if (store / "HEAD").is_file() else self._fetch()
        return self._found

    def _look(self, path: Path) -> _Place:
        """The repository at a path."""
        if (path / ".git").exists():
            folder = path / ".git"
        elif (path / "HEAD").is_file() and (path / "objects").is_dir():
            folder = path
        else:
            what = "there is no git repository here: neither a checkout's top folder nor a bare repository"
            raise Refusal("E-TRY-REPOSITORY", what, where=str(path))
        wanted = ("rev-parse", "--path-format=absolute", "--git-path", "objects", "--git-path", "shallow")
        done = asked(folder.absolute(), *wanted)
        lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
        if done.status != 0 or len(lines) != 2:  # noqa: PLR2004 - what was asked
            raise Refusal("E-TRY-REPOSITORY", f"git does not read it: {done.error_text}", where=str(path))
        objects, shallow = map(Path, lines)
        return _Place(folder.absolute(), objects, shallow.read_bytes() if shallow.is_file() else b"")

    def _is_settled(self, name: str) -> bool:
        """Whether a name in a repository that is fetched cannot have changed: a tag, or a commit that is there."""
        store = self._stores.path("mirror.git")
        if not (store / "HEAD").is_file():
            return False
        kind = name if _COMMIT.fullmatch(name) else f"refs/tags/{name}"
        return asked(_bare(store).git, "rev-parse", "--quiet", "--verify", f"{kind}^{{commit}}").status == 0

    def _fetch(self) -> _Place:
        """Fetch the branches and tags of the repository with their history, into a store of this workshop."""
        store = self._stores.path("mirror.git")
        with self._stores.locked() as lock:
            if not (store / "HEAD").is_file():
                git.call(["init", "--quiet", "--bare", "--template=", str(store)])
            for left in (*store.glob("*.lock"), *store.glob("refs/**/*.lock"), *store.glob("objects/pack/tmp_*")):
                left.unlink(missing_ok=True)
            self._stores.first_answer(lambda address: self._transfer(store, address, _FETCHED, lock, "--prune"))
        return _bare(store)

    def _fetch_commit(self, commit: str) -> bool:
        """Fetch a commit that no branch has, where the server gives it."""
        store = self._stores.path("mirror.git")
        want = f"{commit}:refs/xenbump/{commit}"
        with self._stores.locked() as lock, contextlib.suppress(XenbumpError):
            self._stores.first_answer(lambda address: self._transfer(store, address, (want,), lock))
            return True
        return False

    def _transfer(self, store: Path, address: str, wants: Sequence[str], lock: int, *options: str) -> None:
        self._progress(f"fetching from {address}")
        git.call(
            ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *options, "--", address, *wants],
            address=address,
            repository=store,
            timeout=git.FETCH_SECONDS,
            keep=(lock,),
        )

    def _of_remotes(self, name: str) -> list[str]:
        """The branches of this name that remotes of a checkout have."""
        if _COMMIT.fullmatch(name):
            return []
        done = asked(self._place().git, "for-each-ref", "--format=%(refname)", f"refs/remotes/*/{name}")
        return done.stdout.decode("utf-8", "replace").split()[:1]


def asked(repository: Path, *arguments: str, seconds: float = _GIT_SECONDS) -> process.Completed:
    """Ask a repository with git; the answer may be a refusal.

    Args:
        repository: the git folder, as an absolute path.
        arguments: of git, behind the folder.
        seconds: how long git may take.

    Raises:
        Failure: E-PROGRAM-MISSING, E-TIMEOUT.
    """
    command = ["git", f"--git-dir={repository}", *arguments]
    return process.run(command, cwd=Path("/"), env=git.environment(None), timeout=seconds, check=False)


def _local(repository: str) -> Path | None:
    """The path of a repository on this machine; None for one that is to be fetched."""
    if repository.startswith("file://"):
        return Path(unquote(urlsplit(repository).path))
    path = Path(repository).expanduser()
    return path.absolute() if git.is_path(repository) or path.is_dir() else None


def _bare(store: Path) -> _Place:
    return _Place(store.absolute(), (store / "objects").absolute())


def _written(path: Path, content: bytes) -> None:
    """Write a file that is to have a content, where it has another."""
    if not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)
