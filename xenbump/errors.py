"""The one tree of errors: what was found, where, why it stops, what to do, and under which stable code.

Every error that a user can meet is an `XenbumpError` with a code that has a page in `xenbump.refusals`;
`xenbump explain CODE` prints it. The class decides the exit status (see `docs/interface.md`):

* `UsageError` (2): wrong usage or configuration,
* `Refusal` (20): the program could go on only by guessing, so a person must decide,
* `Failure` (1): network, program or disk failed; the same call may succeed later.
"""

from __future__ import annotations

from typing import ClassVar


class XenbumpError(Exception):
    """An error that explains itself.

    Attributes:
        code: the stable code, `E-…`; its page is in `xenbump.refusals`.
        what: one sentence: what was found and why that stops the work.
        where: file with line and column, URL, tag or program; empty when there is no place.
        remedy: what to do about this occurrence; empty when the code's page says it all.
    """

    exit_status: ClassVar[int] = 1
    kind: ClassVar[str] = "failed"

    def __init__(self, code: str, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(code, what, where, remedy)
        self.code = code
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.code}: {place}{self.what}"


class UsageError(XenbumpError):
    """The command line or the configuration is wrong."""

    exit_status = 2
    kind = "usage"


class Refusal(XenbumpError):
    """To go on would be to guess: a person must decide."""

    exit_status = 20
    kind = "refused"


class Failure(XenbumpError):
    """Something outside (network, program, disk) failed; trying again may help."""

    exit_status = 1
    kind = "failed"
