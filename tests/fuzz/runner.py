"""Runs targets under atheris, each in a process of its own, and says what came of it; `tools/fuzz.py` is its command.

What libFuzzer prints is described at https://llvm.org/docs/LibFuzzer.html. Whatever ends a run before its time (an
exception, a time-out, too much memory, a process that died) is a fault; its input is kept.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
DICTIONARIES = ROOT / "tests" / "fuzz" / "dictionaries"
LARGEST = 4096  # bytes of an input; growth.py looks at long ones
_MEMORY = 1024  # MiB of a process
_TIMEOUT = 10  # seconds of one input
_GRACE = 300  # seconds for the start, the corpus and the end, on a machine that has much else to do
_MOST = 16_000  # bytes of new inputs that a target may bring into the corpus in the checkout

_STATISTIC = re.compile(r"^stat::(?P<name>\w+):\s+(?P<value>\d+)", re.MULTILINE)
_COVERAGE = re.compile(r"\bcov: (\d+) ft: (\d+)")
_ARTIFACT = re.compile(r"Test unit written to (?P<path>.+)$", re.MULTILINE)
_EXCEPTION = re.compile(r"=== Uncaught Python exception: ===\n(?P<what>.*)")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a target.

    Attributes:
        target: its name.
        executions: how many inputs were run.
        seconds: how long.
        coverage: the branches of xenbump that were seen, as libFuzzer counts them.
        new: the inputs that brought something new.
        slowest: seconds of the processor that the slowest input took.
        slowest_bytes: its length.
        memory: the most that was used, in MiB.
        fault: what ended the run before its time; empty: nothing did.
        kept: the input that did.
        log: what the process printed, at a fault.
    """

    target: str
    executions: int
    seconds: int
    coverage: int
    new: int
    slowest: float
    slowest_bytes: int
    memory: int
    fault: str = ""
    kept: Path | None = None
    log: str = ""


def installed() -> bool:
    """Whether atheris is there."""
    return importlib.util.find_spec("atheris") is not None


def run(target: str, seconds: int, keep: Path, *, module: str = "", write: bool = False) -> Result:
    """Fuzz one target.

    Args:
        target: its name, which its corpus and its dictionary have, too.
        seconds: how long.
        keep: a folder for the input that makes a fault; made when there is one.
        module: which has `one`; empty: the target's.
        write: whether what is new comes into the corpus in the checkout, as far as it is small.
    """
    with tempfile.TemporaryDirectory(prefix="xenbump-fuzz-") as scratch:
        folder = Path(scratch)
        found, record = folder / "corpus", folder / "slowest.json"
        found.mkdir()
        (folder / "artifacts").mkdir()
        dictionary = DICTIONARIES / f"{target}.txt"
        arguments = [
            f"-max_total_time={seconds}",
            f"-rss_limit_mb={_MEMORY}",
            f"-timeout={_TIMEOUT}",
            f"-max_len={LARGEST}",
            f"-artifact_prefix={folder / 'artifacts'}/",
            "-print_final_stats=1",
            *([f"-dict={dictionary}"] if dictionary.is_file() else []),
            str(found),
            *([str(CORPUS / target)] if (CORPUS / target).is_dir() else []),
        ]
        status, log = _call(module or f"tests.fuzz.targets.{target}", record, arguments, folder, seconds + _GRACE)
        result = _result(target, seconds, log, record)
        if status == 0:
            if write:
                _write(target, module, folder, found)
            return result
        return _faulty(result, status, log, keep)


def _call(module: str, record: Path, arguments: list[str], folder: Path, limit: int) -> tuple[int, str]:
    """Run the driver; its status, and what it printed."""
    argv = [sys.executable, "-m", "tests.fuzz.drive", module, str(record), *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    log = folder / "log"
    with log.open("wb") as out:
        try:
            done = subprocess.run(
                argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False, timeout=limit
            )
            status = done.returncode
        except subprocess.TimeoutExpired:
            status = -1
    return status, log.read_text("utf-8", "replace")


def _result(target: str, seconds: int, log: str, record: Path) -> Result:
    said = {match["name"]: int(match["value"]) for match in _STATISTIC.finditer(log)}
    slowest: dict[str, Any] = (
        json.loads(record.read_text("utf-8")) if record.is_file() else {"seconds": 0.0, "bytes": 0}
    )
    return Result(
        target=target,
        executions=said.get("number_of_executed_units", 0),
        seconds=seconds,
        coverage=max((int(match[1]) for match in _COVERAGE.finditer(log)), default=0),
        new=said.get("new_units_added", 0),
        slowest=slowest["seconds"],
        slowest_bytes=slowest["bytes"],
        memory=said.get("peak_rss_mb", 0),
    )


def _faulty(result: Result, status: int, log: str, keep: Path) -> Result:
    """The result with the fault, and its input put where it stays."""
    artifact = _ARTIFACT.search(log)
    exception = _EXCEPTION.search(log)
    kinds = {70: "it took too long", 71: "it took too much memory", -1: "the process did not end"}
    what = exception["what"] if exception else kinds.get(status, f"the process ended with the status {status}")
    kept = None
    if artifact is not None and Path(artifact["path"]).is_file():
        keep.mkdir(parents=True, exist_ok=True)
        kept = keep / f"{result.target}-{Path(artifact['path']).name}"
        shutil.copyfile(artifact["path"], kept)
    fields = {name: getattr(result, name) for name in Result.__slots__}
    return Result(**{**fields, "fault": what, "kept": kept, "log": log[-4000:]})


def _write(target: str, module: str, folder: Path, found: Path) -> None:
    """Bring what is new into the checkout: what covers something that the corpus does not, the smallest first."""
    merged = folder / "merged"
    shutil.copytree(CORPUS / target, merged)
    known = {path.read_bytes() for path in merged.iterdir()}
    arguments = ["-merge=1", f"-max_len={LARGEST}", f"-rss_limit_mb={_MEMORY}", str(merged), str(found)]
    _call(module or f"tests.fuzz.targets.{target}", folder / "ignored", arguments, folder, 600)
    room = _MOST
    for path in sorted(_files(merged), key=lambda one: (one.stat().st_size, one.name)):
        data = path.read_bytes()
        room -= 0 if data in known else len(data)
        if data not in known and room >= 0:
            (CORPUS / target / f"found-{path.name[:12]}").write_bytes(data)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_file())


def table(results: list[Result]) -> str:
    """The results, as lines for people."""
    head = ("target", "executions", "a second", "coverage", "new", "MiB", "slowest", "of bytes", "crashes")
    rows = [head]
    rows += [
        (
            one.target,
            f"{one.executions:,}",
            f"{one.executions // max(one.seconds, 1):,}",
            f"{one.coverage:,}",
            f"{one.new:,}",
            f"{one.memory:,}",
            f"{1000 * one.slowest:.0f} ms",
            f"{one.slowest_bytes:,}",
            str(int(bool(one.fault))),
        )
        for one in results
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
