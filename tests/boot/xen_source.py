"""The source of Xen out of Debian's source package, by the machine's own apt, which checks it against the signed lists.

Of a source package the archive of upstream's tree is wanted and no more: what Debian changes is not of use here.
"""

from __future__ import annotations

import lzma
import re
from typing import TYPE_CHECKING

from xenbump.errors import Failure
from xenbump.locks import locked
from xenbump.process import run
from xenbump.verify import debian

if TYPE_CHECKING:
    from pathlib import Path

SUITE = "trixie"
_ARCHIVES = "xen_*.orig.tar.xz"
_WAIT_SECONDS = 600.0
_DOWNLOAD_SECONDS = 300.0
_VERSION = re.compile(r"^\s*xen \| (\S+) \|", re.MULTILINE)


class _Sources(debian.Suite):
    """The source packages of a suite, from where its packages come from."""

    def _write_configuration(self) -> None:
        super()._write_configuration()
        path = self._folder / "sources.list"
        path.write_text(re.sub("^deb ", "deb-src ", path.read_text(), flags=re.MULTILINE))

    def archive(self) -> Path:
        """Upstream's archive of the newest version that can be had; below the folder from then on."""
        self._update()
        configuration = ["-c", str(self._folder / "apt.conf")]
        known = run(["apt-cache", *configuration, "madison", "xen"], env={"LC_ALL": "C"}).stdout.decode()
        complaints = []
        # A mirror need not have the sources of every version that it lists.
        for version in sorted(_VERSION.findall(known), reverse=True):
            done = run(
                [*self._apt(), "source", "--tar-only", "--download-only", "--yes", f"xen={version}"],
                cwd=self._folder / "archives",
                env={"LC_ALL": "C"},
                timeout=_DOWNLOAD_SECONDS,
                check=False,
            )
            found = sorted((self._folder / "archives").glob(_ARCHIVES))
            if done.status == 0 and found:
                return found[0].rename(self._folder / found[0].name)
            complaints.append(done.stderr.decode("utf-8", "replace").strip())
        raise Failure("E-IMAGE-DEBIAN", f"no source of Xen can be had: {complaints}", where="apt-get")


def unpack(cache: Path, target: Path) -> None:
    """Put the tree of Xen into an empty folder; its archive is kept in the cache, and asked for only once.

    Args:
        cache: the folder of images.
        target: where the tree is to be.

    Raises:
        Failure: E-IMAGE-DEBIAN when it cannot be had.
    """
    folder = cache / f"source-{SUITE}"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock", seconds=_WAIT_SECONDS, progress=print):
        kept = sorted(folder.glob(_ARCHIVES))
        archive = kept[-1] if kept else _Sources(SUITE, folder, print).archive()
        content = lzma.decompress(archive.read_bytes())
    run(["tar", "--extract", "--strip-components=1", "--no-same-owner", "--file=-"], cwd=target, stdin=content)
