"""With what things are tried, by configuration and environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump import config as configuration
from xenbump.trying import configured
from xenbump.trying.model import Phase

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.config import Config

FILE = """
[upstream]
git = "xen.git"
mirrors = ["other.git"]
[[package]]
name = "xen"
file = "package.nix"
track = "candidate"
[verify]
accelerator = "tcg"
"""


def loaded(folder: Path, more: str = "") -> Config:
    (folder / "xenbump.toml").write_text(FILE + more)
    return configuration.load(folder / "xenbump.toml", {"XENBUMP_STATE_DIR": str(folder / "state")})


def test_the_configured_upstream_and_its_mirrors(tmp_path: Path) -> None:
    found = configured.setting(loaded(tmp_path), env={"HOME": str(tmp_path)})
    assert (found.repository, found.mirrors) == (str(tmp_path / "xen.git"), (str(tmp_path / "other.git"),))
    assert (found.folder, found.phases, found.accelerator) == (tmp_path / "state" / "try", tuple(Phase), "tcg")
    assert (found.xtf, found.baseline, found.again, found.keep_logs) == (None, None, False, False)
    assert found.jobs > 0


def test_another_repository_has_no_mirrors(tmp_path: Path) -> None:
    found = configured.setting(loaded(tmp_path), repository="/other", jobs=3, again=True, keep_logs=True, env={})
    assert (found.repository, found.mirrors, found.jobs) == ("/other", (), 3)
    assert (found.again, found.keep_logs) == (True, True)


def test_xtf_is_that_of_the_caller_then_the_configured_one_then_that_of_the_environment(tmp_path: Path) -> None:
    env = {"XENBUMP_XTF": "/env"}
    plain, own = loaded(tmp_path), loaded(tmp_path, 'xtf = "own"\nxtf-baseline = "results"\n')
    assert str(configured.setting(plain, env=env).xtf) == "/env"
    found = configured.setting(own, env=env)
    assert (found.xtf, found.baseline) == (tmp_path / "own", tmp_path / "results")
    assert configured.setting(own, xtf=tmp_path / "given", env=env).xtf == tmp_path / "given"
