"""The Xen Test Framework in this dom0: what there is, what of it is run, and the run, with a limit for each test.

`xtf-runner` has no time limits. It runs all tests in one go in the background, its output is watched, and the guest of
a test that takes too long is destroyed: the runner then goes on with the next by itself. Where it does not, it is ended
and started again with the tests that are left. Its logfile mode is used, since its console mode can wait for ever.

The runner gets a folder of its own, with the configuration files rewritten: they have the folder's path of the machine
that built them, and where there is no device model the HVM tests are run as PVH guests, which the same binaries can be.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .baseline import ENVIRONMENTS, chosen, split
from .check import clipped
from .checks_xen import fields
from .guests import LOGS, device_model
from .machine import NOT_STARTED, headed
from .report import XtfReport, XtfResult
from .xtf_output import LINES, Output, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .job import Job, Xtf
    from .machine import Machine

TCG_ENVIRONMENTS = ("pv64", "hvm64", "hvm32", "hvm32pse")  # not hvm32pae: its tests hang under QEMU's TCG
FOLDER = "/run/xenbump/xtf"
SECONDS = 20.0
_CATEGORIES = ("functional", "xsa")  # those that the runner's `--all` takes
_MARK = "==xenbump=="
_POLL_SECONDS = 1.0  # a look takes an emulated machine a tenth of a second
_FILE = 16384  # bytes of a description or configuration
_AT_ONCE = 40  # files that are written by one command
_START_SECONDS = 15.0  # more than a test has: the runner starts, and asks Xen what it can run
_GRACE_SECONDS = 5.0
_NAME = re.compile(r"[A-Za-z0-9_.+-]+")


class XtfError(Exception):
    """The framework cannot be run: what was found."""


@dataclass(frozen=True)
class Suite:
    """A test of the framework: its name, category, the environments that it was built for, and its variations."""

    name: str
    category: str
    environments: tuple[str, ...]
    variations: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The full names of the tests that this is: one for each environment and variation."""
        tails = [f"~{variation}" for variation in self.variations] or [""]
        return tuple(f"test-{environment}-{self.name}{tail}" for environment in self.environments for tail in tails)


