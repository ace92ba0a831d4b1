"""What the tests of the git side do and look at."""

from __future__ import annotations

import base64
import os
import subprocess
import traceback
from typing import TYPE_CHECKING

import pytest

from xenbump.demo.git_server import isolated_git
from xenbump.demo.world import FILE, TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.worlds import Stage
    from xenbump.errors import XenbumpError
    from xenbump.publish.branch import Checkout

TEXT = "xen: a -> b\n\nWhy.\n\nAutomated-by: xenbump 0\n"
SECRET = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()


def git(folder: Path, *arguments: str) -> str:
    """Run git as a person would."""
    env = {
        **os.environ,
        **isolated_git({"user.name": "p", "user.email": "p@localhost", "protocol.file.allow": "always"}),
    }
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=env, capture_output=True, text=True, check=True)
    return done.stdout.removesuffix("\n")


def refused(kind: type[XenbumpError], code: str, call: object, *arguments: object, **named: object) -> XenbumpError:
    assert callable(call)
    with pytest.raises(kind) as caught:
        call(*arguments, **named)
    assert caught.value.code == code, str(caught.value)
    assert TOKEN not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


def everything(folder: Path) -> dict[str, bytes]:
    """What a person would miss: index, HEAD, refs, configuration, and the files."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "objects" not in path.parts and path.name != "FETCH_HEAD"
    }
    found["heads"] = git(folder, "for-each-ref", "refs/heads", "refs/tags", "refs/stash").encode()
    return found


def committed(stage: Stage, checkout: Checkout, text: str = TEXT) -> str:
    """A commit of ours, which no ref names."""
    return checkout.commit(stage.start, {FILE: b"edited"}, text)
