"""Options of the hypervisor: written, looked for in what Kconfig made of them, and refused with the reason."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trying import fake_tree
from xenbump.errors import Failure, Refusal
from xenbump.trying import options
from xenbump.trying.model import Prepared, Trial
from xenbump.trying.source import Workshop

if TYPE_CHECKING:
    from pathlib import Path


REAL = os.environ.get("XENBUMP_REAL_XEN", "")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    base = tmp_path_factory.mktemp("options")
    return Workshop(str(fake_tree.repository(base / "xen")), base / "try")


def _prepared(shop: Workshop, *given: tuple[str, str]) -> Prepared:
    return shop.prepared(Trial("4.22.0-rc3", options=given))


def _refused(prepared: Prepared, log: Path) -> Refusal:
    with pytest.raises(Refusal) as caught:
        options.configured(prepared, log)
    assert caught.value.code == "E-TRY-CONFIG"
    return caught.value


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("DEBUG=y", ("DEBUG", "y")),
        ("CONFIG_DEBUG=n", ("DEBUG", "n")),
        ("config_nr_cpus=8", ("NR_CPUS", "8")),
        ('CMDLINE="a=b c"', ("CMDLINE", '"a=b c"')),
    ],
)
def test_an_option_is_read(text: str, parsed: tuple[str, str]) -> None:
    assert options.parsed(text) == parsed


@pytest.mark.parametrize("text", ["", "DEBUG", "=y", "DEBUG=", "A B=y", "DEBUG=y\nX=y", "$(shell x)=y", "D-E=y"])
def test_what_is_no_option_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="E-TRY-CONFIG"):
        options.parsed(text)


@settings(max_examples=25)
@given(st.text(max_size=30))
def test_a_name_that_is_taken_is_one_that_kconfig_has(text: str) -> None:
    with contextlib.suppress(Refusal):
        name, value = options.parsed(text)
        assert re.fullmatch("[A-Z0-9_]+", name)
        assert value.isprintable()


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.sampled_from(["DEBUG", "NR_CPUS", "CMDLINE", "EXPERT"]), st.sampled_from(["y", "n", "7", 'a "b"'])
    )
)
def test_options_replace_what_was_there_and_nothing_else(given: dict[str, str]) -> None:
    before = "# Xen\nCONFIG_DEBUG=y\nCONFIG_DEBUG_INFO=y\n# CONFIG_EXPERT is not set\nCONFIG_NR_CPUS=16\n"
    after = options.with_options(before, given, {"CMDLINE": options.Known("string")})
    for name, value in given.items():
        lines = [line for line in after.splitlines() if re.search(rf"\bCONFIG_{name}\b", line)]
        assert len(lines) == 1
        assert (value == "n") == (lines[0] == f"# CONFIG_{name} is not set")
    assert "CONFIG_DEBUG_INFO=y\n" in after
    assert after == options.with_options(after, given, {"CMDLINE": options.Known("string")}) or len(given) > 1


def test_the_default_is_written_once(shop: Workshop, tmp_path: Path) -> None:
    prepared = _prepared(shop)
    options.configured(prepared, tmp_path / "log")
    path = prepared.folder / options.CONFIG
    assert "CONFIG_NR_CPUS=16" in path.read_text()
    assert not options.configured(prepared, tmp_path / "log")
    path.write_text(path.read_text() + "# touched\n")
    assert options.configured(prepared, tmp_path / "log")
    assert "touched" not in path.read_text()


def test_options_take_and_go_again(shop: Workshop, tmp_path: Path) -> None:
    log = tmp_path / "log"
    given = (("DEBUG", "n"), ("NR_CPUS", "0x8"), ("CMDLINE", 'say "hi"'))
    prepared = _prepared(shop, *given)
    options.configured(prepared, log)
    text = (prepared.folder / options.CONFIG).read_text()
    assert "# CONFIG_DEBUG is not set\nCONFIG_NR_CPUS=0x8\n" in text
    assert 'CONFIG_CMDLINE="say \\"hi\\""' in text
    options.configured(_prepared(shop), log)
    assert "CONFIG_CMDLINE" not in (prepared.folder / options.CONFIG).read_text()


def test_an_option_that_does_not_exist_is_refused_with_its_like(shop: Workshop, tmp_path: Path) -> None:
    error = _refused(_prepared(shop, ("DEBUGG", "y")), tmp_path / "log")
    assert (error.where, error.what) == ("CONFIG_DEBUGG", "this tree has no such option; there is DEBUG")


def test_an_option_that_does_not_take_is_refused_with_what_it_depends_on(shop: Workshop, tmp_path: Path) -> None:
    error = _refused(_prepared(shop, ("NEEDY", "y")), tmp_path / "log")
    assert error.what == "it was to be y and is n: it depends on EXPERT && DEBUG, of which EXPERT is n"
    prepared = _prepared(shop, ("NEEDY", "y"), ("EXPERT", "y"))
    options.configured(prepared, tmp_path / "log")
    assert "CONFIG_NEEDY=y" in (prepared.folder / options.CONFIG).read_text()


def test_a_tree_whose_kconfig_fails_is_told_apart(shop: Workshop, tmp_path: Path) -> None:
    prepared = _prepared(shop)
    (prepared.folder / options.CONFIG).unlink(missing_ok=True)
    (prepared.folder / "xen" / "arch" / "x86" / "configs" / "x86_64_defconfig").unlink()
    with pytest.raises(Failure, match="E-TRY-BUILD"):
        options.configured(prepared, tmp_path / "log")
    assert "x86_64_defconfig" in (tmp_path / "log").read_text()


def test_dependencies_come_from_every_form_of_kconfig(tmp_path: Path) -> None:
    (tmp_path / "xen").mkdir()
    (tmp_path / "xen" / "Kconfig").write_text(
        'menu "m"\nif A\nconfig ONE\n\tbool "one" if EXPERT\n\tdepends on B && \\\n\t\tC\n\thelp\n\t  Text.\nendif\n'
        "menuconfig TWO\n\tdef_bool y\nchoice\n\tdepends on NOT_MINE\nendchoice\nconfig THREE\n\tstring\nendmenu\n"
    )
    found = options.read(tmp_path)
    assert [re.sub(r"\s+", " ", one) for one in found["ONE"].depends] == ["A", "EXPERT", "B && C"]
    assert (found["TWO"].type, found["TWO"].depends, found["THREE"].type) == ("bool", [], "string")


def test_a_menu_that_is_not_shown_is_told(tmp_path: Path) -> None:
    (tmp_path / "xen").mkdir()
    (tmp_path / "xen" / "Kconfig").write_text(
        'menu "Vendors"\n\tvisible if EXPERT\n\tdepends on X86\n\n'
        'config ONE\n\tbool "one"\n\thelp\n\t  visible if not,\n\t  if it is so, menu or not.\n'
        'menu "Inner"\nconfig TWO\n\tbool "two"\nendmenu\nendmenu\nconfig THREE\n\tbool "three"\n'
    )
    found = options.read(tmp_path)
    assert [found[name].depends for name in ("ONE", "TWO", "THREE")] == [["EXPERT && X86"], ["EXPERT && X86"], []]


@pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN names no repository")
def test_options_of_the_real_tree(tmp_path: Path) -> None:
    shop = Workshop(REAL, tmp_path)
    given = (("DEBUG", "y"), ("NR_CPUS", "8"))
    options.configured(shop.prepared(Trial("RELEASE-4.20.2", options=given)), tmp_path / "log")
    prepared = shop.prepared(Trial("RELEASE-4.20.2", options=(("XSM_FLASK_AVC_STATS", "y"),)))
    assert "it depends on XSM_FLASK, of which XSM_FLASK is n" in _refused(prepared, tmp_path / "log").what
