"""An OpenPGP key made for the occasion, with the real `gpg`.

The key lives in a folder of its own that nothing else uses, and goes with it: the user's own keys, configuration and
agent are neither read nor changed. Formats: OpenPGP messages are specified in RFC 9580 (RFC 4880 before it), the
cleartext framework in its section 7; how git embeds a signature in a tag, in git's `gitformat-signature` manual page.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from xenbump.demo.git_server import isolated_git
from xenbump.errors import Failure
from xenbump.process import run, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

USER_ID = "Demo signing key (made for the occasion) <demo@localhost>"

# The agent's sockets lie in the folder, and a socket's path has room for about a hundred characters (unix(7)).
_LONGEST_PARENT = 60
_AGENT_SECONDS = 5.0
_EXPIRED_CLOCK = "20200101T120000"
# The agent is started around this. It says that it runs by repeating a line; when its input ends, because the owner of
# the key has left or was killed, it removes the folder, and an agent without its folder ends.
_KEEPER = 'cat; rm -rf -- "$1"'


class SigningKey:
    """A secret key that can sign, for the time of a `with` block.

    On leaving, also by an exception, its gpg-agent is ended (and waited for) and its folder is removed. Should this
    program be killed, both go by themselves within seconds.

    Args:
        algorithm: what `gpg --quick-generate-key` takes. Xen's key is `rsa2048`, which takes a random 0.1 to 0.3 s to
            make; `ed25519` takes 0.05 s.
        user_id: the name on the key; not a person's.
        expired: whether the key (and so what it signs) is from early 2020 and was valid for one day.
        made_at: when the key was made, in seconds since 1970; None: now. It can sign at any time since.

    Raises:
        Failure: on entering, when gpg is missing or fails (E-PROGRAM-MISSING, E-PROGRAM-FAILED, E-TIMEOUT).
    """

    def __init__(
        self,
        *,
        algorithm: str = "ed25519",
        user_id: str = USER_ID,
        expired: bool = False,
        made_at: int | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.user_id = user_id
        self.expired = expired
        self.made_at = made_at
        self._home: Path | None = None
        self._fingerprint = ""
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._home = home = _private_folder()
            stack.callback(setattr, self, "_home", None)
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            stack.enter_context(_agent(home))
            self._make()
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    @property
    def home(self) -> Path:
        """The key's folder, to be used as GNUPGHOME; only within the `with` block."""
        if self._home is None:
            raise RuntimeError("the key exists only within its `with` block")
        return self._home

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint: 40 upper-case hexadecimal digits."""
        return self._fingerprint

    def public_key(self, *, armored: bool = True) -> bytes:
        """The public key: as text (ASCII armor), or in the binary form that `gpgv --keyring` reads."""
        armor = ["--armor"] if armored else []
        return self._gpg(*armor, "--export", self.fingerprint)

    def sign_detached(self, data: bytes, at: int | None = None) -> bytes:
        """An armored detached signature over `data`, exactly as it stands.

        Args:
            data: what is signed.
            at: when, in seconds since 1970; None, and for a key that was made later: now.
        """
        return self._gpg(*self._as_signer(at), "--armor", "--detach-sign", stdin=data)

    def clearsign(self, data: bytes) -> bytes:
        """`data`, a text, in the cleartext signature framework, as advisories are published."""
        return self._gpg(*self._as_signer(), "--clear-sign", stdin=data)

    def git_config(self) -> dict[str, str]:
        """The settings that make `git tag --sign` use this key; `git_environment` has them already."""
        return {"gpg.format": "openpgp", "gpg.program": "gpg", "user.signingkey": self.fingerprint}

    def git_environment(self) -> dict[str, str]:
        """Variables for a git that signs with, and trusts, this key and reads no configuration of the user's."""
        return {**isolated_git(self.git_config()), "GNUPGHOME": str(self.home)}

    def _make(self) -> None:
        clock = self._clock(self.made_at)
        lifetime = "1d" if self.expired else "never"
        no_passphrase = ["--pinentry-mode", "loopback", "--passphrase", ""]
        self._gpg(*clock, *no_passphrase, "--quick-generate-key", self.user_id, self.algorithm, "sign", lifetime)
        # Colon-separated records, see doc/DETAILS of GnuPG; the first `fpr` is the primary key's.
        listing = self._gpg("--with-colons", "--list-secret-keys").decode()
        self._fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))

    def _as_signer(self, at: int | None = None) -> list[str]:
        known = at if at is not None and self.made_at is not None and self.made_at <= at else None
        return [*self._clock(known), "--local-user", self.fingerprint]

    def _clock(self, at: int | None) -> list[str]:
        """The options that let gpg believe that it is then, and stays then however long it takes (the `!`)."""
        if self.expired:
            return ["--faked-system-time", _EXPIRED_CLOCK]
        return [] if at is None else ["--faked-system-time", f"{at}!"]

    def _gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        argv = ["gpg", "--no-options", "--no-autostart", "--batch", "--no-tty", "--quiet", *arguments]
        return run(argv, env={"GNUPGHOME": str(self.home)}, stdin=stdin).stdout


