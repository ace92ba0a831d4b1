"""`bump --update-script` as nixpkgs' update.nix drives it: a list on stdout and nothing else, the files in place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.worlds import START
from xenbump.demo.world import FILE

if TYPE_CHECKING:
    from tests.support.worlds import Stage


def changes(stage: Stage, *arguments: str, attribute: str = "xen") -> Any:
    """The list that the program prints."""
    done = stage.call("bump", "--update-script", *arguments, UPDATE_NIX_ATTR_PATH=attribute)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_bump_and_then_nothing(stage: Stage) -> None:
    (change,) = changes(stage)
    assert sorted(change) == ["attrPath", "commitMessage", "files", "newVersion", "oldVersion"]
    assert (change["attrPath"], change["oldVersion"], change["newVersion"]) == ("xen", START, "4.20.4")
    assert change["files"] == [str(stage.world.package.resolve())]
    assert change["commitMessage"].startswith(f"xen: {START} -> 4.20.4\n\n")
    assert 'version = "4.20.4"' in stage.world.package.read_text()
    # What update.nix does with it: add the files, and commit with the message.
    stage.world.in_checkout("add", *change["files"])
    stage.world.in_checkout("commit", "--quiet", "--message", change["commitMessage"])
    assert stage.world.in_checkout("status", "--porcelain") == ""
    assert stage.world.in_checkout("show", "--name-only", "--format=").split() == [FILE]
    assert changes(stage) == []


def test_an_attribute_that_is_not_configured_is_wrong_usage(stage: Stage) -> None:
    done = stage.call("bump", "--update-script", UPDATE_NIX_ATTR_PATH="qemu_xen")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no package with the attribute 'qemu_xen' is configured; there is xen" in done.stderr
    assert "usage: E-PACKAGE-NAME: UPDATE_NIX_ATTR_PATH and " in done.stderr
    assert 'version = "4.20.4"' not in stage.world.package.read_text()


def test_without_the_variable_all_packages_are_meant(stage: Stage) -> None:
    (change,) = changes(stage, attribute="")
    assert change["attrPath"] == "xen"


def test_what_cannot_stand_together(stage: Stage) -> None:
    done = stage.call("bump", "--update-script", "--json", "--commit")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--update-script cannot stand with --json and --commit" in done.stderr


def test_a_refusal_prints_an_empty_list_and_its_status(stage: Stage) -> None:
    before = stage.world.package.read_text()
    stage.world.package.write_text(before.replace('hash = "', 'sparseCheckout = [ ]; hash = "', 1))
    done = stage.call("bump", "--update-script")
    assert (done.returncode, json.loads(done.stdout)) == (20, [])
    assert "refused: E-FETCHER-OPTION" in done.stderr
