"""The engine against a QEMU that says what it is told to: each way in which a boot can end is told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.verify import images
from xenbump.dom0.job import Job
from xenbump.errors import Failure
from xenbump.verify import cpio, payload, probe, qemu
from xenbump.verify.probe import Accelerator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.verify.qemu import Booted

    Boot = Callable[..., Booted]

NONCE = "abcdefghijklmnop0123456789"
JOB = Job(nonce=NONCE, version="4.20.1")
TCG = Accelerator("tcg", "max", "10.0", "")
UP = 'parts("(XEN) Xen version 4.20.1 (x)\\nxenbump: init\\nxenbump: ready\\n")\n'
OFF = 'parts("xenbump: job ended with 0\\n(XEN) Entering ACPI S5 state.\\n")\n'
START = 'parts(encoder.message({"kind": "start", "checks": [{"name": "one", "requirement": "R."}], "xtf": False}))\n'
CHECK = (
    'parts(encoder.message({"kind": "check", "name": "one", "requirement": "R.", "result": "passed", "reason": "",'
    ' "evidence": [], "seconds": 0.1}))\n'
)
DONE = 'parts(encoder.message({"kind": "done", "error": "", "seconds": 1.0}))\n'
SLEEP = "time.sleep(30)\n"


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boot:
    def run(code: str, job: Job | None = JOB, **options: object) -> Booted:
        images.fake_qemu(tmp_path / "bin", monkeypatch, code)
        image = images.folder(tmp_path / "image")
        console = tmp_path / "console"
        return qemu.boot(image, job, accelerator=TCG, console=console, **options)  # type: ignore[arg-type]

    return run


def test_all_answers(boot: Boot) -> None:
    told: list[str] = []
    booted = boot(UP + START + CHECK + DONE + OFF, progress=told.append)
    assert (booted.kind, booted.detail, booted.version, booted.lacks) == ("off", "", "4.20.1", ())
    assert booted.passed
    assert booted.report is not None
    assert [(check.name, check.result) for check in booted.report.checks] == [("one", "passed")]
    assert told[0].startswith("dom0 is up after ")
    assert told[1:] == ["one: passed"]
    assert booted.ready is not None
    assert booted.ready <= booted.seconds
    assert booted.console.read_bytes().count(b"<xb ") >= 3


def test_a_boot_without_a_job(boot: Boot) -> None:
    booted = boot("assert todo is None and set(files) == {'init'}\n" + UP + OFF, job=None)
    assert (booted.kind, booted.report, booted.passed) == ("off", None, True)


def test_a_good_boot_of_something_that_lacks_a_part_does_not_pass(boot: Boot) -> None:
    booted = boot(UP + 'parts("xenbump: lacks xenstored: none\\n")\n' + START + CHECK + DONE + OFF)
    assert (booted.kind, booted.lacks, booted.passed) == ("off", ("xenstored: none",), False)


def test_tools_of_another_minor_version(boot: Boot) -> None:
    booted = boot(UP.replace("4.20.1", "4.2.5") + START + CHECK + DONE + OFF)
    assert booted.lacks == ("tools of the hypervisor, which is Xen 4.2.5: the image's are of 4.20",)
    assert not booted.passed


@pytest.mark.parametrize(
    ("code", "kind", "detail"),
    [
        (UP + OFF, "no-agent", "its program ended with status 0"),
        (UP + 'parts("(XEN) Entering ACPI S5 state.\\n")', "no-agent", "its program was not started"),
        (UP + START + DONE + OFF, "lost", "of the dom0's answers are missing: one"),
        (UP + START + CHECK + OFF, "lost", "of the dom0's answers are missing: the last one"),
        (UP + START + CHECK + DONE, "ended", "QEMU ended before the machine was off: it said nothing"),
        ('sys.exit("no such processor")', "ended", "QEMU ended before the machine was off: no such processor"),
        (UP + 'parts("(XEN) Hardware Dom0 shutdown: rebooting machine\\n")', "reboot", "wanted to start again"),
        ('parts("(XEN) Panic on CPU 0:\\n(XEN) No RAM\\n")\n' + SLEEP, "panic", "No RAM"),
        ('parts("[ 1.0] Kernel panic - not syncing: No init\\n")', "panic", "Linux: No init"),
    ],
)
def test_how_it_ended(code: str, kind: str, detail: str, boot: Boot) -> None:
    booted = boot(code)
    assert (booted.kind, booted.passed) == (kind, False)
    assert detail in booted.detail
    assert booted.seconds < 10


def test_a_panic_for_want_of_memory(boot: Boot) -> None:
    booted = boot('parts("(XEN) Panic on CPU 0:\\n(XEN) BUG\\n")\n' + SLEEP, memory=128)
    assert booted.detail == "BUG; of 128 MiB of memory, dom0 is to get 64 MiB"


@pytest.mark.parametrize(
    ("code", "limits", "kind", "detail"),
    [
        (SLEEP, qemu.Limits(silence=1), "hang", "silent for 1 seconds; it never said anything"),
        (UP + SLEEP, qemu.Limits(silence=1), "hang", "silent for 1 seconds; the last line was: xenbump: ready"),
        ('parts("x")\n' + SLEEP, qemu.Limits(ready=1), "timeout", "not up within 1 seconds; the last line was: x"),
        (UP + SLEEP, qemu.Limits(total=1), "timeout", "not done within 1 seconds"),
        (UP + "while True: parts(encoder.beat({'kind': 'beat'})); time.sleep(0.2)\n", qemu.Limits(silence=1, total=2),
         "timeout", "not done within 2 seconds"),
    ],
)  # fmt: skip
def test_limits(code: str, limits: qemu.Limits, kind: str, detail: str, boot: Boot) -> None:
    booted = boot(code, limits=limits)
    assert (booted.kind, booted.passed) == (kind, False)
    assert detail in booted.detail


def test_frames_of_another_job_count_for_nothing(boot: Boot) -> None:
    forged = (START + CHECK + DONE).replace("encoder.", 'frames.Encoder("z" * 16).')
    booted = boot(UP + forged + OFF)
    assert (booted.kind, booted.report) == ("no-agent", None)


def test_what_the_machine_gets(boot: Boot, tmp_path: Path) -> None:
    (tmp_path / "xtf").mkdir()
    (tmp_path / "xtf" / "xtf-runner").write_text("#!/bin/sh\n")
    (tmp_path / "xtf" / "xtf-runner").chmod(0o755)
    (tmp_path / "xtf" / "link").symlink_to("xtf-runner")
    code = "parts(repr([sys.argv[1:], sorted(files), todo]))\n"
    booted = boot(code, folders={"opt/xtf": tmp_path / "xtf"}, memory=200)
    text = booted.console.read_text()
    assert "'-accel', 'tcg', '-cpu', 'max'" in text
    assert "'-m', '200'" in text
    assert "'console=com1 dom0_mem=64M,max:64M'" in text
    for name in ("guest", "init", "job", "job.json", "opt/xtf/link", "opt/xtf/xtf-runner", "opt/xenbump/dom0/agent.py"):
        assert repr(name) in text
    assert repr(payload.GUEST_KERNEL) in text
    assert "guests=('pv',)" in text
    assert "engine='tcg'" in text
    assert "memory=64" in text


def test_an_agent_of_the_same_sources_is_not_sent_twice(tmp_path: Path) -> None:
    like = images.folder(tmp_path / "image")
    assert not payload.has_agent(like)
    names = {entry.name for entry in cpio.read(payload.archive(JOB, like, {}))}
    assert {"job", "job.json", "opt/xenbump/dom0/agent.py", "opt/xenbump/dom0/frames.py"} <= names
    assert not any("__pycache__" in name for name in names)


def test_a_folder_that_is_not_there(boot: Boot, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="there is no such folder") as caught:
        boot(UP + OFF, folders={"opt/xtf": tmp_path / "none"})
    assert caught.value.code == "E-IMAGE-CONTENT"


def test_a_console_that_cannot_be_written(tmp_path: Path) -> None:
    image = images.folder(tmp_path / "image")
    with pytest.raises(Failure) as caught:
        qemu.boot(image, None, accelerator=TCG, console=tmp_path / "none" / "console")
    assert caught.value.code == "E-VERIFY-DISK"


def test_no_qemu_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = images.folder(tmp_path / "image")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure) as caught:
        qemu.boot(image, None, accelerator=TCG, console=tmp_path / "console")
    assert caught.value.code == "E-PROGRAM-MISSING"
    with pytest.raises(Failure) as caught:
        probe.probe(image.hypervisor)
    assert caught.value.code == "E-PROGRAM-MISSING"


@pytest.mark.parametrize(
    ("said", "cpu"),
    [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)", "max,-smap"),
        ("QEMU emulator version 9.1", "max,-smap"),
        ("QEMU emulator version 10.0.2", "max"),
    ],
)
def test_the_processor_by_qemus_release(said: str, cpu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / probe.QEMU
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = probe.probe(tmp_path / "xen", wanted="tcg")
    assert (found.name, found.cpu, found.why) == ("tcg", cpu, "it was asked for")
    # This one prints no version of Xen, whatever it is started with.
    (tmp_path / "kvm").touch()
    assert probe.probe(tmp_path / "xen", kvm=str(tmp_path / "kvm")).name == "tcg"


def test_a_qemu_without_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / probe.QEMU
    program.write_text("#!/bin/sh\necho something\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Failure, match="does not say its version"):
        probe.probe(tmp_path / "xen")


def test_room_for_a_machine() -> None:
    probe.preflight(2048, meminfo="MemTotal: 1 kB\nMemAvailable: 2400000 kB\n")
    probe.preflight(2048, meminfo="MemTotal: 1 kB\n")
    with pytest.raises(Failure, match="2197 MiB of memory are free, and a machine of 2048 MiB takes 2248") as caught:
        probe.preflight(2048, meminfo="MemAvailable: 2250000 kB\n")
    assert caught.value.code == "E-VERIFY-MEMORY"
    with pytest.raises(Failure):
        probe.preflight(1 << 40)
