"""How wide the text of a command is: as the terminal, within bounds; what is piped keeps its width."""

from __future__ import annotations

import contextvars
import os

import pytest

from xenbump.cli import common
from xenbump.report import text


def fitted() -> int:
    """The width after fitting, without a trace for the other tests."""

    def fit() -> int:
        common.fit()
        return text.WIDTH.get()

    return contextvars.copy_context().run(fit)


@pytest.mark.parametrize(("columns", "width"), [(80, 80), (40, 60), (300, 200), (0, 120)])
def test_as_wide_as_the_terminal(columns: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((columns, 24)))
    with open(os.devnull, "w") as file:  # noqa: PTH123 - it has a file number, which is all that is asked of it
        monkeypatch.setattr("sys.stdout", file)
        assert fitted() == width


def test_what_is_piped_keeps_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as file:  # noqa: PTH123
        monkeypatch.setattr("sys.stdout", file)
        assert fitted() == 120
