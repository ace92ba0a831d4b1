"""The commands as a scheduled job starts them: status, one document on stdout, all else on stderr, nothing left."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.outputs import ESCAPE, clean, codes, document
from tests.support.worlds import BRANCH, PROGRAM, START
from xenbump import __version__
from xenbump.demo.git_server import Stall
from xenbump.demo.github_server import Fault
from xenbump.demo.world import FILE
from xenbump.refusals import pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worlds import Stage

SLOW = 5.0


# --- statuses --------------------------------------------------------------------------------------------------------


def test_check(stage: Stage) -> None:
    done = stage.execute("check")
    assert (done.returncode, codes(done)) == (10, [])
    assert done.stdout.startswith(f"xen: {START} -> 4.20.4 is there ({FILE})\n  tag RELEASE-4.20.4, signed by ")
    assert "… asking for releases\n" in done.stderr
    clean(done)
    quiet = stage.call("check", "-q", "--json")
    (entry,) = document(quiet, "check")["packages"]
    assert (quiet.returncode, quiet.stderr, entry["outcome"]) == (10, "", "newer-release")


def test_plan(stage: Stage) -> None:
    before = stage.world.package.read_bytes()
    done = stage.execute("plan", "--diff", "--no-progress")
    assert (done.returncode, done.stderr) == (10, "")
    assert f'-  version = "{START}";\n+  version = "4.20.4";\n' in done.stdout
    clean(done)
    machine = stage.call("plan", "--diff", "--json", "--to", "4.20.3")
    (entry,) = document(machine, "plan")["packages"]
    assert (machine.returncode, entry["to"]["version"]) == (10, "4.20.3")
    assert '+  version = "4.20.3";' in entry["diff"]
    assert stage.world.package.read_bytes() == before


def test_to_the_newest_of_all_branches(stage: Stage) -> None:
    (entry,) = document(stage.call("plan", "--json", "--to", "latest"), "plan")["packages"]
    assert entry["to"]["version"] == "4.21.2"


def test_bump(stage: Stage) -> None:
    done = stage.execute("bump", "--json", "--commit", "--diff")
    (entry,) = document(done, "plan")["packages"]
    assert (done.returncode, entry["written"]) == (0, True)
    assert entry["commit"] == stage.world.in_checkout("rev-parse", "HEAD")
    assert 'version = "4.20.4"' in stage.world.package.read_text()
    again = stage.call("bump")
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, f"xen: 4.20.4 is up to date ({FILE})")
    check = stage.call("check", "--json")
    assert (check.returncode, document(check, "check")["packages"][0]["outcome"]) == (0, "up-to-date")


def test_run_and_pr(stage: Stage) -> None:
    dry = stage.call("run", "--dry-run")
    assert (dry.returncode, stage.exchanges(), stage.tip()) == (0, [], "")
    assert f"\nxen: {START} -> 4.20.4\n\n<!-- xenbump: " in dry.stdout
    assert '+  version = "4.20.4";' in dry.stdout
    done = stage.execute("run", "--json")
    (entry,) = document(done, "run")["packages"]
    assert (done.returncode, entry["pull_request"]["action"]) == (0, "opened")
    assert (entry["pull_request"]["branch"], entry["pull_request"]["commit"]) == (BRANCH, stage.tip())
    again = stage.call("run")
    assert (again.returncode, len(stage.pulls)) == (0, 1)
    assert ": draft pull request 1 unchanged\n" in again.stdout
    for one in (dry, done, again):
        clean(one)


def test_hash_inside_and_outside_of_a_project(stage: Stage, tmp_path: Path) -> None:
    done = stage.execute("hash", "--fetcher", "github", "RELEASE-4.20.2", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert f'hash = "{done.stdout.strip()}"' in stage.world.package.read_text()
    machine = stage.call("hash", "--fetcher", "fetchgit", "stable-4.20", "--json")
    value = document(machine, "hash")
    assert (value["rev"], value["fetcher"], value["signed_by"]) == ("stable-4.20", "fetchgit", None)
    assert "nobody's signature was checked" in machine.stderr
    gone = stage.call_in(tmp_path, "hash", "--fetcher", "github", "--config", "gone.toml", "RELEASE-4.20.2")
    assert (gone.returncode, codes(gone)) == (2, ["E-CONFIG-MISSING"])
    config = str(stage.world.checkout / "xenbump.toml")
    outside = stage.call_in(tmp_path, "hash", "--fetcher", "github", "RELEASE-4.20.2", "-q", XENBUMP_CONFIG=config)
    assert (outside.returncode, outside.stdout) == (0, done.stdout)


def test_hash_with_the_built_in_configuration(stage: Stage, tmp_path: Path) -> None:
    """Xen's own address is asked then; a proxy that is not there keeps the test on this machine."""
    nowhere = "http://127.0.0.1:9"
    done = stage.call_in(
        tmp_path, "hash", "--fetcher", "github", "RELEASE-4.20.2", "--no-progress",
        https_proxy=nowhere, HTTPS_PROXY=nowhere,
    )  # fmt: skip
    assert (done.returncode, done.stdout, codes(done)) == (1, "", ["E-NETWORK"])
    assert "https://xenbits.xenproject.org/git-http/xen.git" in done.stderr
    clean(done)


