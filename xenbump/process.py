"""The one place that starts programs.

Every program runs without a shell, in an environment that is built here and not inherited: the user's
locale, git configuration, prompts and pagers must not change what a run does. What the caller needs beyond
that is handed in by name. A program runs in a session of its own, so that a time limit or an interrupt ends
it together with its children.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from xenbump import durable
from xenbump.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# Handed on when they are set: where programs and certificates lie, and how to reach the network.
_INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "NIX_SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SYSTEMROOT",
)
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin"
_GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.01
_TAIL_BYTES = 4000
_CHUNK = 1 << 16
# Three times what git says of all commits of Xen, and far less than the memory of a machine.
_MOST_BYTES, _MOST_SAID = 64 << 20, 1 << 20
# Becomes the program, after it has asked the kernel (prctl(2), PR_SET_PDEATHSIG) for a signal when the one that started
# it ends. That one may have ended before the question: then nobody is there whose death could be told.
_LEASH = """\
import ctypes, os, sys
try:
    ctypes.CDLL(None).prctl(1, int(sys.argv[1]))
except AttributeError:
    pass
if os.getppid() == int(sys.argv[2]):
    try:
        os.execvp(sys.argv[3], sys.argv[3:])
    except OSError as error:
        sys.exit(f"{sys.argv[3]}: {error.strerror}")
"""


@dataclass(frozen=True)
class Completed:
    """A program that has ended: its command line, exit status and output (bytes, as written)."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def error_text(self) -> str:
        """The end of what it wrote to stderr (stdout when that is empty), decoded, without trailing space."""
        return (self.stderr or self.stdout)[-_TAIL_BYTES:].decode("utf-8", "replace").strip()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that programs get: the few variables above, the C locale with UTF-8, and `extra`."""
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    env.setdefault("PATH", _DEFAULT_PATH)
    env["LC_ALL"] = "C.UTF-8"
    env.update(extra or {})
    return env


def _spawn(
    argv: Sequence[str], *, cwd: Path | None, env: Mapping[str, str] | None, leash: signal.Signals | None, **files: Any
) -> subprocess.Popen[bytes]:
    variables = environment(env)
    command = list(argv)
    if leash is not None:
        if shutil.which(argv[0], path=variables["PATH"]) is None:
            raise _missing(argv[0])
        command = [sys.executable, "-I", "-S", "-c", _LEASH, str(int(leash)), str(os.getpid()), *argv]
    try:
        return subprocess.Popen(command, cwd=cwd, env=variables, start_new_session=True, **files)
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise Failure("E-PROGRAM-FAILED", f"the folder {cwd} does not exist", where=argv[0]) from error
        raise _missing(argv[0]) from error
    except OSError as error:
        raise Failure("E-PROGRAM-FAILED", f"could not be started: {error.strerror}", where=argv[0]) from error


def _missing(program: str) -> Failure:
    return Failure(
        "E-PROGRAM-MISSING",
        f"the program `{program}` is needed and was not found on PATH",
        remedy=f"install `{program}`",
    )


def _converse(process: subprocess.Popen[bytes], stdin: bytes, timeout: float, where: str) -> tuple[bytes, bytes]:
    """Give a program what it reads, and take what it writes until its end: stdout, and the end of stderr."""
    deadline = time.monotonic() + timeout
    left, taken, said = memoryview(stdin), bytearray(), bytearray()
    with selectors.DefaultSelector() as pipes:
        for pipe, kind in (
            (process.stdin, selectors.EVENT_WRITE),
            (process.stdout, selectors.EVENT_READ),
            (process.stderr, selectors.EVENT_READ),
        ):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                pipes.register(pipe, kind)
        while pipes.get_map():
            for key, _ in pipes.select(_left(deadline, timeout, where)):
                if key.fileobj is process.stdin:
                    left = _given(key.fd, left)
                    is_over = not left
                else:
                    data = os.read(key.fd, _CHUNK)
                    is_over = not data
                    (taken if key.fileobj is process.stdout else said).extend(data)
                if is_over:
                    pipes.unregister(key.fileobj)
                    _close(key.fileobj)
            if len(taken) > _MOST_BYTES:
                raise Failure("E-PROGRAM-FAILED", f"it wrote more than {_MOST_BYTES >> 20} MiB", where=where)
            del said[:-_MOST_SAID]
    try:
        process.wait(_left(deadline, timeout, where))
    except subprocess.TimeoutExpired:
        _left(0.0, timeout, where)
    return bytes(taken), bytes(said)


def _left(deadline: float, timeout: float, where: str) -> float:
    """The seconds until a time limit; an error when it is over."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise Failure("E-TIMEOUT", f"did not end within {timeout:g} seconds and was ended", where=where)
    return left


