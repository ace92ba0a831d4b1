"""What the commands share: their options, how a run is framed, and how its outcomes become text, JSON and a status."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xenbump.errors import Failure, Refusal, UsageError, XenbumpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import msgspec

    from xenbump.config import Config
    from xenbump.outcomes import Outcome
    from xenbump.pipeline import Pipeline
    from xenbump.progress import Progress
    from xenbump.settings import Package
    from xenbump.verify.evidence import Evidence

DONE, FAILED, USAGE, TO_DO, REFUSED, REJECTED = 0, 1, 2, 10, 20, 30

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration; without it, xenbump.toml here or in a folder above.",
        show_default=False,
    ),
]
PackageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--package", metavar="NAME", help="Only this configured package; may be repeated.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")]
VerboseOption = Annotated[
    bool, typer.Option("-v", "--verbose", help="Say more, and where in the program an error arose.")
]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Say only the result and errors.")]
ProgressOption = Annotated[bool, typer.Option("--no-progress", help="Do not say what is being done.")]
ToOption = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="VERSION|latest|stable-tip",
        help="Move to this release, to the newest of all branches, or to the tip of the stable branch.",
        show_default=False,
    ),
]

SecurityOption = Annotated[
    bool, typer.Option("--security-only", help="Stay on the version: only patches of advisories come and go.")
]


@dataclass(frozen=True, slots=True)
class Frame:
    """The options that every command has."""

    config: Path | None
    packages: tuple[str, ...]
    json: bool
    verbose: bool
    quiet: bool
    no_progress: bool

    def progress(self, sentence: str) -> None:
        """Say on stderr what is being done."""
        if not self.quiet and not self.no_progress:
            sys.stderr.write(f"… {sentence}\n")
            sys.stderr.flush()

    def error(self, stopped: XenbumpError) -> None:
        """Explain an error on stderr."""
        from xenbump.cli import actions
        from xenbump.report import text

        sys.stderr.write(actions.unheard("\n".join(text.error(stopped))) + "\n")
        if self.verbose:
            sys.stderr.write(actions.unheard("".join(traceback.format_exception(stopped))))


def frame(
    config: Path | None, packages: list[str] | None, *, json: bool, verbose: bool, quiet: bool, no_progress: bool
) -> Frame:
    """Gather the options that every command has."""
    return Frame(config, tuple(packages or ()), json, verbose, quiet, no_progress)


def perform(options: Frame, command: str, work: Callable[[Pipeline, Package], Outcome]) -> list[Outcome]:
    """Do the work of a command for each package, journalled.

    Raises:
        XenbumpError: the run as a whole could not begin; what stops a single package is its outcome.
    """
    from xenbump import config as configuration
    from xenbump.cli import actions
    from xenbump.journal import Journal
    from xenbump.pipeline import opened

    config = configuration.load(options.config)
    packages = config.selected(options.packages)
    with (
        watched(options) as progress,
        Journal(config.state).run(command, progress) as run,
        opened(config, run, progress) as pipeline,
    ):
        outcomes = [work(pipeline, package) for package in packages]
        run.end(status(outcomes))
    actions.tell(outcomes, command, status(outcomes))
    return outcomes


@contextlib.contextmanager
def watched(options: Frame) -> Iterator[Progress]:
    """What shows on stderr what is being done: a table on a terminal, lines elsewhere, nothing where none is wanted.

    Within the `with` block nothing else may write to the terminal while a run lasts (`RunBegan` to `RunEnded`).
    """
    from xenbump.progress import Progress

    if options.quiet or options.no_progress:
        yield Progress()
        return
    if is_live():
        from xenbump.cli.terminal import Terminal

        shown: Terminal | Plain = Terminal(sys.stderr, colour=not os.environ.get("NO_COLOR"), verbose=options.verbose)
    else:
        from xenbump.cli.plain import Plain

        shown = Plain(sys.stderr, groups=os.environ.get("GITHUB_ACTIONS") == "true")
    try:
        yield Progress(shown.tell)
    finally:
        # It may be what it writes to that is gone; then there is nobody to tell.
        with contextlib.suppress(Exception):
            shown.close()


def is_live() -> bool:
    """Whether stderr is a terminal on which lines can be drawn over, and nobody asks for plain ones."""
    plain = os.environ.get("CI") or os.environ.get("GITHUB_ACTIONS")
    return sys.stderr.isatty() and not plain and os.environ.get("TERM", "") not in {"", "dumb"}


def status(outcomes: list[Outcome]) -> int:
    """The exit status for the outcomes: what may be tried again comes before what a person must decide."""
    from xenbump.outcomes import NeedsPatches, NewerRelease, Planned, Rejected, Stopped, Tried, Verified

    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Stopped)]
    for kind in (Failure, UsageError, Refusal):
        if any(isinstance(error, kind) for error in errors):
            return kind.exit_status
    verified = [outcome for outcome in outcomes if isinstance(outcome, Verified | Rejected)]
    tested = [outcome for outcome in outcomes if isinstance(outcome, Tried)]
    if any(outcome.evidence.failed for outcome in verified) or any(outcome.failed_now for outcome in tested):
        return REJECTED
    to_do = any(isinstance(outcome, NewerRelease | NeedsPatches | Planned) for outcome in outcomes)
    return TO_DO if to_do or any(outcome.is_new for outcome in tested) else DONE


def show(options: Frame, outcomes: list[Outcome], document: msgspec.Struct, *, diffs: bool = False) -> None:
    """Print the outcomes: a JSON document, or text and, if asked for, diffs.

    Errors go to stderr, and after a failure the command to go on with.
    """
    from xenbump.cli import actions
    from xenbump.outcomes import Planned, Stopped, Written
    from xenbump.report import documents, text

    if options.json:
        sys.stdout.write(documents.encode(document))
    fit()
    for outcome in outcomes:
        if isinstance(outcome, Stopped):
            options.error(outcome.error)
        elif not options.json:
            sys.stdout.write(actions.unheard("\n".join(text.outcome(outcome))) + "\n")
            if diffs and isinstance(outcome, Planned | Written):
                sys.stdout.write(actions.unheard(coloured(text.diff(outcome.edits))))
    sys.stdout.flush()
    sys.stderr.writelines(f"{actions.unheard(line)}\n" for line in going_on(options, outcomes))


def say(lines: list[str]) -> None:
    """Write lines for people to stdout."""
    from xenbump.cli import actions

    sys.stdout.write(actions.unheard("\n".join(lines)) + "\n")


def fit() -> None:
    """Let text be as wide as the terminal that stdout is, from 60 to 200 columns; what is piped keeps its width."""
    import os

    from xenbump.report import text

    with contextlib.suppress(OSError):
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
        if columns:
            text.WIDTH.set(max(60, min(200, columns)))


def going_on(options: Frame, outcomes: list[Outcome]) -> list[str]:
    """What to say after failures: the command with which the work can go on; with `--json`, why a step failed, too."""
    from xenbump.outcomes import Rejected, Stopped, Verified

    told = []
    config = ["--config", str(options.config)] if options.config is not None else []
    for outcome in outcomes:
        match outcome:
            case Stopped(package, _, error) if isinstance(error, Failure):
                told.append(f"{package}: to go on: {shlex.join(_called(package, options))}")
            case Verified(_, evidence) | Rejected(evidence=evidence) if evidence.failed:
                named = ["--package", evidence.package, *config]
                look = shlex.join(["xenbump", "verify", "--only", _only(evidence), *named])
                # Nothing is published for a change that failed, so it is only seen in the working tree.
                before = f"{shlex.join(['xenbump', 'bump', *named])} && " if isinstance(outcome, Rejected) else ""
                told += _reasons(evidence) if options.json else []
                told.append(f"{evidence.package}: to go on: {before}{look}")
    return told


def _called(package: str, options: Frame) -> list[str]:
    """The command as it was called, for one package."""
    named = [] if package in options.packages else ["--package", package]
    return ["xenbump", *sys.argv[1:], *named]


def _only(evidence: Evidence) -> str:
    """The steps that failed, with the build that they lean on."""
    from xenbump.dom0.report import FAILED

    failed = [one.step.value for one in evidence.steps if one.result == FAILED]
    return ",".join(dict.fromkeys(["build", *failed]))


def _reasons(evidence: Evidence) -> list[str]:
    """What a verification came to, as the text has it that `--json` stands for."""
    from xenbump.report import verification

    return verification.lines(evidence)


def coloured(diff: str) -> str:
    """A diff for this terminal: with colours where stdout is one and nothing forbids them."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("CI"):
        return diff
    colours = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}
    lines = diff.splitlines(keepends=True)
    return "".join(
        f"{colours[line[0]]}{line.rstrip(chr(10))}\x1b[0m\n" if line[:1] in colours else line for line in lines
    )


def selected_config(options: Frame) -> Config:
    """The configuration, or the defaults where no file is named and none is found."""
    from xenbump import config as configuration

    return configuration.load_or_default(options.config)


def loaded_config(options: Frame) -> Config:
    """The configuration; an error where there is none."""
    from xenbump import config as configuration

    return configuration.load(options.config)
