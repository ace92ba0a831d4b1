"""The managed checkout comes back whole from whatever was done to it, and from servers and runs that fail half way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.publish.clones import SPARSE, TOKEN, brought, configured, files, home, server, source
from tests.support.git_world import FILE, FILES
from xenbump.demo.git_server import GitServer, Redirect, Reset, Status
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.publish import clone

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["home", "server", "source"]


def _truncate(root: Path) -> None:
    for pack in (root / ".git/objects/pack").glob("*.pack"):
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes()[:40])


def _forget_objects(root: Path) -> None:
    for file in (root / ".git/objects/pack").glob("*"):
        file.unlink()


def _replace_by_file(root: Path) -> None:
    shutil.rmtree(root)
    root.write_text("in the way")


def _hook(root: Path) -> None:
    hook = root / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {root}/ran\nexit 1\n")
    hook.chmod(0o755)


def _empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


DAMAGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "head": (lambda root: (root / ".git/HEAD").unlink(), True),
    "config": (lambda root: (root / ".git/config").write_text("[broken"), True),
    "index-lock": (lambda root: (root / ".git/index.lock").write_text(""), True),
    "shallow-lock": (lambda root: (root / ".git/shallow.lock").write_text(""), True),
    "no-git": (lambda root: shutil.rmtree(root / ".git"), True),
    "truncated": (_truncate, True),
    "objects": (_forget_objects, False),
    "a-file": (_replace_by_file, True),
    "empty": (_empty, True),
    "index": (lambda root: (root / ".git/index").write_bytes(b"DIRC"), False),
    "files": (lambda root: shutil.rmtree(root / "pkgs"), False),
    "edited": (lambda root: (root / FILE).write_text("edited"), False),
    "strange": (lambda root: (root / "pkgs/xen/strange").write_text("new"), False),
    "sparse": (lambda root: (root / ".git/info/sparse-checkout").write_text("/*\n"), False),
    "hook": (_hook, False),
}


def test_damage_is_mended(tmp_path: Path, server: GitServer) -> None:
    config = configured(tmp_path, server)
    root = brought(config)
    for name, (damage, anew) in DAMAGES.items():
        said: list[str] = []
        damage(root)
        assert brought(config, said) == root, name
        assert files(root) == SPARSE, name
        assert (root / FILE).read_bytes() == FILES[FILE], name
        assert any("is made anew" in one for one in said) is anew, (name, said)
        left = [path.name for path in root.parent.iterdir()]
        assert sorted(left) == [root.name, f"{root.name}.lock"], name


def test_many_packs_are_thrown_away(tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    config, said = configured(tmp_path, server), list[str]()
    monkeypatch.setattr(clone, "_MOST_PACKS", 1)
    brought(config)
    brought(config, said)
    assert "has gathered many packs and is made anew" in said[0]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Status(502), "E-HTTP-STATUS"),
        (Status(403), "E-GIT-ACCESS"),
        (Status(404), "E-GIT-REPOSITORY"),
        (Redirect("http://127.0.0.1:9/x"), "E-REDIRECT"),
    ],
)
def test_a_fault_of_the_server_costs_no_clone(
    tmp_path: Path, server: GitServer, fault: Status | Redirect, code: str
) -> None:
    config = configured(tmp_path, server)
    root = brought(config)
    inode = root.stat().st_ino
    server.fail_next("info/refs", fault, times=5)
    with pytest.raises(XenbumpError) as caught:
        brought(config)
    assert isinstance(caught.value, (Failure, Refusal))
    assert caught.value.code == code
    assert root.stat().st_ino == inode
    server._service._faults.clear()
    assert files(brought(config)) == SPARSE


def test_a_first_clone_that_fails_leaves_nothing(tmp_path: Path, server: GitServer) -> None:
    config = configured(tmp_path, server)
    server.fail_next("git-upload-pack", Reset(), times=4)
    with pytest.raises(Failure):
        brought(config)
    assert [path.suffix for path in (tmp_path / "state" / "clones").iterdir()] == [".lock"]


def test_killed_half_way(tmp_path: Path, server: GitServer) -> None:
    """Killed at several moments, then run again: whole, and nothing is left over."""
    config = configured(tmp_path, server)
    program = (
        "from xenbump import config; from xenbump.publish import clone; from pathlib import Path\n"
        f"c = config.load(Path({str(config.path)!r}))\n"
        "print('begin', flush=True); clone.managed(c, c.packages[0], lambda _: None)"
    )
    env = {
        **os.environ,
        "XENBUMP_STATE_DIR": str(tmp_path / "state"),
        "XENBUMP_GITHUB_URL": config.github_url,
        "XENBUMP_GITHUB_TOKEN": TOKEN,
    }
    for seconds in (0.05, 0.15):
        with subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
    root = brought(config)
    assert files(root) == SPARSE
    assert sorted(path.name for path in root.parent.iterdir()) == [root.name, f"{root.name}.lock"]


def test_two_at_once(tmp_path: Path, server: GitServer) -> None:
    config, roots = configured(tmp_path, server), list[Path]()
    threads = [threading.Thread(target=lambda: roots.append(brought(config))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(roots) == 3
    assert len(set(roots)) == 1
    assert files(roots[0]) == SPARSE
