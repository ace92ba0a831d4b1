"""`xenbump watch`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from xenbump.cli import common

if TYPE_CHECKING:
    from xenbump.report.values import Event
    from xenbump.schedule import Moment
    from xenbump.signals import Signals

CheckOnlyOption = Annotated[
    bool, typer.Option("--check-only", help="Write and publish nothing: say what there is, and what is planned.")
]


def watch(
    check_only: CheckOnlyOption = False,
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Stay, look at the upstream, do on news what `run` does, and tell a hook of it.

    It looks hourly, and every minute for half an hour round an announced publication. SIGTERM and SIGINT end it with
    status 0, SIGUSR1 makes it look at once. With --json each event is one line.
    """
    options = common.frame(config, package, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    import os
    import random

    from xenbump import signals, watching
    from xenbump.alive import Notifier

    loaded = common.loaded_config(options)
    packages = loaded.selected(options.packages)
    with watching.alone(loaded.state), signals.handled() as handled:
        watching.Watch(
            loaded,
            packages,
            check_only=check_only,
            clock=_Clock(handled),
            chance=random.SystemRandom(),
            asked=handled.asked,
            tell=_Tell(options),
            notifier=Notifier.of(os.environ),
        ).run()


class _Clock:
    """The time of this machine; a signal ends a sleep."""

    def __init__(self, signals: Signals) -> None:
        self.sleep = signals.sleep

    def now(self) -> Moment:
        """Both clocks."""
        import time
        from datetime import UTC, datetime

        from xenbump.schedule import Moment

        return Moment(datetime.now(UTC), time.monotonic())


class _Tell:
    """Events to stdout, a line each and at once; all else to stderr."""

    def __init__(self, options: common.Frame) -> None:
        self._json = options.json
        self.progress = options.progress
        self.error = options.error

    def event(self, event: Event) -> None:
        """Something happened."""
        import msgspec

        line = msgspec.json.encode(event).decode("utf-8") if self._json else f"{event.event}: {event.summary}"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
