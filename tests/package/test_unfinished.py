"""Edits that a kill came into: put back whole by the next run, and only where nobody has been at work meanwhile."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.package.rewrite import Edit
from xenbump.package.unfinished import Record

if TYPE_CHECKING:
    from pathlib import Path

OLD = {"a.nix": b"a", "old/c.nix": b"c"}
NEW = {"a.nix": b"new a", "new/b.nix": b"new b"}
EDITS = (Edit("a.nix", b"a", b"new a"), Edit("new/b.nix", None, b"new b"), Edit("old/c.nix", b"c", None))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files as they were."""
    place = tmp_path / "checkout"
    write(place, OLD)
    return place


def write(folder: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def found(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def record(folder: Path, package: str = "xen") -> Record:
    return Record(folder.parent / "state", folder, package)


def settled(folder: Path, *, committed: bool = False) -> list[str]:
    """What is said while it is settled; nothing is left to settle then."""
    told: list[str] = []
    record(folder).settle(told.append, lambda _: committed)
    assert not record(folder).is_there
    assert list((folder.parent / "state").glob("unfinished/*")) == []
    return told


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.package.test_unfinished import EDITS, record

count = iter(range(int(sys.argv[2]), -1, -1))
for name in ("open", "fsync", "replace", "unlink", "rmdir", "mkdir"):
    def counted(*arguments, _real=getattr(os, name), **named):
        if next(count) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return _real(*arguments, **named)
    setattr(os, name, counted)
with record(Path(sys.argv[1])).writing(EDITS):
    pass
"""


def kill_at(folder: Path, number: int) -> bool:
    """Write, and be killed before the call of that number that changes something; whether it came to that."""
    pid = os.fork()  # the imports of a new interpreter, forty times, would take half a minute
    if pid == 0:
        try:
            sys.argv = ["", str(folder), str(number)]
            exec(KILLED, {})  # noqa: S102 - the text above
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) in {0, -signal.SIGKILL}
    return os.waitstatus_to_exitcode(status) != 0


def test_killed_at_any_call_it_is_put_back_or_done(tmp_path: Path) -> None:
    seen = []
    for number in itertools.count():
        folder = tmp_path / str(number) / "checkout"
        write(folder, OLD)
        killed = kill_at(folder, number)
        told = settled(folder)
        # Nothing is left in the folders but by the writer, and the next one clears that.
        left = {name: data for name, data in found(folder).items() if ".xenbump-" not in name}
        assert left == (OLD if killed and (told or left == OLD) else NEW)
        seen.append(bool(told))
        with record(folder).writing(EDITS if left == OLD else ()):
            pass
        assert found(folder) == NEW
        if not killed:
            break
    assert number > 20
    assert sum(seen) > 8


@pytest.mark.parametrize("name", ["a.nix", "new/b.nix", "old/c.nix"])
def test_what_a_person_changed_meanwhile_is_not_touched(folder: Path, name: str) -> None:
    with pytest.raises(KeyboardInterrupt), record(folder).writing(EDITS):
        raise KeyboardInterrupt
    assert found(folder) == NEW
    write(folder, {name: b"a person's"})
    before = found(folder)
    for _ in range(2):
        with pytest.raises(Refusal) as caught:
            record(folder).settle(lambda _: None, lambda _: False)
        assert (caught.value.code, caught.value.where) == ("E-UNFINISHED", str(folder / name))
        assert str(record(folder).path) in caught.value.remedy
        assert found(folder) == before
    # As the remedy says.
    record(folder).path.unlink()
    assert settled(folder) == []
    assert found(folder) == before


def test_what_is_committed_stays(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), record(folder).writing(EDITS):
        raise KeyboardInterrupt
    (said,) = settled(folder, committed=True)
    assert "committed" in said
    assert found(folder) == NEW


def test_what_a_person_put_back_already(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), record(folder).writing(EDITS):
        raise KeyboardInterrupt
    (folder / "new/b.nix").unlink()
    write(folder, OLD)
    assert settled(folder) == []
    assert found(folder) == OLD


def test_an_error_of_ours_leaves_nothing_to_settle(folder: Path) -> None:
    with pytest.raises(Failure), record(folder).writing(EDITS):
        raise Failure("E-IDENTITY", "no name")
    assert settled(folder) == []
    assert found(folder) == NEW
    with pytest.raises(XenbumpError), record(folder).writing((Edit("a.nix", b"other", b"x"),)):
        pytest.fail("it was not as it was read")
    assert settled(folder) == []


def test_permissions_come_back(folder: Path) -> None:
    for name in OLD:
        (folder / name).chmod(0o755)
    with pytest.raises(KeyboardInterrupt), record(folder).writing(EDITS):
        raise KeyboardInterrupt
    settled(folder)
    assert [(folder / name).stat().st_mode & 0o777 for name in OLD] == [0o755, 0o755]
    assert not (folder / "new").exists()


def test_packages_and_folders_have_records_of_their_own(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), record(folder).writing(EDITS):
        raise KeyboardInterrupt
    other = Record(folder.parent / "state", folder.parent / "other", "xen")
    for one in (record(folder, "xen-4.20"), other):
        assert not one.is_there
        assert one.settle(lambda _: None, lambda _: False) == ()
    assert record(folder).is_there


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b"[" * 5000, b'{"version": 1}'])
def test_a_record_that_cannot_be_read_stops_and_stays(folder: Path, text: bytes) -> None:
    path = record(folder).path
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    with pytest.raises(Refusal) as caught:
        record(folder).settle(lambda _: None, lambda _: False)
    assert (caught.value.code, caught.value.where) == ("E-UNFINISHED", str(path))
    assert (found(folder), path.read_bytes()) == (OLD, text)


def test_a_record_of_a_newer_version_or_another_folder(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), record(folder).writing(EDITS):
        raise KeyboardInterrupt
    path = record(folder).path
    text = path.read_text()
    for changed in (text.replace('"version":1', '"version":2'), text.replace(str(folder), "/elsewhere")):
        assert changed != text
        path.write_text(changed)
        with pytest.raises(Refusal, match="cannot be used"):
            record(folder).settle(lambda _: None, lambda _: False)
    assert found(folder) == NEW


def test_a_state_folder_that_takes_nothing_stops_before_the_first_file(folder: Path) -> None:
    (folder.parent / "state").write_bytes(b"a file")
    with pytest.raises(Failure) as caught, record(folder).writing(EDITS):
        pytest.fail("there is no record")
    assert caught.value.code == "E-STATE"
    assert found(folder) == OLD
