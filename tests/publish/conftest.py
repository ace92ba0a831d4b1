"""The world of the tests in this folder, and what is published there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.publish.acts import Act, planned
from tests.support.worlds import shared, stage
from xenbump.publish.branch import Checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worlds import Stage
    from xenbump.outcomes import Planned

__all__ = ["shared", "stage"]


@pytest.fixture(scope="module")
def newest(shared: Stage) -> Planned:
    """The plan from 4.20.2 to 4.20.4: what is published if nothing else is said."""
    shared.reset()
    return planned(shared)


@pytest.fixture(scope="module")
def earlier(shared: Stage) -> Planned:
    """The plan from 4.20.2 to 4.20.3."""
    shared.reset()
    return planned(shared, "4.20.3")


@pytest.fixture
def act(newest: Planned, stage: Stage) -> Act:
    """Publishes without planning anew each time."""
    stage.repository.comments.clear()
    return Act(stage, newest)


@pytest.fixture
def checkout(stage: Stage) -> Iterator[Checkout]:
    made = Checkout(stage.world.package)
    yield made
    made.close()
