"""Every input of the corpus through its target; that the runner finds faults; and times that grew too fast once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fuzz import growth, runner, shown, targets
from tests.fuzz.growth import Stretched
from tests.fuzz.runner import CORPUS, DICTIONARIES, LARGEST

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGE = b'[[package]]\nname = "xen"\nfile = "a.nix"\n'
_ERROR = b'@nix {"action":"msg","level":0,"msg":"error:'
# What took seconds to minutes for 100 kB; the tables of tomllib still do, so a name of so many parts is refused.
GREW = [
    ("config", Stretched(_PACKAGE, b"a.", b"b = 1\n")),
    ("config", Stretched(_PACKAGE + b"[packa", b"ge", b"")),
    ("config", Stretched(b"[", b" ", b"\n" + _PACKAGE)),
    ("marker", Stretched(b"", b"<!-- xenbump: {", b"")),
    ("marker", Stretched(b"", b"<!-- xenbump: {} -->", b"")),
    ("marker", Stretched(b"<!-- xenbump: {", b"}", b"")),
    ("nixlog", Stretched(_ERROR, b"\\n", b'x"}')),
    ("nixlog", Stretched(b"error: ", b"/", b"")),
    ("nixlog", Stretched(b"error: ", b"dependency ", b"")),
    ("nixlog", Stretched(b"error: ", b"hash mismatch in fixed-output derivation '/", b"")),
    ("texts", Stretched(b"Xen-Version: a", b" ", b"b")),
    ("texts", Stretched(b"This is ", b" ", b".x")),
]


@pytest.mark.parametrize("name", targets.NAMES)
def test_the_corpus(name: str) -> None:
    taken = []
    for path in sorted((CORPUS / name).iterdir()):
        try:
            taken.append(targets.load(name)(path.read_bytes()))
        except Exception as error:
            error.add_note(f"the input is {path}")
            raise
    # It leads both ways: to what is read, and to what is refused.
    assert set(taken) == {True, False}


def test_the_corpus_is_small_and_has_no_strays() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == set(targets.NAMES)
    assert sum(path.stat().st_size for path in files) < 250_000
    assert all(path.stat().st_size < 2 * LARGEST for path in files)
    assert {path.stem for path in DICTIONARIES.iterdir()} == set(targets.NAMES)
    assert all(growth.words(name) for name in targets.NAMES)


@pytest.mark.parametrize(("name", "stretched"), GREW, ids=lambda one: one if isinstance(one, str) else one.told())
def test_time_grows_no_faster_than_the_input(name: str, stretched: Stretched) -> None:
    data = stretched.made(growth.SIZE)
    assert len(data) > 0.9 * growth.SIZE
    assert growth.took(name, data) < growth.SLOW


def test_a_time_that_grows_too_fast_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fuzz import faulty  # noqa: PLC0415 - it is no part of what is tested otherwise

    monkeypatch.setattr(targets, "load", lambda _: faulty.slow)
    monkeypatch.setattr(growth, "SIZE", 12_000)
    monkeypatch.setattr(growth, "SLOW", 0.02)
    seconds, fast = growth.grows("slow", Stretched(b"", b" ", b""))
    assert fast, seconds
    assert growth.grows("slow", Stretched(b"", b"a", b""))[1] is False


def test_half_a_character_is_found() -> None:
    shown.check({"a": ["b", ("c", 1, None, {"d"})]})
    for value in ("\ud800", {"\ud800": 1}, [{"a": ("\udfff",)}], Stretched(b"", b"", b""), runner.Result):
        if isinstance(value, Stretched | type):
            shown.check(value)
        else:
            with pytest.raises(UnicodeEncodeError):
                shown.check(value)


needs_atheris = pytest.mark.skipif(not runner.installed(), reason="atheris is not installed")


@needs_atheris
def test_a_fault_is_found_and_its_input_is_kept(tmp_path: Path) -> None:
    began = time.monotonic()
    found = runner.run("faulty", 30, tmp_path / "kept", module="tests.fuzz.faulty")
    assert found.fault.endswith(("the deliberate fault", "'the deliberate fault'")), found.log
    assert found.kept is not None
    assert found.kept.read_bytes().startswith(b"Xen 4.")
    assert time.monotonic() - began < 30
    assert "faulty" in runner.table([found])


@needs_atheris
def test_a_target_that_cannot_be_started_is_a_fault(tmp_path: Path) -> None:
    found = runner.run("none", 1, tmp_path, module="tests.fuzz.no_such_module")
    assert (found.executions, found.kept) == (0, None)
    assert found.fault == "the process ended with the status 1"
    assert "no_such_module" in found.log


@needs_atheris
def test_what_is_sound_is_no_fault(tmp_path: Path) -> None:
    found = runner.run("replies", 1, tmp_path)
    assert (found.fault, found.kept) == ("", None), found.log
    assert found.executions > 100
    assert found.coverage > 0
    assert list(tmp_path.iterdir()) == []
