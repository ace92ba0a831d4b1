"""The house of the runs that meet a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.net_house import House, stood
from tests.support.worlds import unwatched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worlds import Stage

__all__ = ["unwatched"]


@pytest.fixture(scope="module")
def house(unwatched: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The session's world behind gates, for the time of a module."""
    with stood(unwatched, tmp_path_factory.mktemp("house")) as made:
        yield made
