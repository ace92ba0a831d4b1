"""What an image's own programs have to do before it boots: compile its Python library, name busybox' commands.

Under emulation, compiling what a check imports takes longer than the whole boot, so the image has only compiled files,
made by its own Python. That runs here through its own loader and libraries: it need not fit this machine's.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from xenbump import durable
from xenbump.errors import Failure
from xenbump.process import run
from xenbump.verify import cpio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xenbump.verify.contents import Tree

_LOADER = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
_PROGRAM = re.compile(r"usr/bin/(?P<version>python3\.\d+)")
_PYTHON_PLACES = ("usr/bin/python3", "usr/lib/python3", "usr/lib/x86_64-linux-gnu/", "usr/lib64/")
_BUSYBOX = "usr/bin/busybox"
_SECONDS = 180.0


def prepared(tree: Tree) -> Tree:
    """The tree with compiled files in place of Python's sources, and a link for each command of busybox.

    Raises:
        Failure: E-IMAGE-CONTENT when Python or busybox is not in it or does not run.
    """
    version = _version(tree)
    if not version or _BUSYBOX not in tree:
        raise Failure("E-IMAGE-CONTENT", f"the packages have no {'busybox' if version else 'Python 3'}")
    with durable.scratch("image") as root:
        _unpack(tree, root)
        return _linked(_compiled(tree, root, version), root)


def compiled(tree: Tree, sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """More of Python's sources, compiled by the Python of an image; by their names, which end in `.pyc` then.

    Args:
        tree: the image's root file system; only Python and libraries in it are used.
        sources: by the names that they have in the image; what does not end in `.py` is given back as it is.

    Raises:
        Failure: E-IMAGE-CONTENT when the image has no Python, or it does not run here.
    """
    version = _version(tree)
    if not version:
        raise Failure("E-IMAGE-CONTENT", "the image has no Python 3")
    with durable.scratch("image") as root:
        used = {
            name: entry
            for name, entry in tree.items()
            if name.startswith(_PYTHON_PLACES) and not stat.S_ISDIR(entry.mode)
        }
        _unpack(used | {name: cpio.file(name, data) for name, data in sources.items()}, root)
        _compile(root, version, sorted({str(PurePosixPath(name).parent) for name in sources}))
        found = {}
        for name, data in sources.items():
            made = root / f"{name}c"
            python = name.endswith(".py") and made.is_file()
            found[f"{name}c" if python else name] = made.read_bytes() if python else data
        return found


def _version(tree: Tree) -> str:
    return next((match["version"] for name in tree if (match := _PROGRAM.fullmatch(name))), "")


def _unpack(tree: Tree, root: Path) -> None:
    """Write a tree to a folder; links that lead out of it by an absolute path are led back."""
    for name, entry in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.is_link:
            target = entry.data.decode("utf-8", "replace")
            path.symlink_to(f"{root}{target}" if target.startswith("/") else target)
        else:
            path.write_bytes(entry.data)
            path.chmod(stat.S_IMODE(entry.mode) | stat.S_IWUSR)


def _compiled(tree: Tree, root: Path, version: str) -> Tree:
    folders = [f"usr/lib/{name}" for name in (version, "python3") if (root / "usr/lib" / name).is_dir()]
    _compile(root, version, folders)
    found = dict(tree)
    for folder in folders:
        for path in sorted((root / folder).rglob("*.pyc")):
            name = str(path.relative_to(root))
            found[name] = cpio.file(name, path.read_bytes())
            found.pop(name[:-1], None)
    return found


def _compile(root: Path, version: str, folders: Sequence[str]) -> None:
    """Put a compiled file beside each of Python's sources in some folders of an unpacked tree."""
    loader = [str(root / _LOADER), "--library-path", str(root / "usr/lib/x86_64-linux-gnu")]
    compiler = ["-S", "-m", "compileall", "-q", "-b", "-s", str(root), "-p", "/"]
    # Valid as they are: nobody changes a source in an image.
    options = ["--invalidation-mode", "unchecked-hash"]
    done = run(
        [*loader, str(root / "usr/bin" / version), *compiler, *options, *(str(root / folder) for folder in folders)],
        env={"PYTHONHOME": str(root / "usr"), "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=_SECONDS,
        check=False,
    )
    if done.status != 0:
        raise Failure("E-IMAGE-CONTENT", f"the image's Python does not run here: {done.error_text}", where=version)


def _linked(tree: Tree, root: Path) -> Tree:
    """A link for each command of busybox whose name nothing else in the tree has."""
    done = run([str(root / _BUSYBOX), "--list-full"], timeout=_SECONDS, check=False)
    if done.status != 0:
        raise Failure("E-IMAGE-CONTENT", f"the image's busybox does not run here: {done.error_text}", where=_BUSYBOX)
    found = dict(tree)
    for command in done.stdout.decode("ascii", "replace").split():
        name = command if command.startswith("usr/") else f"usr/{command}"
        found.setdefault(name, cpio.link(name, f"/{_BUSYBOX}"))
    return found
