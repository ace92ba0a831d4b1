"""Real builds by a real Nix, in a store of their own; their ends; and that no process is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xenbump.errors import Failure, UsageError
from xenbump.verify import build as module
from xenbump.verify.build import build, compared
from xenbump.verify.nix import Buildable, evaluate
from xenbump.verify.nixstate import Mismatch, State

if TYPE_CHECKING:
    from collections.abc import Callable

    Wanted = Callable[..., Buildable]

ZEROS = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
HELLO = "sha256-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM="
OTHER = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def left(folder: Path) -> list[int]:
    """The processes that have the folder's name in their environment: Nix, its builders and their children."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(folder) in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def signal_nix(folder: Path, number: signal.Signals) -> None:
    """Signal Nix itself, not its builders."""
    for process in left(folder):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{process}/comm").read_text().startswith("nix"):
                os.kill(process, number)


def none_left(folder: Path) -> bool:
    deadline = time.monotonic() + 3
    while left(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_all_outputs_are_built(wanted: Wanted, tmp_path: Path, nix_machine: Path) -> None:
    states: list[State] = []
    built = build(wanted("good"), tmp_path / "logs", limit=60, progress=states.append)
    assert built.outcome == "built"
    assert set(built.outputs) == {"out", "dev"}
    assert all(Path(path).is_file() and path.startswith(str(nix_machine)) for path in built.outputs.values())
    assert states[-1].builds.done == 1
    assert built.log == tmp_path / "logs" / "good.log"
    assert "good-1> made\n" in built.log.read_text()
    assert [path.name for path in built.log.parent.iterdir()] == ["good.log"]
    assert 0 < built.seconds < 60
    assert not built.reason
    again = build(wanted("good"), tmp_path, limit=60)
    assert (again.outcome, again.outputs) == ("built", built.outputs)
    assert not (nix_machine / "flake" / "flake.lock").exists()


def test_a_folder_without_flake(wanted: Wanted, tmp_path: Path) -> None:
    built = build(wanted("good", nixpkgs=True), tmp_path, limit=60)
    assert (built.outcome, set(built.outputs)) == ("built", {"out", "dev"})


@pytest.mark.parametrize("attribute", ["failing", "behind"])
def test_a_failing_one(attribute: str, wanted: Wanted, tmp_path: Path) -> None:
    # `-L` alone would have Nix write another format.
    failed = build(wanted(attribute, "--option", "keep-failed", "false", "-L"), tmp_path, limit=60)
    assert failed.outcome == "failed"
    assert failed.derivation.endswith("-failing-1.drv")
    assert failed.reason == f"builder for '{failed.derivation}' failed with exit code 2"
    assert failed.lines[-2:] == ("CC file60.o", "make: *** [all] Error 2")
    assert len(failed.lines) == 30
    assert failed.outputs == {}
    assert failed.log is not None
    assert "failing-1> CC file1.o\n" in failed.log.read_text()


def test_a_wrong_hash_is_told_and_not_taken(wanted: Wanted, tmp_path: Path, nix_machine: Path) -> None:
    before = (nix_machine / "flake" / "default.nix").read_text()
    failed = build(wanted("mismatch"), tmp_path, limit=60, computed={"the source of Xen": OTHER})
    assert failed.outcome == "mismatch"
    assert failed.mismatch == Mismatch(failed.derivation, ZEROS, HELLO)
    assert failed.reason == (
        f"mismatch-1: Nix says {HELLO}, the package has {ZEROS}, and neither was computed here, "
        f"but {OTHER} for the source of Xen"
    )
    assert (nix_machine / "flake" / "default.nix").read_text() == before


def test_who_is_right_about_a_hash() -> None:
    wrong = Mismatch("/nix/store/" + "a" * 32 + "-source.drv", ZEROS, HELLO)
    assert compared(wrong, {"a patch": OTHER, "Xen": ZEROS}) == (
        f"source: Nix says {HELLO}, and for Xen {ZEROS} was computed here, as the package has it"
    )
    base_32 = "sha256:00ypyr49w8m21mqhybx1cd63rkx5zfx41gnz1wkshp9x4djkb48q"
    assert compared(Mismatch("x.drv", OTHER, HELLO), {"Xen": HELLO}) == (
        f"x: Nix says {HELLO}, as was computed here for Xen; the package has {OTHER}"
    )
    assert compared(wrong, {}) == f"source: Nix says {HELLO}, the package has {ZEROS}, and nothing was computed here"
    unreadable = Mismatch("x.drv", "md5:1", "md5:2")
    assert "neither was computed here" in compared(unreadable, {"Xen": base_32})


def test_an_error_in_nix_code(wanted: Wanted, tmp_path: Path) -> None:
    failed = build(wanted("broken"), tmp_path, limit=60)
    assert (failed.outcome, failed.log) == ("evaluation", None)
    assert failed.reason == "attribute 'nothing' missing"
    assert "default.nix:" in failed.place
    absent = build(wanted("absent", nixpkgs=True), tmp_path, limit=60)
    assert absent.outcome == "evaluation"
    assert "'absent'" in absent.reason


def test_an_option_that_nix_does_not_know(wanted: Wanted, tmp_path: Path) -> None:
    failed = build(wanted("good", "--bilders"), tmp_path, limit=60)
    assert (failed.outcome, failed.reason) == ("evaluation", "unrecognised flag '--bilders'")


@pytest.mark.parametrize("attribute", ["sleeping", "chatting"])
def test_the_time_limit(attribute: str, wanted: Wanted, tmp_path: Path, nix_machine: Path) -> None:
    running: list[int] = []

    def look(state: State) -> None:
        if state.current and state.current.lines and not running:
            running.extend(left(nix_machine))

    late = build(wanted(attribute), tmp_path, limit=0.7, progress=look)
    assert late.outcome == "timeout"
    assert late.reason == "it was not built within 0.7 seconds, and Nix was ended"
    assert late.derivation.endswith(f"-{attribute}-1.drv")
    assert late.lines[0] in {"sleeps", "chat"}
    assert len(running) > 1
    assert late.seconds < 5
    assert none_left(nix_machine)


def test_a_limit_that_evaluation_does_not_keep(wanted: Wanted, tmp_path: Path, nix_machine: Path) -> None:
    late = build(wanted("good"), tmp_path, limit=0.001)
    assert (late.outcome, late.log) == ("timeout", None)
    assert "not evaluated within 0.001 seconds" in late.reason
    assert none_left(nix_machine)


def test_a_nix_that_does_not_want_to_end(
    wanted: Wanted, tmp_path: Path, nix_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.2)

    def halt(state: State) -> None:
        if state.current and state.current.lines:
            signal_nix(nix_machine, signal.SIGSTOP)

    assert build(wanted("sleeping"), tmp_path, limit=0.9, progress=halt).outcome == "timeout"
    assert none_left(nix_machine)


def test_an_interrupt_ends_nix_and_its_builders(wanted: Wanted, tmp_path: Path, nix_machine: Path) -> None:
    threads: list[threading.Timer] = []
    main = threading.main_thread().ident or 0

    def interrupt(state: State) -> None:
        if state.current and state.current.lines and not threads:
            threads.append(threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)))
            threads[0].start()

    with pytest.raises(KeyboardInterrupt):
        build(wanted("sleeping"), tmp_path, limit=30, progress=interrupt)
    threads[0].join()
    assert none_left(nix_machine)