def _given(pipe: int, content: memoryview) -> memoryview:
    """Write as much as a pipe takes; what is left, which is nothing where nobody reads it any more."""
    try:
        return content[os.write(pipe, content[:_CHUNK]) :] if content else content
    except BlockingIOError:
        return content
    except BrokenPipeError:
        return content[:0]


def ended(status: int) -> str:
    """How a program ended, in words."""
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"ended by {signal.Signals(-status).name}"
    return f"ended by signal {-status}"


def _close(pipe: Any) -> None:
    # A pipe whose other end has gone complains again when it is closed.
    with contextlib.suppress(BrokenPipeError):
        pipe.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and its children: politely, then, those that are left, by force."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    # Without collecting it: until then nothing else can get its number, and so the group's.
    while time.monotonic() < deadline and not _has_ended(process):
        time.sleep(_POLL_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a program has ended; its exit status stays where it is."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = 60.0,
    check: bool = True,
    keep: Sequence[int] = (),
    dies_with_parent: signal.Signals | None = None,
) -> Completed:
    """Run a program to its end.

    Args:
        argv: the program and its arguments; no shell looks at them.
        cwd: the folder it runs in.
        env: variables added to `environment()`.
        stdin: what it reads.
        timeout: seconds of wall-clock time; then it is ended with its children.
        check: whether an exit status other than 0 is an error.
        keep: open files that it gets besides the three usual ones, such as a lock that it is to hold as well.
        dies_with_parent: the signal that it gets, its children not, when the calling thread ends, however that ends.

    Returns:
        The ended program, with its output; of what it wrote to stderr the last MiB.

    Raises:
        Failure: E-PROGRAM-MISSING, E-PROGRAM-FAILED (with the end of its stderr, or because it wrote more than 64 MiB)
            or E-TIMEOUT.
    """
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = _spawn(argv, cwd=cwd, env=env, leash=dies_with_parent, pass_fds=keep, **pipes)
    try:
        stdout, stderr = _converse(process, stdin, timeout, shown(argv))
    except BaseException:
        _end(process)
        raise
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                _close(pipe)
    done = Completed(tuple(argv), process.returncode, stdout, stderr)
    if check and done.status != 0:
        raise Failure(
            "E-PROGRAM-FAILED",
            f"{ended(done.status)}: {done.error_text or 'no message'}",
            where=shown(argv),
        )
    return done


@contextlib.contextmanager
def start(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
    dies_with_parent: signal.Signals | None = None,
    errors: IO[bytes] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program to converse with: `stdin` and `stdout` are pipes, `stderr` goes to a nameless file.

    A context manager; on leaving, the program's stdin is closed and, when it does not end by itself within
    two seconds, it is ended with its children.

    Args:
        argv: the program and its arguments; no shell looks at them.
        cwd: the folder it runs in.
        env: variables added to `environment()`.
        keep: open files that it gets besides the three usual ones.
        dies_with_parent: the signal that it gets, its children not, when the calling thread ends, however that ends.
        errors: an open file that `stderr` goes to instead.

    Raises:
        Failure: E-PROGRAM-MISSING or E-PROGRAM-FAILED when it cannot be started, E-DISK or E-STATE without a place for
            what it says.
    """
    with contextlib.nullcontext(errors) if errors is not None else durable.nameless() as stderr:
        files = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": stderr, "pass_fds": keep}
        process = _spawn(argv, cwd=cwd, env=env, leash=dies_with_parent, **files)
        try:
            yield process
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                _end(process)


def shown(argv: Sequence[str]) -> str:
    """A command line for messages: the program's name and its first words, cut to one short line."""
    name = argv[0].rsplit("/", 1)[-1]
    words = [name, *argv[1:]]
    line = " ".join(words)
    limit = 160
    return line if len(line) <= limit else line[: limit - 1] + "…"