def test_version_help_and_explain(stage: Stage) -> None:
    for flag in ("--version", "-V"):
        done = stage.execute(flag)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"xenbump {__version__}\n", "")
    for arguments in (["--help"], ["plan", "-h"]):
        done = stage.call(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Usage: xenbump" in done.stdout
        clean(done)
    done = stage.execute("explain", "tag-unsigned")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "E-TAG-UNSIGNED")
    done = stage.call("explain")
    assert (done.returncode, [line.split(" ")[0] for line in done.stdout.splitlines() if line[0] != " "]) == (
        0,
        list(pages()),
    )
    done = stage.call("explain", "E-NONSENSE")
    assert (done.returncode, codes(done)) == (2, ["E-CODE-UNKNOWN"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["check", "--nonsense"],
        ["hash", "RELEASE-4.20.2"],
        ["hash", "--fetcher", "x", "y"],
        ["plan", "--to"],
    ],
)
def test_wrong_usage(stage: Stage, arguments: list[str]) -> None:
    done = stage.call(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"^Usage: xenbump|^usage: E-|─ Error ─", done.stderr.lstrip(), re.MULTILINE)
    clean(done)


def test_no_colour_in_a_job_of_github_s(stage: Stage) -> None:
    """Some libraries take that for a terminal."""
    for arguments in (["--help"], ["nonsense"]):
        clean(stage.execute(*arguments, CI="true", GITHUB_ACTIONS="true", TERM="xterm-256color"))


def on_a_terminal(stage: Stage, *arguments: str, **env: str) -> str:
    """What the program writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=stage.world.checkout,
        env=stage.env(TERM="xterm-256color", **env),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            said += part
        os.close(ours)
    assert process.returncode == (10 if "plan" in arguments else 0)
    return said.decode()


def test_colour_on_a_terminal(stage: Stage) -> None:
    assert f"{ESCAPE}[32m+  version" in on_a_terminal(stage, "plan", "--diff")
    for name in ("NO_COLOR", "CI"):
        assert ESCAPE not in on_a_terminal(stage, "plan", "--diff", **{name: "1"})
        assert ESCAPE not in on_a_terminal(stage, "--help", **{name: "1"})


def test_a_console_that_cannot_write_an_arrow(stage: Stage) -> None:
    done = stage.execute("pr", "--dry-run", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0
    clean(done)
    machine = stage.call("pr", "--dry-run", "--json", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    (entry,) = document(machine, "run")["packages"]
    assert (entry["outcome"], entry["pull_request"]) == ("planned", None)
    assert entry["title"] == f"xen: {START} -> 4.20.4"


# --- signals ---------------------------------------------------------------------------------------------------------


def children_of(folder: Path) -> list[str]:
    """The programs that know of a world's state folder or address."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in line and "gpg-agent" not in line and "http-backend" not in line:
            found.append(line)
    return found


@pytest.fixture
def hanging(stage: Stage) -> Iterator[Stage]:
    """A world in which a server answers only after a long time; what it still owes does not come in the next test."""
    yield stage
    stage.world.git._service._faults.clear()
    github = stage.world.github
    assert github._http is not None
    # An answer that waits comes now, to nobody; later it would count among the next test's exchanges.
    github.closing.set()
    deadline = time.monotonic() + 20
    while github._http.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    github.closing.clear()
    assert not github._http.connections


@pytest.mark.parametrize(
    ("number", "path"),
    [
        (signal.SIGTERM, "xen.git/info/refs"),
        (signal.SIGTERM, "packages.git/info/refs.*receive-pack"),
        (signal.SIGINT, "packages.git/info/refs.*receive-pack"),
        (signal.SIGTERM, "github"),
        (signal.SIGINT, "github"),
    ],
)
def test_a_signal_leaves_nothing(hanging: Stage, number: int, path: str) -> None:
    stage = hanging
    shutil.rmtree(stage.world.folder / "state", ignore_errors=True)
    before = stage.world.package.read_bytes()
    if path == "github":
        stage.world.github.fail_next("GET", ".*/pulls", Fault.slow(SLOW))
    else:
        stage.world.git.fail_next(path, Stall(SLOW))
    with stage.launch("run") if path == "xen.git/info/refs" else stage.fork("run") as process:
        deadline = time.monotonic() + 20
        faults = stage.world.github._faults if path == "github" else stage.world.git._service._faults
        while faults and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not faults
        time.sleep(0.05)
        began = time.monotonic()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=20)
        took = time.monotonic() - began
    assert process.returncode in ({143} if number == signal.SIGTERM else {1, 130})
    assert took < SLOW / 2  # it did not wait for the server
    assert "Traceback" not in stderr
    assert stdout == ""
    assert children_of(stage.world.folder / "state") == []
    assert not [line for line in children_of(stage.world.checkout) if "git" in line]
    assert stage.world.package.read_bytes() == before
    assert stage.world.in_checkout("status", "--porcelain", "--ignored") == ""
    again = stage.call("run")
    assert (again.returncode, len(stage.pulls)) == (0, 1)
