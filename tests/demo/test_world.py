"""The world of the demo, and the demo itself: it shows what it says, fails when it must, and leaves nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.demo import none_left_with
from tests.support import contract
from tests.support.worlds import shared, stage
from xenbump.demo import show
from xenbump.demo import world as worlds
from xenbump.demo.xen_project import Release
from xenbump.errors import Failure
from xenbump.outcomes import UpToDate
from xenbump.package import rewrite
from xenbump.pipeline import Pipeline, hash_of
from xenbump.upstream import index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.support.worlds import Stage
    from xenbump.outcomes import Outcome
    from xenbump.settings import Package

__all__ = ["shared", "stage"]

PROGRAM = Path(sys.executable).with_name("xenbump")
WORDS = ("check", "plan --diff", "run", "run", "plan --security-only --diff", "check")
SMALL = (Release("4.20.2"), Release("4.20.3"), Release("4.20.4"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[worlds.World]:
    with worlds.stand(tmp_path_factory.mktemp("world"), observed=contract.checked) as made:
        yield made


def test_everything_is_on_this_machine(world: worlds.World) -> None:
    config = world.config()
    addresses = [
        config.github_url,
        *config.upstream.addresses(config.folder),
        config.upstream.xsa,
        world.in_checkout("remote", "get-url", "origin"),
    ]
    assert [address.split("/")[2].split(":")[0] for address in addresses] == ["127.0.0.1"] * 4
    assert world.folder in config.state.parents
    assert config.token == worlds.TOKEN
    assert world.checkout in world.package.parents


def test_the_checkout_is_clean_and_at_the_base(world: worlds.World) -> None:
    assert world.in_checkout("status", "--porcelain") == ""
    assert world.in_checkout("rev-parse", "HEAD", "refs/remotes/origin/master").split("\n")[0] == world.in_packages(
        "rev-parse", "master"
    )
    listed = world.in_packages("ls-tree", "-r", "--name-only", "master").split("\n")
    assert listed == [worlds.FILE, worlds.LOCAL_PATCH, "xenbump.toml"]


def test_the_package_file_has_the_true_hash(world: worlds.World) -> None:
    assert 'version = "4.20.3"' in world.package.read_text()
    found = hash_of(world.config(), "RELEASE-4.20.3", "fetchFromGitHub", lambda _: None)
    assert f'hash = "{found.hash}"' in world.package.read_text()
    assert found.signed_by == world.xen.key.fingerprint


def test_what_a_test_publishes_is_gone_afterwards(stage: Stage) -> None:
    shelf, folder = stage.world.xenbits, stage.world.xenbits.folder
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert 'hash = "sha256-' in stage.world.package.read_text().partition("xsa480.patch")[2]
    kept = stage.world.folder / "state" / "xsa" / "kept"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.touch()
    stage.reset()
    assert kept.exists()
    shelf.add(486, [("xsa486/xsa486-?.patch", "Xen 4.20.x")])
    shelf.listed(482, public_time="2097-01-14 12:00")
    (folder / "advisory-480.txt").write_bytes(b"another")
    (folder / "xsa480.patch").unlink()
    stage.reset()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert sorted(shelf.entries) == [480, 482, 485]
    assert shelf.entries[482]["title"]
    # A text that was forged would stay in the client's folder otherwise.
    assert not kept.exists()
    shelf.listed(487)
    assert {entry.number for entry in index.parse((folder / "xsa.json").read_bytes())} == {480, 482, 485, 487}


def test_nothing_runs_on_afterwards(tmp_path: Path) -> None:
    threads = threading.active_count()
    template = '{ version = "@version@"; hash = "@hash@"; }'
    with worlds.stand(tmp_path, version="4.20.2", releases=SMALL, template=template, allow_filter=False) as made:
        assert made.package.read_text().startswith('{ version = "4.20.2"; hash = "sha256-')
        assert threading.active_count() > threads
    assert threading.active_count() == threads
    assert none_left_with(str(tmp_path))


def test_the_demo_as_its_users_start_it(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    env = {"PATH": str(PROGRAM.parent) + ":/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(temporary)}
    # A proxy has no part in what stays on this machine; this one is not there.
    env |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [str(PROGRAM), "demo"], cwd=home, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    heads = [line.split(" ── ")[0] for line in done.stdout.splitlines() if line.startswith("── ")]
    assert heads == [f"── xenbump {word}" for word in WORDS]
    for told in (
        "xen: 4.20.3 -> 4.20.4 is there",
        '+  version = "4.20.4";',
        "drop xsa480.patch: ",
        '-      url = "https://xenbits.xenproject.org/xsa/xsa480.patch";',
        "xsa484-4.20-1.patch",
        "xsa484-4.20-2.patch",
        "draft pull request 1 opened",
        "labels 6.topic: xen-project",
        "draft pull request 1 unchanged",
        "xsa486.patch",
        "xen: refused: E-TAG-UNSIGNED: RELEASE-4.20.5: ",
        "Everything was on this machine, and is gone.",
    ):
        assert told in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert all(line.startswith("… ") for line in done.stderr.splitlines())
    assert list(temporary.iterdir()) == []
    assert list(home.iterdir()) == []
    assert none_left_with(str(temporary))


@pytest.mark.parametrize(
    ("stage", "what"),
    [
        ("plan", "the newer release was not planned"),
        ("publish", "there is no pull request"),
        ("check", "the unsigned tag was not refused"),  # the last step: the tag stays in the world
    ],
)
def test_the_demo_fails_when_a_step_does_not_end_as_it_must(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: worlds.World, stage: str, what: str
) -> None:
    """An installation that is not sound: one stage sees nothing to do."""

    def nothing(_: Pipeline, package: Package, *__: object, **___: object) -> Outcome:
        content = world.package.read_bytes()
        return UpToDate(rewrite.read(content, name=package.name, file=package.file, attribute=package.name))

    class Standing:
        def __enter__(self) -> worlds.World:
            return world

        def __exit__(self, *_: object) -> None:
            pass

    stand: Callable[[Path], AbstractContextManager[worlds.World]] = lambda _: Standing()  # noqa: E731
    monkeypatch.setattr(worlds, "stand", stand)
    monkeypatch.setattr(Pipeline, stage, nothing)
    with pytest.raises(Failure) as caught:
        show.demonstrate(lambda _: None)
    assert (caught.value.code, caught.value.what) == ("E-DEMO", what)
    assert "is gone" not in capsys.readouterr().out
