"""Signals, each in a process of its own: what ends, how quickly, and what is left."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.demo import none_left_with

HEAD = """\
import os, signal, sys, threading, time
from xenbump import process
from xenbump.signals import Ended, handled

def later(number, seconds=0.1):
    threading.Timer(seconds, os.kill, (os.getpid(), number)).start()

"""


def ran(script: str) -> tuple[list[str], str, float]:
    """Run a script; the lines that it printed, what it said besides, and the seconds that it took itself."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + script], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    *lines, took = done.stdout.splitlines()
    return lines, done.stderr, float(took)


TIMED = """
began = time.monotonic()
with handled() as signals:
    later(signal.{name})
{body}
print(signals.number)
print(time.monotonic() - began)
"""


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("SIGTERM", "    process.run(['sleep', '62'])"),
        ("SIGINT", "    process.run(['sleep', '62'])"),
        ("SIGTERM", "    while True: pass"),
        ("SIGINT", "    signals.sleep(62)"),
        (
            "SIGTERM",
            "    while True:\n        try:\n            time.sleep(62)\n        except Exception:\n            pass",
        ),
    ],
)
def test_whatever_is_done_ends_at_once(name: str, body: str) -> None:
    lines, said, took = ran(TIMED.format(name=name, body=body))
    assert lines == [{"SIGTERM": "15", "SIGINT": "2"}[name]]
    assert took < 1.0
    assert said == ""
    if "sleep', '62'" in body:
        assert none_left_with("sleep 62")


def test_an_exception_that_a_finaliser_drops_is_raised_again() -> None:
    """Else the program would go on with what it does after it, for as long as that takes."""
    body = """\
    class Odd:
        def __del__(self):
            end = time.monotonic() + 0.3
            while time.monotonic() < end: pass
    Odd()
    process.run(['sleep', '63'])"""
    lines, said, took = ran(TIMED.format(name="SIGTERM", body=body))
    assert lines == ["15"]
    assert "Exception ignored in" in said
    assert took < 1.3
    assert none_left_with("sleep 63")


def test_what_is_being_ended_is_not_disturbed() -> None:
    """More signals come, and the alarm that looks whether anything ends: each clean-up runs to its end, once."""
    body = """\
    later(signal.SIGTERM, 0.2)
    later(signal.SIGINT, 0.3)
    try:
        try:
            time.sleep(62)
        finally:
            try:
                raise ValueError
            except ValueError:
                time.sleep(0.5)
            print('one')
    except BaseException as error:
        print(type(error).__name__)
        time.sleep(0.3)
        print('two')
        raise"""
    lines, said, took = ran(TIMED.format(name="SIGTERM", body=body))
    assert lines == ["one", "Ended", "two", "15"]
    assert said == ""
    assert took < 2.0


def test_a_signal_that_asks_wakes_and_disturbs_nothing() -> None:
    script = """
with handled() as signals:
    later(signal.SIGUSR1)
    began = time.monotonic()
    signals.sleep(62)
    print(signals.asked(), signals.asked(), signals.number)
    os.kill(os.getpid(), signal.SIGUSR1)
    signals.sleep(62)  # it was asked before
    print(signals.asked())
    later(signal.SIGUSR1, 0.05)
    print(process.run(['sh', '-c', 'sleep 0.2; echo done']).stdout, signals.asked())
    signals.sleep(0.1)
    print(time.monotonic() - began > 0.3, signals.number)
before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGUSR1)
print(before == (signal.SIG_DFL, signal.default_int_handler, signal.SIG_DFL), signal.getitimer(signal.ITIMER_REAL))
print(time.monotonic() - began)
"""
    lines, said, took = ran(script)
    assert lines == ["True False None", "True", "b'done\\n' True", "True None", "True (0.0, 0.0)"]
    assert said == ""
    assert took < 5.0


def test_another_exception_passes() -> None:
    began = time.monotonic()
    script = """
try:
    with handled() as signals:
        raise ValueError
except ValueError:
    print('passed')
print(0)
"""
    assert ran(script)[0] == ["passed"]
    assert time.monotonic() - began < 10
