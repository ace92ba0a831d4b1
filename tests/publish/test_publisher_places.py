"""The same pull request by a checkout, by a managed clone and by GitHub's API alone; each goes on with another's."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.publish.acts import PULLS, complete
from tests.support.worlds import BRANCH
from xenbump.demo.world import LOGIN
from xenbump.publish.by_api import ApiPlace
from xenbump.publish.by_git import GitPlace
from xenbump.publish.publisher import Publisher

if TYPE_CHECKING:
    from tests.publish.acts import Act
    from tests.support.worlds import Stage
    from xenbump.outcomes import Planned
    from xenbump.plan.model import Plan

WAYS = {"checkout": GitPlace, "clone": GitPlace, "api": ApiPlace}


@pytest.fixture(scope="module")
def shared(unwatched: Stage) -> Stage:
    return unwatched


@pytest.fixture
def stage(shared: Stage) -> Stage:
    shared.reset()
    # Without a checkout of the user's, git's own configuration says who makes the commits.
    (shared.home / ".gitconfig").write_text("[user]\n\tname = xenbump demo\n\temail = demo@localhost\n")
    return shared


def by(act: Act, way: str) -> None:
    """From now on it is written this way; the configuration is no part of the package."""
    path = act.stage.world.checkout / "xenbump.toml"
    git = act.stage.world.git.url("packages.git")
    text = act.stage.config_text.replace(
        f'operator = "{LOGIN}"', f'operator = "{LOGIN}"\nwrite = "{way}"\ngit = "{git}"'
    )
    assert way in text
    path.write_text(text)


def work(stage: Stage) -> tuple[str, ...]:
    """Tree, parent, message and people of what the branch ends in."""
    return tuple(
        stage.world.in_packages("show", "--no-patch", f"--format={form}", BRANCH)
        for form in ("%T", "%P", "%B", "%an <%ae>", "%cn <%ce>")
    )


@pytest.mark.parametrize("way", WAYS)
def test_each_way_opens_the_same_and_leaves_it_alone(act: Act, way: str) -> None:
    stage = act.stage
    act.opened()
    first = work(stage)
    stage.repository.pulls.clear()
    stage.world.in_packages("update-ref", "-d", f"refs/heads/{BRANCH}")
    by(act, way)
    found = act.done()
    assert (found.action, found.commit) == ("opened", stage.tip())
    assert work(stage) == first
    complete(stage)
    act.still()
    read = [(one.method, one.path) for one in stage.exchanges()]
    act.still()
    assert [(one.method, one.path) for one in stage.exchanges()] == read
    if way != "api":
        assert len(read) == 3


@pytest.mark.parametrize("way", ["clone", "api"])
def test_what_one_way_began_another_goes_on_with(act: Act, earlier: Planned, way: str) -> None:
    stage = act.stage
    act.opened(earlier)
    by(act, way)
    act.still(earlier)
    old = stage.tip()
    assert act.done().action == "updated"
    assert stage.tip() != old
    assert [line for line in stage.writes() if "/git/" not in line] == [f"PATCH {PULLS}/1"]
    complete(stage)
    by(act, "checkout")
    assert act.still().commit == stage.tip()
    by(act, way)
    theirs = act.commit_over()
    assert act.done().action == "hands-off"
    act.still(action="hands-off")
    assert stage.tip() == theirs


@pytest.mark.parametrize(("way", "kind"), WAYS.items())
def test_the_place_is_as_configured(act: Act, way: str, kind: type) -> None:
    by(act, way)
    config = act.stage.config()
    publisher = Publisher(config, config.file_of(config.packages[0]), None, lambda _: None)  # type: ignore[arg-type]
    try:
        assert type(publisher.place) is kind
        assert publisher.content() == act.stage.world.package.read_bytes()
        assert publisher.names(".") == ("package.nix", "paths.patch")
        assert publisher.read("../xen/paths.patch") == (act.stage.world.package.parent / "paths.patch").read_bytes()
        assert publisher.base == act.stage.start
        if isinstance(publisher.place, GitPlace):
            inside = publisher.place.checkout.root == act.stage.world.checkout.resolve()
            assert inside == (way == "checkout")
    finally:
        publisher.close()


@pytest.mark.parametrize("way", WAYS)
def test_what_a_backport_repeats_is_found(act: Act, way: str) -> None:
    """Of the pull request for the same change that was merged; of one that was not, nothing."""
    head = act.opened().commit
    by(act, way)
    assert picked(act) == ""
    act.merged(taken=False)
    assert picked(act) == head
    other = replace(act.made.plan, target=replace(act.made.plan.target, version="4.20.5"))
    assert picked(act, other) == ""


def picked(act: Act, plan: Plan | None = None) -> str:
    config = act.stage.config()
    publisher = Publisher(config, config.file_of(config.packages[0]), None, lambda _: None)  # type: ignore[arg-type]
    with contextlib.closing(publisher):
        return publisher.picked(plan or act.made.plan)
