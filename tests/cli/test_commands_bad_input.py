"""Commands with bad input: one clear error, the right status, the file as it was."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.outputs import clean, codes, document
from tests.support.worlds import START
from xenbump.demo.git_server import Access, GitServer, Redirect, Status, Truncate
from xenbump.demo.world import FILE, TOKEN
from xenbump.demo.xen_project import Release
from xenbump.refusals import pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.worlds import Stage


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
