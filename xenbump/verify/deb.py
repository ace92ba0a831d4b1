"""The files in a Debian package, read without unpacking it to a disk and without any program.

Specified in deb(5): an `ar` archive with `data.tar` in it, packed. Names are given as on a system whose /bin, /sbin,
/lib and /lib64 are links into /usr: packages of bookworm still have files at the old places.
"""

from __future__ import annotations

import stat
import tarfile
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from xenbump.errors import Failure
from xenbump.verify import cpio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MAGIC = b"!<arch>\n"
_HEADER = 60
_HEADER_END = b"`\n"
MERGED = ("bin", "lib", "lib64", "sbin")


def files(package: Path, wanted: Callable[[str], bool]) -> Iterator[cpio.Entry]:
    """The plain files and symbolic links of a package whose names are wanted; a hard link comes as a symbolic one.

    Args:
        package: the `.deb` file.
        wanted: asked for each name (`usr/bin/busybox`).

    Raises:
        Failure: E-IMAGE-PACKAGE when it cannot be read.
    """
    try:
        with package.open("rb") as archive:
            _to_data(archive)
            with tarfile.open(fileobj=archive, mode="r|*") as members:
                for member in members:
                    name = merged(member.name)
                    if wanted(name):
                        yield from _entry(members, member, name)
    except (OSError, EOFError, ValueError, tarfile.TarError) as error:
        raise Failure("E-IMAGE-PACKAGE", f"it cannot be read: {error}", where=str(package)) from error


def merged(name: str) -> str:
    """A name in a package as it is called where the old folders are links into /usr; without a leading `./`."""
    path = str(PurePosixPath(name)).lstrip("/")
    return f"usr/{path}" if path.partition("/")[0] in MERGED and "/" in path else path


def _to_data(archive: IO[bytes]) -> None:
    """Go to the begin of `data.tar`."""
    if archive.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it is no Debian package")
    while header := archive.read(_HEADER):
        if len(header) < _HEADER or header[58:60] != _HEADER_END:
            break
        if header[:16].decode("ascii", "replace").startswith("data.tar"):
            return
        size = int(header[48:58])
        archive.seek(size + size % 2, 1)
    raise ValueError("there is no data.tar in it")


def _entry(members: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Iterator[cpio.Entry]:
    if member.issym():
        yield cpio.link(name, member.linkname)
    elif member.islnk():
        yield cpio.link(name, "/" + merged(member.linkname))
    elif member.isreg():
        content = members.extractfile(member)
        data = content.read() if content is not None else b""
        yield cpio.Entry(name, stat.S_IFREG | (member.mode & 0o777), data)