def suite(text: str, folder: str) -> Suite | None:
    """The test that an `info.json` describes; None for no test or another folder's, as for the runner."""
    try:
        found = json.loads(text)
        name, category = found["name"], found["category"]
        environments, variations = found["environments"], found["variations"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    lists = isinstance(environments, list) and isinstance(variations, list)
    if name != folder or not isinstance(category, str) or not lists or not environments:
        return None
    if not all(item in ENVIRONMENTS for item in environments):
        return None
    if not all(isinstance(item, str) and _NAME.fullmatch(item) for item in (name, *variations)):
        return None
    return Suite(name, category, tuple(environments), tuple(variations))


def discover(machine: Machine, folder: str) -> tuple[Suite, ...]:
    """The tests in a built framework's folder, by name.

    Raises:
        XtfError: there is no `xtf-runner`, or no test.
    """
    place = shlex.quote(folder)
    if not folder.startswith("/") or any(letter in folder for letter in "\"'\\\n"):
        raise XtfError(f"`{folder[:60]}` is no absolute path, or one that a guest's file cannot have")
    if not machine.run(f"test -f {place}/xtf-runner", timeout=SECONDS).ok:
        raise XtfError(f"there is no xtf-runner in {folder}")
    result = machine.run(f"cd {place}/tests && head -v -c {_FILE} */info.json", timeout=SECONDS)
    files = headed(result.output)
    found = [suite(text, path.removesuffix("/info.json")) for path, text in files.items()]
    suites = sorted((one for one in found if one is not None), key=lambda one: one.name)
    if not suites:
        raise XtfError(f"there is no test in {folder}/tests")
    return tuple(suites)


def select(suites: Iterable[Suite], choice: Xtf) -> tuple[str, ...]:
    """The full names of the tests to run, in the runner's order: by name, environment, variation.

    Tests that are no part of `--all` are taken when they are named.
    """
    names = []
    for one in suites:
        for name in one.names:
            asked = chosen(name, choice)
            if asked and (one.category in _CATEGORIES or choice.tests):
                names.append((one.name, name.split("-")[1], name))
    return tuple(name for _, _, name in sorted(names))


def rewritten(text: str, folder: str, *, pvh: bool) -> str:
    """A test's configuration for the folder in which it is here, and, with `pvh`, for a PVH guest instead of HVM."""
    lines = []
    for line in text.splitlines():
        moved = re.sub(r'"[^"]*(/tests/[^"/]+/test-[^"/]+)"', lambda match: f'"{folder}{match[1]}"', line)
        key = line.partition("=")[0].strip()
        if pvh and key == "builder":
            continue
        if pvh and key == "type":
            moved = moved.replace('"hvm"', '"pvh"')
        if pvh and key == "firmware_override":
            moved = moved.replace("firmware_override", "kernel", 1)
        lines.append(moved)
    return "\n".join(lines) + "\n"


def run(machine: Machine, job: Job, choice: Xtf, tell: Callable[[XtfResult], None]) -> XtfReport:
    """Run the chosen tests.

    Args:
        machine: where.
        job: says which device model there is.
        choice: folder, tests and limits.
        tell: given each result as soon as it is final.

    Returns:
        All results in order; `error` says why the run could not begin or what its runner complained of.
    """
    start = time.monotonic()
    try:
        names = _names(machine, choice)
        pvh = choice.pvh or not device_model(machine, job)
        _prepare(machine, choice.folder, names, pvh=pvh)
    except XtfError as error:
        return XtfReport(error=str(error), seconds=round(time.monotonic() - start, 3))
    series = Series(machine, choice, names, tell)
    series.run()
    results = tuple(series.results[name] for name in names)
    return XtfReport(results, series.error, round(time.monotonic() - start, 3))


def capabilities(info: Mapping[str, str]) -> frozenset[str]:
    """What the hypervisor can run, by the fields of `xl info`: of pv, pv32, hvm, hap, shadow; empty: it does not say.

    It says `pv32` in another place than the others, as one of its guest forms.
    """
    found = set(info.get("virt_caps", "").split()) & {"pv", "hvm", "hap", "shadow"}
    if "pv" in found and "xen-3.0-x86_32p" in info.get("xen_caps", "").split():
        found.add("pv32")
    return frozenset(found)


def possible(names: Iterable[str], able: frozenset[str]) -> tuple[str, ...]:
    """Those of the tests, by their full names, that a hypervisor with these capabilities can run; all if none are said.

    The runner's `--host` leaves out the same, and so do the baselines.
    """
    return tuple(name for name in names if not able or _needs(name) <= able)


def _needs(name: str) -> frozenset[str]:
    environment, _, variation = split(name)
    guest = {"hvm"} if environment.startswith("hvm") else {"pv", "pv32"} if environment == "pv32pae" else {"pv"}
    return frozenset(guest | ({variation} & {"hap", "shadow"}))


def _names(machine: Machine, choice: Xtf) -> tuple[str, ...]:
    asked = select(discover(machine, choice.folder), choice)
    if not asked:
        raise XtfError("no test of the framework is among those that were asked for")
    able = capabilities(fields(machine.run("xl info", timeout=SECONDS).output))
    names = possible(asked, able)
    if not names:
        raise XtfError(f"the hypervisor can run none of the tests here (it can {', '.join(sorted(able))})")
    return names


def _prepare(machine: Machine, folder: str, names: tuple[str, ...], *, pvh: bool) -> None:
    """Make the runner's folder: a link to the runner, and descriptions and configurations, these rewritten."""
    place = shlex.quote(folder)
    short = {name: name.partition("~")[0].split("-", 2)[2] for name in names}
    configurations = [f"{short[name]}/{name}.cfg" for name in names]
    descriptions = sorted({f"{one}/info.json" for one in short.values()})
    shown = " ".join(shlex.quote(path) for path in (*configurations, *descriptions))
    texts = headed(machine.run(f"cd {place}/tests && head -v -c {_FILE} {shown}", timeout=SECONDS).output)
    for path in configurations:
        text = texts.get(path, "")
        if "kernel" not in text and "firmware_override" not in text:
            raise XtfError(f"{folder}/tests/{path} cannot be read, or names no binary")
        texts[path] = rewritten(text, folder, pvh=pvh)
    folders = " ".join(sorted(set(short.values())))
    lines = [
        f"rm -rf {FOLDER} && mkdir -p {FOLDER}/tests {LOGS} && ln -s {place}/xtf-runner {FOLDER}/xtf-runner",
        f"cd {FOLDER}/tests && mkdir {folders}",
    ]
    # The shell writes the files itself: a program for each would take an emulated machine a while.
    lines += [f"printf %s {shlex.quote(text)} > {shlex.quote(path)}" for path, text in texts.items()]
    for start in range(0, len(lines), _AT_ONCE):
        command = " && ".join(lines[start : start + _AT_ONCE])
        written = machine.run(command if start == 0 else f"cd {FOLDER}/tests && {command}", timeout=SECONDS)
        if not written.ok:
            raise XtfError(f"the runner's folder cannot be made: {' '.join(written.lines[-1:])}")


class Series:
    """One run of tests, through as many starts of the runner as it takes."""

    def __init__(
        self, machine: Machine, choice: Xtf, names: tuple[str, ...], tell: Callable[[XtfResult], None]
    ) -> None:
        self.results: dict[str, XtfResult] = {}
        self._complaints: list[str] = []
        self._over = ""
        self._machine = machine
        self._choice = choice
        self._names = names
        self._tell = tell
        self._deadline = time.monotonic() + choice.seconds
        self._hung: set[str] = set()

    @property
    def error(self) -> str:
        """What the runner failed with first, how many failures more there were, and whether the time was over."""
        more = len(self._complaints) - 1
        said = [*self._complaints[:1], *([f"and {more} more"] if more > 0 else []), self._over]
        return "; ".join(one for one in said if one)

    def run(self) -> None:
        """Run until each test has a result, be it that its time was over before it began."""
        while left := [name for name in self._names if name not in self.results]:
            if time.monotonic() >= self._deadline:
                self._over = f"the {self._choice.seconds:g} seconds of all tests were over"
                for name in left:
                    self._settle(name, "UNRUN")
                return
            self._start(left)

    def _start(self, names: list[str]) -> None:
        """One start of the runner. At least one test has a result afterwards."""
        runner = _Runner(self._machine, names)
        output, current, begun = Output(), "", time.monotonic()
        times: dict[str, float] = {}
        limit, stopped = begun + self._choice.test_seconds + _START_SECONDS, False
        while not stopped:
            alive = runner.poll(output)
            now = time.monotonic()
            running = output.running
            if running is not None and running.name != current:
                times[current] = now - begun
                current, begun, limit = running.name, now, now + self._choice.test_seconds
                self._settle_ended(output, times)
            if not alive:
                break
            if now > limit:
                self._hung.add(current or names[0])
                stopped = not runner.unblock(current, output)
                limit = time.monotonic() + self._choice.test_seconds
            elif now >= self._deadline:
                stopped = True
            else:
                time.sleep(_POLL_SECONDS)
        times.setdefault(current, time.monotonic() - begun)
        if stopped:
            runner.stop(current)
        self._conclude(names, output, times, runner)

    def _settle_ended(self, output: Output, times: Mapping[str, float]) -> None:
        """Give results of tests that are behind us: the runner has started a later one."""
        for segment in output.segments[:-1]:
            self._settle(segment.name, segment.result or "CRASH", times.get(segment.name, 0.0), segment.lines)

    def _conclude(self, names: list[str], output: Output, times: Mapping[str, float], runner: _Runner) -> None:
        output.end()
        lines = {segment.name: segment.lines for segment in output.segments}
        self._settle_ended(output, times)
        if output.summary is not None:
            for name, result in output.summary.items():
                if name in names:
                    self._settle(name, result, times.get(name, 0.0), lines.get(name, []))
            expected = worst(tuple(output.summary.values()))
            if runner.status not in {None, expected}:
                self._complaints.append(
                    f"xtf-runner ended with status {runner.status}, and its results mean {expected}"
                )
            for name in names:
                if name not in self.results:
                    self._settle(name, "RUNNER", 0.0, ["xtf-runner's summary does not have this test"])
            return
        # No summary: the runner failed, or was ended. It got as far as the last test that it started.
        culprit = output.segments[-1].name if output.segments else names[0]
        if runner.status is None and culprit not in self._hung:
            return  # the time of all tests was over
        what = output.error or f"xtf-runner ended with status {runner.status} and without a summary"
        if culprit not in self._hung:
            self._complaints.append(f"{culprit}: {what}")
        said = lines.get(culprit, ())
        # Where it complained, its output has that already.
        more = () if f"Error: {what}" in said else (what,)
        self._settle(culprit, "RUNNER", times.get(culprit, 0.0), (*said, *more))

    def _settle(self, name: str, result: str, seconds: float = 0.0, lines: Iterable[str] = ()) -> None:
        if name in self.results or name not in self._names:
            return
        result = "HANG" if name in self._hung else result
        # One more says how many are left out, and one what the runner complained of.
        said = () if result in {"SUCCESS", "SKIP"} else clipped(tuple(lines), LINES + 2)
        self.results[name] = XtfResult(name, result, round(seconds, 2), said)
        self._tell(self.results[name])


class _Runner:
    """`xtf-runner` in the background, in a session of its own, with its output and then its status in a file."""

    def __init__(self, machine: Machine, names: list[str]) -> None:
        self.status: int | None = None
        self._machine = machine
        self._read = 0  # lines
        tests = " ".join(shlex.quote(name) for name in names)
        inner = f"echo $$ > pid; python3 ./xtf-runner -m logfile {tests}; s=$?; echo; echo {_MARK} $s"
        started = machine.run(
            f"cd {FOLDER} && rm -f pid && : > out && command -v setsid && "
            f"{{ setsid sh -c {shlex.quote(inner)} < /dev/null > out 2>&1 & }}",
            timeout=SECONDS,
        )
        if not started.ok:
            self.status = NOT_STARTED

    def poll(self, output: Output) -> bool:
        """Feed what was printed since the last time, whole lines; whether it still runs."""
        if self.status is None:
            # One small program: it runs often, and beside the tests.
            result = self._machine.run(f"tail -n +{self._read + 1} {FOLDER}/out", timeout=SECONDS)
            text = result.output[: result.output.rfind("\n") + 1] if result.ok else ""
            self._read += text.count("\n")
            said, marked, status = text.rpartition(f"{_MARK} ")
            if marked and status.strip().isdecimal():
                self.status = int(status)
                text = said
            output.feed(text)
        return self.status is None

    def unblock(self, test: str, output: Output) -> bool:
        """Destroy the guest of a test that hangs; whether the runner then went on."""
        if not test:
            return False
        self._machine.run(f"xl destroy {shlex.quote(test)}", timeout=SECONDS)
        deadline = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < deadline:
            if not self.poll(output) or output.running is None or output.running.name != test:
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def stop(self, test: str) -> None:
        """End the runner with all that it started, and the guest."""
        destroy = f"xl destroy {shlex.quote(test)}; " if test else ""
        command = f"cd {FOLDER} && kill -9 -$(cat pid); {destroy}true"
        self._machine.run(command, timeout=SECONDS)