RUN = """
import pathlib, sys
from xenbump.verify.build import build
from xenbump.verify.nix import Buildable
def told(state):
    if state.current and state.current.lines:
        print("sleeps", flush=True)
folder = pathlib.Path(sys.argv[1])
build(Buildable("sleeping", folder / "flake"), folder / "killed", limit=30, progress=told)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nix_does_not_outlive_xenbump(number: signal.Signals, nix_machine: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN, str(nix_machine)], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"sleeps\n"
        assert len(left(nix_machine)) > 2
        run.send_signal(number)
    assert none_left(nix_machine)


def test_an_error_of_the_renderer_ends_nix_too(wanted: Wanted, tmp_path: Path, nix_machine: Path) -> None:
    def fail(state: State) -> None:
        if state.current:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build(wanted("sleeping"), tmp_path, limit=30, progress=fail)
    assert none_left(nix_machine)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_somebody_else_ends_nix(number: signal.Signals, wanted: Wanted, tmp_path: Path, nix_machine: Path) -> None:
    def end(state: State) -> None:
        if state.current and state.current.lines:
            signal_nix(nix_machine, number)

    ended = build(wanted("sleeping"), tmp_path, limit=30, progress=end)
    assert ended.outcome == "interrupted"
    assert "something else than xenbump" in ended.reason
    assert none_left(nix_machine)


def test_a_log_that_cannot_be_kept(wanted: Wanted, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure) as caught:
        build(wanted("good"), tmp_path / "file", limit=60)
    assert caught.value.code == "E-STATE"


def test_a_full_disk_ends_nix(wanted: Wanted, tmp_path: Path, nix_machine: Path) -> None:
    (tmp_path / "sleeping.log").symlink_to("/dev/full")
    with pytest.raises(Failure) as caught:
        build(wanted("sleeping"), tmp_path, limit=30)
    assert caught.value.code == "E-DISK"
    assert none_left(nix_machine)


def test_a_log_is_kept_up_to_a_size(wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_LOG", 100)
    failed = build(wanted("failing"), tmp_path, limit=60)
    assert failed.log is not None
    assert failed.log.read_text().endswith("what follows is not kept\n")
    assert failed.lines[-1] == "make: *** [all] Error 2"


def test_nix_is_not_there(wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure) as caught:
        build(wanted("good"), tmp_path, limit=60)
    assert caught.value.code == "E-PROGRAM-MISSING"


@pytest.mark.parametrize(
    ("attribute", "flake"), [("", "."), ("--impure", "."), ("a b", "."), ("xen", ""), ("xen", "-x"), ("xen", "a#b")]
)
def test_what_is_no_attribute(attribute: str, flake: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Buildable(attribute, tmp_path, flake)
    assert caught.value.code == "E-CONFIG"


def test_what_is_evaluated(wanted: Wanted) -> None:
    assert evaluate(wanted("good"), "package: package.name", timeout=60).value == "good-1"
    problem = evaluate(wanted("good"), "package: package.none", timeout=60).problem
    assert problem is not None
    assert problem.message == "attribute 'none' missing"


def test_an_answer_that_is_none() -> None:
    for told in (b"", b"[", b"[1]", b'{"a": 1}', b'[{"outputs": 1}]'):
        assert module._answered(told) == {}
    assert module._answered(b'[{"outputs": {"out": "/x", "doc": null}}]') == {"out": "/x"}
