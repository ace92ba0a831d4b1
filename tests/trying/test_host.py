"""The facts of a machine."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.trying import host
from xenbump.trying.host import Machine

CPUINFO = "processor\t: 0\nvendor_id\t: X\nmodel\t\t: 1\nmodel name\t: A processor  @ 2 GHz\nprocessor\t: 1\n"


def test_this_machine_has_facts() -> None:
    found = host.machine(lambda: "gcc 12")
    assert found.processors > 0
    assert found.memory > 0
    assert found.kernel.startswith("Linux ")
    assert found.compiler == "gcc 12"


def test_the_processor_is_what_it_calls_itself() -> None:
    assert host.model(CPUINFO) == "A processor @ 2 GHz"
    assert host.model("processor: 0\nmodel\t: 1\n") == ""
    assert host.model("Model\t\t: A board\n") == "A board"


@given(st.text())
def test_whatever_it_calls_itself_is_one_short_line(text: str) -> None:
    found = host.model(f"model name\t: {text}\n")
    assert len(found) <= 120
    assert found.isprintable()


def test_the_distribution_has_the_name_for_people() -> None:
    assert host.distribution({"PRETTY_NAME": "A system 12", "NAME": "a"}) == "A system 12"
    assert host.distribution({"NAME": "A system", "VERSION": "12"}) == "A system 12"
    assert host.distribution({}) == ""


def test_what_cannot_be_read_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host, "_CPUINFO", tmp_path / "none")

    def refuses() -> dict[str, str]:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", refuses)
    found = host.machine(str)
    assert (found.processor, found.distribution, found.compiler) == ("", "", "")


@pytest.mark.parametrize(
    ("memory", "words"), [(0, ""), (512 << 20, "512 MiB"), (1 << 30, "1.0 GiB"), (25_276_510_208, "23.5 GiB")]
)
def test_memory_in_words(memory: int, words: str) -> None:
    assert Machine(memory=memory).size == words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/me/x.patch: hunk 1", "~/x.patch: hunk 1"),
        ("in /home/me", "in ~"),
        ("/home/me-too/x and /srv/home/me/x", "/home/me-too/x and /srv/home/me/x"),
        ("/home/me/a:/home/me/b", "~/a:~/b"),
        ("nothing", "nothing"),
    ],
)
def test_the_folder_of_the_user_has_no_name(text: str, told: str) -> None:
    assert host.nameless(text, Path("/home/me")) == told


def test_where_the_folder_is_the_root_all_stays() -> None:
    assert host.nameless("/srv/x", Path("/")) == "/srv/x"
