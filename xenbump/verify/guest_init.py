"""The first program of a guest that has none of its own: it runs one command, says how that ended, and goes down.

It is a script for busybox, which is put beside it, since the root file system may not even have a shell. Every word
that comes from elsewhere is quoted.
"""

from __future__ import annotations

import shlex
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from xenbump.errors import Refusal
from xenbump.verify.guest_tree import Node, file, folder

if TYPE_CHECKING:
    from xenbump.verify.guest_tree import Tree

FOLDER: Final = ".xenbump"
INIT: Final = f"/{FOLDER}/init"
_BUSYBOX: Final = f"/{FOLDER}/busybox"
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOUNT_POINTS: Final = ("proc", "sys", "dev")
_OWN_INITS: Final = ("/init", "/sbin/init", "/etc/init", "/bin/init")
_MOST_WORDS = 128 << 10  # bytes, as Linux takes one argument


@dataclass(frozen=True)
class Process:
    """A program to be run in a guest: its words, environment, working folder and owner."""

    words: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    folder: str = "/"
    uid: int = 0
    gid: int = 0


def own_init(tree: Tree) -> str:
    """The path of the init that a root file system has; empty when it has none."""
    for path in _OWN_INITS:
        name = tree.find(path)
        node = None if name is None else tree.get(name)
        if node is not None and node.is_file and node.mode & 0o111:
            return path
    return ""


def with_console(tree: Tree) -> None:
    """Give a tree the console that Linux opens for the first program of an initial ramdisk."""
    if tree.find("/dev/console") is None:
        tree.put("dev/console", Node(stat.S_IFCHR | 0o600, device=(5, 1)))


def put(tree: Tree, process: Process, busybox: bytes, name: str, line: str) -> None:
    """Put an init for a program into a tree.

    Args:
        tree: is changed: init, busybox, the folders that it mounts things on, the program's working folder.
        process: what it runs.
        busybox: a static one.
        name: what the guest calls itself.
        line: what is printed before the exit status.

    Raises:
        Refusal: E-GUEST-ENTRY when there is no such program in the tree, or it cannot be called.
    """
    program = found(tree, process)
    for point in _MOUNT_POINTS:
        node = tree.get(point)
        if node is None or not node.is_folder:
            tree.put(point, folder())
    with_console(tree)
    if tree.find(process.folder) is None:
        tree.put(process.folder, Node(stat.S_IFDIR | 0o755, process.uid, process.gid))
    if process.uid:
        _with_account(tree, process)
    tree.remove(FOLDER)
    tree.put(f"{FOLDER}/busybox", file(busybox, 0o755))
    tree.put(f"{FOLDER}/init", file(script(process, program, name, line).encode("utf-8", "replace"), 0o755))


def _with_account(tree: Tree, process: Process) -> None:
    """Give the user that a program runs as a line in /etc/passwd: busybox becomes no user that has none."""
    name = tree.find("/etc/passwd")
    node = None if name is None else tree.get(name)
    data = node.data if node is not None and node.is_file else b""
    if any(line.split(b":")[2:3] == [b"%d" % process.uid] for line in data.splitlines()):
        return
    separator = b"\n" if data and not data.endswith(b"\n") else b""
    line = f"u{process.uid}:*:{process.uid}:{process.gid}::/:/bin/false\n".encode()
    place = name if name and node is not None and node.is_file else "etc/passwd"
    old = file(b"") if node is None or not node.is_file else node
    tree.put(place, replace(old, data=data + separator + line))


def found(tree: Tree, process: Process) -> str:
    """The path of a process's program in a tree, looked for as execvp(3) would.

    Raises:
        Refusal: E-GUEST-ENTRY.
    """
    if not process.words or not process.words[0]:
        raise Refusal("E-GUEST-ENTRY", "it says nothing of what is to be run in it", where=tree.where)
    total = 0
    for word in (*process.words, process.folder, *(f"{key}={value}" for key, value in process.env)):
        # Half of a character, which JSON can escape, is replaced by as many bytes.
        total += len(word.encode("utf-8", "replace"))
        if "\0" in word or total > _MOST_WORDS:
            raise Refusal("E-GUEST-ENTRY", "its command has a NUL in it or is too long", where=tree.where)
    program = process.words[0]
    path = dict(process.env).get("PATH") or DEFAULT_PATH
    if program.startswith("/"):
        candidates = [program]
    elif "/" in program:
        candidates = [f"{process.folder}/{program}"]
    else:
        candidates = [f"{one}/{program}" for one in path.split(":") if one.startswith("/")]
    for candidate in candidates:
        name = tree.find(candidate)
        node = None if name is None else tree.get(name)
        if node is not None and node.is_file and node.mode & 0o111:
            return candidate
    raise Refusal("E-GUEST-ENTRY", f"there is no program `{program[:200]}` in it", where=tree.where)


def script(process: Process, program: str, name: str, line: str) -> str:
    """The text of the init."""
    env = dict((("PATH", DEFAULT_PATH), *process.env))
    for key in env:
        if not key or "=" in key:
            raise Refusal("E-GUEST-ENTRY", f"`{key[:60]}` is no name of a variable")
    command = ["env", "-i", *(f"{key}={value}" for key, value in env.items())]
    if (process.uid, process.gid) == (0, 0):
        command += [program, *process.words[1:]]
    else:
        # Of busybox only this becomes another user by number; it looks for one in /etc/passwd, see `_with_account`.
        command += [_BUSYBOX, "start-stop-daemon", "-S", "-q", "-c", f"{process.uid}:{process.gid}"]
        command += ["-x", program, "--", *process.words[1:]]
    return (
        f"#!{_BUSYBOX} sh\n"
        f"b={_BUSYBOX}\n"
        "$b mount -t proc proc /proc\n"
        "$b mount -t sysfs sys /sys\n"
        "$b mount -t devtmpfs dev /dev\n"
        "$b mkdir -p /dev/pts /dev/shm\n"
        "$b mount -t devpts devpts /dev/pts\n"
        "$b mount -t tmpfs shm /dev/shm\n"
        f"$b hostname {shlex.quote(name)}\n"
        "$b ifconfig lo 127.0.0.1 up\n"
        "$b chmod 666 /dev/console\n"
        f"( cd {shlex.quote(process.folder)} && exec $b {shlex.join(command)} ) </dev/null\n"
        "status=$?\n"
        "echo\n"
        f'echo {shlex.quote(line)} "exit=$status"\n'
        # What is still on its way to the console's ring would be lost.
        "$b sleep 0.2\n"
        "$b poweroff -f\n"
    )
