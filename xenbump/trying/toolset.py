"""dom0's tools, built of a prepared tree and packed so that they run in any dom0, whatever libraries that one has.

All of it lies below /opt/xen-try: programs, Xen's libraries, those of this machine that they need, and the dynamic
linker. Programs are linked with a search path there (`DT_RPATH`, which unlike `DT_RUNPATH` also counts for libraries of
libraries; ld.so(8)), and the linker's name in them (`PT_INTERP`) is replaced by its place there.

A toolset is kept by the parts of the tree that it is built of, so a commit that only touches the hypervisor needs none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import struct
import tempfile
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from xenbump import durable, process
from xenbump.dom0.report import FAILED
from xenbump.errors import Failure, Refusal
from xenbump.locks import locked
from xenbump.trying import machine, making, series
from xenbump.trying.model import Phase, PhaseResult
from xenbump.verify import cpio, elf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xenbump.trying.model import Prepared

PREFIX: Final = "/opt/xen-try"
_LIBRARIES: Final = f"{PREFIX}/lib"
_LINKER: Final = f"{_LIBRARIES}/ld.so"
_LIBEXEC: Final = f"{PREFIX}/lib/xen/bin"
_CONFIGURE: Final = (
    f"--prefix={PREFIX}", f"--libdir={_LIBRARIES}", "--localstatedir=/var", "--sysconfdir=/etc", "--with-rundir=/run",
    "--disable-docs", "--disable-stubdom", "--disable-qemu-traditional", "--disable-ocamltools", "--disable-golang",
    "--disable-seabios", "--disable-ovmf", "--disable-ipxe", "--disable-pvshim", "--disable-xsmpolicy",
    "--disable-systemd", "--disable-rombios", "--disable-pygrub", "--with-xenstored=xenstored",
    "--with-system-qemu=/usr/libexec/xen-qemu-system-i386",
)  # fmt: skip
_LINKED: Final = f"APPEND_LDFLAGS=-Wl,--disable-new-dtags -Wl,-rpath,{_LIBRARIES}"
# In this order; xenstored lay in `xenstore` with its clients until 4.17.
_FOLDERS: Final = ("include", "libs", "xenstored", "xs-clients", "xenstore", "helpers", "console", "xl")
# Where programs lie in the tree: the first that is there counts.
_PROGRAMS: Final = {
    "xl": ("xl/xl",),
    "xenstored": ("xenstored/xenstored", "xenstore/xenstored"),
    "xenstore": ("xs-clients/xenstore", "xenstore/xenstore"),
    "xenstore-control": ("xs-clients/xenstore-control", "xenstore/xenstore-control"),
    "xenconsoled": ("console/daemon/xenconsoled", "console/xenconsoled"),
    "xenconsole": ("console/client/xenconsole", "console/xenconsole"),
    "xen-init-dom0": ("helpers/xen-init-dom0",),
    "libxl-save-helper": ("libs/light/libxl-save-helper",),
}
# One program, which goes by the name that it is called by.
_CLIENTS: Final = tuple(
    f"xenstore-{name}" for name in ("chmod", "exists", "list", "ls", "read", "rm", "watch", "write")
)
_OF_LIBEXEC: Final = ("libxl-save-helper", "xen-init-dom0", "xenconsole")
# The C library loads it by name when a thread is ended.
_BY_NAME: Final = ("libgcc_s.so.1",)
# Of what tools are built, as patterns of git; in tools/ some folders are not.
_PARTS: Final = (
    "Config.mk", "config", "config.guess", "config.sub", "configure", "install.sh", "m4", "scripts", "version.sh",
    "tools", "xen/Makefile", "xen/arch/x86/include/asm/msr-index.h", "xen/arch/x86/include/asm/x86-defns.h",
    "xen/arch/x86/include/asm/x86-vendors.h", "xen/arch/x86/lib/cpu-policy", "xen/common/libelf", "xen/include/acpi",
    "xen/include/public", "xen/include/xen/elfstructs.h", "xen/include/xen/lib", "xen/include/xen/libelf.h",
    "xen/lib/x86", "xen/tools/gen-cpuid.py", "xen/xsm/flask/policy",
)  # fmt: skip
_NOT_OF_TOOLS: Final = (
    "9pfsd", "examples", "firmware", "fuzz", "golang", "hotplug", "misc", "ocaml", "pygrub", "python", "tests",
    "xenmon", "xenpmd", "xentop", "xentrace",
)  # fmt: skip
_CONFIGURED: Final = ("configure", "config", "tools/configure", "tools/config.h.in", "config.guess", "config.sub", "m4")
_NOTE: Final = "xenbump-tools"
_SECONDS = 3600.0
_PROGRAM_SECONDS = 60.0
_LOCK_SECONDS = 4 * 3600.0
_UNUSED_SECONDS: Final = 30 * 24 * 3600.0
_INTERP = 3
_HEADER = struct.Struct("<IIQQQQQQ")
_LISTED = re.compile(r"^\s*(?P<name>\S+) => (?P<path>/.+) \(0x[0-9a-f]+\)$|^\s*(?P<plain>/\S+) \(0x", re.MULTILINE)
# What configure and make say of what a machine lacks, and Debian's package with it.
_LACKS: Final = (
    (r"no acceptable C compiler|gcc: (?:command )?not found", "gcc"),
    (r"C compiler cannot create executables|sys/cdefs\.h", "libc6-dev"),
    (r"yajl", "libyajl-dev"),
    (r"json-c|libjsonc", "libjson-c-dev"),
    (r"uuid", "uuid-dev"),
    (r"zlib", "zlib1g-dev"),
    (r"curses", "libncurses-dev"),
    (r"Python development headers|Python\.h|python.*-config|[Pp]ython.*devel", "python3-dev"),
    (r"[Pp]ython interpreter|Unable to find python|distutils", "python3"),
    (r"Unable to find (?:bison)", "bison"),
    (r"Unable to find (?:flex)", "flex"),
    (r"Unable to find (?:perl)", "perl"),
    (r"Unable to find (?:bash)", "bash"),
    (r"Unable to find (?:iasl)", "acpica-tools"),
    (r"pkg-config", "pkg-config"),
    (r"libfdt", "libfdt-dev"),
)


@dataclass(frozen=True, slots=True)
class Toolset:
    """Tools, packed.

    Attributes:
        archive: in cpio's form, to be put behind an image's root file system: what lies below /opt/xen-try, and links
            to it in usr/sbin. It is good as long as nobody clears the cache.
        digest: what they were built of, and how, hashed.
        line: the release line of Xen that they fit.
        described: what they are, for people.
        seconds: how long it took.
        log: the file with what compilers said; it need not be there for tools that were kept.
        kept: whether they were built earlier.
    """

    archive: Path
    digest: str
    line: str
    described: str
    seconds: float
    log: Path
    kept: bool = False


def tools(
    prepared: Prepared,
    jobs: int,
    cache: Path,
    log: Path,
    progress: Callable[[str], None] = lambda _: None,
) -> Toolset | PhaseResult:
    """Build the tools of a tree, or take those that were built of the same parts.

    Args:
        prepared: the tree; its workshop is held.
        jobs: how many compilers run at a time.
        cache: the folder in which toolsets are kept; made when it is missing.
        log: the file that all is written to, anew.
        progress: told what is done.

    Returns:
        The tools; or the build as a phase that failed, with the first errors, where the tree's tools do not build.

    Raises:
        Refusal: E-TRY-TOOLS: this machine lacks something that they are built with.
        Failure: E-PROGRAM-MISSING, E-TRY-TOOLS (they cannot be packed), E-LOCKED, E-STATE, E-DISK.
    """
    began = time.monotonic()
    digest = fingerprint(prepared)
    archive = cache / f"tools-{prepared.line}-{digest[:24]}.cpio"
    described = f"built from the source of {prepared.described}"
    durable.make(cache, what="the folder of tools cannot be made")
    try:
        with locked(cache / "tools.lock", seconds=_LOCK_SECONDS, progress=progress):
            if archive.is_file():
                os.utime(archive)
                seconds = time.monotonic() - began
                return Toolset(archive, digest, prepared.line, described, seconds, log, kept=True)
            log.unlink(missing_ok=True)
            failed = _built(prepared, jobs, log, progress)
            if failed is not None:
                return PhaseResult(
                    Phase.BUILD, FAILED, _reason(failed), seconds=time.monotonic() - began, log=str(log),
                    tail=tuple(dict.fromkeys((*failed.errors, *failed.tail))),
                )  # fmt: skip
            progress("packing the tools")
            durable.put(archive, pack(prepared.folder / "tools", prepared.line))
            _prune(cache, archive)
    except OSError as error:
        raise durable.failure(error, cache, what="the tools cannot be kept") from error
    return Toolset(archive, digest, prepared.line, described, time.monotonic() - began, log)


def fingerprint(prepared: Prepared) -> str:
    """What tools of a tree are built of and how, hashed."""
    without = [f":(exclude)tools/{name}" for name in _NOT_OF_TOOLS]
    total = hashlib.sha256(_listed(prepared.folder, (*_PARTS, *without)))
    total.update(making.compiler().encode())
    total.update(resources.files("xenbump.trying").joinpath("toolset.py").read_bytes())
    return total.hexdigest()


def _listed(folder: Path, patterns: Iterable[str]) -> bytes:
    return series.git_in(folder, "ls-files", "-s", "-z", "--", *patterns).stdout


def _built(prepared: Prepared, jobs: int, log: Path, progress: Callable[[str], None]) -> making.Made | None:
    """Configure and build; None when that worked. What fails on top of an earlier build is built anew once."""
    folder = prepared.folder
    note = folder / ".git" / _NOTE
    state = hashlib.sha256(_listed(folder, _CONFIGURED) + repr((_CONFIGURE, _LINKED, making.compiler())).encode())
    warm = note.is_file() and note.read_text() == state.hexdigest()
    if not warm:
        _clean(folder)
        _configured(folder, log, progress)
        note.write_text(state.hexdigest())
    failed = _made(folder, jobs, log, progress)
    if failed is None or failed.status is None or not warm:
        return failed
    progress(f"the tools do not build on top of the last ones ({failed.reason}); all is built anew")
    _clean(folder)
    _configured(folder, log, progress)
    note.write_text(state.hexdigest())
    return _made(folder, jobs, log, progress)


def _clean(folder: Path) -> None:
    (folder / ".git" / _NOTE).unlink(missing_ok=True)
    series.git_in(folder, "clean", "-xdfq", "--", "tools", "config")


def _configured(folder: Path, log: Path, progress: Callable[[str], None]) -> None:
    progress("configuring the tools")
    made = making.run(["sh", "./configure", *_CONFIGURE], folder, log, limit=_SECONDS, extra=making.fixed())
    if made.status != 0:
        said = [line for line in made.tail if "error:" in line] or [made.reason]
        lacks = packages("\n".join(said))
        remedy = f"install {' '.join(lacks)}" if lacks else f"see {log}"
        raise Refusal(
            "E-TRY-TOOLS", f"the tools cannot be configured: {said[0].strip()}", where=str(log), remedy=remedy
        )


def packages(said: str) -> list[str]:
    """Debian's packages with what configure or a compiler says it lacks."""
    return list(dict.fromkeys(package for pattern, package in _LACKS if re.search(pattern, said)))


