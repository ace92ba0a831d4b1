"""The real Xen repository, served over HTTP on the loopback interface with an empty cache before it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xenbump.demo.git_server import GitServer
from xenbump.upstream.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.upstream.model import Listing


@pytest.fixture(scope="module")
def server() -> Iterator[GitServer]:
    with GitServer() as running:
        running.mount("xen.git", Path(os.environ["XENBUMP_REAL_XEN"]))
        yield running


@pytest.fixture(scope="module")
def repository(server: GitServer, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository([server.url("xen.git")], tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def listing(repository: Repository) -> Listing:
    return repository.listing()
