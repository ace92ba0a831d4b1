"""Keys and a Xen project of our own, made once for each process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xenbump.demo.git_server import GitServer
from xenbump.demo.signing import SigningKey
from xenbump.demo.xen_project import Release, XenProject, build

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def key() -> Iterator[SigningKey]:
    """The key of our Xen project."""
    with SigningKey() as one:
        yield one


@pytest.fixture(scope="session")
def other_key() -> Iterator[SigningKey]:
    """Somebody else's key."""
    with SigningKey(user_id="Another key <another@localhost>") as one:
        yield one


@pytest.fixture(scope="session")
def xen(key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> XenProject:
    """A project that no test changes."""
    releases = [Release(f"4.20.{point}") for point in range(2)]
    return build(tmp_path_factory.mktemp("root") / "xen.git", key, releases)


@pytest.fixture
def server(xen: XenProject) -> Iterator[GitServer]:
    """Serves `xen.git`."""
    with GitServer(xen.path.parent) as running:
        yield running