def _made(folder: Path, jobs: int, log: Path, progress: Callable[[str], None]) -> making.Made | None:
    for name in _FOLDERS:
        if not (folder / "tools" / name / "Makefile").is_file():
            continue
        progress(f"building tools/{name}")
        command = ["make", "-C", f"tools/{name}", f"-j{max(jobs, 1)}", _LINKED]
        made = making.run(command, folder, log, limit=_SECONDS, extra=making.fixed(), progress=progress)
        if made.status != 0:
            return made
    return None


def _reason(made: making.Made) -> str:
    lacks = packages("\n".join(line for line in made.errors if "No such file" in line))
    hint = f"; it may lack {' '.join(lacks)}" if lacks else ""
    return f"the tools do not build: {made.reason}{hint}"


def pack(built: Path, line: str) -> bytes:
    """The archive of tools that lie built in a folder `tools`.

    Args:
        built: that folder.
        line: the release line, such as `4.22`.

    Raises:
        Failure: E-TRY-TOOLS when a program or a library is missing, or one cannot be read.
    """
    entries: dict[str, cpio.Entry] = {}
    libraries: dict[str, Path] = {}
    soname = ""
    for name, places in _PROGRAMS.items():
        path = next((built / place for place in places if (built / place).is_file()), None)
        if path is None:
            raise Failure("E-TRY-TOOLS", f"make gave no {name}", where=str(built))
        linker, found = closure(path, built)
        libraries |= found
        libraries[PurePosixPath(_LINKER).name] = libraries.pop(linker.name)
        soname = linker.name
        data = with_interpreter(_stripped(path), _LINKER, name)
        entries[name] = cpio.file(f"{PREFIX[1:]}/bin/{name}", data, executable=True)
    for name in _BY_NAME:
        found_at = _by_compiler(name)
        if found_at is not None:
            libraries.setdefault(name, found_at)
    made = list(entries.values())
    for name, path in sorted(libraries.items()):
        made.append(cpio.file(f"{_LIBRARIES[1:]}/{name}", _stripped(path, built), executable=True))
    made.append(cpio.link(f"{_LIBRARIES[1:]}/{soname}", _LINKER))
    made += _links(line)
    return b"".join(cpio.write(cpio.with_folders(made)))


