"""From a release of Xen's real source to a pull request: bumped, built, booted, proven; and what must not pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.boot import chain as chains
from tests.boot.chain import FILE, NEW, OLD
from tests.boot.machines import changed, qemu_processes
from xenbump.demo import world as worlds
from xenbump.verify import image, manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from tests.boot.chain import Chain
    from xenbump.verify.image import Image

pytestmark = pytest.mark.xdist_group("boot")
_ELSEWHERE = f"{chains.LINE}.3"


@pytest.fixture(scope="module")
def ran(chain: Chain) -> tuple[int, Any, str]:
    """What `xenbump run` came to, from the plan to the pull request: its status, the package's entry, what it said."""
    before = qemu_processes()
    done = chain.call("run", "--json")
    assert done.stdout, done.stderr
    assert qemu_processes() <= before
    (entry,) = json.loads(done.stdout)["packages"]
    return done.returncode, entry, done.stderr


@pytest.fixture
def bumped(chain: Chain) -> Iterator[Chain]:
    """The checkout with the file at the new release."""
    assert chain.call("bump").returncode == 0
    yield chain
    chain.put_back()


def steps_of(entry: Any) -> dict[str, Any]:
    return {step["step"]: step for step in entry["steps"]}


def check_of(step: Any, name: str) -> Any:
    return next(check for check in step["checks"] if check["name"] == name)


def test_a_bump_changes_version_commit_and_hash_and_nothing_else(chain: Chain) -> None:
    before = chain.package.read_text()
    done = chain.call("bump", "--json")
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads(done.stdout)["packages"]
    world = chain.world
    assert world.in_checkout("status", "--porcelain") == f" M {FILE}"
    old = chains.hash_at(world, OLD)
    new = chains.hash_at(world, NEW)
    expected = before.replace(f'"{OLD}"', f'"{NEW}"').replace(chain.commits[OLD], chain.commits[NEW]).replace(old, new)
    assert chain.package.read_text() == expected
    assert (entry["shape"], entry["source"]) == ("version-definition", {"fetcher": "fetchgit", "hash": new})
    assert entry["to"]["signed_by"] == world.xen.key.fingerprint
    chain.put_back()


def test_a_run_builds_the_release_boots_it_and_opens_the_pull_request(chain: Chain, ran: tuple[int, Any, str]) -> None:
    status, entry, said = ran
    assert (status, entry["outcome"]) == (0, "published"), said
    verification = entry["verification"]
    steps = steps_of(verification)
    assert {name: step["result"] for name, step in steps.items()} == dict.fromkeys(
        ("build", "outputs", "meta", "dom0", "guests"), "passed"
    ), steps
    assert verification["engine"].startswith("QEMU ")
    # The hypervisor says so itself, in the dom0 that it runs.
    version = check_of(steps["dom0"], "version")
    assert version["result"] == "passed"
    assert any(NEW in line for line in version["evidence"]), version
    guests = [check["name"] for check in steps["guests"]["checks"] if check["result"] == "passed"]
    assert guests == ["guest-pv", "guest-pvh"]

    (pull,) = chain.world.github.state.repositories[worlds.REPOSITORY].pulls.values()
    assert pull.title == f"xen: {OLD} -> {NEW}"
    assert pull.draft
    body = pull.body or ""
    for step in steps:
        assert f"| {step} | passed" in body, body
    branch = chain.world.in_packages("show", f"{pull.head.sha}:{FILE}")
    assert f'version = "{NEW}"' in branch
    assert chain.world.in_checkout("status", "--porcelain") == ""


def test_what_booted_is_what_was_built_of_the_tag(chain: Chain, ran: tuple[int, Any, str]) -> None:
    """Not Debian's hypervisor, whose image it booted in."""
    _, entry, _ = ran
    build, dom0 = (steps_of(entry["verification"])[name] for name in ("build", "dom0"))
    outputs = dict(line.split() for line in check_of(build, "built")["evidence"])
    assert outputs["boot"].startswith(chain.env["NIX_STORE_DIR"] + "/")
    assert (Path(outputs["boot"]) / "boot" / f"xen-{NEW}").stat().st_size > 1 << 20
    assert f"Xen version {NEW} " in Path(dom0["log"]).read_text("utf-8", "replace")


def rejected(chain: Chain, *arguments: str, **env: str) -> Any:
    """The step `dom0` of a verification that must fail there."""
    before = qemu_processes()
    done = chain.call("verify", "--json", "--only", "build,dom0", *arguments, **env)
    assert qemu_processes() <= before
    (entry,) = json.loads(done.stdout)["packages"]
    assert (done.returncode, entry["outcome"]) == (30, "rejected"), (entry, done.stderr)
    steps = steps_of(entry)
    assert (steps["build"]["result"], steps["dom0"]["result"]) == ("passed", "failed"), entry
    return steps["dom0"]


def rejected_in(chain: Chain, booted: Image, folder: Path) -> Any:
    """The same with the built hypervisor in another image; what is made of that is not kept."""
    chain.configure(f'image = "{booted.folder}"')
    return rejected(chain, XENBUMP_IMAGES=str(folder / "chain-images"))


def test_a_version_that_lies_is_found(bumped: Chain) -> None:
    """The file says another point release than the source that it takes: the old hypervisor gets a new name."""
    bumped.package.write_text(bumped.package.read_text().replace(f'"{NEW}"', f'"{_ELSEWHERE}"'))
    dom0 = rejected(bumped, "--junit", "junit.xml", "--markdown", "table.md")
    version = check_of(dom0, "version")
    assert version["result"] == "failed"
    assert NEW in version["reason"]
    assert _ELSEWHERE in version["reason"]
    assert "<failure" in (bumped.world.checkout / "junit.xml").read_text()
    assert "| dom0 | " in (bumped.world.checkout / "table.md").read_text()


def no_kernel(like: Image, folder: Path) -> Image:
    return changed(like, folder, manifest.KERNEL, lambda kernel: kernel[:4096])


def little_memory(like: Image, folder: Path) -> Image:
    made = changed(like, folder, manifest.KERNEL, lambda kernel: kernel)
    described = msgspec.structs.replace(made.manifest, memory=512)
    (folder / manifest.NAME).write_bytes(manifest.encode(described))
    return image.load(folder)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (no_kernel, "panic: Could not construct domain 0"),
        (little_memory, "of 512 MiB of memory, dom0 is to get 768 MiB"),
    ],
    ids=["panic", "memory"],
)
def test_a_dom0_that_does_not_come_up_is_named(
    bumped: Chain, image_420: Image, consoles: Path, fault: Callable[[Image, Path], Image], reason: str
) -> None:
    """How a boot ended reaches whoever asked; test_faults.py has the other ends, which come about in the same way."""
    broken = fault(image_420, consoles / f"chain-{fault.__name__}")
    assert reason in rejected_in(bumped, broken, consoles)["reason"]
