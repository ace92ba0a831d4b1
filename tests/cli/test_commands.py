"""The commands as a scheduled job starts them: status, one document on stdout, all else on stderr, nothing left."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import schemas
from tests.support.worlds import BRANCH, PROGRAM, START
from xenbump import __version__
from xenbump.demo.git_server import Access, GitServer, Redirect, Stall, Status, Truncate
from xenbump.demo.github_server import Fault
from xenbump.demo.world import FILE, TOKEN
from xenbump.demo.xen_project import Release
from xenbump.refusals import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.worlds import Stage

ESCAPE = "\x1b"
SLOW = 5.0
DOCS = Path(__file__).parents[2] / "docs"
Done = subprocess.CompletedProcess[str]


def document(done: Done, name: str) -> Any:
    """The one document on stdout, valid by the published schema."""
    value = json.loads(done.stdout)
    schemas.validate(value, json.loads((DOCS / "schemas" / f"{name}.json").read_text("utf-8")))
    assert value["schema"] == f"xenbump.{name}/1"
    return value


def clean(done: Done) -> None:
    """What is true of whatever the program says."""
    for said in (done.stdout, done.stderr):
        assert ESCAPE not in said
        assert TOKEN not in said
        assert "Traceback" not in said


def codes(done: Done) -> list[str]:
    """The codes of the errors on stderr, in order."""
    return re.findall(r"^(?:refused|failed|usage): (E-[A-Z-]+)", done.stderr, re.MULTILINE)


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


# --- bad input: one clear error, the right status, the file as it was ------------------------------------------------


def replaced(stage: Stage, old: str, new: str) -> None:
    text = stage.world.package.read_text()
    assert text.count(old) == 1
    stage.world.package.write_text(text.replace(old, new))


def no_network(stage: Stage) -> None:
    with GitServer() as gone:
        url = gone.url("xen.git")
    stage.configure(r'git = ".*"', f'git = "{url}"')


def other_host(stage: Stage) -> None:
    stage.world.git.fail_next("xen.git", Redirect("http://localhost:9/xen.git"))


def folder_instead(stage: Stage) -> None:
    stage.world.package.unlink()
    stage.world.package.mkdir()


def unsigned(stage: Stage) -> None:
    stage.world.xen.add_release(Release("4.20.4", signed=False))


def twice(stage: Stage) -> None:
    replaced(stage, '  version = "', '  version = "4.20.1";\n  version = "')


def unconfigured(stage: Stage) -> None:
    (stage.world.checkout / "xenbump.toml").unlink()


BAD: dict[str, tuple[Callable[[Stage], object], list[str], int, str, str]] = {
    "no network": (no_network, [], 1, "E-NETWORK", "http://127.0.0.1:"),
    "500": (lambda s: s.world.git.fail_next("xen.git", Status(500)), [], 1, "E-HTTP-STATUS", "500"),
    "truncated": (lambda s: s.world.git.fail_next("xen.git/", Truncate(40)), [], 1, "E-TRUNCATED", "xen.git"),
    "redirect": (other_host, [], 20, "E-REDIRECT", "xen.git"),
    "no tag": (lambda _: None, ["--to", "4.20.99"], 20, "E-TAG-MISSING", "4.20.99"),
    "downgrade": (lambda _: None, ["--to", "4.20.1"], 20, "E-DOWNGRADE", START),
    "unsigned": (unsigned, [], 20, "E-TAG-UNSIGNED", "4.20.4"),
    "twice": (twice, [], 20, "E-NIX-SYNTAX", "line 12, column 3"),
    "computed": (lambda s: replaced(s, f'"{START}"', '"${x}"'), [], 20, "E-NOT-LITERAL", "line 11, column 13"),
    "not utf-8": (lambda s: s.world.package.write_bytes(b"\xff{}"), [], 20, "E-FILE-ENCODING", "byte 0 (line 1)"),
    "huge": (lambda s: s.world.package.write_bytes(b" " * 2_000_001), [], 20, "E-FILE-SIZE", FILE),
    "missing": (lambda s: s.world.package.unlink(), [], 2, "E-FILE-MISSING", FILE),
    "folder": (folder_instead, [], 1, "E-FILE-READ", "folder"),
    "unknown package": (lambda _: None, ["--package", "zen"], 2, "E-PACKAGE-NAME", "there is xen"),
    "no configuration": (unconfigured, [], 2, "E-CONFIG-MISSING", "xenbump.toml"),
    "unknown key": (lambda s: s.configure(r"operator = .*", "operater = 1"), [], 2, "E-CONFIG", "line "),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(stage: Stage, case: str) -> None:
    spoil, arguments, status, code, word = BAD[case]
    spoil(stage)
    package = stage.world.package
    before = package.read_bytes() if package.is_file() else None
    done = stage.call("bump", *arguments)
    assert done.returncode == status, done
    (found,) = codes(done)
    assert code in {"", found}, done
    assert word in done.stderr, done
    assert f"more: xenbump explain {found}" in done.stderr
    assert found in pages()
    clean(done)
    assert (package.read_bytes() if package.is_file() else None) == before
    assert (stage.pushes, stage.exchanges()) == (0, [])


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_a_file_that_may_not_be_written(stage: Stage, mode: int) -> None:
    before = stage.world.package.read_bytes()
    stage.world.package.chmod(mode)
    done = stage.call("bump")
    stage.world.package.chmod(0o644)
    expected = ["E-FILE-READ"] if mode == 0 and os.geteuid() != 0 else ["E-FILE-WRITE"]
    assert (done.returncode, codes(done)) == (1, expected)
    assert stage.world.package.read_bytes() == before


@pytest.mark.parametrize("command", [["bump"], ["bump", "--commit"], ["run"]])
def test_a_dirty_checkout(stage: Stage, command: list[str]) -> None:
    stage.world.package.write_text(stage.world.package.read_text() + "# mine\n")
    before = stage.world.package.read_bytes()
    done = stage.call(*command)
    assert (done.returncode, codes(done)) == (20, ["E-DIRTY"])
    assert FILE in done.stderr
    assert stage.world.package.read_bytes() == before
    assert (stage.tip(), stage.exchanges()) == ("", [])


@pytest.mark.parametrize(("token", "code"), [("", "E-TOKEN-MISSING"), ("wrong", "E-TOKEN-REJECTED")])
def test_the_token(stage: Stage, token: str, code: str) -> None:
    done = stage.call("run", "--json", "-v", XENBUMP_GITHUB_TOKEN=token)
    assert (done.returncode, codes(done)) == (2, [code])
    (entry,) = document(done, "run")["packages"]
    assert entry["refusal"]["code"] == code
    assert stage.tip() == ""
    # The other name counts, too.
    if not token:
        assert stage.call("run", XENBUMP_GITHUB_TOKEN="", GITHUB_TOKEN=TOKEN).returncode == 0


@pytest.mark.parametrize("command", ["bump", "run"])
def test_verbose_shows_where_an_error_arose_and_no_token(stage: Stage, command: str) -> None:
    stage.world.git._service.access = Access(push=False)
    if command == "bump":
        stage.world.package.write_bytes(b"")
    done = stage.call(command, "-v")
    assert len(codes(done)) == 1
    assert "Traceback (most recent call last):" in done.stderr
    assert "xenbump/" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert "eC1hY2Nlc3MtdG9rZW4" not in done.stdout + done.stderr  # the beginning of the header, in base64


def test_without_git_or_gpgv(stage: Stage, tmp_path: Path) -> None:
    def path(*names: str) -> str:
        folder = tmp_path / "-".join(names)
        folder.mkdir()
        for name in names:
            (folder / name).symlink_to(shutil.which(name) or "/nowhere")
        return str(folder)

    # GitPython looks for git while it is imported.
    for command, called in (("check", stage.call), ("run", stage.execute)):
        done = called(command, PATH=str(tmp_path / "none"))
        assert (command, done.returncode, codes(done)) == (command, 1, ["E-PROGRAM-MISSING"])
        assert "`git`" in done.stderr
    shutil.rmtree(stage.world.folder / "state", ignore_errors=True)
    done = stage.call("check", PATH=path("git", "sh"))
    assert (done.returncode, codes(done)) == (1, ["E-PROGRAM-MISSING"])
    assert "`gpgv`" in done.stderr
    without_nix = stage.call("plan", PATH=path("git", "gpgv", "sh"))
    assert without_nix.returncode == 10
    assert "Nix is not at hand" in without_nix.stderr


def test_two_packages_where_one_is_refused(stage: Stage) -> None:
    path = stage.world.checkout / "xenbump.toml"
    path.write_text(
        path.read_text().replace("[[package]]", '[[package]]\nname = "a"\nfile = "a.nix"\n\n[[package]]', 1)
    )
    (stage.world.checkout / "a.nix").write_text("{ }")
    stage.commit("a: init")
    done = stage.call("plan", "--json")
    assert (done.returncode, codes(done)) == (20, ["E-SHAPE-UNKNOWN"])
    assert [entry["outcome"] for entry in document(done, "plan")["packages"]] == ["refused", "planned"]
    text = stage.call("plan", "-q")
    assert text.stdout.startswith(f"xen: {START} -> 4.20.4 is planned")
    assert stage.call("plan", "--package", "xen").returncode == 10


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
    """A world in which a server answers only after a long time."""
    yield stage
    stage.world.git._service._faults.clear()


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
