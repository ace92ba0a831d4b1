"""Programs: how they are started, what they get, and that none of them is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from xenbump import process
from xenbump.errors import Failure
from xenbump.process import run, start

MEGABYTES = 5_000_000


def python(code: str, *arguments: str) -> list[str]:
    """The command line of a Python program."""
    return [sys.executable, "-c", code, *arguments]


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while runs(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def number_in(path: Path) -> int:
    """A process id that a program writes when it is ready."""
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(path.read_text())


def children() -> set[str]:
    """The ids of this process's children, those that nobody collected included."""
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


@pytest.fixture(autouse=True)
def _nothing_is_left() -> object:
    """No test leaves a child, running or not."""
    before = children()
    yield
    assert children() == before


def test_output_status_and_input() -> None:
    code = "import sys; sys.stdout.write(sys.stdin.read()[::-1]); sys.stderr.write('told'); sys.exit(3)"
    done = run(python(code), stdin=b"abc", check=False)
    assert (done.status, done.stdout, done.stderr) == (3, b"cba", b"told")
    assert done.argv == tuple(python(code))


def test_a_program_reads_nothing_when_nothing_is_given() -> None:
    assert run(["cat"]).stdout == b""


def test_much_in_and_much_out() -> None:
    code = "import sys; b=sys.stdin.buffer.read(); sys.stderr.buffer.write(b); sys.stdout.buffer.write(b)"
    given = bytes(range(256)) * (MEGABYTES // 256)
    done = run(python(code), stdin=given)
    assert done.stdout == given
    assert done.stderr == given[-(1 << 20) :]  # of that only the end is kept


def test_a_program_that_writes_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xenbump.process._MOST_BYTES", 5 << 20)
    began = time.monotonic()
    with pytest.raises(Failure) as caught:
        run(["sh", "-c", "exec cat /dev/zero"], timeout=60)
    assert (caught.value.code, caught.value.what) == ("E-PROGRAM-FAILED", "it wrote more than 5 MiB")
    assert time.monotonic() - began < 30


def test_a_program_that_complains_without_end() -> None:
    done = run(["sh", "-c", "head -c 50000000 /dev/zero | tr '\\0' x >&2; echo end >&2"])
    assert (len(done.stderr), done.error_text[-3:]) == (1 << 20, "end")


def test_the_signal_that_ended_a_program_is_named() -> None:
    with pytest.raises(Failure) as caught:
        run(["sh", "-c", "kill -9 $$"])
    assert caught.value.what == "ended by SIGKILL: no message"


def test_a_program_that_does_not_read() -> None:
    assert run(["true"], stdin=b"x" * MEGABYTES).status == 0


def test_an_exit_status_is_an_error_unless_asked_for() -> None:
    with pytest.raises(Failure, match=r"(?s)exit status 3: x.*the end$") as caught:
        run(python("import sys; print('x' * 9000 + '\\nthe end', file=sys.stderr); sys.exit(3)"))
    assert caught.value.code == "E-PROGRAM-FAILED"
    assert len(str(caught.value)) < 5000
    with pytest.raises(Failure, match="exit status 1: no message"):
        run(["false"])
    with pytest.raises(Failure, match="exit status 1: said on stdout"):
        run(["sh", "-c", "echo said on stdout; exit 1"])


def test_a_program_that_a_signal_ended() -> None:
    assert run(["sh", "-c", "kill -KILL $$"], check=False).status == -signal.SIGKILL


def test_what_is_not_text_is_shown_all_the_same() -> None:
    with pytest.raises(Failure, match="\ufffd"):
        run(["sh", "-c", r"printf '\377' >&2; exit 1"])


def test_a_missing_program() -> None:
    with pytest.raises(Failure, match="`no-such-program`") as caught:
        run(["no-such-program", "--version"])
    assert caught.value.code == "E-PROGRAM-MISSING"
    assert caught.value.remedy == "install `no-such-program`"
    with pytest.raises(Failure) as caught, start(["no-such-program"]):
        pass
    assert caught.value.code == "E-PROGRAM-MISSING"


def test_a_missing_folder_is_not_a_missing_program(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(Failure) as caught:
            run(["true"], cwd=folder)
        assert caught.value.code == "E-PROGRAM-FAILED"


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("data")
    with pytest.raises(Failure, match="Permission denied") as caught:
        run([str(tmp_path / "data")])
    assert caught.value.code == "E-PROGRAM-FAILED"


def test_the_environment_is_made_and_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANG", "LC_MESSAGES", "GIT_DIR", "GIT_CONFIG_COUNT", "PAGER", "XENBUMP_GITHUB_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "de_DE")
    monkeypatch.setenv("https_proxy", "http://proxy.invalid")
    code = "import os; print('\\n'.join(f'{k}={v}' for k, v in os.environ.items()))"
    lines = run(python(code), env={"MORE": "x"}).stdout.decode().splitlines()
    assert {line.partition("=")[0] for line in lines} <= {*process._INHERITED, "LC_ALL", "MORE", "LC_CTYPE"}
    assert {"LC_ALL=C.UTF-8", "MORE=x", "https_proxy=http://proxy.invalid"} <= set(lines)
    assert not any("TOKEN" in line or "de_DE" in line for line in lines)


def test_there_is_a_path_without_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    assert run(["sh", "-c", "exit 0"]).status == 0


# A program with a child that outlives it unless it is ended too; it writes the child's id.
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[2]])
open(sys.argv[1], "w").write(f"{child.pid}\\n")
time.sleep(60)
"""
SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x'); time.sleep(60)"


@pytest.mark.parametrize("child", [SLEEP, STUBBORN], ids=["polite", "stubborn"])
def test_a_time_limit_ends_the_children_too(child: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(Failure, match=r"did not end within 0\.8 seconds") as caught:
        run(python(FAMILY, str(tmp_path / "pid"), child), timeout=0.8)
    assert caught.value.code == "E-TIMEOUT"
    assert time.monotonic() - began < 5
    assert ends(number_in(tmp_path / "pid"))


def test_a_program_that_does_not_want_to_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_GRACE_SECONDS", 0.2)
    with pytest.raises(Failure) as caught:
        run(python(STUBBORN), timeout=0.4)
    assert caught.value.code == "E-TIMEOUT"


def test_a_child_that_holds_the_output_open_does_not_hold_the_run(tmp_path: Path) -> None:
    leaving = FAMILY.replace("time.sleep(60)\n", "")
    with pytest.raises(Failure) as caught:
        run(python(leaving, str(tmp_path / "pid"), SLEEP), timeout=0.8)
    assert caught.value.code == "E-TIMEOUT"
    assert ends(number_in(tmp_path / "pid"))


def test_an_interrupt_ends_the_program_and_its_children(tmp_path: Path) -> None:
    def interrupt() -> None:
        number_in(tmp_path / "pid")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    waiting = threading.Thread(target=interrupt)
    waiting.start()
    with pytest.raises(KeyboardInterrupt):
        run(python(FAMILY, str(tmp_path / "pid"), SLEEP), timeout=30)
    waiting.join()
    assert ends(number_in(tmp_path / "pid"))


def test_a_conversation() -> None:
    with start(["cat"]) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        for line in (b"one\n", b"two\n"):
            cat.stdin.write(line)
            cat.stdin.flush()
            assert cat.stdout.readline() == line
    assert cat.returncode == 0


def test_leaving_a_conversation_by_an_error_ends_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_GRACE_SECONDS", 0.2)

    def fail() -> None:
        number_in(tmp_path / "pid")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), start(python(FAMILY, str(tmp_path / "pid"), SLEEP)) as talker:
        fail()
    assert talker.returncode is not None
    assert ends(number_in(tmp_path / "pid"))


def test_leaving_a_conversation_with_one_that_has_ended() -> None:
    with start(["true"]) as done:
        done.wait()
        assert done.stdin is not None
        done.stdin.write(b"nobody reads this")
    assert done.returncode == 0


def test_a_program_has_a_session_of_its_own() -> None:
    told = run(python("import os; print(os.getsid(0) == os.getpid() == os.getpgid(0))"))
    assert told.stdout == b"True\n"


def test_no_file_of_ours_is_handed_on(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)  # noqa: FBT003 - its signature
        told = run(["sh", "-c", "ls -l /proc/self/fd"]).stdout
    assert b"secret" not in told


def test_a_command_line_is_shown_on_one_short_line() -> None:
    assert process.shown(["/usr/bin/git", "fetch", "x"]) == "git fetch x"
    assert len(process.shown(["git", "x" * 500])) == 160


def test_the_family_outlives_a_plain_kill(tmp_path: Path) -> None:
    """The programs above do leave a child when only they are killed, so the tests test something."""
    with subprocess.Popen(python(FAMILY, str(tmp_path / "pid"), SLEEP)) as parent:
        child = number_in(tmp_path / "pid")
        parent.kill()
    assert runs(child)
    os.kill(child, signal.SIGKILL)
    assert ends(child)


# Starts a program that writes its id and waits; the one who started it then waits as well, or goes at once.
LEASHED = """
import sys, time
import signal
from xenbump.process import start
leash = signal.SIGKILL if sys.argv[2] == "leashed" else None
code = "import os, sys, time; open(sys.argv[1], 'w').write(f'{os.getpid()}\\\\n'); time.sleep(60)"
with start([sys.executable, "-c", code, sys.argv[1]], dies_with_parent=leash):
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_that_dies_with_its_parent(number: int, tmp_path: Path) -> None:
    with subprocess.Popen(python(LEASHED, str(tmp_path / "pid"), "leashed")) as parent:
        child = number_in(tmp_path / "pid")
        parent.send_signal(number)
    assert ends(child)


