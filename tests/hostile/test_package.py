"""Hostile package files and configurations: deep, of odd characters, links to elsewhere, values that look like options.

Each is refused by the whole program, without a file of anybody's being changed or a program's being started by it.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.hostile.sizes import REPORT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.hostile.conftest import Siege
    from tests.hostile.leash import Ended

MOST_MIB = 200
DEEP = 100_000
TEXTS: tuple[tuple[str, Callable[[str], str], str], ...] = (
    ("brackets", lambda _: "{ x = " + "[" * DEEP + "]" * DEEP + "; }", "E-NIX-SYNTAX"),
    ("strings", lambda _: '"${' * DEEP, "E-NIX-SYNTAX"),
    ("long", lambda good: f"{good}#{'x' * 3_000_000}\n", "E-FILE-SIZE"),
    ("escape", lambda good: good.replace("pname =", "\x1b[31mpname ="), "E-NIX-SYNTAX"),
    ("escape-in-version", lambda good: good.replace('"4.20.2"', '"4.20.2\x1b[31m\u202e"'), "E-VERSION-FORM"),
    ("option", lambda good: good.replace('"4.20.2"', '"--upload-pack=touch x"'), "E-VERSION-FORM"),
)
LINKS = (
    ("loop", "package.nix", "E-FILE-READ"),
    ("endless", "/dev/zero", "E-FILE-READ"),
    ("outside", "../../../outside/package.nix", "E-NOT-CHECKOUT"),
)
SETTINGS = (
    ("helper", "git", '"ext::sh -c touch% {touch}"', "E-GIT-ADDRESS"),
    ("option", "git", '"--upload-pack=touch {touch}"', "E-GIT-ADDRESS"),
    ("option-of-ssh", "git", '"ssh://-oProxyCommand=touch%20{touch}/x"', "E-GIT"),
    ("short-option-of-ssh", "git", '"-oProxyCommand=touch:x"', "E-GIT-ADDRESS"),
    ("name-option", "name", '"--config=x"', "E-CONFIG"),
    ("name-escape", "name", r'"\u001b[31mx"', "E-CONFIG"),
    ("name-up", "name", '"../../x"', "E-CONFIG"),
    ("repository-up", "repository", '"../../x"', "E-CONFIG"),
    ("repository-query", "repository", '"a/b?c=d"', "E-CONFIG"),
    ("base", "repository", '"a/b"\nbase = "--exec=touch {touch}"', "E-BASE"),
    ("remote", "repository", '"a/b"\nremote = "--upload-pack=touch {touch}"', "E-REMOTE"),
    ("remote-helper", "repository", '"a/b"\nremote = "ext::touch {touch}"', "E-REMOTE"),
    ("nested", "steps", "[" * DEEP, "E-CONFIG"),
    ("nested-tables", "steps", "{{a=" * DEEP, "E-CONFIG"),
    ("dotted", "steps", "[]\n" + "a." * DEEP + "a = 1", "E-CONFIG"),
    ("not-a-keyring", "keyring", '"/etc/passwd"', "E-KEYRING"),
)


def stopped(ended: Ended, code: str) -> None:
    """Check that it ended with the code, in one sentence that does nothing to a terminal."""
    assert ended.status in {1, 2, 20}, ended.text
    assert len([line for line in ended.err.split("\n") if f": {code}: " in line and not line.startswith("…")]) == 1
    assert "Traceback" not in ended.err
    assert not [line for line in ended.text.split("\n") if not line.isprintable()]
    assert max(ended.own, ended.child) < MOST_MIB


@pytest.mark.parametrize(("name", "change", "code"), TEXTS, ids=[text[0] for text in TEXTS])
def test_a_package_file(name: str, change: Callable[[str], str], code: str, siege: Siege) -> None:
    package = siege.stage.world.package
    package.write_text(text := change(package.read_text("utf-8")), "utf-8")
    ended = siege.run("check")
    REPORT.note(f"package file: {name}", ended)
    stopped(ended, code)
    assert package.read_text("utf-8") == text


@pytest.mark.parametrize(("name", "to", "code"), LINKS, ids=[link[0] for link in LINKS])
def test_a_link_in_the_place_of_the_file(name: str, to: str, code: str, siege: Siege) -> None:
    package = siege.stage.world.package
    outside = siege.stage.world.folder / "outside"
    outside.mkdir()
    shutil.copy(package, outside / package.name)
    before = package.read_bytes()
    package.unlink()
    package.symlink_to(to)
    ended = siege.run("bump")
    REPORT.note(f"link: {name}", ended)
    stopped(ended, code)
    assert (outside / package.name).read_bytes() == before
    assert package.is_symlink()


@pytest.mark.parametrize("kind", ["file", "endless", "pipe", "loop"])
def test_a_link_in_the_place_of_a_patch(kind: str, siege: Siege) -> None:
    patch = siege.stage.world.package.with_name("paths.patch")
    patch.unlink()
    if kind == "pipe":
        os.mkfifo(patch)
    else:
        patch.symlink_to({"file": "/etc/passwd", "endless": "/dev/zero", "loop": patch.name}[kind])
    stopped(siege.run("plan"), "E-PATCH-CONFLICT")


@pytest.mark.parametrize("setting", SETTINGS, ids=[setting[0] for setting in SETTINGS])
def test_a_setting(setting: tuple[str, str, str, str], siege: Siege, tmp_path: Path) -> None:
    name, key, value, code = setting
    path = siege.stage.world.checkout / "xenbump.toml"
    line = f"{key} = {value.format(touch=tmp_path / 'touched')}"
    text, count = re.subn(rf"(?m)^{key} = .*$", lambda _: line, path.read_text("utf-8"), count=1)
    assert count == 1
    path.write_text(text)
    ended = siege.run("pr")
    REPORT.note(f"setting: {name}", ended)
    stopped(ended, code)
    assert not list(tmp_path.iterdir())
    assert siege.stage.pulls == []
