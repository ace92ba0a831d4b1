"""A series of patches, as it is sent to a list or lies in a folder, applied to a source tree as `git am` does it.

Mails are taken apart by git itself (git-mailsplit(1), git-mailinfo(1)), so that an mbox, a mail out of a client, CRLF,
quoted-printable and base64 are what they are to `git am`. A file with a bare diff is applied as `git apply` would.
Each patch is tried to the letter first; where that does not work, by three-way merge, if the objects for it are there.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xenbump import process
from xenbump.errors import Failure, Refusal
from xenbump.upstream import git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_SECONDS = 300.0
_LARGEST: Final = 64 << 20
# Time and name go into the commit, whose identifier Xen's banner shows: the same patches give the same one.
_WHO: Final = {
    "GIT_COMMITTER_NAME": "xenbump try",
    "GIT_COMMITTER_EMAIL": "xenbump@localhost",
    "GIT_COMMITTER_DATE": "@0 +0000",
    "GIT_AUTHOR_NAME": "xenbump try",
    "GIT_AUTHOR_EMAIL": "xenbump@localhost",
    "GIT_AUTHOR_DATE": "@0 +0000",
}
_MAIL = re.compile(rb"\A\s*(?:From [^\n]*\n)?(?:>?[A-Za-z][A-Za-z0-9-]*:[ \t][^\n]*\n(?:[ \t][^\n]*\n)*)+", re.ASCII)
_MAIL_FIELD = re.compile(rb"^(?:from|subject|date|message-id):", re.IGNORECASE | re.MULTILINE)
_DIFF = re.compile(r"^(?:diff --git |--- \S|Index: )", re.MULTILINE)
_FILE = re.compile(r"^\+\+\+ (?:b/)?(?P<name>[^\t\n]+)")
_HUNK = re.compile(r"^@@ -(?P<start>\d+)(?:,\d+)? \+\d+(?:,\d+)? @@")
_FAILED = re.compile(r"^error: patch failed: (?P<file>.+):(?P<line>\d+)$")
_ERROR = re.compile(r"^error: (?P<said>.+)$")
_COVER = re.compile(r"0{3,4}-.*\.(?:patch|eml|mbox)|.*cover[-_]letter.*", re.IGNORECASE)
_SUFFIXES: Final = (".patch", ".diff", ".eml")
_NEEDLESS = ("patch does not apply", "could not build fake ancestor", "sha1 information is lacking", "repository lacks")


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch of a series.

    Attributes:
        source: the file that it came from.
        subject: its first line, without `[PATCH …]`; the file's name for a bare diff.
        content: the mail, or the diff.
        diff: the part of it that changes files.
        is_mail: whether it has a mail's header, and so an author and a message.
    """

    source: Path
    subject: str
    content: bytes
    diff: str
    is_mail: bool


def read(paths: Iterable[Path]) -> tuple[Patch, ...]:
    """The patches of files and folders, in order; of a folder the files `*.patch`, `*.diff` and `*.eml` by name.

    Cover letters and other mails without a change are left out.

    Raises:
        Refusal: E-TRY-PATCH for what is not there, cannot be read, or has no patch in it.
    """
    return tuple(patch for path in paths for patch in _of(path))


def _of(path: Path) -> list[Patch]:
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    found = [patch for file in files if not (path.is_dir() and _COVER.fullmatch(file.name)) for patch in _in_file(file)]
    if not found:
        what = "there is no patch in this folder" if path.is_dir() else "there is no patch in it"
        raise Refusal("E-TRY-PATCH", what, where=str(path))
    return found


def _in_file(path: Path) -> list[Patch]:
    try:
        if path.stat().st_size > _LARGEST:
            raise Refusal("E-TRY-PATCH", f"it has more than {_LARGEST >> 20} MiB", where=str(path))
        content = path.read_bytes()
    except OSError as error:
        raise Refusal("E-TRY-PATCH", f"it cannot be read: {error.strerror}", where=str(path)) from error
    header = _MAIL.match(content.replace(b"\r\n", b"\n"))
    if header is None or not _MAIL_FIELD.search(header[0]):
        diff = content.replace(b"\r\n", b"\n")
        text = diff.decode("utf-8", "replace")
        return [Patch(path, path.name, diff, text, is_mail=False)] if _DIFF.search(text) else []
    return [patch for mail in _mails(path, content) for patch in _of_mail(path, mail)]


def _mails(path: Path, content: bytes) -> list[bytes]:
    with tempfile.TemporaryDirectory(prefix="xenbump-mail-") as folder:
        (Path(folder) / "mbox").write_bytes(content)
        done = _run(["mailsplit", "-b", f"-o{folder}", f"{folder}/mbox"], Path(folder), {})
        if done.status != 0:
            raise Refusal("E-TRY-PATCH", f"git cannot take the mails apart: {done.error_text}", where=str(path))
        return [file.read_bytes() for file in sorted(Path(folder).glob("[0-9]*"))]


def _of_mail(path: Path, mail: bytes) -> list[Patch]:
    """The patch in a mail; none in a cover letter or a reply."""
    with tempfile.TemporaryDirectory(prefix="xenbump-mail-") as folder:
        command = ["mailinfo", "--quoted-cr=strip", "message", "patch"]
        done = _run(command, Path(folder), {}, stdin=mail)
        if done.status != 0:
            raise Refusal("E-TRY-PATCH", f"git cannot read a mail in it: {done.error_text}", where=str(path))
        diff = (Path(folder) / "patch").read_bytes().decode("utf-8", "replace")
    if not _DIFF.search(diff):
        return []
    said = re.search(r"^Subject: (.*)$", done.stdout.decode("utf-8", "replace"), re.MULTILINE)
    return [Patch(path, said[1].strip() if said else path.name, mail, diff, is_mail=True)]


