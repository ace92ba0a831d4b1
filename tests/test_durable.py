"""Files that last: whole or not at all, whatever comes between, and nothing left beside them."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small_disk import read_only, small_disk
from xenbump import durable
from xenbump.errors import Failure

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = b"old", b"new" * 1000


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file, alone in its folder."""
    file = tmp_path / "folder" / "file"
    file.parent.mkdir()
    file.write_bytes(OLD)
    return file


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o664, 0o755])
def test_a_file_is_replaced_and_keeps_its_permissions(path: Path, mode: int, *, sync: bool) -> None:
    path.chmod(mode)
    before = path.stat().st_ino
    durable.put(path, NEW, sync=sync)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (NEW, mode)
    assert path.stat().st_ino != before
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        durable.put(tmp_path / "file", NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


def test_what_is_written_is_on_the_disk_before_its_name_and_the_name_after(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, swap = os.fsync, os.replace

    def synced(number: int) -> None:
        facts = os.fstat(number)
        order.append("folder" if stat.S_ISDIR(facts.st_mode) else f"{facts.st_size} bytes")
        fsync(number)

    def replaced(source: Path, target: Path) -> None:
        assert source.read_bytes() == NEW
        order.append("name")
        swap(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    durable.put(path, NEW)
    assert order == [f"{len(NEW)} bytes", "name", "folder"]
    order.clear()
    durable.put(path, NEW, sync=False)
    assert order == ["name"]


@pytest.mark.parametrize("call", ["open", "fsync", "replace", "fchmod"])
@pytest.mark.parametrize("reason", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, reason: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise reason

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(type(reason)):
            durable.put(path, NEW)
    assert (path.read_bytes(), names(path.parent)) == (OLD, ["file"])


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "E-DISK"), (errno.EDQUOT, "E-DISK"), (errno.EIO, "E-X"), (errno.EROFS, "E-X")]
)
def test_an_error_says_what_it_is(path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Failure) as caught:
        durable.write(path, NEW, code="E-X", what="the note cannot be written")
    assert (caught.value.code, caught.value.where) == (code, str(path))
    assert caught.value.what == f"the note cannot be written: {os.strerror(number)}"
    assert path.read_bytes() == OLD


def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        path = disk.folder / "file"
        durable.write(path, OLD)
        disk.fill()
        with pytest.raises(Failure) as caught:
            durable.write(path, b"x" * 100_000)
        assert caught.value.code == ("E-DISK" if disk.is_real else "E-STATE")
        disk.clear()
        assert (path.read_bytes(), names(disk.folder)) == (OLD, ["file"])
        durable.write(path, NEW)
        assert path.read_bytes() == NEW


def test_a_folder_that_takes_nothing(path: Path) -> None:
    with read_only(path.parent) as done:
        if done:
            with pytest.raises(Failure) as caught:
                durable.write(path, NEW)
            assert (caught.value.code, path.read_bytes()) == ("E-STATE", OLD)
    below = path / "file"  # a file where a folder should be: that stops root, too
    with pytest.raises(Failure) as caught:
        durable.write(below, NEW)
    assert (caught.value.code, caught.value.where) == ("E-STATE", str(below))
    assert (path.read_bytes(), names(path.parent)) == (OLD, ["file"])


def test_a_fresh_file_takes_nobody_s_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    for _ in range(2):
        with pytest.raises(FileExistsError):
            durable.put(path, NEW, fresh=True)
        link = path.with_name("link")
        link.symlink_to("nowhere")
        with pytest.raises(FileExistsError):
            durable.put(link, NEW, fresh=True)
        link.unlink()
        durable.put(path.with_name("new"), NEW, fresh=True)
        assert (path.read_bytes(), path.with_name("new").read_bytes()) == (OLD, NEW)
        path.with_name("new").unlink()
        assert names(path.parent) == ["file"]
        # Some file systems have no links.
        monkeypatch.setattr(os, "link", no_links)


def test_what_is_no_file_is_not_taken_for_one(path: Path) -> None:
    folder = path.with_name("in the way")
    folder.mkdir()
    (folder / "x").write_bytes(b"x")
    with pytest.raises(Failure) as caught:
        durable.write(folder, NEW)
    assert caught.value.code == "E-STATE"
    assert names(path.parent) == ["file", "in the way"]


def test_removing(path: Path) -> None:
    durable.remove(path)
    assert names(path.parent) == []
    durable.remove(path)
    durable.remove(path.parent / "none" / "file")


KILLED = """
import os, signal, sys
from pathlib import Path
from xenbump import durable

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[2], kill)
durable.put(Path(sys.argv[1]), b"new" * 1000)
"""


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_a_killed_writer_leaves_is_cleared_by_the_next(path: Path, call: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), call], check=False)
    assert done.returncode == -9
    assert path.read_bytes() == OLD
    (left,) = set(names(path.parent)) - {"file"}
    told: list[Path] = []
    durable.sweep(path.parent, told.append)
    assert (told, names(path.parent)) == ([path.parent / left], ["file"])


def test_what_is_being_written_or_is_not_ours_stays(path: Path) -> None:
    temporary = path.parent / ".file.xenbump-0123456789ab"
    kept = [
        ".file.xenbump-0123456789a",
        ".file.xenbump-0123456789abc",
        "file.xenbump-0123456789ab",
        ".x.tmp",
        ".file.new",
    ]
    for name in kept:
        (path.parent / name).write_bytes(b"x")
    (path.parent / ".folder.xenbump-0123456789ab").mkdir()
    (path.parent / ".link.xenbump-0123456789ab").symlink_to(path)
    os.mkfifo(path.parent / ".pipe.xenbump-0123456789ab")
    before = names(path.parent)
    with temporary.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        durable.sweep(path.parent)
        assert names(path.parent) == sorted([*before, temporary.name])
    durable.sweep(path.parent)
    assert names(path.parent) == before
    durable.sweep(path.parent / "none")


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    durable.put(path, NEW)
    durable.put(path, OLD)
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["x" * 255]


@given(content=st.binary(max_size=3000), before=st.none() | st.binary(max_size=100))
def test_any_content(tmp_path_factory: pytest.TempPathFactory, content: bytes, before: bytes | None) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    if before is not None:
        path.write_bytes(before)
    durable.put(path, content, sync=False, fresh=before is None)
    assert (path.read_bytes(), names(path.parent)) == (content, ["file"])
