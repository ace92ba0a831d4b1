"""Makes a report of a trial: looks at the signature and at the machine, and writes it as text and as a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xenbump import durable
from xenbump.trying import host, mail, page, signed
from xenbump.trying.report import Told
from xenbump.trying.source import Workshop
from xenbump.upstream.git import is_path
from xenbump.verify import logs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from xenbump.trying.compare import Comparison
    from xenbump.trying.model import Verdict
    from xenbump.trying.setting import Setting
    from xenbump.upstream.signature import Trust

TEXT: Final = "report.txt"
PAGE: Final = "report.html"
DOCUMENT: Final = "report.json"


def told(
    verdict: Verdict,
    setting: Setting,
    trust: Trust,
    repeat: Sequence[str],
    *,
    before: Verdict | None = None,
    comparison: Comparison | None = None,
) -> Told:
    """All that a report says, on this machine.

    Args:
        verdict: what came out.
        setting: with what it was tried.
        trust: whose signature counts.
        repeat: the words of the command that does the same once more.
        before: the verdict that it was compared with.
        comparison: what differs from that.

    Raises:
        XenbumpError: git is missing, or the repository is not there any more.
    """
    repository = setting.repository
    workshop = Workshop(repository, setting.folder, mirrors=setting.mirrors)
    found = signed.looked(workshop.repository, (verdict.rev, verdict.described), verdict.commit, trust)
    is_here = is_path(repository) or repository.startswith("file:") or Path(repository).is_dir()
    address = "" if is_here else repository
    machine = host.machine()
    if setting.nix:
        machine = replace(machine, compiler=f"that of the flake {setting.nix}")
    return Told(verdict, machine, found, address, tuple(repeat), before, comparison)


def written(said: Told, setting: Setting, document: str, now: datetime) -> tuple[str, tuple[Path, ...]]:
    """Write a report beside the logs.

    Args:
        said: all that it says.
        setting: with what it was tried.
        document: the JSON document of the trial; empty: it is not written.
        now: the time; it names a folder where the logs are gone.

    Returns:
        The mail, and the paths of what was written.

    Raises:
        Failure: E-STATE, E-FILE-WRITE, E-DISK.
    """
    text = mail.mail(said)
    place = folder(said.verdict, setting.folder / "logs", now)
    files = [(TEXT, text), (PAGE, page.page(said)), *([(DOCUMENT, document)] if document else [])]
    for name, content in files:
        durable.deliver(place / name, content.encode(), what="the report cannot be written")
    return text, tuple(place / name for name, _ in files)


def folder(verdict: Verdict, place: Path, now: datetime) -> Path:
    """Where the logs of a trial lie; a new folder where they are gone.

    Args:
        verdict: of the trial.
        place: the folder of all logs.
        now: the time, which names a new one.

    Raises:
        Failure: E-STATE when it cannot be made.
    """
    for one in verdict.phases:
        found = Path(one.log).parent
        if one.log and found.is_dir():
            return found
    return logs.fresh(place, verdict.rev, now)
