"""The world of the tests in this folder, and what is published there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.publish.acts import Act, planned
from tests.support.worlds import shared, stage, unwatched
from xenbump.publish.branch import Checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worlds import Stage
    from xenbump.outcomes import Planned

__all__ = ["shared", "stage", "unwatched"]


@pytest.fixture(scope="module")
def newest(shared: Stage) -> Planned:
    """The plan from 4.20.2 to 4.20.4: what is published if nothing else is said."""
    return _planned(shared)


@pytest.fixture(scope="module")
def earlier(shared: Stage) -> Planned:
    """The plan from 4.20.2 to 4.20.3."""
    return _planned(shared, "4.20.3")


def _planned(shared: Stage, to: str = "") -> Planned:
    """A plan from the world's beginning, which is the same for all modules."""
    if to not in shared.plans:
        shared.reset()
        shared.plans[to] = planned(shared, to)
    return shared.plans[to]


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