def _links(line: str) -> Iterator[cpio.Entry]:
    for name in _CLIENTS:
        yield cpio.link(f"{PREFIX[1:]}/bin/{name}", "xenstore")
    for name in (*_PROGRAMS, *_CLIENTS):
        yield cpio.link(f"usr/sbin/{name}", f"{PREFIX}/bin/{name}")
    for name in _OF_LIBEXEC:
        yield cpio.link(f"{_LIBEXEC[1:]}/{name}", f"{PREFIX}/bin/{name}")
    # The image's would be started rather than this one, and does not fit: a link that leads nowhere is no program.
    yield cpio.link("usr/sbin/oxenstored", f"{PREFIX}/bin/oxenstored")
    # It is no tool, and that of another release does the same; it leads nowhere in an image without firmware.
    firmware = f"/usr/lib/xen-{machine.line_of_image(line)}/boot/hvmloader"
    yield cpio.link(f"{PREFIX[1:]}/lib/xen/boot/hvmloader", firmware)


def closure(program: Path, built: Path) -> tuple[Path, dict[str, Path]]:
    """The dynamic linker of a program of this machine, and the libraries that it loads, by the names it asks for.

    The linker itself is asked (ld.so(8), --list), so the answer holds wherever a machine keeps its libraries.

    Args:
        program: its file.
        built: the folder `tools`, whose libraries count before the machine's.

    Raises:
        Failure: E-TRY-TOOLS when it is no program, or a library is not to be found.
    """
    try:
        needs = elf.needs(program.read_bytes())
    except ValueError as error:
        raise Failure("E-TRY-TOOLS", str(error), where=str(program)) from error
    if not needs.interpreter:
        raise Failure("E-TRY-TOOLS", "it is no program that libraries are loaded for", where=str(program))
    folders = sorted({str(path.parent) for path in built.glob("libs/*/*.so*")})
    command = [needs.interpreter, *(["--library-path", ":".join(folders)] if folders else []), "--list", str(program)]
    done = process.run(command, timeout=_PROGRAM_SECONDS, check=False)
    said = done.stdout.decode("utf-8", "replace")
    missing = re.findall(r"^\s*(\S+) => not found", said, re.MULTILINE)
    if done.status != 0 or missing:
        what = f"it needs {', '.join(missing)}, which is nowhere" if missing else done.error_text
        raise Failure("E-TRY-TOOLS", what, where=str(program))
    found = {match["name"]: Path(match["path"]) for match in _LISTED.finditer(said) if match["name"]}
    linker = Path(needs.interpreter)
    # A library that needs the linker itself asks for it by this name.
    return linker, {name: path for name, path in found.items() if not name.startswith("/")} | {linker.name: linker}


