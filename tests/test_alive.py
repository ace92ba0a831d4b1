"""Signs of life: a real socket of a service manager, and the file."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.alive import FILE_SECONDS, Notifier, Pulse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """What `NOTIFY_SOCKET` names, and who listens there."""
    name = f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name if request.param == "path" else f"\0{name}")
        listening.settimeout(5)
        yield (name if request.param == "path" else f"@{name}"), listening


def test_fields_arrive_as_one_datagram_of_lines(manager: tuple[str, socket.socket]) -> None:
    address, listening = manager
    notifier = Notifier.of({"NOTIFY_SOCKET": address})
    assert notifier.send(READY="1", STATUS="looking …\nWATCHDOG=1")
    assert listening.recv(4096) == "READY=1\nSTATUS=looking … WATCHDOG=1\n".encode()
    assert notifier.watchdog is None


def test_a_pulse_beats_within_the_time_and_stops_when_the_work_hangs(
    manager: tuple[str, socket.socket], tmp_path: Path
) -> None:
    address, listening = manager
    notifier = Notifier.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000", "WATCHDOG_PID": str(os.getpid())})
    assert notifier.watchdog == pytest.approx(0.06)
    with Pulse(notifier, lambda: b"content", tmp_path / "file", limit=0.3) as pulse:
        assert pulse.pause == pytest.approx(0.03)
        for _ in range(3):
            assert listening.recv(4096) == b"WATCHDOG=1\n"
        assert (tmp_path / "file").read_bytes() == b"content"
        time.sleep(0.4)
        assert not pulse.is_alive()
        while True:  # what it sent before it was taken for hanging
            try:
                listening.settimeout(0.1)
                listening.recv(4096)
            except TimeoutError:
                break
        (tmp_path / "file").unlink()
        pulse.sign()
        assert not (tmp_path / "file").exists()
        pulse.beat()
        listening.settimeout(5)
        assert listening.recv(4096) == b"WATCHDOG=1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) in (["file"], ["file", "notify"])


@pytest.mark.parametrize(
    ("env", "watchdog"),
    [
        ({"WATCHDOG_USEC": "1000000"}, None),  # nobody would hear it
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "30000000"}, 30.0),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "0"}, None),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "-5"}, None),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "soon"}, None),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "٣"}, None),
    ],
)
def test_the_watchdog_is_for_this_process_and_a_number(env: dict[str, str], watchdog: float | None) -> None:
    assert Notifier.of(env).watchdog == watchdog


@pytest.mark.parametrize("name", ["", "vsock:2:1234", "relative", "/no/such/folder/notify", "@nobody-listens-here"])
def test_nobody_hears_and_nothing_stops(name: str) -> None:
    notifier = Notifier.of({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000"})
    assert not notifier.send(READY="1")


@given(st.text(), st.text(), st.text())
def test_any_environment_is_borne(name: str, usec: str, pid: str) -> None:
    notifier = Notifier.of({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid})
    assert notifier.watchdog is None or notifier.watchdog > 0
    assert not notifier.send(STATUS=name)


def test_without_a_watchdog_the_file_alone_is_written_each_minute(tmp_path: Path) -> None:
    pulse = Pulse(Notifier(), lambda: b"x", tmp_path / "file", limit=1.0)
    assert pulse.pause == FILE_SECONDS
    pulse.beat()
    pulse.sign()
    assert (tmp_path / "file").read_bytes() == b"x"


def test_the_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    path, said = tmp_path / "file", iter((b"one", b"two"))
    left = tmp_path / ".file.xenbump-0123456789ab"
    left.write_bytes(b"of one that was killed")
    with Pulse(Notifier(), lambda: next(said), path, limit=1.0) as pulse:
        pulse.show()
        number = path.stat().st_ino
        pulse.show()
    assert (path.read_bytes(), path.stat().st_ino != number) == (b"two", True)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    told: list[OSError] = []
    folder = tmp_path / "gone"
    pulse = Pulse(Notifier(), lambda: b"x", folder / "file", limit=1.0, failed=told.append)
    pulse.show()
    pulse.show()
    assert [type(error) for error in told] == [FileNotFoundError]
    folder.mkdir()
    pulse.show()
    (folder / "file").unlink()
    folder.rmdir()
    pulse.show()
    assert len(told) == 2
