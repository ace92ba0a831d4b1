"""Images of Debian's Xen, kept between runs, and what they are booted with. All boots run one after the other."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xenbump.verify import image, probe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.boot.chain import Chain
    from xenbump.verify.image import Image
    from xenbump.verify.probe import Accelerator

_PROGRAMS = (probe.QEMU, "apt-get", "zstd")
_BUILDERS = ("nix", "gpg", "make", "gcc", "ld", "flex", "bison", "tar")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The chain comes last of the boots: until then what it boots is built beside them, see test_build.py."""
    boots = [number for number, item in enumerate(items) if Path(__file__).parent in item.path.parents]
    ordered = sorted((items[number] for number in boots), key=lambda item: item.path.name == "test_chain.py")
    for number, item in zip(boots, ordered, strict=True):
        items[number] = item


def needed(programs: Iterable[str]) -> None:
    """Without one of these programs a test is skipped, but never in CI."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def made(release: str) -> Image:
    """An image of the cache, or a new one."""
    needed(_PROGRAMS)
    return image.from_debian(release, image.cache_folder(os.environ), print)


@pytest.fixture(scope="session")
def image_417() -> Image:
    return made("4.17")


@pytest.fixture(scope="session")
def image_420() -> Image:
    return made("4.20")


@pytest.fixture(scope="module")
def chain(consoles: Path, request: pytest.FixtureRequest) -> Iterator[Chain]:
    """The world with the real Xen in it."""
    from tests.boot import chain as chains  # noqa: PLC0415 - most of the boots go without what it takes

    needed([*_PROGRAMS, *_BUILDERS])
    folder = consoles / request.module.__name__
    folder.mkdir()
    with chains.stand(folder, image.cache_folder(os.environ)) as made:
        yield made


@pytest.fixture(scope="session")
def emulation(image_420: Image) -> Accelerator:
    return probe.probe(image_420.hypervisor, wanted="tcg")


@pytest.fixture(scope="package", autouse=True)
def _marked(consoles: Path) -> Iterator[None]:
    """Everything that these tests start has a variable by which it is found again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(consoles))
        yield


@pytest.fixture(scope="session")
def consoles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the consoles; an image in it would be large, so it does not outlive the tests."""
    folder = tmp_path_factory.mktemp("boots")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
