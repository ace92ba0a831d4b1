"""The program's commands, options and arguments as plain values, taken from the real program."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import typer

from xenbump.cli import app

FILES = frozenset({"FILE", "FILE|URL"})


@dataclass(frozen=True)
class Option:
    """An option: names, what it takes (empty: nothing), help, the words that may follow, whether it is repeatable."""

    names: tuple[str, ...]
    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    repeatable: bool = False

    @property
    def takes_file(self) -> bool:
        """Whether its value is the name of a file."""
        return self.metavar in FILES


@dataclass(frozen=True)
class Command:
    """A command: name, help in paragraphs, options, the names of its arguments."""

    name: str
    paragraphs: tuple[str, ...]
    options: tuple[Option, ...]
    arguments: tuple[tuple[str, str], ...] = ()

    @property
    def summary(self) -> str:
        """The first sentence of its help, without the full stop."""
        return self.paragraphs[0].removesuffix(".")


def read() -> tuple[Command, tuple[Command, ...]]:
    """The program itself, and its commands in the order of `--help`."""
    group: Any = typer.main.get_command(app.build())
    return _command("xenbump", group), tuple(_command(name, one) for name, one in group.commands.items())


def _command(name: str, command: Any) -> Command:
    text = inspect.cleandoc(command.help or "")
    paragraphs = tuple(" ".join(part.split()) for part in text.split("\n\n"))
    options = [_option(one) for one in command.params if one.param_type_name == "option"]
    if all("--help" not in one.names for one in options):
        options.append(Option(("-h", "--help"), "", "Show what the command does and its options."))
    arguments = tuple(
        (one.metavar or one.human_readable_name, one.help or "")
        for one in command.params
        if one.param_type_name == "argument"
    )
    return Command(name, paragraphs, tuple(options), arguments)


def _option(one: Any) -> Option:
    names = tuple(sorted(one.opts, key=len))
    choices = _choices(one)
    metavar = "" if one.is_flag else one.metavar or "|".join(choices) or "VALUE"
    return Option(names, metavar, one.help or "", choices, bool(one.multiple))


def _choices(one: Any) -> tuple[str, ...]:
    """The words that an option may be followed by; where they stand differs by the release of typer."""
    descriptor = getattr(one, "type_descriptor", None)
    found = getattr(one.type, "choices", None) if descriptor is None else descriptor.choices
    return tuple(str(getattr(word, "value", word)) for word in found or ())
