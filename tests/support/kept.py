"""What a world was at its beginning, file by file and record by record, so that it can be put back."""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import shutil
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xenbump.demo.git_server import isolated_git
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.demo.git_server import GitServer
    from xenbump.demo.github_server import GitHubServer
    from xenbump.demo.xen_project import XenProject
    from xenbump.demo.xenbits import Shelf

# Of a repository: objects are only ever added, and logs are of no account.
_STAYS = frozenset({"objects", "logs"})


class Files:
    """A folder as it was, but for what lies directly in it under one of some names.

    Args:
        folder: the folder.
        without: the names.
    """

    def __init__(self, folder: Path, without: frozenset[str] = frozenset()) -> None:
        self._folder = folder
        self._without = without
        self._folders = {folder}
        self._marks: dict[Path, tuple[int, ...]] = {}
        self._contents: dict[Path, bytes] = {}
        unseen = [folder]
        while unseen:
            for path, is_folder, mark in self._listed(unseen.pop()):
                if is_folder:
                    self._folders.add(path)
                    unseen.append(path)
                else:
                    self._marks[path] = mark
                    self._contents[path] = path.read_bytes()

    def put_back(self) -> bool:
        """Put the folder back; whether anything in it was another."""
        changed = False
        left = set(self._contents)
        unseen = [self._folder]
        while unseen:
            for path, is_folder, mark in list(self._listed(unseen.pop())):
                if is_folder and path in self._folders:
                    unseen.append(path)
                elif not is_folder and self._marks.get(path) == mark:
                    left.remove(path)
                elif path not in self._contents or is_folder:
                    changed = True
                    shutil.rmtree(path) if is_folder else path.unlink()
        for folder in sorted(self._folders):
            folder.mkdir(exist_ok=True)
        for path in left:
            changed |= self._write(path)
        return changed

    def _write(self, path: Path) -> bool:
        content, mode = self._contents[path], stat.S_IMODE(self._marks[path][0])
        same = path.is_file() and (path.read_bytes(), stat.S_IMODE(path.lstat().st_mode)) == (content, mode)
        if not same:
            # Not into the file that is there, which somebody may have open.
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            path.chmod(mode)
        self._marks[path] = _mark(path.lstat())
        return not same

    def _listed(self, folder: Path) -> Iterator[tuple[Path, bool, tuple[int, ...]]]:
        """What there is now: the path, whether it is a folder, and what changes when it does."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if folder != self._folder or entry.name not in self._without:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    yield folder / entry.name, is_folder, _mark(entry.stat(follow_symlinks=False))


def _mark(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def commit_at(repository: Path, ref: str) -> str:
    """Where a reference of a bare repository is, as its files have it; empty when there is none."""
    with contextlib.suppress(OSError):
        return (repository / ref).read_text("ascii").strip()
    with contextlib.suppress(OSError):
        for line in (repository / "packed-refs").read_text("utf-8").splitlines():
            if line.endswith(f" {ref}"):
                return line.split()[0]
    return ""


class Bare:
    """The refs, the configuration and the hooks of a bare repository; with its objects where that is asked for."""

    def __init__(self, folder: Path, *, objects: bool = False) -> None:
        self._files = Files(folder, frozenset() if objects else _STAYS)

    def put_back(self) -> bool:
        """Put it back; whether anything was another."""
        return self._files.put_back()


class Checkout:
    """A checkout: its files, refs, configuration, hooks and index; with its objects where that is asked for."""

    def __init__(self, folder: Path, *, objects: bool = False) -> None:
        self._folder = folder
        self._work = Files(folder, frozenset({".git"}))
        self._git = Files(folder / ".git", frozenset({"index"}) if objects else _STAYS | {"index"})
        self._index = (folder / ".git" / "index").read_bytes()

    def put_back(self) -> None:
        """Put it back."""
        self._git.put_back()
        changed = self._work.put_back()
        index = self._folder / ".git" / "index"
        if changed or not index.is_file() or index.read_bytes() != self._index:
            index.write_bytes(self._index)
        if changed:
            # It has the files' times.
            run(["git", "-C", str(self._folder), "update-index", "-q", "--refresh"], env=isolated_git())
            self._index = index.read_bytes()


class Project:
    """The Xen project: its repository, and what it knows of it."""

    def __init__(self, project: XenProject) -> None:
        self._project = project
        self._bare = Bare(project.path)
        self._known = self._copied()

    def put_back(self) -> None:
        """Put it back."""
        if self._bare.put_back():
            vars(self._project).update(self._known)
            self._known = self._copied()

    def _copied(self) -> dict[str, Any]:
        plain = {key: value for key, value in vars(self._project).items() if key not in {"path", "key"}}
        return copy.deepcopy(plain)


class Advisories:
    """The folder of advisories and its index."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._files = Files(shelf.folder)
        self._entries = dict(shelf.entries)

    def put_back(self) -> bool:
        """Put it back; whether anything was another."""
        self._shelf.entries.clear()
        self._shelf.entries.update(self._entries)
        return self._files.put_back()


class GitHub:
    """What the stand-in of GitHub remembers, but for the exchanges."""

    def __init__(self, server: GitHubServer) -> None:
        self._server = server
        self._next = server.state.next_id()
        self._clock = server.state.clock
        self._known = self._copied()

    def put_back(self) -> None:
        """Put it back, with the numbers that it gives; no faults are left, and nothing of the limits is used."""
        server, state = self._server, self._server.state
        for name, value in self._known.items():
            vars(state)[name].clear()
            vars(state)[name].update(value)
        self._known = self._copied()
        state.clock = self._clock
        state._ids = itertools.count(self._next)
        server.observer = None
        server._faults.clear()
        server._used.clear()

    def _copied(self) -> dict[str, dict[str, Any]]:
        """The records; those that can be changed, copied."""
        state = self._server.state
        repositories = {
            name: replace(
                one,
                teams=dict(one.teams),
                labels=dict(one.labels),
                pulls=dict(one.pulls),
                issues=dict(one.issues),
                comments=list(one.comments),
            )
            for name, one in state.repositories.items()
        }
        plain = {name: dict(vars(state)[name]) for name in ("users", "tokens", "apps")}
        return {**plain, "repositories": repositories}


class Git:
    """Who may do what at the git server."""

    def __init__(self, server: GitServer) -> None:
        self._service = server._service
        self._access = self._service.access
        self._mounts = dict(self._service.mounts)

    def put_back(self) -> None:
        """Put it back; no faults are left, and no counters."""
        service = self._service
        service.access = self._access
        service.mounts.clear()
        service.mounts.update(self._mounts)
        service._faults.clear()
        service.reset()
