"""What of the packages goes into a dom0's root file system, and only that: a small archive boots in seconds.

Chosen are programs by name; the libraries come by what each file is linked with, as the loader would find them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from xenbump.errors import Refusal
from xenbump.verify import cpio, elf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Tree = dict[str, cpio.Entry]

# Of usr/lib/xen-RELEASE/bin. The wrappers in /usr/sbin choose by a version in /sys and start a shell each time.
_XEN_PROGRAMS: Final = (
    "libxl-save-helper",
    "oxenstored",
    "xen-cpuid",
    "xen-diag",
    "xen-hvmctx",
    "xen-init-dom0",
    "xenconsole",
    "xenconsoled",
    "xenctx",
    "xenstore-control",
    "xenstored",
    "xl",
)
# Loaded in this order: each needs only those before it.
MODULES: Final = ("xen-privcmd", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "xenfs")
_MODULE = re.compile(rf"usr/lib/modules/[^/]+/kernel/drivers/xen/(?:.*/)?(?P<name>{'|'.join(MODULES)})\.ko(?:\.xz)?")
_LIBRARY = re.compile(r"usr/lib(?:64|/x86_64-linux-gnu|/xen-[0-9.]+/lib/x86_64-linux-gnu)/[^/]+\.so(?:\.[^/]*)?")
_PYTHON = re.compile(r"usr/lib/python3(?:\.\d+)?/(?P<part>[^/]+)(?:/.*)?")
_PYTHON_PROGRAM = re.compile(r"usr/bin/python3(?:\.\d+)?")
# Parts of Python's library that a job of checks has no use for.
_PYTHON_WITHOUT: Final = frozenset(
    [
        "__phello__",
        "_pydecimal.py",
        "_pyrepl",
        "antigravity.py",
        "cgi.py",
        "cgitb.py",
        "config-3",
        "ctypes",
        "curses",
        "dbm",
        "dist-packages",
        "distutils",
        "doctest.py",
        "ensurepip",
        "idlelib",
        "imaplib.py",
        "lib2to3",
        "mailbox.py",
        "nntplib.py",
        "pdb.py",
        "pydoc.py",
        "pydoc_data",
        "sitecustomize.py",
        "smtplib.py",
        "sqlite3",
        "tarfile.py",
        "test",
        "this.py",
        "tkinter",
        "tracemalloc.py",
        "turtle.py",
        "turtledemo",
        "unittest",
        "venv",
        "wsgiref",
        "xml",
        "xmlrpc",
    ]
)
# Extension modules that would bring large libraries of others with them.
_EXTENSION_WITHOUT = re.compile(
    r"_(bz2|crypt|ctypes|ctypes_test|curses|curses_panel|dbm|gdbm|hashlib|lzma|sqlite3|ssl|test\w*|tkinter|uuid|xx\w*)\."
    r"|(audioop|nis|ossaudiodev|readline|xx\w+|termios_test)\."
)
_OTHERS = re.compile(
    r"usr/bin/(busybox|xenstore(-[a-z]+)?)"
    # The C library loads it by name when a thread is ended.
    r"|usr/lib/x86_64-linux-gnu/libgcc_s\.so\.1"
    r"|etc/xen/(?!xlexample).*"
    r"|usr/lib/xen-[0-9.]+/(boot/hvmloader|ocaml/.*)"
    r"|boot/(config|vmlinuz|xen)-[^/]*(?<!\.efi)(?<!\.config)"
)
DEVICE_MODEL: Final = "usr/libexec/xen-qemu-system-i386"
# The device model and what it cannot start without: a BIOS, the code that starts a kernel, and, though nobody types
# anything, a keyboard.
_DEVICE_MODEL: Final = frozenset(
    [
        DEVICE_MODEL,
        "usr/share/qemu/keymaps/en-us",
        "usr/share/qemu/linuxboot_dma.bin",
        "usr/share/seabios/bios-256k.bin",
    ]
)


@dataclass(frozen=True)
class Choice:
    """Which release's tools are looked for, and whether the device model is among them."""

    release: str
    device_model: bool = False

    def wants(self, name: str) -> bool:
        """Whether a file of a package may be needed: it is chosen, or is a library that something may need."""
        return bool(_LIBRARY.fullmatch(name)) or name.startswith("boot/") or self.chooses(name)

    def chooses(self, name: str) -> bool:
        """Whether a file goes into the root file system for its own sake."""
        program = name.removeprefix(f"usr/lib/xen-{self.release}/bin/")
        return (
            program in _XEN_PROGRAMS
            or _MODULE.fullmatch(name) is not None
            or _OTHERS.fullmatch(name) is not None
            or _PYTHON_PROGRAM.fullmatch(name) is not None
            or _chooses_python(name)
            or (self.device_model and name in _DEVICE_MODEL)
        )


def _chooses_python(name: str) -> bool:
    match = _PYTHON.fullmatch(name)
    if match is None or match["part"] in _PYTHON_WITHOUT:
        return False
    file = PurePosixPath(name).name
    if match["part"] == "lib-dynload":
        return not _EXTENSION_WITHOUT.match(file)
    return file.endswith(".py")


def module_name(name: str) -> str:
    """The name of one of MODULES whose file this is, else an empty text."""
    match = _MODULE.fullmatch(name)
    return match["name"] if match else ""


def closed(tree: Mapping[str, cpio.Entry], chosen: Iterable[str]) -> Tree:
    """The chosen files, what their links lead to, and the libraries and interpreters of all of them.

    Args:
        tree: all files that there are, by name.
        chosen: names in it.

    Raises:
        Refusal: E-IMAGE-CONTENT when a library is in none of the packages, or a file is a damaged ELF file.
    """
    libraries = {PurePosixPath(name).name: name for name in sorted(tree) if _LIBRARY.fullmatch(name)}
    found: Tree = {}
    todo = list(chosen)
    while todo:
        name = todo.pop()
        entry = tree.get(name)
        if entry is None or name in found:
            continue
        found[name] = entry
        if entry.is_link:
            todo.append(_target(entry))
            continue
        try:
            needs = elf.needs(entry.data)
        except ValueError as error:
            raise Refusal("E-IMAGE-CONTENT", str(error), where=name) from error
        for library in (*needs.libraries, *filter(None, [PurePosixPath(needs.interpreter).name])):
            if library not in libraries:
                raise Refusal("E-IMAGE-CONTENT", f"it needs {library}, which is in none of the packages", where=name)
            todo.append(libraries[library])
    return found


def _target(entry: cpio.Entry) -> str:
    """The name that a link leads to, with /lib and the like as the folders in /usr that they are."""
    target = entry.data.decode("utf-8", "replace")
    parts: list[str] = []
    for part in (*(() if target.startswith("/") else PurePosixPath(entry.name).parent.parts), *target.split("/")):
        if part == "..":
            parts[-1:] = []
        elif part not in {"", "."}:
            parts.append(part)
    name = "/".join(parts)
    return f"usr/{name}" if parts[:1] and parts[0] in {"bin", "lib", "lib64", "sbin"} else name


def programs(tree: Mapping[str, cpio.Entry], release: str) -> Tree:
    """Links in /usr/sbin to the Xen programs in the tree."""
    place = f"usr/lib/xen-{release}/bin/"
    names = [name.removeprefix(place) for name in tree if name.startswith(place)]
    return {f"usr/sbin/{name}": cpio.link(f"usr/sbin/{name}", f"/{place}{name}") for name in names}
