"""`xenbump bisect`."""

from __future__ import annotations

import hashlib
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from xenbump.cli import common, try_

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.progress import Progress
    from xenbump.trying.bisect import Asked, Bisection, Outcome
    from xenbump.trying.model import Trial, Verdict
    from xenbump.trying.setting import Setting

GoodArgument = Annotated[str, typer.Argument(metavar="GOOD", help="A tag, branch or commit that has not the fault.")]
BadArgument = Annotated[str, typer.Argument(metavar="BAD", help="One that has it.")]
OnOption = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="QUESTION",
        help="What is good or bad: build, dom0, guests, xtf, a check in dom0, guest:KIND or xtf:TEST.",
    ),
]
RepeatOption = Annotated[
    int, typer.Option("--repeat", metavar="N", min=0, help="How often an answer is tried again that may be chance.")
]
FlakyOption = Annotated[
    Literal["skip", "good", "bad"],
    typer.Option(
        "--flaky",
        help="As what a commit counts that is good once and bad another time; with bad, good ones are repeated.",
    ),
]
AgainOption = Annotated[
    bool, typer.Option("--again", help="Try a commit even where a result of it is kept, of another command or run.")
]
AgainLastOption = Annotated[
    bool, typer.Option("--again-last", help="Forget the last answer, try that commit once more, and go on from there.")
]
LogOption = Annotated[
    bool, typer.Option("--log", help="Only print what was answered, in a form that `git bisect replay` reads.")
]
ResetOption = Annotated[bool, typer.Option("--reset", help="Only forget all answers of this bisection.")]


def bisect(
    good: GoodArgument,
    bad: BadArgument,
    on: OnOption = "dom0",
    repo: try_.RepoOption = "",
    patch: try_.PatchOption = None,
    config: try_.SettingsOption = None,
    tools: try_.ToolsOption = "auto",
    xtf: try_.XtfOption = None,
    jobs: try_.JobsOption = 0,
    repeat: RepeatOption = 1,
    flaky: FlakyOption = "skip",
    again: AgainOption = False,
    again_last: AgainLastOption = False,
    log: LogOption = False,
    reset: ResetOption = False,
    keep_logs: try_.KeepLogsOption = False,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Find the commit of Xen that brought a fault, as `git bisect run` does: each is built, booted and asked.

    A commit that does not build is skipped; --patch and --config are put upon each of them.
    The same command goes on where one that was killed stood.
    Exit status 0: found; 30: skipped commits hide it.
    """
    from xenbump.trying import bisect as bisecting
    from xenbump.trying import bisect_document, bisect_question, bisect_words
    from xenbump.trying.history import History
    from xenbump.trying.model import Phase
    from xenbump.trying.source import Workshop

    given, file = try_.split(config or [])
    options = common.frame(file, None, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    question = bisect_question.parsed(on)
    loaded = common.selected_config(options)
    setting = try_.setting_of(loaded, repo, question.phases, xtf=xtf, jobs=jobs, again=again, keep_logs=keep_logs)
    setting = replace(setting, tests=question.tests)
    patches = tuple(path.absolute() for path in patch or ())
    asked = bisecting.Asked(good, bad, question, patches, given, tools, repeat, flaky)
    with common.watched(options) as progress:
        history = History(Workshop(setting.repository, setting.folder, progress, mirrors=setting.mirrors))
        bisection = bisecting.Bisection(asked, history, setting.folder / "bisect", _parts(asked, setting))
        outcome = None
        if not log and not reset:
            bisecting.check_xtf(question, setting.xtf)
            outcome = _run(bisection, setting, progress, again_last=again_last)
    if outcome is None:
        told = [f"{bisection.forget()} answers are forgotten"] if reset else _known(bisection, asked)
        common.say(told)
        return
    if json:
        from xenbump.report import documents as reports

        sys.stdout.write(reports.encode(bisect_document.document(outcome, bisection.good, bisection.bad)))
    else:
        called = [word for word in sys.argv[1:] if word not in {"--again", "--again-last"}]
        alone = ""
        if outcome.first is not None:
            tests = ["--xtf", str(setting.xtf)] if question.phase is Phase.XTF else []
            more = [*tests, *(["--config", str(file)] if file else [])]
            alone = shlex.join(bisect_words.alone(asked, outcome.first.sha, setting.repository, more))
        told = bisect_words.lines(outcome, shlex.join(["xenbump", *called, "--again-last"]), alone)
        common.say(told[:1] if quiet else told)
    sys.stdout.flush()
    raise typer.Exit(common.DONE if outcome.first is not None else common.REJECTED)


def _run(bisection: Bisection, setting: Setting, progress: Progress, *, again_last: bool) -> Outcome:
    from xenbump.progress import RunBegan, RunEnded
    from xenbump.trying import verdict as verdicts

    def tried(trial: Trial, again: bool, tell: Callable[[str], None]) -> Verdict:
        return verdicts.tried(trial, replace(setting, again=setting.again or again), tell)

    progress.tell(RunBegan("bisect"))
    try:
        return bisection.run(tried, progress, again_last=again_last)
    finally:
        progress.tell(RunEnded())


def _parts(asked: Asked, setting: Setting) -> list[str]:
    """What, besides its ends and its question, tells one bisection from another."""
    from xenbump.trying import series
    from xenbump.trying.model import Phase

    patches = [hashlib.sha256(patch.content).hexdigest() for patch in series.read(asked.patches)]
    options = [f"{name}={value}" for name, value in sorted(asked.options)]
    tests = [str(setting.xtf), str(setting.baseline)] if asked.question.phase is Phase.XTF else []
    return [setting.repository, asked.tools, "patches", *patches, "options", *options, "xtf", *tests]


def _known(bisection: Bisection, asked: Asked) -> list[str]:
    """The log of what was answered by now."""
    from xenbump.trying import bisect_words

    answered = [(step, asked.settled(step)) for step in bisection.remembered()]
    settled = [(step, answer) for step, answer in answered if answer is not None]
    return bisect_words.log(bisection.good, bisection.bad, settled)
