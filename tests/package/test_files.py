"""Files on disk: read whole, written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.package import files
from xenbump.package.rewrite import Edit

OLD, NEW = b"old\r\n\x00content", b"new content, longer"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A package file, alone in its folder."""
    file = tmp_path / "pkgs" / "package.nix"
    file.parent.mkdir()
    file.write_bytes(OLD)
    file.chmod(0o644)
    return file


def edit(path: Path) -> Edit:
    return Edit(str(path), OLD, NEW)


def fails(path: Path, kind: type[XenbumpError], code: str) -> XenbumpError:
    """Writing fails with this code, and everything is as it was."""
    before, listed = path.read_bytes(), sorted(path.parent.iterdir())
    with pytest.raises(kind) as caught:
        files.write(path, edit(path))
    assert caught.value.code == code
    assert str(path.name) in caught.value.where
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == listed
    return caught.value


def test_a_file_is_replaced_whole(path: Path) -> None:
    inode = path.stat().st_ino
    files.write(path, edit(path))
    assert path.read_bytes() == NEW
    assert path.stat().st_ino != inode
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o664, 0o200 | 0o444])
def test_permissions_stay(path: Path, mode: int) -> None:
    path.chmod(mode)
    files.write(path, edit(path))
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_root_does_not_take_a_file_over(path: Path) -> None:
    if os.geteuid() != 0:
        assert path.stat().st_uid == os.geteuid()
        return
    os.chown(path, 65534, 65534)
    files.write(path, edit(path))
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_a_symbolic_link_stays_one(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.nix"
    link.symlink_to(os.path.relpath(path, tmp_path))
    files.write(link, edit(link))
    assert link.is_symlink()
    assert path.read_bytes() == NEW
    assert sorted(tmp_path.iterdir()) == [link, path.parent]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "E-DISK"), (errno.EIO, "E-FILE-WRITE")])
def test_an_interrupted_write_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    assert os.strerror(number) in fails(path, Failure, code).what


