"""`xenbump watch` as a service starts it: it does the work when something is published, tells, and ends at once."""

from __future__ import annotations

import json
import re
import select
import shlex
import signal
import socket
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.cli.test_commands import children_of
from tests.demo import none_left_with
from tests.support import schemas
from tests.support.worlds import BRANCH, staged
from xenbump import watching
from xenbump.demo import story
from xenbump.demo.git_server import Stall
from xenbump.demo.world import TOKEN

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from tests.support.worlds import Stage

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
LONG = 20.0
SLOW = 1.6
# What the ending of a program may take.
SECOND = 1.0


def codes(stderr: str) -> list[str]:
    """The codes of the errors on stderr, in order."""
    return re.findall(r"^(?:refused|failed|usage): (E-[A-Z-]+)", stderr, re.MULTILINE)


def valid(name: str, value: Any) -> Any:
    schemas.validate(value, json.loads((SCHEMAS / f"{name}.json").read_text("utf-8")))
    return value


def until(done: Callable[[], Any]) -> Any:
    """Wait until something is so; what it was."""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        found = done()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come to be")


class Manager:
    """A service manager: the abstract socket that it listens at, and what it was told."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{name}")
        self.told: list[dict[str, str]] = []

    def read(self) -> list[dict[str, str]]:
        while select.select([self._socket], [], [], 0)[0]:
            lines = self._socket.recv(65536).decode().splitlines()
            self.told.append(dict(line.split("=", 1) for line in lines))
        return self.told

    def has(self, **fields: str) -> bool:
        return any(fields.items() <= one.items() for one in self.read())

    def close(self) -> None:
        self._socket.close()


class Service:
    """A watch that runs."""

    def __init__(self, stage: Stage, *arguments: str, folder: Path, **env: str) -> None:
        self.stage = stage
        self.manager = Manager(str(folder / "notify"))
        self.hooked = folder / "hooked"
        self.heartbeat = stage.world.folder / "state" / "watch.json"
        self.heartbeat.unlink(missing_ok=True)
        self._arguments = arguments
        self._env = {"NOTIFY_SOCKET": f"@{folder}/notify", "WATCHDOG_USEC": "400000", **env}
        self._looks = 0
        self.process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        self.process = self.stage.launch("watch", *self._arguments, **self._env)
        until(lambda: self.manager.has(READY="1"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()
        self.manager.close()

    def heart(self) -> Any:
        return valid("heartbeat", json.loads(self.heartbeat.read_text("utf-8")))

    def waits(self) -> Any:
        """Wait until it has looked and waits; how it is. The service manager is told last."""
        until(lambda: len(self._waiting()) > self._looks)
        self._looks = len(self._waiting())
        return self.heart()

    def _waiting(self) -> list[str]:
        return [one["STATUS"] for one in self.manager.read() if one.get("STATUS", "").startswith("waiting")]

    def look(self) -> Any:
        """Ask for a look, and wait until it is done; how it is then."""
        self.process.send_signal(signal.SIGUSR1)
        return self.waits()

    def events(self) -> list[Any]:
        """What the hook was told, in order."""
        if not self.hooked.exists():
            return []
        return [valid("event", json.loads(line)) for line in self.hooked.read_text("utf-8").splitlines()]

    def end(self, number: int = signal.SIGTERM) -> tuple[str, str, float]:
        """End it; what it said, and the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        stdout, stderr = self.process.communicate(timeout=LONG)
        took = time.monotonic() - began
        self.manager.read()
        return stdout, stderr, took


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A world whose package file is at the newest release of its branch."""
    with staged(tmp_path_factory.mktemp("world"), version="4.20.4") as made:
        yield made


@pytest.fixture
def serve(stage: Stage, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a watch whose hook writes down what it is told."""
    script = f"cat >> {shlex.quote(str(tmp_path / 'hooked'))}; env > {shlex.quote(str(tmp_path / 'env'))}"
    hooked(stage, script)
    yield lambda *arguments, **env: Service(stage, *arguments, folder=tmp_path, **env)
    stage.world.git._service._faults.clear()


def hooked(stage: Stage, script: str) -> None:
    """Let the hook be a script."""
    path = stage.world.checkout / "xenbump.toml"
    text = path.read_text("utf-8").partition("\n[watch]\n")[0]
    path.write_text(f"{text}\n[watch]\nhook = {json.dumps(['sh', '-c', script])}\n")
    stage.commit("config: a hook")


def release_next(stage: Stage) -> str:
    """Publish one more release than there are of the branch; its version."""
    xen = stage.world.xen
    version = next(f"4.20.{point}" for point in range(99) if f"RELEASE-4.20.{point}" not in xen.commits)
    xen.add_release(version)
    return version


def up_to_date(stage: Stage) -> None:
    """Let the package be at the newest release, whatever other tests have released."""
    if "RELEASE-4.20.5" in stage.world.xen.commits:
        assert stage.call("bump").returncode == 0
        stage.commit("xen: update")