def _private_folder() -> Path:
    """A new folder that only this user can enter, with a path short enough for sockets."""
    parent = Path(tempfile.gettempdir())
    if len(str(parent)) > _LONGEST_PARENT:
        parent = Path("/tmp")  # noqa: S108 - mkdtemp makes a private folder with a fresh name in it
    return Path(tempfile.mkdtemp(prefix="xb-", dir=parent))


@contextlib.contextmanager
def _agent(home: Path) -> Iterator[None]:
    """The gpg-agent of a folder, from when it listens until it has ended."""
    env = {"GNUPGHOME": str(home)}
    argv = ["gpg-agent", "--no-options", "--quiet", "--daemon", "sh", "-c", _KEEPER, "sh", str(home)]
    with start(argv, env=env) as keeper:
        try:
            # gpg-agent listens before it starts the keeper.
            with contextlib.suppress(BrokenPipeError):
                if keeper.stdin is not None:
                    keeper.stdin.write(b"\n")
                    keeper.stdin.flush()
            if keeper.stdout is None or keeper.stdout.readline() != b"\n":
                raise Failure("E-PROGRAM-FAILED", "it does not start", where="gpg-agent")
            yield
        finally:
            # A missing gpgconf must not hide the failure that led here; the agent ends with its folder too.
            with contextlib.suppress(Failure):
                agent = _agent_of(env)
                run(["gpgconf", "--kill", "all"], env=env, check=False)
                run(["gpgconf", "--remove-socketdir"], env=env, check=False)
                if agent is not None:
                    _wait_for_end(agent)


def _agent_of(env: dict[str, str]) -> int | None:
    """The process id of the gpg-agent that serves this folder, if one runs (GETINFO in gpg-agent's protocol)."""
    argv = ["gpg-connect-agent", "--no-autostart", "GETINFO pid", "/bye"]
    reply = run(argv, env=env, check=False).stdout.decode("utf-8", "replace")
    numbers = [line[2:].strip() for line in reply.splitlines() if line.startswith("D ")]
    return int(numbers[0]) if numbers and numbers[0].isdigit() else None


def _wait_for_end(pid: int) -> None:
    """Wait until a process that was asked to end has ended; after some seconds, make it."""
    deadline = time.monotonic() + _AGENT_SECONDS
    while _runs(pid):
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.002)


def _runs(pid: int) -> bool:
    """Whether a process is there and is more than an entry nobody has collected (state Z or X, see proc(5))."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        # Either it ended in between, or the system has no /proc: then only the signal tells.
        return not Path("/proc/self/stat").exists()
    return state.rpartition(")")[2].split()[0] not in "ZX"
