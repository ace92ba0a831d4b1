"""The machine on which something was tried, as far as a report tells of it: no name, no address, no user of it."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xenbump.publish.markup import clipped, plain
from xenbump.trying import making

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CPUINFO: Final = Path("/proc/cpuinfo")
_MODEL: Final = re.compile(r"^(?:model name|Model|cpu model|uarch)\s*:\s*(\S.*)$", re.MULTILINE)
_LONGEST = 120  # characters of a fact
_MOST_BYTES = 1 << 20
_GIB = 1 << 30
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts of a machine; a text is empty where it was not found out.

    Attributes:
        processor: what it calls itself.
        processors: how many of them this process may use.
        memory: bytes; 0 where it is not known.
        kernel: name, release and architecture, such as `Linux 6.1.0 x86_64`.
        distribution: such as `Debian GNU/Linux 12 (bookworm)`.
        compiler: the first line of what `gcc --version` says.
        kvm: whether there is a `/dev/kvm` that this user may open. Xen need not run on it.
    """

    processor: str = ""
    processors: int = 0
    memory: int = 0
    kernel: str = ""
    distribution: str = ""
    compiler: str = ""
    kvm: bool = False

    @property
    def size(self) -> str:
        """The memory in words, such as `23.4 GiB`; empty where it is not known."""
        if not self.memory:
            return ""
        return f"{self.memory / _GIB:.1f} GiB" if self.memory >= _GIB else f"{self.memory // _MIB} MiB"


def machine(compiler: Callable[[], str] = making.compiler) -> Machine:
    """The facts of this machine; what cannot be found out is left empty.

    Args:
        compiler: what the compiler calls itself.
    """
    return Machine(
        processor=model(_read(_CPUINFO)),
        processors=len(os.sched_getaffinity(0)),
        memory=_memory(),
        kernel=_fact(f"{platform.system()} {platform.release()} {platform.machine()}"),
        distribution=distribution(_release()),
        compiler=_fact(compiler()),
        kvm=os.access("/dev/kvm", os.R_OK | os.W_OK),
    )


def model(cpuinfo: str) -> str:
    """What the first processor calls itself in `/proc/cpuinfo` (proc(5)); empty where it has no name there."""
    match = _MODEL.search(cpuinfo)
    return "" if match is None else _fact(match[1])


def distribution(fields: Mapping[str, str]) -> str:
    """The distribution's name for people, of the fields of os-release(5)."""
    named = " ".join(filter(None, (fields.get("NAME", ""), fields.get("VERSION", ""))))
    return _fact(fields.get("PRETTY_NAME", "") or named)


def nameless(text: str, home: Path | None = None) -> str:
    """A text that a stranger may read: the folder of the user, whose name it has, is `~`.

    Args:
        text: anything that may have paths in it.
        home: the folder; None: that of who runs this.
    """
    place = str(_home() if home is None else home)
    if not place.strip("/"):
        return text
    return re.sub(rf"(?<![\w./-]){re.escape(place)}(?![\w.-])", "~", text)


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # there is no such user
        return Path("/")


def _fact(text: str) -> str:
    return clipped(plain(text), _LONGEST)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def _release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except (OSError, UnicodeDecodeError):
        return {}