def with_interpreter(data: bytes, path: str, where: str) -> bytes:
    """A program with another dynamic linker, whose path is not longer than that of the old one.

    Raises:
        Failure: E-TRY-TOOLS when it has none, or the path is too long.
    """
    content = bytearray(data)
    try:
        (table,) = struct.unpack_from("<Q", data, 0x20)
        size, count = struct.unpack_from("<HH", data, 0x36)
        for index in range(count):
            at = table + index * size
            kind, flags, offset, address, physical, length, _, align = _HEADER.unpack_from(data, at)
            said = path.encode() + b"\0"
            if kind == _INTERP and len(said) <= length and offset + length <= len(data):
                content[offset : offset + length] = said.ljust(length, b"\0")
                _HEADER.pack_into(content, at, kind, flags, offset, address, physical, len(said), len(said), align)
                return bytes(content)
    except struct.error as error:
        raise Failure("E-TRY-TOOLS", "it is cut off", where=where) from error
    raise Failure("E-TRY-TOOLS", f"there is no room in it for the dynamic linker's place {path}", where=where)


def _stripped(path: Path, within: Path | None = None) -> bytes:
    """A file without what is only for debuggers; as it is when it is not ours, or nothing can take that out."""
    if within is not None and not path.resolve().is_relative_to(within.resolve()):
        return path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="xenbump-strip-") as folder, contextlib.suppress(Failure):
        target = Path(folder) / "file"
        done = process.run(
            ["strip", "--strip-unneeded", "-o", str(target), str(path)], timeout=_PROGRAM_SECONDS, check=False
        )
        if done.status == 0 and target.is_file():
            return target.read_bytes()
    return path.read_bytes()


def _by_compiler(name: str) -> Path | None:
    done = process.run(["gcc", f"-print-file-name={name}"], timeout=_PROGRAM_SECONDS, check=False)
    path = Path(done.stdout.decode("utf-8", "replace").strip())
    return path if path.is_absolute() and path.is_file() else None


def _prune(cache: Path, keep: Path) -> None:
    """Remove toolsets that were not used for a month, and what killed writers left."""
    durable.sweep(cache)
    for path in cache.glob("tools-*.cpio"):
        with contextlib.suppress(OSError):
            if path != keep and time.time() - path.stat().st_mtime > _UNUSED_SECONDS:
                path.unlink()