def added(patches: Sequence[Patch]) -> list[str]:
    """The names of the files that patches add."""
    names = []
    for patch in patches:
        names += re.findall(r"^--- /dev/null\n\+\+\+ (?:b/)?([^\t\n]+)", patch.diff, re.MULTILINE)
    return names


def apply(patches: Sequence[Patch], folder: Path, base: str, progress: Callable[[str], None]) -> tuple[str, ...]:
    """Apply a series to a work tree, whose `HEAD` becomes one commit with all of it.

    Args:
        patches: the series, in order.
        folder: the work tree, at the commit `base` and without changes.
        base: that commit.
        progress: told which patch needed a three-way merge.

    Returns:
        The subjects of the patches.

    Raises:
        Refusal: E-TRY-PATCH: which patch does not apply, in which files and hunks; the caller has to put the tree back.
        Failure: E-GIT, E-PROGRAM-MISSING.
    """
    for number, patch in enumerate(patches, 1):
        progress(f"applying {number} of {len(patches)}: {patch.subject}")
        plain = _applied(patch, folder)
        if plain is None:
            continue
        if _applied(patch, folder, "--3way") is not None:
            raise _conflict(patch, number, len(patches), plain)
        progress(f"patch {number}, {patch.subject}, needed a three-way merge")
    made = git_in(folder, "write-tree").stdout.decode("ascii").strip()
    subjects = tuple(patch.subject for patch in patches)
    message = "\n".join([f"{len(patches)} patches, put in by xenbump try", "", *subjects])
    commit = git_in(folder, "commit-tree", "-p", base, "-m", message, made).stdout.decode("ascii").strip()
    git_in(folder, "update-ref", "--no-deref", "HEAD", commit)
    return subjects


def _applied(patch: Patch, folder: Path, *options: str) -> str | None:
    """Put one patch in; None when that worked, else what git said, and the work tree is as before."""
    before = git_in(folder, "rev-parse", "--verify", "HEAD").stdout.decode("ascii").strip()
    if patch.is_mail:
        command = ["am", "--quiet", "--no-gpg-sign", "--no-keep-cr", "--quoted-cr=strip", *(options or ("--no-3way",))]
    else:
        command = ["apply", "--index", "--whitespace=nowarn", *options]
    done = _run(command, folder, _inner(folder), stdin=patch.content)
    if done.status == 0 and not patch.is_mail:
        done = _run(["commit", "--quiet", "--no-verify", "-m", patch.subject], folder, _inner(folder))
    if done.status == 0:
        return None
    if (folder / ".git" / "rebase-apply").exists():
        _run(["am", "--abort"], folder, _inner(folder))
    git_in(folder, "checkout", "--quiet", "--force", "--detach", before)
    return (done.stderr + b"\n" + done.stdout).decode("utf-8", "replace")


def _conflict(patch: Patch, number: int, total: int, said: str) -> Refusal:
    """What is wrong with a patch that does not apply."""
    places = []
    for line in said.splitlines():
        failed = _FAILED.match(line)
        error = _ERROR.match(line)
        if failed:
            hunk = hunk_at(patch.diff, failed["file"], int(failed["line"]))
            nth = f"hunk {hunk} " if hunk else ""
            places.append(f"{failed['file']}, {nth}at line {failed['line']}, does not fit")
        elif error and not any(word in error["said"] for word in _NEEDLESS):
            places.append(error["said"])
    reason = "; ".join(dict.fromkeys(places)) or next(filter(None, said.splitlines()), "git did not say why")
    name = f"“{patch.subject}”" if patch.is_mail else patch.subject
    return Refusal(
        "E-TRY-PATCH", f"patch {number} of {total}, {name}, does not apply: {reason}", where=str(patch.source)
    )


def hunk_at(diff: str, file: str, line: int) -> int:
    """Which hunk of a file, counted from 1, begins at a line of the old file; 0 where none does."""
    count, current = 0, ""
    for text in diff.splitlines():
        name = _FILE.match(text)
        hunk = _HUNK.match(text)
        if name:
            count, current = 0, name["name"]
        elif hunk:
            count += 1
            if current == file and int(hunk["start"]) == line:
                return count
    return 0


def git_in(folder: Path, *arguments: str, anew: bool = False) -> process.Completed:
    """Run git in a work tree of ours, as nobody's and with nobody's settings.

    Args:
        folder: the work tree, with its git folder in `.git`.
        arguments: the subcommand and its arguments.
        anew: the work tree is only made by it.

    Raises:
        Failure: E-GIT and others by what git says.
    """
    done = asked_in(folder, *arguments, anew=anew)
    if done.status != 0:
        error = git.explained(done, str(folder))
        raise Failure(error.code, error.what, where=error.where)
    return done


def asked_in(folder: Path, *arguments: str, anew: bool = False) -> process.Completed:
    """Run git as `git_in` does, whatever status it ends with."""
    return _run(arguments, folder, {} if anew else _inner(folder))


def _inner(folder: Path) -> dict[str, str]:
    return {"GIT_DIR": str(folder / ".git"), "GIT_WORK_TREE": str(folder), "GIT_OPTIONAL_LOCKS": "1"}


def _run(arguments: Sequence[str], folder: Path, more: Mapping[str, str], *, stdin: bytes = b"") -> process.Completed:
    env = {**git.environment(None), "GIT_DIR": "/dev/null", **_WHO, **more}
    if arguments[0] == "init":
        del env["GIT_DIR"]
    # `git am` takes the author from the mail only where the environment names none.
    if arguments[0] == "am":
        env = {name: value for name, value in env.items() if not name.startswith("GIT_AUTHOR_")}
    return process.run(["git", *arguments], cwd=folder, env=env, stdin=stdin, timeout=_SECONDS, check=False)