def quiet_after(service: Service) -> None:
    """Nothing of a watch is left: no program, no half-written file, no lock."""
    state = service.stage.world.folder / "state"
    assert children_of(state) == []
    assert not list(state.glob(".*"))
    with watching.alone(state):
        pass
    assert service.stage.world.in_checkout("status", "--porcelain", "--ignored") == ""
    assert service.heart()["state"] == "stopped"


def test_what_is_published_meanwhile_becomes_a_pull_request(
    stage: Stage, serve: Callable[..., Service], tmp_path: Path
) -> None:
    up_to_date(stage)
    with serve("--no-progress") as service:
        heart = service.waits()
        assert (heart["last_outcome"], heart["failures"], heart["troubles"]) == ("nothing", 0, [])
        assert heart["pid"] == service.process.pid
        assert heart["checked"]["xen"] is not None
        # Announced since before it was started, for the year 2097.
        assert [one["id"] for one in service.events()] == ["announced XSA-485 2097-01-14 12:00"]
        second = stage.call("watch")
        assert (second.returncode, codes(second.stderr), second.stdout) == (1, ["E-WATCH-RUNNING"], "")
        assert str(stage.world.folder / "state") in second.stderr
        story.publish_at_noon(stage.world.xenbits)
        newest = release_next(stage)
        assert service.look()["last_outcome"] == "done"
        service.look()  # nothing is told twice
        stdout, stderr, took = service.end()
    assert (service.process.returncode, stderr) == (0, "")
    assert took < SECOND
    quiet_after(service)
    pull = stage.pull
    assert (pull.head.branch, pull.draft, pull.head.sha) == (BRANCH, True, stage.tip())
    told = service.events()
    assert [one["event"] for one in told] == ["announced", "advisory", "release", "plan", "pull-request"]
    assert told[1]["advisory"]["xsa"] == 486
    assert told[2]["release"]["signed_by"] == stage.world.xen.key.fingerprint
    assert told[3]["plan"]["to"]["version"] == newest
    assert (told[4]["pull_request"]["number"], told[4]["pull_request"]["action"]) == (pull.number, "opened")
    assert stdout == "".join(f"{one['event']}: {one['summary']}\n" for one in told)
    said = service.manager.told
    assert said[0].keys() == {"READY", "STATUS"}
    assert any("WATCHDOG" in one for one in said)
    assert any("STOPPING" in one for one in said)
    env = (tmp_path / "env").read_text()
    assert TOKEN not in env
    assert "NOTIFY_SOCKET" not in env


@pytest.mark.parametrize(("number", "at"), [(signal.SIGTERM, "fetch"), (signal.SIGINT, "hook")])
def test_a_signal_ends_it_within_a_second_in_the_midst_of_work(
    stage: Stage, serve: Callable[..., Service], tmp_path: Path, number: int, at: str
) -> None:
    world, began = stage.world, tmp_path / "began"
    if at == "fetch":
        world.git.fail_next("xen.git/info/refs", Stall(SLOW))
    else:
        hooked(stage, f"echo > {shlex.quote(str(began))}; sleep 61 & wait")
    with serve() as service:
        until(began.exists if at == "hook" else lambda: not world.git._service._faults)
        time.sleep(0.05)
        _, stderr, took = service.end(number)
    assert (service.process.returncode, codes(stderr)) == (0, [])
    assert "Traceback" not in stderr
    assert took < SECOND
    quiet_after(service)
    assert any("STOPPING" in one for one in service.manager.told)
    assert none_left_with("sleep 61")
    if at == "hook":
        # Its call was ended, so the event waits to be told once more.
        with sqlite3.connect(world.folder / "state" / "journal.sqlite3") as journal:
            ((state,),) = journal.execute("SELECT value FROM memory WHERE kind = 'watch'").fetchall()
        journal.close()
        assert [one["event"] for one in json.loads(state)["outbox"]] == ["announced"]


def test_check_only_publishes_nothing_and_json_is_a_line_for_each_event(
    stage: Stage, serve: Callable[..., Service]
) -> None:
    newest = release_next(stage)
    stage.forget()
    before = stage.world.package.read_bytes()
    with serve("--check-only", "--json") as service:
        service.waits()
        stdout, stderr, _ = service.end()
    told = [valid("event", json.loads(line)) for line in stdout.splitlines()]
    assert told == service.events()
    # What was released before the state folder knew of anything is no news; that the package lacks it is.
    assert [one["event"] for one in told] == ["announced", "plan"]
    assert told[1]["plan"]["to"]["version"] == newest
    assert told[1]["summary"] == f"xen: 4.20.4 -> {newest} is planned"
    assert (stage.pushes, stage.exchanges(), stage.pulls) == (0, [], [])
    assert stage.world.package.read_bytes() == before
    assert "… the next look is at " in stderr
