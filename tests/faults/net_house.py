"""A world with gates before its servers, beginnings to start from, and what a run in it comes to."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.faults.net_entry import ENTRY, MEMORY
from tests.faults.net_gate import Gate
from tests.support.forked import Forked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.support.worlds import Stage

LIMIT_SECONDS = 60.0
# What the program is to have at its disposal, apart from Python.
PROGRAMS = ("git", "gpgv", "nix", "nix-instantiate", "nix-store", "qemu-system-x86_64", "ssh", "zstd")
_CODE = re.compile(r"^(?:refused|failed|usage|warning): (E-[A-Z0-9-]+)", re.MULTILINE)
_URL = re.compile(r"(url = ).*$", re.MULTILINE)
_LEFT = re.compile(r"\.new-|^tmp_|\.lock$|-journal$|^xenbump-")
# These are there for good: the lock on them is that of the system, which goes with the process.
_STAYS = frozenset({"journal.lock", "publish.lock", "xenbump.lock"})
# Of a branch and its commit: no date, and so no identifier.
_FIELDS = ("%(refname)", "%(tree)", "%(parent)", "%(authorname)%(authoremail)", "%(committername)", "%(contents)")
# What a push leaves behind tells when it was.
_TRACKING = "refs/remotes/origin/xenbump/"


@dataclass(frozen=True)
class State:
    """What people see of a world: branches, pull requests, the checkout. Equal where the work is the same."""

    branches: tuple[tuple[str, ...], ...]
    pulls: tuple[tuple[Any, ...], ...]
    checkout: tuple[str, ...]


@dataclass(frozen=True)
class Ran:
    """A run: its exit status (negative for a signal, None where it did not end), output, time and most memory."""

    status: int | None
    stdout: str
    stderr: str
    seconds: float
    mebibytes: float
    leftovers: tuple[str, ...]
    state: State

    @property
    def code(self) -> str:
        """The code of the first error; empty when there is none."""
        found = _CODE.search(self.stderr)
        return found[1] if found else ""


@dataclass
class House:
    """A stage whose servers are reached through gates; made by `stood`.

    Attributes:
        stage: the stage.
        folder: what the runs use besides: state, temporary files, programs.
        gates: by name: `xen`, `xenbits`, `github`, `packages`.
        certificate: of a server that nobody trusts, with its key.
    """

    stage: Stage
    folder: Path
    gates: dict[str, Gate]
    certificate: Path
    _goal: dict[str, tuple[Ran, dict[str, tuple[str, ...]]]] = field(default_factory=dict)
    _github: str = ""

    def begin(self, start: str, at: Mapping[str, str] | None = None) -> None:
        """Put everything back to a beginning.

        Args:
            start: which caches there are: `cold`, none; `git`, what git fetched of Xen; `warm`, everything.
            at: as for `configure`.
        """
        for gate in self.gates.values():
            gate.pass_on()
        self.stage.reset()
        shutil.rmtree(self.state, ignore_errors=True)
        kept = self.folder / "kept"
        if start != "cold" and not kept.is_dir():
            self._warm(kept)
        if start == "warm":
            shutil.copytree(kept, self.state)
        elif start == "git":
            shutil.copytree(kept / "git", self.state / "git")
        self.configure(at)

    def _warm(self, kept: Path) -> None:
        self.configure()
        done = self.run("plan")
        assert done.status == 10, done.stderr
        shutil.copytree(self.state, kept)
        shutil.rmtree(self.state)

    @property
    def state(self) -> Path:
        """The state folder of the runs."""
        return self.folder / "state"

    def configure(self, at: Mapping[str, str] | None = None) -> None:
        """Write the configuration that goes through the gates, which git does not see.

        Args:
            at: the addresses of servers that are somewhere else than behind their gates.
        """
        world = self.stage.world
        at = {name: gate.url for name, gate in self.gates.items()} | dict(at or {})
        text = (world.checkout / "xenbump.toml").read_text()
        text = text.replace(world.git.url("xen.git"), at["xen"]).replace(world.xenbits_server.url, at["xenbits"])
        (world.checkout / ".git" / "info").mkdir(exist_ok=True)
        (world.checkout / ".git" / "info" / "exclude").write_text("faults.toml\n")
        (world.checkout / "faults.toml").write_text(text)
        remotes = world.checkout / ".git" / "config"
        before = remotes.read_text()
        remotes.write_text(_URL.sub(lambda found: found[1] + at["packages"], before))
        self._github = at["github"]

    def run(self, *arguments: str, entry: str = "quick", programs: Path | None = None, **env: str) -> Ran:
        """Let the program run to its end, or end it when that does not come."""
        stage, temporary = self.stage, self.folder / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        memory = self.folder / "memory"
        memory.unlink(missing_ok=True)
        stage.forget()
        environment = stage.env(
            PATH=str(programs or self.programs()),
            XENBUMP_STATE_DIR=str(self.state),
            XENBUMP_GITHUB_URL=self._github,
            XENBUMP_CONFIG=str(stage.world.checkout / "faults.toml"),
            TMPDIR=str(temporary),
            **{MEMORY: str(memory)},
            **env,
        )
        began = time.monotonic()
        with Forked(arguments, stage.world.checkout, environment, ENTRY.format(entry)) as process:
            try:
                stdout, stderr = process.communicate(LIMIT_SECONDS)
                status: int | None = process.returncode
            except subprocess.TimeoutExpired:
                stdout = stderr = ""
                status = None
        seconds = time.monotonic() - began
        before, most = map(int, memory.read_text().split()) if memory.is_file() else (0, 0)
        return Ran(status, stdout, stderr, seconds, (most - before) / 1024, tuple(self._leftovers()), self.look())

    def _leftovers(self) -> Iterator[str]:
        """Files that nobody will want again."""
        for folder in (self.folder / "tmp", self.state, self.stage.world.checkout / ".git"):
            for path in folder.rglob("*"):
                if folder.name == "tmp" or (_LEFT.search(path.name) and path.name not in _STAYS):
                    yield str(path.relative_to(self.folder if folder.name != ".git" else folder.parent))

    def programs(self, *, without: str = "", name: str = "usual") -> Path:
        """A folder with the programs that there are, but for one."""
        folder = self.folder / "programs" / name
        if not folder.is_dir():
            folder.mkdir(parents=True)
            for program in PROGRAMS:
                real = shutil.which(program)
                if real is not None and program != without:
                    (folder / program).symlink_to(real)
        return folder

    def look(self) -> State:
        """What there is now."""
        world, stage = self.stage.world, self.stage
        form = "%00".join(_FIELDS)
        refs = [one.split("\0") for one in world.in_packages("for-each-ref", f"--format={form}%01").split("\1") if one]
        pulls = tuple(
            (
                one.number,
                one.state,
                one.title,
                one.body,
                one.draft,
                one.labels,
                one.head.branch,
                one.base.branch,
                one.author,
            )
            for one in stage.pulls
        )
        comments = tuple((one.body,) for one in stage.repository.comments)
        checkout = (
            world.in_checkout("status", "--porcelain=v2", "--branch", "--untracked-files=all"),
            *(one for one in world.in_checkout("for-each-ref").splitlines() if _TRACKING not in one),
        )
        return State(tuple(map(tuple, refs)), pulls + comments, checkout)

    def goal(self, start: str, command: Sequence[str]) -> tuple[Ran, dict[str, tuple[str, ...]]]:
        """What a run comes to without any fault, and the requests that each gate hands on for it."""
        key = f"{start} {' '.join(command)}"
        if key not in self._goal:
            self.begin(start)
            ran = self.run(*command)
            self._goal[key] = (ran, {name: tuple(gate.asked) for name, gate in self.gates.items()})
        return self._goal[key]

    def writes(self) -> tuple[int, int]:
        """How often somebody wrote to GitHub and pushed since the last run began."""
        return len(self.stage.writes()), self.stage.pushes


@contextlib.contextmanager
def stood(stage: Stage, folder: Path) -> Iterator[House]:
    """Put gates before the servers of a stage."""
    world = stage.world
    with contextlib.ExitStack() as stack:
        behind = {
            "xen": world.git.url("xen.git"),
            "packages": world.git.url("packages.git"),
            "xenbits": world.xenbits_server.url,
            "github": world.github.url,
        }
        gates = {name: stack.enter_context(Gate(url)) for name, url in behind.items()}
        certificate = folder / "nobody.pem"
        certificate.write_bytes(self_signed())
        yield House(stage, folder, gates, certificate)
        stage.reset()


def self_signed() -> bytes:
    """A certificate for 127.0.0.1 by nobody, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + made.public_bytes(pem)
