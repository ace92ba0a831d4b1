"""`xenbump try`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from xenbump.cli import common
from xenbump.errors import Refusal, UsageError

if TYPE_CHECKING:
    from xenbump.config import Config
    from xenbump.trying.compare import Comparison
    from xenbump.trying.model import Phase, Trial, Verdict
    from xenbump.trying.setting import Setting

RevisionArgument = Annotated[
    str, typer.Argument(metavar="REV", help="A tag, branch or commit of Xen, such as 4.22.0-rc3 or staging~5.")
]
RepoOption = Annotated[
    str,
    typer.Option(
        "--repo",
        metavar="PATH|URL",
        help="Xen's repository; without it, the checkout of Xen that this is, else the configured upstream.",
        show_default=False,
    ),
]
PatchOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--patch", metavar="FILE|DIR", help="A series to apply: an mbox, a patch, a folder; may be repeated.",
        show_default=False,
    ),
]  # fmt: skip
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        metavar="OPTION=VALUE|FILE",
        help="With =, an option of the hypervisor, such as DEBUG=y; may be repeated. Without, the configuration.",
        show_default=False,
    ),
]
AgainstOption = Annotated[
    str,
    typer.Option(
        "--against", metavar="REV", help="Try this one as it is, too, and show only what differs.", show_default=False
    ),
]
OnlyOption = Annotated[
    str,
    typer.Option(
        "--only", metavar="PHASE[,PHASE…]", show_default=False,
        help="Only these of patches, config, build, dom0, guests, xtf, with what they lean on.",
    ),
]  # fmt: skip
ToolsOption = Annotated[
    Literal["auto", "source", "image"],
    typer.Option(
        "--tools", help="dom0's tools: those of the image if they fit, else built of the tree; or always one of these."
    ),
]
XtfOption = Annotated[
    Path | None, typer.Option("--xtf", metavar="DIR", help="The folder of a built XTF.", show_default=False)
]
JobsOption = Annotated[
    int, typer.Option("--jobs", metavar="N", min=0, help="How many compilers run at a time; 0: one a processor.")
]
AgainOption = Annotated[bool, typer.Option("--again", help="Try it even where a result is kept.")]
KeepLogsOption = Annotated[bool, typer.Option("--keep-logs", help="Never remove the logs of this trial.")]
NixOption = Annotated[
    str,
    typer.Option(
        "--nix",
        metavar="FLAKE",
        help="Have Nix build and boot it: the address of xenbump's flake, or its folder. Wants KVM and nixpkgs.",
        show_default=False,
    ),
]
ReportOption = Annotated[
    bool, typer.Option("--report", help="Print a report to be mailed; it, a page and the JSON lie beside the logs.")
]


def try_(
    rev: RevisionArgument,
    repo: RepoOption = "",
    patch: PatchOption = None,
    config: SettingsOption = None,
    against: AgainstOption = "",
    only: OnlyOption = "",
    tools: ToolsOption = "auto",
    xtf: XtfOption = None,
    nix: NixOption = "",
    jobs: JobsOption = 0,
    again: AgainOption = False,
    keep_logs: KeepLogsOption = False,
    report: ReportOption = False,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Try any Xen from 4.17 on: build it, boot dom0 in QEMU, run checks, guests and XTF, and say what came out.

    With --patch and --config for a series before it is sent. A result is kept, and found again for the same tree.
    Exit status 0: all passed, or nothing is worse than with --against; 30: something failed, or is worse.
    """
    from xenbump.cli import actions
    from xenbump.trying import by_nix, compare, judging, words
    from xenbump.trying import document as documents
    from xenbump.trying.model import Phase, Trial

    given, file = split(config or [])
    options = common.frame(file, None, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    loaded = common.selected_config(options)
    phases = chosen(only)
    setting = setting_of(loaded, repo, phases, xtf=xtf, jobs=jobs, again=again, keep_logs=keep_logs)
    if nix:
        _only_here(tools=tools != "auto", xtf=xtf is not None, jobs=jobs > 0)
        setting = replace(setting, nix=by_nix.address(nix, Path.cwd()))
    elif only and Phase.XTF in phases and setting.xtf is None:
        raise Refusal("E-TRY-XTF", f"--only asks for xtf, and {judging.NO_XTF}")
    trial = Trial(rev, tuple(path.absolute() for path in patch or ()), given, tools)
    before = Trial(against, tools=tools) if against else None
    verdicts = _tried(options, setting, [one for one in (before, trial) if one is not None])
    verdict = verdicts[-1]
    repeat = ["xenbump", *(word for word in sys.argv[1:] if word != "--again"), "--again"]
    command = shlex.join(repeat)
    if before is None:
        told = words.lines(verdict, command)
        found, good = None, verdict.failed is None
    else:
        found = compare.compared(verdicts[0], verdict)
        told = words.compared(verdicts[0], verdict, found, command)
        good = not found.worse
    compared_with = None if before is None else verdicts[0]
    document = ""
    if json or report:
        from xenbump.report import documents as reports

        document = reports.encode(documents.document(verdict, compared_with, found))
    mail = _reported(options, loaded, setting, (verdict, compared_with, found), repeat, document) if report else ""
    if json:
        sys.stdout.write(document)
    elif report:
        sys.stdout.write(actions.unheard(mail))
    else:
        common.say(told[:1] if quiet else told)
    sys.stdout.flush()
    raise typer.Exit(common.DONE if good else common.REJECTED)


def _only_here(**given: bool) -> None:
    """Refuse options that say how things are built and booted here, where Nix does it.

    Raises:
        UsageError: E-CONFIG.
    """
    for name, is_given in given.items():
        if is_given:
            what = f"--{name} is for what is built and booted here; with --nix it is the flake that says so"
            raise UsageError("E-CONFIG", what)


def split(given: list[str]) -> tuple[tuple[tuple[str, str], ...], Path | None]:
    """What `--config` was given: the options of the hypervisor, and the file of the configuration.

    A file whose name has `=` in it is named with a slash before that, such as `./a=b.toml`.

    Raises:
        UsageError: E-CONFIG for a second file, or an option with two values.
    """
    from xenbump.trying import options

    named = [word for word in given if "=" not in word or "/" in word.partition("=")[0]]
    if len(named) > 1:
        raise UsageError("E-CONFIG", f"--config names two configurations: {named[0]} and {named[1]}")
    found: dict[str, str] = {}
    for word in given:
        if word in named:
            continue
        name, value = options.parsed(word)
        if found.get(name, value) != value:
            raise UsageError("E-CONFIG", f"--config gives {name} two values: {found[name]} and {value}")
        found[name] = value
    return tuple(found.items()), Path(named[0]) if named else None


def chosen(only: str) -> tuple[Phase, ...]:
    """The phases that `--only` names; all of them when it names none.

    Raises:
        UsageError: E-CONFIG for a name that is none.
    """
    from xenbump.trying.model import Phase

    names = [name.strip() for name in only.split(",")] if only else [phase.value for phase in Phase]
    for name in names:
        if name not in {phase.value for phase in Phase}:
            there = ", ".join(phase.value for phase in Phase)
            raise UsageError("E-CONFIG", f"--only knows no {name!r}; there is {there}")
    return tuple(phase for phase in Phase if phase.value in names)


def setting_of(
    config: Config,
    repo: str,
    phases: tuple[Phase, ...],
    *,
    xtf: Path | None = None,
    jobs: int = 0,
    again: bool = False,
    keep_logs: bool = False,
) -> Setting:
    """With what things are tried: what the configuration says, where the command line says nothing.

    Args:
        config: in force.
        repo: the repository of the command line; empty: the checkout that one stands in, else the configured one.
        phases: that are wanted.
        xtf: the folder of a built XTF, of the command line.
        jobs: compilers at a time; 0: one a processor.
        again: try it even where a result is kept.
        keep_logs: never remove the logs.
    """
    from xenbump.trying import configured

    return configured.setting(
        config,
        repository=repo or checkout(Path.cwd()),
        phases=phases,
        xtf=xtf,
        jobs=jobs,
        again=again,
        keep_logs=keep_logs,
    )


def checkout(folder: Path) -> str:
    """The top folder of the checkout of Xen that a folder is in; empty where it is in none."""
    for place in (folder, *folder.parents):
        if (place / ".git").exists():
            is_xen = (place / "xen" / "Makefile").is_file() and (place / "SUPPORT.md").is_file()
            return str(place) if is_xen else ""
    return ""


def _tried(options: common.Frame, setting: Setting, trials: list[Trial]) -> list[Verdict]:
    """Try one after the other, with what is done shown on stderr."""
    from xenbump.progress import RunBegan, RunEnded
    from xenbump.trying.setting import checked, left_out
    from xenbump.trying.verdict import tried

    with common.watched(options) as progress:
        progress.tell(RunBegan("try"))
        try:
            if len(trials) > 1:
                # What is wrong with the second question is not to be heard after the first answer.
                checked(trials, setting, progress)
            for sentence in filter(None, (left_out(trial, setting) for trial in trials)):
                progress(sentence)
            return [tried(trial, setting, progress) for trial in trials]
        finally:
            progress.tell(RunEnded())


def _reported(
    options: common.Frame,
    loaded: Config,
    setting: Setting,
    found: tuple[Verdict, Verdict | None, Comparison | None],
    repeat: list[str],
    document: str,
) -> str:
    """Write the report beside the logs, and tell where; what a person sends by mail."""
    from datetime import UTC, datetime

    from xenbump import xen
    from xenbump.trying import reporting

    verdict, before, comparison = found
    trust = xen.trust_of(loaded)
    said = reporting.told(verdict, setting, trust, repeat, before=before, comparison=comparison)
    text, paths = reporting.written(said, setting, document, datetime.now(UTC))
    if not options.quiet:
        sys.stderr.writelines(f"written: {path}\n" for path in paths)
    return text
