"""The token appears nowhere: a whole run, and afterwards every place that it might have been written to is searched."""

from __future__ import annotations

import base64
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.worlds import BRANCH
from xenbump.demo.github_server import Fault
from xenbump.demo.world import REPOSITORY, TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.worlds import Stage

LOOKUP = "lookup-0123456789abcdef"
# Each way in which a secret is sent, and so might be logged.
FORMS = tuple(
    form
    for secret in (TOKEN, LOOKUP)
    for form in (secret, base64.b64encode(f"x-access-token:{secret}".encode()).decode())
)
# Notes the arguments of each git, and those of every process that runs at that moment.
WRAPPER = """#!/bin/sh
printf '%s\\n' "$*" >>'{log}'
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >>'{log}'
exec '{git}' "$@"
"""


def environment(folder: Path) -> dict[str, str]:
    """Programs that are watched, and a folder for what is temporary."""
    (folder / "bin").mkdir()
    (folder / "tmp").mkdir()
    wrapper = folder / "bin" / "git"
    wrapper.write_text(WRAPPER.format(log=folder / "arguments", git=shutil.which("git")))
    wrapper.chmod(0o755)
    return {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "TMPDIR": str(folder / "tmp")}


def leaks(stage: Stage, folder: Path, *said: str) -> list[str]:
    """Where a form of a secret is found: in what was said, in a file, in an argument, in an address."""
    found = [f"said: {form}" for form in FORMS for text in said if form in text]
    world = stage.world
    places = (
        folder,
        world.folder / "state",
        world.checkout,
        world.folder.parent / "home",
        world.folder / "packages.git",
    )
    for place in places:
        for path in place.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                found += [f"{path}: {form}" for form in FORMS if form.encode() in content]
    addresses = [one.path for one in stage.exchanges()] + [one.path for one in world.git.requests]
    return found + [f"address: {address}" for address in addresses for form in FORMS if form in address]


@pytest.mark.parametrize("fault", ["none", "rejected", "server", "reset", "push", "unwritable"])
def test_a_token_is_left_nowhere(stage: Stage, tmp_path: Path, fault: str) -> None:
    world = stage.world
    if fault == "rejected":
        world.github.fail_next("GET", f"/repos/{REPOSITORY}/pulls", Fault.reply(401))
    elif fault == "server":
        world.github.fail_next("POST", f"/repos/{REPOSITORY}/pulls", Fault.reply(500))
    elif fault == "reset":
        world.github.fail_next("POST", f"/repos/{REPOSITORY}/pulls", Fault.reset())
    elif fault == "push":
        hook = world.folder / "packages.git" / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\nenv >&2\necho not today >&2\nexit 1\n")
        hook.chmod(0o755)
    env = environment(tmp_path)
    if fault == "unwritable":
        env["GITHUB_OUTPUT"] = str(tmp_path / "none" / "output")
    stage.forget()
    done = stage.call("run", "-v", **env)
    again = stage.call("run", "-v", "--json", XENBUMP_GITHUB_LOOKUP_TOKEN=TOKEN, **env)
    assert (tmp_path / "arguments").read_text().count("\n") > 10
    assert leaks(stage, tmp_path, done.stdout, done.stderr, again.stdout, again.stderr) == []
    if fault == "none":
        assert stage.tip(BRANCH)
        assert stage.pushes


def test_the_search_finds_what_is_there(stage: Stage, tmp_path: Path) -> None:
    """The search itself works: a token in an argument, in a file, in what was said."""
    (tmp_path / "arguments").write_text(f"push https://x:{TOKEN}@host/")
    (stage.world.checkout / ".git" / "leak").write_text(FORMS[1])
    try:
        assert len(leaks(stage, tmp_path, f"said {TOKEN}")) == 3
    finally:
        (stage.world.checkout / ".git" / "leak").unlink()


def test_a_look_up_token_is_left_nowhere_either(stage: Stage, tmp_path: Path) -> None:
    """One that GitHub does not know is rejected, with a word and without being shown."""
    env = environment(tmp_path)
    done = stage.call("run", "-v", XENBUMP_GITHUB_LOOKUP_TOKEN=LOOKUP, **env)
    assert done.returncode == 2
    assert "E-TOKEN-REJECTED" in done.stderr
    assert leaks(stage, tmp_path, done.stdout, done.stderr) == []
    assert (stage.pulls, stage.tip(BRANCH)) == ([], "")