def test_without_that_it_outlives_its_parent(tmp_path: Path) -> None:
    with subprocess.Popen(python(LEASHED, str(tmp_path / "pid"), "free")) as parent:
        child = number_in(tmp_path / "pid")
        parent.kill()
    assert runs(child)
    os.kill(child, signal.SIGKILL)
    assert ends(child)


def test_a_parent_that_has_ended_before_the_program_began() -> None:
    # Whoever is asked for is not this process, as when the parent has gone and another one has taken its place.
    done = subprocess.run([*python(process._LEASH), "9", "1", "echo", "here"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_leashed_program_is_like_any_other(tmp_path: Path) -> None:
    assert run(["cat"], stdin=b"abc", dies_with_parent=signal.SIGKILL).stdout == b"abc"
    told = run(
        python("import os; print(os.getsid(0) == os.getpid() == os.getpgid(0))"), dies_with_parent=signal.SIGKILL
    )
    assert told.stdout == b"True\n"
    with pytest.raises(Failure) as caught:
        run(["no-such-program"], dies_with_parent=signal.SIGKILL)
    assert caught.value.code == "E-PROGRAM-MISSING"
    (tmp_path / "broken").write_bytes(b"\x7fELF")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(Failure, match="Exec format error") as caught:
        run([str(tmp_path / "broken")], dies_with_parent=signal.SIGKILL)
    assert caught.value.code == "E-PROGRAM-FAILED"


def test_errors_go_where_they_are_wanted_and_files_are_handed_on(tmp_path: Path) -> None:
    (tmp_path / "given").write_text("given")
    with (tmp_path / "errors").open("w+b") as errors, (tmp_path / "given").open() as given:
        number = given.fileno()
        argv = ["sh", "-c", f"cat /proc/self/fd/{number}; echo told >&2"]
        with start(argv, keep=(number,), dies_with_parent=signal.SIGKILL, errors=errors) as program:
            assert program.stdout is not None
            assert program.stdout.read() == b"given"
    assert (tmp_path / "errors").read_text() == "told\n"
