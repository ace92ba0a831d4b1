"""The lives of guests in a dom0: by what they are believed, and that none of them is left."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from tests.dom0.support import NONCE, XL_LIST, Fake
from xenbump.dom0 import guest_agent, guest_life
from xenbump.dom0.frames import Decoder
from xenbump.dom0.guest_bundle import BY_LINE, BY_STATUS, Bundle, Guest, token
from xenbump.dom0.guests import log_of

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.dom0.report import CheckResult

ENDED = "Domain 1 has shut down, reason code {code} 0x0\nDone. Exiting now\n\nxenbump-xl-status {status}\n"
GOOD = ENDED.format(code=0, status=0)
KERNEL_LINE = "[    0.000000] Kernel command line: console=hvc0 hello\n"
GUEST = Guest("one", "pv", "/k", "/r", seconds=0.05)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_life, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(guest_life, "_LAST_WORDS_SECONDS", 0.005)


def dom0(*, left: bool = False) -> Fake:
    names = XL_LIST.splitlines()
    after = "\n".join([*names, "one   5   128   1   -b----   0.2"]) if left else XL_LIST
    asked = iter([XL_LIST])
    return Fake(
        ("xl list", lambda _: (0, next(asked, after))),
        ("xl (create|destroy)", 0, ""),
        ("mkdir -p", 0, ""),
    )


def lived(
    guest: Guest, log: str, xl: str, machine: Fake | None = None, more: dict[str, str] | None = None
) -> tuple[CheckResult, list[tuple[str, str]]]:
    files = {log_of(guest.name): log, f"/run/xenbump/bundle/{guest.name}.xl": xl, **(more or {})}
    told: list[tuple[str, str]] = []
    (result,) = guest_life.run(
        machine or dom0(),
        Bundle(NONCE, (guest,)),
        lambda name, line: told.append((name, line)),
        # What xenconsoled writes comes in pieces; what `xl` says is looked at as a whole.
        lambda path, offset: files.get(path, "").encode()[offset : None if path.endswith(".xl") else offset + 7],
    )
    return result, told


BY_THE_LINE = dataclasses.replace(GUEST, judged=BY_LINE, expect="^hello$")
BY_THE_STATUS = dataclasses.replace(GUEST, judged=BY_STATUS)
LINE = token(NONCE, "one")


@pytest.mark.parametrize(
    ("guest", "log", "xl", "result", "reason"),
    [
        (GUEST, "boot\n", GOOD, "passed", "it went down by itself"),
        (GUEST, "boot\n", ENDED.format(code=3, status=0), "failed", "it ended by a crash"),
        (GUEST, "boot\n", ENDED.format(code=9, status=0), "failed", "it ended by reason 9"),
        (GUEST, "", "libxl: no memory\n\nxenbump-xl-status 1\n", "failed", "ended with status 1: libxl: no memory"),
        (GUEST, "", "xenbump-xl-status 1\n", "failed", "it said nothing"),
        (GUEST, "boot\n", "", "failed", "it did not go down within 0.05 seconds"),
        (BY_THE_LINE, "a\r\nhello\r\n", "", "passed", "it printed: hello"),
        (BY_THE_LINE, "\x1b[1mhello\x1b[0m\n", "", "passed", "it printed: hello"),
        (BY_THE_LINE, "hell\n", GOOD, "failed", "did not print what is expected, and ended by itself"),
        (BY_THE_LINE, "hell\n", ENDED.format(code=3, status=0), "failed", "and ended by a crash"),
        (BY_THE_LINE, "hello", "", "failed", "did not print what is expected within"),
        (BY_THE_LINE, "a\nhello", GOOD, "passed", "it printed: hello"),
        (dataclasses.replace(BY_THE_LINE, expect="hello"), KERNEL_LINE, GOOD, "failed", "did not print"),
        (BY_THE_STATUS, f"{LINE} exit=0\n", GOOD, "passed", "its program ended with status 0"),
        (BY_THE_STATUS, f"{LINE} exit=3\n", GOOD, "failed", "its program ended with status 3"),
        (BY_THE_STATUS, "exit=0\n", GOOD, "failed", "it went down before its program had ended"),
        (
            BY_THE_STATUS,
            f"{LINE} exit=0\n",
            "",
            "failed",
            "did not go down within 0.05 seconds (its program ended with",
        ),
        (BY_THE_STATUS, f"{LINE} exit=0\n", ENDED.format(code=3, status=0), "failed", "it ended by a crash"),
    ],
)
def test_by_what_a_guest_is_believed(guest: Guest, log: str, xl: str, result: str, reason: str) -> None:
    found, _ = lived(guest, log, xl)
    assert (found.name, found.result) == ("guest:one", result)
    assert reason in found.reason


def test_each_line_is_told_once_and_the_last_ones_are_evidence() -> None:
    log = "".join(f"line {number}\n" for number in range(40))
    found, told = lived(GUEST, log, GOOD)
    assert told == [("one", f"line {number}") for number in range(40)]
    assert found.evidence[-1] == "line 39"
    assert "line 20" not in found.evidence


def test_an_hvm_guest_is_heard_on_its_serial_line() -> None:
    guest = dataclasses.replace(BY_THE_LINE, type="hvm", disks=("/d",), kernel="", ramdisk="")
    machine = dom0()
    found, _ = lived(guest, "", "", machine, {"/run/xenbump/bundle/one.serial": "hello\n"})
    assert found.result == "passed"
    assert "file:/run/xenbump/bundle/one.serial" in " ".join(machine.commands)


def test_what_is_left_of_a_guest_is_destroyed() -> None:
    machine = dom0(left=True)
    assert lived(BY_THE_LINE, "hello\n", "", machine)[0].result == "passed"
    assert machine.asked("xl destroy one") == 1
    assert machine.asked("xl create -F") == 1


def test_nothing_is_left_when_the_listening_fails() -> None:
    machine = dom0(left=True)

    def read(_path: str, _offset: int) -> bytes:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        list(guest_life.run(machine, Bundle(NONCE, (GUEST,)), lambda _name, _line: None, read))
    assert machine.asked("xl destroy one") == 1


def test_what_is_not_to_be_started_is_judged_by_xl() -> None:
    guest = dataclasses.replace(GUEST, autostart=False)
    machine = dom0()
    assert lived(guest, "", "", machine)[0].result == "skipped"
    assert machine.asked("xl create -n") == 1
    refused = Fake(("xl create", 1, "one.cfg:3: config parsing error\n"), ("mkdir", 0, ""))
    assert lived(guest, "", "", refused)[0].result == "failed"


def test_what_cannot_be_started_is_named() -> None:
    for machine, guest, reason in (
        (Fake(("mkdir", 1, "read-only\n")), GUEST, "could not be written: read-only"),
        (
            Fake(("mkdir", 0, ""), ("test -d", 1, "")),
            dataclasses.replace(GUEST, vif=("mac=00:16:3e:00:00:01,bridge=b0",)),
            "this dom0 has no bridge `b0`",
        ),
        (Fake(("mkdir", 0, ""), ("xl list", 0, XL_LIST + "one 5 1 1 r 1\n")), GUEST, "a domain `one` already"),
    ):
        found, _ = lived(guest, "", "", machine)
        assert found.result == "failed"
        assert reason in found.reason


@pytest.mark.parametrize("together", [True, False])
def test_guests_live_beside_each_other_or_one_after_the_other(*, together: bool) -> None:
    guests = tuple(dataclasses.replace(GUEST, name=name) for name in ("one", "two"))
    machine = dom0()
    started: list[int] = []

    def read(path: str, offset: int) -> bytes:
        started.append(machine.asked("xl create -F"))
        return GOOD.encode()[offset:] if path.endswith(".xl") else b""

    results = list(guest_life.run(machine, Bundle(NONCE, guests, together=together), lambda _n, _l: None, read))
    assert [found.result for found in results] == ["passed", "passed"]
    assert started[0] == (2 if together else 1)


def test_a_guest_that_never_stops_talking_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_life, "_LARGEST_LOG", 100_000)
    guest = dataclasses.replace(GUEST, seconds=1000)
    machine = dom0(left=True)
    looks: list[int] = []

    def read(path: str, offset: int) -> bytes:
        looks.append(offset)
        return b"" if path.endswith(".xl") else b"talk\n" * 1000

    (result,) = guest_life.run(machine, Bundle(NONCE, (guest,)), lambda _n, _l: None, read)
    assert (result.result, result.reason) == ("failed", "it printed more than 0 MiB")
    assert machine.asked("xl destroy one") == 1
    assert max(looks) < 200_000


def test_guests_that_share_a_processor_have_more_time() -> None:
    guests = tuple(dataclasses.replace(GUEST, name=name, seconds=0.02) for name in ("one", "two", "three"))
    for together, limit in ((True, 0.06), (False, 0.02)):
        bundle = Bundle(NONCE, guests, together=together)
        assert bundle.seconds == pytest.approx(0.06)
        results = list(guest_life.run(dom0(), bundle, lambda _n, _l: None, lambda _p, _o: b""))
        assert {result.reason for result in results} == {f"it did not go down within {limit} seconds"}


def test_files_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"abcdef")
    assert guest_life.local(str(tmp_path / "log"), 2) == b"cdef"
    assert guest_life.local(str(tmp_path / "none"), 0) == b""


def test_what_the_agent_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_life, "local", lambda path, offset: GOOD.encode()[offset:] if path[-3:] == ".xl" else b"")
    sent = bytearray()
    guest_agent.work(dom0(), Bundle(NONCE, (GUEST,)), sent.extend)
    frames = [frame.document for frame in Decoder(NONCE).feed(bytes(sent)) if not frame.beat]
    assert [frame["kind"] for frame in frames] == ["start", "check", "done"]
    assert frames[1]["result"] == "passed"
    sent.clear()
    guest_agent.work(Fake(("mkdir", lambda _: 1 / 0)), Bundle(NONCE, (GUEST,)), sent.extend)  # type: ignore[arg-type]
    (done,) = (frame.document for frame in Decoder(NONCE).feed(bytes(sent)) if frame.document["kind"] == "done")
    assert "ZeroDivisionError" in done["error"]


def test_lines_for_people_cannot_be_taken_for_dom0s_own() -> None:
    sent = bytearray()
    tell = guest_agent.shown(sent.extend)
    tell("one", "Kernel panic - not syncing: " + "x" * 200)
    assert b"panic" not in sent
    assert [line.split()[:3] for line in sent.decode().split("\n") if line] == [
        ["xenbump-guest", "one", "+"],
        ["xenbump-guest", "one", "."],
    ]
    for _ in range(guest_agent.MOST_LINES + 10):
        tell("one", "x")
    assert sent.count(b"xenbump-guest") == guest_agent.MOST_LINES + 1


def test_a_bundle_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    assert guest_agent.main([str(tmp_path / "bundle.json")]) == 2
    assert "`guests`" in capsys.readouterr().err
