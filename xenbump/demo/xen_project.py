"""The Xen Project in miniature: a bare git repository with branches, releases and signed tags as Xen has them.

Everything in it but the signatures is the same every time, commit ids included. A line of releases, 4.20 say, leaves
`master` at the lightweight tag `4.20.0-branched`; on it follow the candidate `4.20.0-rc1`, and for each release its own
commit, the one that opens the next (`.5-pre`, the tip of `stable-4.20`) and a fix (the tip of `staging-4.20`). Fixes
that a release is to bring are committed right before it, and to `master`, so that lines opened later have them too.

`XenProject.add_release` publishes one more, well formed or in one of the forms that must be refused. How git writes a
tag and its signature is in its `gitformat-signature` manual page, the import language in git-fast-import(1).
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xenbump.demo.git_server import isolated_git
from xenbump.demo.xen_tree import (
    File,
    Pins,
    Support,
    changelog,
    numbers,
    sources,
    support_at_tag,
    support_at_tip,
    usual_pins,
    version_files,
)
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xenbump.demo.signing import SigningKey

__all__ = ["DEFAULT", "FIRST_COMMIT", "File", "Fix", "Pins", "Release", "Support", "XenProject", "build"]

_SOMEBODY = "Xen demo <demo@localhost>"
# 2026-01-05 12:00 UTC; every commit is a day later than the one before.
FIRST_COMMIT = 1_767_614_400
_DAY = 86_400
_RELEASE = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
# Tags of other forms that begin like a release; in Xen's repository there are some of each.
# Each with the version that its tree says.
_NOISE = {"xen-RELEASE-4.14.5": "4.14.5", "RELEASE-4.1.6.1": "4.1.6.1", "4.1.0-rc1.1": "4.1.0-rc1"}


@dataclass(frozen=True)
class Fix:
    """A commit that is made on a line and on `master`: its message, and the files that it adds or changes."""

    message: str
    files: Mapping[str, File]


@dataclass(frozen=True)
class Release:
    """A release to be made; what is not said is as in a good one.

    Attributes:
        version: `4.20.4`, published as the tag `RELEASE-4.20.4`.
        files: files that it adds or changes; later releases have them too, but write the version, the components'
            revisions, the windows and the changelog anew.
        fixes: commits right before it, in their order.
        pins: its components' revisions.
        support: the windows in SUPPORT.md on the tip of its branch, from now on.
        tree_version: the version in `xen/Makefile`, when that is to disagree with the tag.
        lightweight: whether the tag is only a name for the commit, without a tag object.
        signed: whether the tag object has a signature.
        sign_with: another key than the project's.
        tampered: whether the tag object was changed after it was signed.
        inner_name: the name inside the tag object, when it is to differ from the tag's.
        points_to: what the tag object points to: the release's commit, or a (well signed) tag object for that
            commit, or its tree, or its `xen/Makefile`.
    """

    version: str
    files: Mapping[str, File] = field(default_factory=dict)
    fixes: tuple[Fix, ...] = ()
    pins: Pins | None = None
    support: Support | None = None
    tree_version: str | None = None
    lightweight: bool = False
    signed: bool = True
    sign_with: SigningKey | None = None
    tampered: bool = False
    inner_name: str | None = None
    points_to: Literal["commit", "tag", "tree", "blob"] = "commit"

    @property
    def tag(self) -> str:
        """The name of its tag."""
        return f"RELEASE-{self.version}"

    @property
    def line(self) -> str:
        """The line it is on, such as `4.20`."""
        major, minor, _ = numbers(self.version)
        return f"{major}.{minor}"


# Two lines in support; 4.9, which sorts after 4.20 as a text; and 4.2, from before releases were signed.
DEFAULT = (
    Release("4.2.1", lightweight=True),
    *(Release(f"4.9.{point}") for point in range(2)),
    *(Release(f"4.20.{point}") for point in range(5)),
    *(Release(f"4.21.{point}") for point in range(3)),
)


@dataclass(frozen=True)
class _Tag:
    """A tag to be made for the commit with that mark (or id)."""

    name: str
    commit: str
    message: str
    time: int
    release: Release


@dataclass
class _Branch:
    """A branch as it stands: its last commit, its files and what changed so far."""

    commit: str
    files: dict[str, File]
    changes: list[str]


class XenProject:
    """The repository, and what can happen in it; made by `build`.

    Attributes:
        path: the bare repository.
        key: the project's signing key.
        commits: for each tag the id of the commit that it was made for, tags that point elsewhere included.
    """

    def __init__(self, path: Path, key: SigningKey) -> None:
        self.path = path
        self.key = key
        self.commits: dict[str, str] = {}
        self._branches: dict[str, _Branch] = {}
        self._time = FIRST_COMMIT
        # What is waiting to be written.
        self._stream: list[bytes] = []
        self._marks = 0
        self._tags: list[_Tag] = []

    def add_release(self, release: Release | str) -> str:
        """Publish one more release on its line, which is opened if it is new; the id of the release's commit.

        A version that was published before is published again: its tag moves to a new commit.

        Raises:
            ValueError: when the version is not three numbers.
            Failure: when git or gpg fails, or is missing.
        """
        release = Release(release) if isinstance(release, str) else release
        self._plan(release)
        self._write()
        return self.commits[release.tag]

    def add_commit(self, line: str, files: Mapping[str, File], message: str) -> str:
        """Push a commit with these files added or changed to `stable-LINE` and `staging-LINE`; its id.

        The line can also be `master`. The message's first line goes into the changelog.

        Raises:
            KeyError: when there is no such line.
            Failure: when git fails.
        """
        branch = self._branches[line]
        self._commit(line, files, message)
        mark = branch.commit
        self._point_stable(line)
        return self._write()[mark]

    def tip(self, branch: str) -> str:
        """The id of the last commit of a branch, such as `stable-4.20`."""
        return self._git("rev-parse", "--verify", f"refs/heads/{branch}").decode().strip()

    def _plan(self, release: Release) -> None:
        """Queue a release's commits and tags."""
        if _RELEASE.fullmatch(release.version) is None:
            raise ValueError(f"a release has three numbers: {release.version}")
        line, point = release.line, int(release.version.rpartition(".")[2])
        if line not in self._branches:
            self._open_line(line)
        for fix in release.fixes:
            self._commit("master", fix.files, fix.message)
            self._commit(line, fix.files, fix.message)
        pins = release.pins or usual_pins(release.version)
        windows = support_at_tag(release.version)
        files = version_files(release.tree_version or release.version, pins, windows)
        self._commit(line, {**files, **release.files}, f"Xen {release.version}")
        self._tag(release.tag, line, f"Xen {release.version}", release)

        windows = release.support or support_at_tip(line)
        opened = version_files(f"{line}.{point + 1}-pre", pins, windows)
        self._commit(line, opened, f"Open Xen {line}.{point + 1}")
        self._point_stable(line)
        self._commit(line, {}, f"Fix what {release.version} had wrong")

    def _open_line(self, line: str) -> None:
        """Queue a line's beginning: the branching point, the first candidate, and the next version on master."""
        major, minor, _ = numbers(line)
        if "master" not in self._branches:
            self._branches["master"] = _Branch("", sources(), [])
            for name, version in _NOISE.items():
                self._commit_version("master", version)
                self._tag(name, "master", f"Xen {name}", Release(name))
        self._commit_version("master", f"{line}-unstable")
        self._tag(f"{line}.0-branched", "master", "", Release(line, lightweight=True))
        trunk = self._branches["master"]
        self._branches[line] = _Branch(trunk.commit, dict(trunk.files), list(trunk.changes))
        self._commit_version(line, f"{line}.0-rc1")
        self._tag(f"{line}.0-rc1", line, f"Xen {line}.0-rc1", Release(line))
        following = f"{major}.{minor + 1}"
        self._commit_version("master", f"{following}-unstable")
        self._tag(f"{following}-dev", "master", f"Xen {following} opens", Release(following))

    def _commit_version(self, line: str, version: str) -> None:
        self._branches[line].files.pop("SUPPORT.md", None)  # old versions have none
        self._commit(line, version_files(version, usual_pins(version), Support()), f"Xen {version}")

    def _commit(self, line: str, files: Mapping[str, File], message: str) -> None:
        """Queue a commit on top of a line."""
        branch = self._branches[line]
        branch.changes.append(message.splitlines()[0])
        branch.files.update({**changelog(branch.changes), **files})
        self._marks += 1
        refs = "refs/heads/master" if line == "master" else f"refs/heads/staging-{line}"
        text = message.rstrip("\n").encode() + b"\n"
        head = f"commit {refs}\nmark :{self._marks}\ncommitter {_SOMEBODY} {self._time} +0000\ndata {len(text)}\n"
        parent = f"\nfrom {branch.commit}\ndeleteall\n" if branch.commit else "\ndeleteall\n"
        self._stream += [head.encode(), text, parent.encode()]
        for path, file in sorted(branch.files.items()):
            self._stream += [f"M {file.mode} inline {path}\ndata {len(file.data)}\n".encode(), file.data, b"\n"]
        branch.commit = f":{self._marks}"
        self._time += _DAY

    def _point_stable(self, line: str) -> None:
        name = "staging" if line == "master" else f"stable-{line}"
        self._stream.append(f"reset refs/heads/{name}\nfrom {self._branches[line].commit}\n\n".encode())

    def _tag(self, name: str, line: str, message: str, release: Release) -> None:
        self._tags.append(_Tag(name, self._branches[line].commit, message, self._time, release))

    def _write(self) -> dict[str, str]:
        """Write what is queued; the ids of the new commits by their marks."""
        if "master" in self._branches:
            self._point_stable("master")
        with tempfile.TemporaryDirectory() as folder:
            marks = Path(folder) / "marks"
            self._git("fast-import", "--quiet", f"--export-marks={marks}", stdin=b"".join(self._stream))
            ids = dict(line.split(" ") for line in marks.read_text(encoding="ascii").splitlines())
        self._stream.clear()
        for branch in self._branches.values():
            branch.commit = ids.get(branch.commit, branch.commit)
        refs = []
        for tag in self._tags:
            commit = ids.get(tag.commit, tag.commit)
            self.commits[tag.name] = commit
            target = commit if tag.release.lightweight else self._tag_object(tag, commit)
            refs.append(f"update refs/tags/{tag.name} {target}\n")
        self._tags.clear()
        self._git("update-ref", "--stdin", stdin="".join(refs).encode())
        return ids

    def _tag_object(self, tag: _Tag, commit: str) -> str:
        """Write a tag object, as good or bad as it is to be; its id."""
        release = tag.release
        target, kind = commit, release.points_to
        if kind == "tag":
            target = self._write_tag(_tag_body(commit, "commit", tag.name, tag), self.key, tag.time)
        elif kind != "commit":
            path = "^{tree}" if kind == "tree" else ":xen/Makefile"
            target = self._git("rev-parse", "--verify", commit + path).decode().strip()
        body = _tag_body(target, kind, release.inner_name or tag.name, tag)
        key = (release.sign_with or self.key) if release.signed else None
        return self._write_tag(body, key, tag.time, tampered=release.tampered)

    def _write_tag(self, body: bytes, key: SigningKey | None, time: int, *, tampered: bool = False) -> str:
        signature = key.sign_detached(body, at=time) if key is not None else b""
        if tampered:
            body += b"This line was added after signing.\n"
        return self._git("hash-object", "-t", "tag", "-w", "--stdin", stdin=body + signature).decode().strip()

    def _git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        argv = ["git", f"--git-dir={self.path}", *arguments]
        return run(argv, env=isolated_git(), stdin=stdin).stdout


def build(path: Path, key: SigningKey, releases: Sequence[Release] = DEFAULT) -> XenProject:
    """Make a Xen Project with these releases, in their order.

    Args:
        path: where the bare repository is to be; a folder that does not exist, or is empty.
        key: the key that signs its tags, on their own days if it was made before `FIRST_COMMIT`; `add_release` needs
            it, and so its `with` block, later too.
        releases: the releases that it starts with.

    Returns:
        The project.

    Raises:
        ValueError: when a version is not three numbers.
        Failure: when git or gpg fails, or is missing.
    """
    argv = ["git", "init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--initial-branch=master"]
    run([*argv, str(path)], env=isolated_git())
    project = XenProject(path, key)
    for release in releases:
        project._plan(release)  # noqa: SLF001 - all of them are written at once, which is faster
    project._write()  # noqa: SLF001 - the same
    return project


def _tag_body(target: str, kind: str, name: str, tag: _Tag) -> bytes:
    """A tag object without its signature, which follows right behind."""
    head = f"object {target}\ntype {kind}\ntag {name}\ntagger {_SOMEBODY} {tag.time} +0000\n"
    return f"{head}\n{tag.message}\n".encode()
