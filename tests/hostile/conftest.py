"""The world of the demo behind servers that can turn hostile, and the program under a limit of memory."""

from __future__ import annotations

import contextlib
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.hostile import leash, servers
from tests.support.worlds import Stage, shared, stage, unwatched

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["besieged", "shared", "siege", "stage", "unwatched"]


class Siege:
    """A world whose git server, xenbits and GitHub are reached through servers that may answer something else."""

    def __init__(self, stage: Stage, git: servers.Server, xenbits: servers.Server, github: servers.Server) -> None:
        self.stage = stage
        self.git, self.xenbits, self.github = git, xenbits, github
        world = stage.world
        self._honest = [
            (git, servers.relay(world.git.url(""))),
            (xenbits, servers.relay(world.xenbits_server.url)),
            (github, servers.relay(world.github.url)),
        ]

    def settle(self) -> None:
        """Let the configuration name these servers, which answer as the true ones do."""
        self.relieve()
        self.stage.reset()
        path = self.stage.world.checkout / "xenbump.toml"
        text = re.sub(r"(?m)^git = .*$", f'git = "{self.git.url}/xen.git"', path.read_text("utf-8"))
        path.write_text(re.sub(r"(?m)^xsa = .*$", f'xsa = "{self.xenbits.url}/xsa/"', text))
        self.stage.commit("config: other servers")

    def relieve(self) -> None:
        """Let all servers answer as the true ones do."""
        for server, talk in self._honest:
            server.talk = talk
            server.paths.clear()

    def run(
        self, *arguments: str, seconds: float = 40.0, constants: dict[str, object] | None = None, **env: str
    ) -> leash.Ended:
        """Run the program in the checkout."""
        environment = self.stage.env(XENBUMP_GITHUB_URL=self.github.url, **env)
        world = self.stage.world
        try:
            return leash.run(
                arguments,
                world.checkout,
                environment,
                took=world.folder.parent / "took",
                seconds=seconds,
                constants=constants,
            )
        except subprocess.TimeoutExpired as error:
            pytest.fail(leash.died(error))

    def recovers(self) -> None:
        """Check that with honest servers the program says what it always says."""
        self.relieve()
        ended = self.run("check")
        assert ended.status == 10, ended.text
        assert "4.20.2 -> 4.20.4" in ended.out


@pytest.fixture(scope="module")
def besieged(unwatched: Stage) -> Iterator[Siege]:
    """The world behind such servers, for a module."""
    with contextlib.ExitStack() as stack:
        given = [stack.enter_context(servers.Server(lambda _: None)) for _ in range(3)]
        yield Siege(unwatched, *given)
        unwatched.reset()


@pytest.fixture
def siege(besieged: Siege) -> Siege:
    """The same at its beginning."""
    besieged.settle()
    return besieged
