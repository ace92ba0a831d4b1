"""The build: incremental, the same every time, anew when it has to be, and a value when it fails."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from tests.trying import fake_tree
from xenbump import process
from xenbump.errors import Failure
from xenbump.trying import build, making
from xenbump.trying.model import Phase, PhaseResult, Trial
from xenbump.trying.source import Workshop


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_tree.repository(tmp_path_factory.mktemp("build") / "xen")


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Workshop:
    return Workshop(str(made), tmp_path / "try")


def _built(shop: Workshop, rev: str, log: Path) -> build.Built:
    found = build.hypervisor(shop.prepared(Trial(rev)), 2, log)
    assert isinstance(found, build.Built), found
    return found


def test_a_hypervisor_is_built_and_the_next_one_on_top_of_it(shop: Workshop, tmp_path: Path) -> None:
    first = _built(shop, "4.22.0-rc3", tmp_path / "log")
    one = first.hypervisor.read_bytes()
    assert first.log.read_text().count("gcc -c") == 1
    assert first.symbols.is_file()
    again = _built(shop, "4.22.0-rc3", tmp_path / "log")
    assert again.hypervisor.read_bytes() == one
    assert "gcc -c" not in again.log.read_text()
    assert _built(shop, "staging~1", tmp_path / "log").hypervisor.read_bytes() != one
    assert "gcc -c" not in _built(shop, "staging~2", tmp_path / "log").log.read_text()
    assert _built(shop, "4.22.0-rc3", tmp_path / "log").hypervisor.read_bytes() == one


def test_another_workshop_gives_the_same_bytes(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KCFLAGS", "CFLAGS", "MAKEFLAGS"):
        monkeypatch.setenv(name, "-k nonsense")
    found = [
        _built(Workshop(str(made), tmp_path / name), "4.22.0-rc3", tmp_path / "log").hypervisor.read_bytes()
        for name in "ab"
    ]
    assert found[0] == found[1]
    assert b"Tue Nov 14 22:13:20 UTC 2023 try@xenbump" in found[0]


def test_a_tree_that_does_not_build_is_a_value_with_the_compiler_s_words(shop: Workshop, tmp_path: Path) -> None:
    said: list[str] = []
    found = build.hypervisor(shop.prepared(Trial("staging")), 1, tmp_path / "log", said.append)
    assert isinstance(found, PhaseResult)
    assert (found.phase, found.result, found.log) == (Phase.BUILD, "failed", str(tmp_path / "log"))
    assert found.reason.startswith("the hypervisor does not build: setup.c:5:12: error: ")
    assert any("setup.c:5:12: error" in line for line in found.tail)
    assert not any("anew" in line for line in said)


def test_an_incremental_build_that_fails_is_done_anew(shop: Workshop, tmp_path: Path) -> None:
    folder = _built(shop, "4.22.0-rc3", tmp_path / "log").hypervisor.parent
    # An object that looks newer than it is.
    (folder / "setup.o").unlink()
    (folder / "setup.o").mkdir()
    (folder / "setup.o" / "stale.o").write_text("")
    found = _built(shop, "staging~1", tmp_path / "log")
    assert "succeeded when all was built anew" in found.note


def test_what_the_change_itself_broke_is_not_built_twice(shop: Workshop, made: Path, tmp_path: Path) -> None:
    _built(shop, "staging~1", tmp_path / "log")
    assert isinstance(build.hypervisor(shop.prepared(Trial("staging")), 1, tmp_path / "log"), PhaseResult)
    assert (tmp_path / "log").read_text().count("$ make -C xen -j1") == 1
    # Of a file that is as it was, something old may be the reason.
    text = (
        fake_tree.files()["xen/Makefile"]
        .replace("gcc -c", "gcc -DBROKEN -c")
        .replace(".config\n\t@", ".config Makefile\n\t@")
    )
    (tmp_path / "x.patch").write_text(fake_tree.mail(made, "staging~1", {"xen/Makefile": text}))
    found = build.hypervisor(shop.prepared(Trial("staging~1", (tmp_path / "x.patch",))), 1, tmp_path / "log")
    assert isinstance(found, PhaseResult)
    assert "setup.c" in found.reason
    assert (tmp_path / "log").read_text().count("$ make -C xen -j1") == 2


def test_another_compiler_builds_all_anew(shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _built(shop, "4.22.0-rc3", tmp_path / "log")
    monkeypatch.setattr(making, "compiler", lambda: "another one")
    assert "gcc -c" in _built(shop, "4.22.0-rc3", tmp_path / "log").log.read_text()
    monkeypatch.setattr(making, "compiler", lambda: "")
    with pytest.raises(Failure, match="E-PROGRAM-MISSING"):
        build.hypervisor(shop.prepared(Trial("4.22.0-rc3")), 1, tmp_path / "log")


def test_a_make_that_gives_no_hypervisor_is_a_failure(shop: Workshop, tmp_path: Path) -> None:
    folder = shop.prepared(Trial("4.22.0-rc3")).folder
    makefile = folder / "xen" / "Makefile"
    makefile.write_text(makefile.read_text().replace("\\177ELF\\001", "\\177ELF\\002"))
    found = build.hypervisor(shop.prepared(Trial("4.22.0-rc3")), 1, tmp_path / "log")
    assert isinstance(found, build.Built)  # what a person changed in the tree does not count
    makefile.write_text("defconfig:\n\ttouch .config\nbuild:\n\t@true\n")
    found.hypervisor.unlink()
    prepared = shop.prepared(Trial("4.22.0-rc3"))
    makefile.write_text("build:\n\t@true\ndefconfig:\n\ttouch .config\n")
    late = build.hypervisor(prepared, 1, tmp_path / "log")
    assert isinstance(late, PhaseResult)
    assert "make gave no hypervisor" in late.reason


def test_a_tree_that_cannot_be_written_is_explained(shop: Workshop, tmp_path: Path) -> None:
    prepared = shop.prepared(Trial("4.22.0-rc3"))
    (prepared.folder / ".git" / "xenbump-built").mkdir()
    with pytest.raises(Failure, match=r"E-STATE: .*the source tree cannot be used: Is a directory"):
        build.hypervisor(prepared, 1, tmp_path / "log")


def _program(folder: Path, text: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_program_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xenbump.process._GRACE_SECONDS", 0.05)
    program = _program(tmp_path, "echo begun; exec sleep 60\n")
    found = making.run([str(program)], tmp_path, tmp_path / "log", limit=0.3)
    assert (found.status, found.seconds < 10) == (None, True)
    assert "did not end within" in found.reason
    assert "begun" in (tmp_path / "log").read_text()


def test_a_program_ends_with_a_killed_run(tmp_path: Path) -> None:
    program = _program(tmp_path, f"echo $$ >{tmp_path}/pid; exec sleep 60\n")
    code = (
        "import pathlib, sys; from xenbump.trying import making\n"
        "making.run([sys.argv[1]], pathlib.Path('/'), pathlib.Path(sys.argv[2]), limit=60)"
    )
    pid = tmp_path / "pid"
    with process.start([sys.executable, "-c", code, str(program), str(tmp_path / "log")], cwd=Path.cwd()) as running:
        deadline = time.monotonic() + 20
        while not (pid.is_file() and pid.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.01)
        running.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid.read_text().strip()}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_what_is_said_on_both_ways_is_logged_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_TOLD_SECONDS", 0.0)
    said: list[str] = []
    program = _program(
        tmp_path, "echo '  CC      a.o'; echo 'a.c:1:2: error: no' >&2; echo 'bison: not found' >&2; exit 3\n"
    )
    found = making.run([str(program)], tmp_path, tmp_path / "log", limit=20, progress=said.append)
    assert (found.status, said) == (3, ["building: CC a.o"])
    assert found.errors[0] == "a.c:1:2: error: no" == found.reason
    assert making.lacks(found) == ["bison"]
    assert "  CC      a.o" in found.log.read_text()


def test_the_environment_has_compilers_and_no_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PKG_CONFIG_PATH", "/some")
    monkeypatch.setenv("CFLAGS", "-O9")
    found = making.environment(making.fixed(86400))
    assert (found["PKG_CONFIG_PATH"], found["GIT_CONFIG_GLOBAL"]) == ("/some", os.devnull)
    assert found["XEN_BUILD_DATE"] == "Fri Jan  2 00:00:00 UTC 1970"
    assert "CFLAGS" not in found
