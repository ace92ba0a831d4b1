"""The cells of the programs: which one, in which of its calls, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.prog_bench import FAULTS, ProgFault, old

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class ProgCell:
    """One fault of one program in some of its calls.

    Attributes:
        what: the fault, as the table names it.
        program: its name.
        place: which calls, as the table names them.
        calls: those calls, as a pattern of the shell over all arguments.
        fault: what the program does in them.
        codes: of which one must be told; the empty one where the run may go on to its end.
        start: which caches there are at the beginning.
        command: of xenbump.
        warns: where the run goes on with less, what must then be said.
        address: of Xen's repository, where it is not the usual one.
        usual: whether it is in the sample.
    """

    what: str
    program: str
    place: str
    calls: str
    fault: ProgFault
    codes: frozenset[str]
    start: str = "warm"
    command: tuple[str, ...] = ("run",)
    warns: str = ""
    address: str = ""
    usual: bool = False

    @property
    def where(self) -> str:
        """Program and call."""
        return f"{self.program}: {self.place}"


@dataclass(frozen=True)
class _Place:
    """Calls of a program that fail."""

    program: str
    name: str
    calls: str
    start: str = "warm"
    warns: str = ""
    # Codes that fit beside the usual ones.
    codes: frozenset[str] = frozenset()
    some: bool = True
    address: str = ""


# In which ways a single call fails; all ways are for all calls of a program at once.
_SOME = ("exit 1 with a message", "killed", "nothing, status 0", "garbage, status 0")
# Calls that last, and so may hang or write much.
_LONG = frozenset({"fetch from Xen", "push", "an advisory"})
_MORE = frozenset({"hangs", "writes 100 MB"})
_CODES = {
    "missing": frozenset({"E-PROGRAM-MISSING"}),
    "hangs": frozenset({"E-TIMEOUT"}),
    "hangs deaf": frozenset({"E-TIMEOUT"}),
}
_GIT = frozenset(
    {"E-GIT", "E-GIT-LISTING", "E-OBJECT", "E-TAG-FORM", "E-TRUNCATED", "E-TAG-MISSING", "E-TAG-MISMATCH"}
) | {"E-PROGRAM-FAILED"}
# It is git that starts it, and git says only that nothing came.
_SSH = _GIT | {"E-TIMEOUT", "E-PROGRAM-MISSING", "E-GIT-ACCESS", "E-GIT-REPOSITORY", "E-NETWORK"}
_PLACES = (
    _Place("git", "every call", "*", codes=_GIT | {"E-REMOTE"}, some=False),
    _Place("git", "list of Xen's refs", "*ls-remote*stable*", codes=_GIT),
    _Place("git", "fetch from Xen", "*fetch*", "cold", codes=_GIT),
    _Place("git", "objects of Xen", "*git/*cat-file*--batch*", "cold", codes=_GIT),
    _Place("git", "history of Xen", '*"log -z"*', "cold", codes=_GIT),
    _Place("git", "what the cache lacks", "*--missing=print*", "git", codes=_GIT | {""}),
    _Place("git", "an index of Xen's tree", "*read-tree*", "git", codes=_GIT),
    _Place("git", "trying a patch", "*apply*--cached*", "git", codes=_GIT),
    _Place("git", "remotes of the checkout", '*"remote -v"*', codes=_GIT | {"E-REMOTE"}),
    _Place("git", "the base branch", '*"rev-parse --verify"*', codes=_GIT | {"E-BASE"}),
    _Place("git", "folders of the checkout", '*"ls-tree -z"*', codes=_GIT | {"E-FILE-MISSING"}),
    _Place("git", "files of the checkout", "*cat-file*blob*", codes=_GIT | {"E-NIX-SYNTAX", "E-FILE-ENCODING"}),
    _Place("git", "state of the checkout", '*"status --porcelain"*', codes=_GIT | {"E-DIRTY", ""}),
    # Nothing is what git says of a branch that is not there.
    _Place("git", "the remote's branch", "*ls-remote*xenbump*", codes=_GIT | {""}),
    _Place("git", "writing a file's object", '*"hash-object"*', codes=_GIT),
    _Place("git", "writing a folder's object", "*mktree*", codes=_GIT),
    _Place("git", "writing the commit", "*commit-tree*", codes=_GIT),
    _Place("git", "push", '*"push --quiet"*', codes=_GIT | {"E-BRANCH-MOVED", "E-GITHUB-INVALID"}),
    _Place("gpgv", "every call", "*", "git", codes=frozenset({"E-PROGRAM-FAILED", "E-SIGNATURE-BAD"}), some=False),
    _Place("gpgv", "an advisory", "*--output*", "git", codes=frozenset({"E-PROGRAM-FAILED", "E-SIGNATURE-BAD"})),
    _Place(
        "nix-instantiate",
        "every call",
        "*",
        warns="Nix is not at hand",
        codes=frozenset({"", "E-EDIT-CHECK", "E-TIMEOUT", "E-PROGRAM-FAILED"}),
        some=False,
    ),
    _Place("ssh", "every call", "*", "cold", codes=_SSH, some=False, address="ssh://127.0.0.1:9/xen.git"),
)
# Program, call, fault.
_USUAL = frozenset(
    {
        ("git", "every call", "missing"),
        ("git", "history of Xen", "nothing, status 0"),
        ("git", "an index of Xen's tree", "nothing, status 0"),
        ("git", "trying a patch", "exit 1 with a message"),
        ("git", "folders of the checkout", "garbage, status 0"),
        ("git", "push", "killed"),
        ("gpgv", "every call", "hangs deaf"),
        ("nix-instantiate", "every call", "missing"),
    }
)
_OLD = (
    ("git", "--filter=", "error: unknown option `filter=tree:0'", "cold"),
    ("git", "--no-write-fetch-head", "error: unknown option `no-write-fetch-head'", "cold"),
    ("git", "--missing=print", "usage: git rev-list [OPTION] <commit-id>...", "cold"),
    ("git", "--template=", "error: unknown option `template='", "cold"),
    ("git", "--force-with-lease", "error: unknown option `force-with-lease'", "warm"),
    ("gpgv", "--output", 'gpgv: invalid option "--output"', "git"),
    ("gpgv", "--status-fd", 'gpgv: invalid option "--status-fd"', "git"),
    ("nix-instantiate", "--store", "error: unrecognised flag '--store'", "warm"),
)


def _cells() -> Iterator[ProgCell]:
    for place in _PLACES:
        for fault in FAULTS:
            if not place.some or fault.name in _SOME or (fault.name in _MORE and place.name in _LONG):
                codes = place.codes if place.warns or place.address else _CODES.get(fault.name, place.codes)
                yield ProgCell(
                    fault.name, place.program, place.name, place.calls, fault, codes, start=place.start,
                    warns="" if fault.name.endswith("status 0") else place.warns, address=place.address,
                    usual=(place.program, place.name, fault.name) in _USUAL,
                )  # fmt: skip
    for program, option, complaint, start in _OLD:
        fault = old(option, complaint)
        warns = "Nix is not at hand" if program.startswith("nix") else ""
        codes = _GIT | {""} if warns or option == "--missing=print" else _GIT
        yield ProgCell(fault.name, program, "an old release", f"*{option}*", fault, codes, start=start, warns=warns)


PROGRAMS: tuple[ProgCell, ...] = tuple(_cells())