def test_an_interrupt_in_the_middle_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, edit(path))
    assert path.read_bytes() == OLD
    assert list(path.parent.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_the_name_changes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, swap = os.fsync, os.replace

    def synced(number: int) -> None:
        facts = os.fstat(number)
        assert stat.S_ISDIR(facts.st_mode) or facts.st_size == len(NEW)
        order.append("folder" if stat.S_ISDIR(facts.st_mode) else "fsync")
        fsync(number)

    def replaced(source: str, target: Path) -> None:
        assert Path(source).parent == path.parent
        assert Path(source).read_bytes() == NEW
        order.append("replace")
        swap(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    files.write(path, edit(path))
    assert order == ["fsync", "replace", "folder"]


def test_several_files_are_put_back_also_where_the_name_of_the_last_is_not_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = tuple(Edit(f"{name}.nix", OLD, NEW) for name in "abc")
    for one in edits:
        (tmp_path / one.file).write_bytes(OLD)
    fsync, count = os.fsync, iter(range(100))

    def synced(number: int) -> None:
        # Each file is brought to the disk twice: itself, and its name.
        if next(count) == 2 * len(edits) - 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(number)

    monkeypatch.setattr(os, "fsync", synced)
    with pytest.raises(Failure) as caught:
        files.write_all(tmp_path, edits)
    assert caught.value.code == "E-FILE-WRITE"
    assert files_in(tmp_path) == dict.fromkeys(("a.nix", "b.nix", "c.nix"), OLD)


def test_what_a_killed_writer_left_beside_a_file_is_cleared(path: Path) -> None:
    left = path.parent / ".package.nix.xenbump-0123456789ab"
    left.write_bytes(b"half")
    files.write_all(path.parent, [Edit(path.name, OLD, NEW)])
    assert files_in(path.parent) == {"package.nix": NEW}


@pytest.mark.parametrize("mode", [0o444, 0o400, 0o555])
def test_a_read_only_file_is_left_alone_also_by_root(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert "read-only" in fails(path, Failure, "E-FILE-WRITE").what
    with pytest.raises(Failure, match="read-only"):
        files.refuse_read_only(path)


def test_a_file_that_changed_meanwhile_is_left_alone(path: Path) -> None:
    path.write_bytes(OLD + b" and someone's change")
    fails(path, Refusal, "E-FILE-CHANGED")


def test_a_file_that_is_gone(path: Path) -> None:
    path.unlink()
    for call in (lambda: files.read(path), lambda: files.write(path, edit(path)), lambda: files.refuse_read_only(path)):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code == "E-FILE-MISSING"
        assert caught.value.where == str(path)
    assert list(path.parent.iterdir()) == []


def test_what_cannot_be_read(path: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.nix"
    os.mkfifo(pipe)
    loop = tmp_path / "loop.nix"
    loop.symlink_to(loop)
    for place, word in ((path.parent, "folder"), (pipe, "regular"), (loop, "links"), (path / "below.nix", "Not a")):
        with pytest.raises(Failure) as caught:
            files.read(place)
        assert caught.value.code == "E-FILE-READ"
        assert word in caught.value.what
        assert caught.value.where == str(place)


def test_a_huge_file_is_not_read(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(2_000_001)
    with pytest.raises(Refusal) as caught:
        files.read(path)
    assert caught.value.code == "E-FILE-SIZE"
    with path.open("r+b") as file:
        file.truncate(2_000_000)
    assert len(files.read(path)) == 2_000_000


def as_nobody(code: str, *arguments: str) -> str:
    """Run Python that has no rights of root; its output."""
    drop = "import os\nif os.geteuid() == 0:\n    os.setgroups([])\n    os.setgid(65534)\n    os.setuid(65534)\n"
    # What is imported must be so before the rights go: the checkout may lie where nobody else may look.
    head = "import sys\nfrom pathlib import Path\nfrom xenbump.errors import XenbumpError\n"
    head += "from xenbump.package import files\nfrom xenbump.package.rewrite import Edit\n"
    tail = f"path = Path(sys.argv[1])\ntry:\n    {code}\nexcept XenbumpError as error:\n    print(error)\n"
    done = subprocess.run(
        [sys.executable, "-c", head + drop + tail, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def open_folder() -> Path:
    """A folder that everybody may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    return folder


def test_without_permission_to_read_or_write(open_folder: Path) -> None:
    try:
        file = open_folder / "package.nix"
        file.write_bytes(OLD)
        write = f"files.write(path, Edit('x', {OLD!r}, {NEW!r}))"
        if os.geteuid() == 0:
            file.chmod(0o600)
            assert as_nobody("files.read(path)", str(file)).startswith(f"E-FILE-READ: {file}: ")
            file.chmod(0o644)
            assert as_nobody(write, str(file)) == f"E-FILE-WRITE: {file}: the file is read-only\n"
            file.chmod(0o666)
        else:
            file.chmod(0o000)
            assert as_nobody("files.read(path)", str(file)).startswith(f"E-FILE-READ: {file}: ")
            file.chmod(0o644)
            open_folder.chmod(0o555)
        # The folder takes no new file, so the old one cannot be replaced in one step.
        told = as_nobody(write, str(file))
        assert told == f"E-FILE-WRITE: {file}: the file cannot be written: Permission denied\n"
        assert file.read_bytes() == OLD
        assert list(open_folder.iterdir()) == [file]
    finally:
        open_folder.chmod(0o755)
        for left in open_folder.iterdir():
            left.unlink()
        open_folder.rmdir()


def test_several_files_are_written_or_none(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for name in ("a.nix", "old/c.nix"):
        (tmp_path / name).write_bytes(OLD)
    edits = (Edit("a.nix", OLD, NEW), Edit("new/b.nix", None, NEW), Edit("old/c.nix", OLD, None))
    before = files_in(tmp_path)
    # The last one cannot be written: a folder stands in the way of its new content.
    (tmp_path / "in the way").mkdir()
    (tmp_path / "in the way" / "file").write_bytes(b"x")
    with pytest.raises(XenbumpError):
        files.write_all(tmp_path, (*edits, Edit("in the way/file/d.nix", None, NEW)))
    (tmp_path / "in the way" / "file").unlink()
    assert files_in(tmp_path) == before
    files.write_all(tmp_path, edits)
    assert files_in(tmp_path) == {"a.nix": NEW, "new/b.nix": NEW}
    assert not (tmp_path / "old").exists()
    assert (tmp_path / "new/b.nix").stat().st_mode & 0o111 == 0


@pytest.mark.parametrize("edit", [Edit("a.nix", NEW, OLD), Edit("a.nix", None, NEW), Edit("b.nix", OLD, NEW)])
def test_nothing_is_written_where_a_file_is_not_as_it_was(tmp_path: Path, edit: Edit) -> None:
    (tmp_path / "a.nix").write_bytes(OLD)
    with pytest.raises(XenbumpError) as caught:
        files.write_all(tmp_path, (Edit("c.nix", None, NEW), edit))
    assert caught.value.code in {"E-FILE-CHANGED", "E-FILE-MISSING"}
    assert files_in(tmp_path) == {"a.nix": OLD}


def test_what_is_around_a_file_and_no_further(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    (root / "xen/4.20").mkdir(parents=True)
    (root / "xen/4.20/default.nix").write_bytes(OLD)
    (root / "xen/patches.nix").write_bytes(NEW)
    (tmp_path / "secret").write_bytes(b"x")
    (root / "xen/link").symlink_to(tmp_path / "secret")
    around = files.Around(root / "xen/4.20/default.nix", root)
    assert (around.read("../patches.nix"), around.read("default.nix")) == (NEW, OLD)
    assert around.names("..") == ("4.20", "link", "patches.nix")
    assert [around.read(name) for name in ("../../../secret", "../link", "none", "..", "/etc/passwd")] == [None] * 5
    assert (around.names("../../.."), around.names("none")) == ((), ())


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
