"""The page that scripts build on against the program: commands, options, exit statuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from xenbump.cli import app, common
from xenbump.refusals import markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "interface.md").read_text("utf-8")
# Of every command, and so told once at the head of the page.
EVERYWHERE = {"--help"}


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app.build())
    return dict(group.commands)


def options(command: Any) -> set[str]:
    """The long options that a command has."""
    found: Iterator[str] = (name for parameter in command.params for name in parameter.opts)
    return {name for name in found if name.startswith("--")} - EVERYWHERE


def section(name: str) -> str:
    """The part of the page on a command: from its heading to the next."""
    match = re.search(rf"^### `xenbump {re.escape(name)}`\n(.*?)(?=^#)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None, f"docs/interface.md has no section on `xenbump {name}`"
    return match[1]


def spans(text: str) -> set[str]:
    """The options that stand in code spans."""
    return {name for span in re.findall(r"`([^`]+)`", text) for name in re.findall(r"--[a-z-]+", span)}


def test_the_page_has_every_command_and_no_other() -> None:
    assert sorted(re.findall(r"^### `xenbump ([a-z]+)`$", PAGE, re.MULTILINE)) == sorted(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_page_has_every_option_of_a_command_and_no_other(name: str) -> None:
    text = section(name)
    assert options(commands()[name]) - spans(text) == set()
    listed = re.search(r"^Options: (.*?)\n\n", text + "\n\n", re.MULTILINE | re.DOTALL)
    told = spans(listed[1]) if listed is not None else spans(text)
    assert told - options(commands()[name]) == set()


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_and_option_has_a_help(name: str) -> None:
    command = commands()[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter.name


def test_the_page_has_every_exit_status() -> None:
    table = PAGE[PAGE.index("## Exit statuses") :]
    told = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert told >= {common.DONE, common.FAILED, common.USAGE, common.TO_DO, common.REFUSED}


def test_the_page_of_the_errors_is_made_from_them() -> None:
    assert (DOCS / "refusals.md").read_text("utf-8") == markdown()
