"""Lets a stand-in of Xen's servers and of GitHub stand: `stand-in.py TEMPLATE FOLDER`, until it is ended.

TEMPLATE is an `xenbump.toml` in which what is known only then stands between `@`. In FOLDER, when all stands: the
configuration, the key, the token, an environment with the address of GitHub, and `pulls`, which is kept up to date.
"""

# ruff: noqa: INP001 - a script of a test's machine, no part of a package
from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.demo import world as worlds

if TYPE_CHECKING:
    from xenbump.demo.world import World

_POLL_SECONDS = 0.2


def prepare(world: World, template: str, folder: Path) -> None:
    """Write what the service needs into the folder."""
    known = {
        "@xen@": world.git.url("xen.git"),
        "@packages@": world.git.url("packages.git"),
        "@xsa@": f"{world.xenbits_server.url}/",
        "@fingerprint@": world.xen.key.fingerprint,
    }
    for name, value in known.items():
        template = template.replace(name, value)
    (folder / "xenbump.toml").write_text(template, "utf-8")
    (folder / "key.asc").write_bytes((world.folder / "key.asc").read_bytes())
    (folder / "token").write_text(f"{worlds.TOKEN}\n", "utf-8")
    (folder / "token").chmod(0o600)
    (folder / "env").write_text(f"XENBUMP_GITHUB_URL={world.github.url}\n", "utf-8")


def pulls(world: World) -> str:
    """How many pull requests GitHub has, and whether the last is a draft, with its title."""
    found = list(world.github.state.repositories[worlds.REPOSITORY].pulls.values())
    if not found:
        return "none\n"
    kind = "draft" if found[-1].draft else "ready"
    return f"{len(found)} {kind}: {found[-1].title}\n"


def ready() -> None:
    """Tell systemd, where it asked for that (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            # The first character of an address without a file.
            notify.sendto(b"READY=1", f"\0{address[1:]}" if address.startswith("@") else address)


def main(template: Path, folder: Path) -> None:
    """Stand until a signal comes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory() as place, worlds.stand(Path(place)) as world:
        prepare(world, template.read_text("utf-8"), folder)
        ready()
        while True:
            (folder / "pulls").write_text(pulls(world), "utf-8")
            time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
