"""The agent: from a job to frames, as it runs inside a dom0, with the standard library alone."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dom0.support import NONCE, Fake, healthy, job
from xenbump import dom0
from xenbump.dom0 import checks
from xenbump.dom0.agent import Heart, Sender, main, work, writer
from xenbump.dom0.check import Check
from xenbump.dom0.frames import Decoder
from xenbump.dom0.job import Xtf
from xenbump.dom0.report import Collector, Report

if TYPE_CHECKING:
    from xenbump.dom0.check import Found
    from xenbump.dom0.job import Job
    from xenbump.dom0.machine import Machine

ROOM = Path(dom0.__file__).parent


def report_of(data: bytes) -> tuple[Report, Decoder]:
    decoder, collector = Decoder(NONCE), Collector()
    for frame in decoder.feed(data):
        collector.add(frame.document)
    return collector.report(), decoder


def worked(machine: Fake, todo: Job) -> tuple[Report, bytes]:
    sent: list[bytes] = []
    work(machine, todo, Sender(NONCE, sent.append))
    data = b"".join(sent)
    report, decoder = report_of(data)
    assert decoder.gaps == ()
    assert decoder.damaged == 0
    return report, data


def test_a_job_is_done_and_told() -> None:
    report, data = worked(healthy(), job(guests=()))
    assert report.passed
    assert [check.name for check in report.checks] == [check.name for check in checks.CHECKS]
    # Everything three times: twice as it comes, and once at the end.
    one = data.splitlines()[1]
    assert data.count(one) == 3


def test_the_answers_survive_the_loss_of_any_third_of_the_line() -> None:
    report, data = worked(healthy(), job(guests=()))
    third = len(data) // 3
    for start in (0, third, 2 * third):
        cut, decoder = report_of(data[:start] + b"[  1.0] noise" + data[start + third :])
        assert (cut.checks, cut.finished) == (report.checks, True)
        assert decoder.gaps == ()


def test_results_come_as_they_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    seen: list[int] = []

    def run(_machine: Machine, _job: Job) -> Found:
        seen.append(len(report_of(b"".join(sent))[0].checks) - len(report_of(b"".join(sent))[0].missing))
        raise RuntimeError("broken")

    monkeypatch.setattr(checks, "CHECKS", tuple(Check(name, "R.", run) for name in ("a", "b", "c")))
    work(healthy(), job(), Sender(NONCE, sent.append))
    assert seen == [0, 1, 2]
    assert {check.reason for check in report_of(b"".join(sent))[0].checks} == {
        "the check itself failed: RuntimeError: broken"
    }


def test_a_job_with_a_check_that_is_not_known_is_told_and_not_passed() -> None:
    report, _ = worked(healthy(), job(checks=("nothing",)))
    assert report.error.startswith("ValueError: `nothing` is no check")
    assert not report.passed


def test_a_framework_that_is_not_there_is_told() -> None:
    report, _ = worked(healthy(("test -f", 1, "")), job(checks=("control",), xtf=Xtf("/xtf")))
    assert report.finished
    assert report.xtf is not None
    assert report.xtf.error == "there is no xtf-runner in /xtf"


def test_signs_of_life_come_until_the_end() -> None:
    sent: list[bytes] = []
    enough = threading.Event()

    def write(data: bytes) -> None:
        sent.append(data)
        if len(sent) > 2:
            enough.set()

    with Heart(Sender(NONCE, write), 0.01):
        assert enough.wait(10)
    count = len(sent)
    time.sleep(0.05)
    assert len(sent) == count
    frames = Decoder(NONCE).feed(b"".join(sent))
    assert all(frame.beat and frame.document == {"kind": "beat"} for frame in frames)
    assert len(frames) == count


def test_a_line_that_has_gone_ends_no_heart() -> None:
    called = threading.Event()

    def write(_: bytes) -> None:
        called.set()
        raise OSError(5, "Input/output error")

    with Heart(Sender(NONCE, write), 0.01):
        assert called.wait(10)


def test_it_runs_from_a_copy_with_the_standard_library_alone(tmp_path: Path) -> None:
    shutil.copytree(ROOM, tmp_path / "dom0", ignore=shutil.ignore_patterns("__pycache__"))
    names = ("control", "tools", "alone", "dmesg")
    (tmp_path / "job.json").write_text(job(checks=names, heartbeat_seconds=0.05).to_json())
    console = tmp_path / "console"
    console.write_bytes(b"what stood there\n")
    command = [sys.executable, "-S", "-E", "-B", "-W", "error", "-m", "dom0.agent", "job.json", "--out", "console"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    data = console.read_bytes()
    assert data.startswith(b"what stood there\n")
    report, _ = report_of(data)
    assert report.finished
    # This machine is no dom0.
    assert [(check.name, check.result) for check in report.checks][:3] == [
        ("control", "failed"),
        ("tools", "failed"),
        ("alone", "failed"),
    ]


def test_frames_go_to_stdout_without_a_device(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    (tmp_path / "job").write_text(job(checks=("control",)).to_json())
    assert main([str(tmp_path / "job")]) == 0
    assert report_of(capfdbinary.readouterr().out)[0].finished


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff", b'{"nonce": "short", "version": "4.20.2"}'])
def test_a_job_that_cannot_be_read_is_said_in_plain_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "job"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"xenbump: no job can be read from {path}: ")


def test_a_device_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "job").write_text(job().to_json())
    assert main([str(tmp_path / "job"), "--out", str(tmp_path / "none" / "hvc0")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_a_full_line_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.touch()
    write = writer(str(path))
    real, tries = os.write, iter(range(100))

    def slow(descriptor: int, data: bytes) -> int:
        if next(tries) % 2 == 0:
            raise BlockingIOError
        return real(descriptor, data[:3])

    monkeypatch.setattr(os, "write", slow)
    write(b"0123456789")
    assert path.read_bytes() == b"0123456789"


def test_the_room_imports_the_standard_library_and_itself() -> None:
    files = sorted(ROOM.glob("*.py"))
    assert len(files) > 10
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= sys.stdlib_module_names, path
            elif isinstance(node, ast.ImportFrom):
                # Of itself only what stands beside it: the folder may have another name above it.
                own = node.level == 1
                assert own or (node.level == 0 and str(node.module).partition(".")[0] in sys.stdlib_module_names), path
