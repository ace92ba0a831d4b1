"""`xenbump doctor` in environments that are broken in fact, one thing at a time."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.support import schemas
from xenbump import config
from xenbump.demo.github_server import Fault
from xenbump.demo.world import REPOSITORY, TOKEN
from xenbump.doctor import history, machine, reach, rounds
from xenbump.doctor.examination import examine
from xenbump.doctor.model import Check, Probe, Result, is_sound, lack, ok
from xenbump.errors import Failure
from xenbump.report import doctor as report

if TYPE_CHECKING:
    from tests.support.worlds import Stage

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "doctor.json"
REPO = f"/repos/{REPOSITORY}"


def examined(stage: Stage, *arguments: str, **env: str) -> tuple[int, dict[str, Any]]:
    """Status and checks by name; every document is valid, and no token is in it."""
    # No image: Xen is not started here. No Nix either, where a test does not bring one: it takes its time.
    folder = stage.world.folder
    usual = {"XENBUMP_IMAGES": str(folder / "images"), "PATH": only(folder / "few", "git", "gpgv", "sh")}
    done = stage.call("doctor", "--json", *arguments, **{**usual, **env})
    value = json.loads(done.stdout)
    schemas.validate(value, json.loads(SCHEMA.read_text("utf-8")))
    assert TOKEN not in done.stdout + done.stderr
    checks = {one["name"]: one for one in value["checks"]}
    assert len(checks) == len(value["checks"])
    assert value["sound"] == (done.returncode == 0) == all(one["result"] != "broken" for one in checks.values())
    for one in checks.values():
        assert bool(one["costs"]) == (one["result"] in {"lacking", "broken"}), one
    return done.returncode, checks


def found(stage: Stage, *names: str, **env: str) -> dict[str, Check]:
    """Some of the checks, made in this process."""
    settings = config.load(stage.world.checkout / "xenbump.toml", {**stage.world.env, **env})
    probes = rounds.probes(settings, 4, {"XENBUMP_IMAGES": str(stage.world.folder / "images")})
    checks = examine([one for one in probes if one.name in names])
    assert TOKEN not in repr(checks)
    return {one.name: one for one in checks}


def only(folder: Path, *programs: str) -> str:
    """A PATH with just these programs."""
    folder.mkdir(exist_ok=True)
    for program in programs:
        there = shutil.which(program)
        if there is not None and not (folder / program).exists():
            (folder / program).symlink_to(there)
    return str(folder)


def test_a_machine_on_which_nothing_is_broken(stage: Stage) -> None:
    status, checks = examined(stage)
    assert status == 0, [one for one in checks.values() if one["result"] == "broken"]
    for name in ("configuration", "keyring", "package: xen", "remote", "base branch", "git identity", "git", "gpgv",
                 "state folder", "upstream", "xenbits", "clock", "GitHub token", "GitHub rights",
                 "GitHub base branch"):  # fmt: skip
        assert checks[name]["result"] == "ok", checks[name]
    assert checks["package: xen"]["what"].endswith("has 4.20.2 in the shape derivation-github-derived")
    assert checks["journal"]["result"] == checks["last check: xen"]["result"] == "skipped"
    assert stage.writes() == []
    assert not (stage.world.folder / "state" / "journal.sqlite3").exists()
    assert stage.call("check").returncode == 10
    _, checks = examined(stage)
    assert checks["journal"]["what"] == "whole, 1 runs"
    assert checks["last check: xen"]["what"] == "within the hour"


def test_without_programs(stage: Stage, tmp_path: Path) -> None:
    status, checks = examined(stage, PATH=only(tmp_path / "bin", "true"))
    assert status == 1
    results = {name: one["result"] for name, one in checks.items()}
    assert {name for name, result in results.items() if result == "broken"} >= {"git", "gpgv", "upstream"}
    # The world verifies nothing, so Nix and QEMU are no condition.
    lacking = ("Nix", "QEMU", "zstd", "apt", "compilers", "guests")
    assert {results[name] for name in lacking} == {"lacking"}
    assert [results[name] for name in ("Nix build", "Nix sandbox")] == ["skipped"] * 2
    assert checks["gpgv"]["do"]
    stage.configure(r"steps = \[\]", 'steps = ["build", "dom0"]')
    _, checks = examined(stage, PATH=only(tmp_path / "more", "git", "gpgv"))
    assert [checks[name]["result"] for name in ("Nix", "QEMU", "git", "gpgv")] == ["broken"] * 2 + ["ok"] * 2


def test_a_package_that_follows_candidates_is_built_and_booted_here(stage: Stage, tmp_path: Path) -> None:
    stage.configure(r"\[\[package\]\]\n", '[[package]]\ntrack = "candidate"\n')
    _, checks = examined(stage, PATH=only(tmp_path / "bin", "git", "gpgv", "sh", "make"))
    assert [checks[name]["result"] for name in ("QEMU", "compilers")] == ["broken"] * 2
    assert checks["compilers"]["what"] == "there is no `gcc` and no `ld` and no `flex` and no `bison` on PATH"
    assert checks["compilers"]["do"].startswith("nix profile install nixpkgs#gcc nixpkgs#binutils ")


def test_what_lies_in_sbin_is_found_as_guests_find_it(stage: Stage, tmp_path: Path) -> None:
    """People's PATH has not that folder, and `guest run` looks there all the same."""
    for name in ("qemu-img", "skopeo"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    _, checks = examined(stage, PATH=f"{tmp_path}:{only(tmp_path / 'few', 'git', 'gpgv', 'sh')}")
    there = any(Path(folder, "mkfs.ext4").exists() for folder in ("/usr/sbin", "/sbin"))
    assert checks["guests"]["result"] == ("ok" if there else "lacking")


def test_the_environment_is_settled_before_checks_are_made_side_by_side() -> None:
    """GitPython changes it while it is imported, and a program would be looked for on another PATH."""
    code = "import sys; from xenbump.doctor import rounds; sys.exit('git' not in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("script", "name", "what"),
    [
        ("echo git version 2.20.1", "git", "older than 2.29"),
        ("echo oh >&2; exit 1", "gpgv", "exit status 1"),
        ("echo 'nix (Nix) 2.3.16'", "nix", "older than 2.8"),
    ],
)
def test_programs_that_will_not_do(stage: Stage, tmp_path: Path, script: str, name: str, what: str) -> None:
    (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / name).chmod(0o755)
    _, checks = examined(stage, PATH=f"{tmp_path}:{only(tmp_path / 'few', 'git', 'gpgv', 'sh')}")
    check = checks[{"nix": "Nix"}.get(name, name)]
    assert check["result"] == ("lacking" if name == "nix" else "broken")
    assert what in check["what"]


def test_a_nix_that_cannot_build(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "nix").write_text(
        "#!/bin/sh\ncase \"$*\" in *--version*) echo 'nix (Nix) 2.18.1';;\n"
        '*show-config*) echo \'{"sandbox": {"value": false}}\';;\n'
        "*) echo \"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket'\" >&2; exit 1;; esac\n"
    )
    (tmp_path / "nix").chmod(0o755)
    stage.configure(r"steps = \[\]", 'steps = ["build"]')
    status, checks = examined(stage, PATH=f"{tmp_path}:{only(tmp_path / 'few', 'git', 'gpgv', 'sh')}")
    assert (status, checks["Nix build"]["result"]) == (1, "broken")
    assert checks["Nix build"]["do"] == "systemctl start nix-daemon.socket"
    assert (checks["Nix sandbox"]["result"], checks["Nix sandbox"]["what"]) == ("lacking", "off")


@pytest.mark.parametrize(
    ("scopes", "changed", "result", "what"),
    [
        ("read:user, gist", {}, "broken", "scopes do not let it write to demo/packages: gist, read:user"),
        ("", {}, "broken", "write to demo/packages: none"),
        ("public_repo", {"private": True}, "broken", "scopes"),
        ("public_repo", {}, "ok", "may push to demo/packages"),
        ("repo", {"private": True}, "ok", "may push to demo/packages"),
        ("repo", {"permissions": {"admin": False, "push": False, "pull": True}}, "broken", "the account may not push"),
        (None, {}, "ok", "GitHub does not tell what a token without scopes may"),
    ],
)
def test_the_rights_of_a_token(
    shared: Stage, scopes: str | None, changed: dict[str, Any], result: str, what: str
) -> None:
    shared.reset()
    github = shared.world.github
    asked = requests.get(github.url + REPO, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10).json()
    headers = {} if scopes is None else {"x-oauth-scopes": scopes}
    github.fail_next("GET", REPO, Fault(status=200, body={**asked, **changed}, headers=headers))
    check = found(shared, "GitHub rights")["GitHub rights"]
    assert check.result == result, check
    assert what in check.what


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (Fault.reply(401), "GitHub answers 401"),
        (Fault.reply(404), "GitHub answers 404"),
        (Fault.reply(500), "GitHub answers 500"),
        (Fault.redirect("https://example.org/"), "example.org"),
        (Fault.reset(), "cannot be reached"),
        (Fault.truncated(), "cannot be reached"),
    ],
)
def test_a_github_that_does_not_answer_as_it_should(shared: Stage, fault: Fault, what: str) -> None:
    shared.reset()
    shared.world.github.fail_next("GET", REPO, fault)
    check = found(shared, "GitHub rights")["GitHub rights"]
    assert (check.result, what in check.what) == (Result.BROKEN, True), check


def test_a_token_that_is_missing_wrong_or_of_somebody_else(stage: Stage) -> None:
    names = ("GitHub token", "GitHub rights")

    def of(token: str) -> tuple[Check, Check]:
        checks = found(stage, *names, XENBUMP_GITHUB_TOKEN=token)
        return checks[names[0]], checks[names[1]]

    token, allowed = of("")
    assert (token.result, token.do, allowed.result) == (Result.BROKEN, "export XENBUMP_GITHUB_TOKEN=…", Result.SKIPPED)
    assert "401" in of("wrong")[1].what
    stage.world.github.add_token("of-a-stranger", "stranger")
    assert of("of-a-stranger")[1].what == f"the account may not push to {REPOSITORY}"
    assert of("with a space")[0].result is Result.BROKEN


def test_a_project_that_does_not_fit(stage: Stage) -> None:
    stage.configure(r'operator = ".*"', 'base = "gone"')
    stage.world.package.write_text("{ }\n")
    for name in ("other", "third"):
        stage.world.in_checkout("remote", "add", name, f"https://example.org/{name}")
    stage.world.in_checkout("config", "--unset", "user.email")
    names = ("package: xen", "GitHub base branch", "git identity", "remote", "base branch")
    checks = found(stage, *names)
    assert "E-SHAPE-UNKNOWN" in checks["package: xen"].what
    assert [checks[name].result.value for name in names] == ["broken", "broken", "broken", "broken", "skipped"]
    for name in ("other", "third"):
        stage.world.in_checkout("remote", "remove", name)
    checks = found(stage, *names)
    assert (checks["remote"].what, checks["base branch"].result) == ("origin", Result.BROKEN)
    assert checks["base branch"].do.endswith(" fetch origin gone")


def test_a_configuration_that_is_missing_or_wrong(stage: Stage) -> None:
    path = stage.world.checkout / "xenbump.toml"
    path.write_text("[github]\nbaes = 1\n")
    proxies = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    status, checks = examined(stage, **proxies)
    assert (status, checks["configuration"]["result"]) == (1, "broken")
    assert "line 2" in checks["configuration"]["what"]
    assert [checks[name]["result"] for name in ("upstream", "xenbits")] == ["broken"] * 2
    path.unlink()
    _, checks = examined(stage, **proxies)
    assert (checks["configuration"]["result"], checks["configuration"]["do"]) == ("lacking", "xenbump init")
    _, checks = examined(stage, "--config", "gone.toml", **proxies)
    assert checks["configuration"]["result"] == "broken"


def test_a_state_folder_that_cannot_be_written(stage: Stage) -> None:
    status, checks = examined(stage, XENBUMP_STATE_DIR="/proc/xenbump")
    assert (status, checks["state folder"]["result"]) == (1, "broken")
    assert "nothing can be written to /proc" in checks["state folder"]["what"]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(_: Path) -> Any:
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    wanted = [p for p in machine.probes(tmp_path, tmp_path, None, kvm="tcg") if p.name in {"room: state", "KVM"}]
    for free, result in ((1 << 20, Result.BROKEN), (100 << 20, Result.LACKING), (2 << 30, Result.OK)):
        kvm, room = examine(wanted)
        assert (room.result, kvm.result) == (result, Result.SKIPPED)
        assert f"{free >> 20} MiB are free" in room.what


def test_kvm_that_is_not_there_or_cannot_run_xen(tmp_path: Path) -> None:
    def kvm(device: str, wanted: str = "auto") -> Check:
        probes = machine.probes(tmp_path, tmp_path / "images", None, kvm=wanted, device=device)
        return examine([one for one in probes if one.name == "KVM"])[0]

    assert kvm(str(tmp_path / "gone")).result is Result.LACKING
    assert kvm(str(tmp_path / "gone"), "kvm").result is Result.BROKEN
    (tmp_path / "kvm").touch()
    assert kvm(str(tmp_path / "kvm")).what.endswith("is tried with an image: xenbump image --xen 4.20")


def test_upstream_and_xenbits_that_do_not_answer(stage: Stage) -> None:
    git = stage.world.git
    stage.configure(r'xsa = ".*"', f'xsa = "{git.url("nothing")}/"')
    stage.configure(r'git = ".*"', f'git = "{git.url("gone.git")}"')
    checks = found(stage, "upstream", "xenbits")
    assert [one.result.value for one in checks.values()] == ["broken", "broken"]
    stage.configure(r"keyring = ", f'mirrors = ["{git.url("xen.git")}"]\nkeyring = ')
    stage.configure(r'xsa = ".*"', f'xsa = "{stage.world.xenbits.folder}"')
    checks = found(stage, "upstream", "xenbits")
    assert [one.result.value for one in checks.values()] == ["lacking", "ok"]
    assert "stands in for it" in checks["upstream"].costs


@pytest.mark.parametrize(
    ("ahead", "result"),
    [((0.4,), "ok"), ((-59.0,), "ok"), ((300.0,), "lacking"), ((-4000.0,), "broken"), ((5000.0, 1.0), "ok"),
     ((None,), "skipped"), ((), "skipped")],
)  # fmt: skip
def test_clocks(tmp_path: Path, ahead: tuple[float | None, ...], result: str) -> None:
    (tmp_path / "xenbump.toml").write_text('[[package]]\nname = "xen"\nfile = "xen.nix"\n')
    told = list(ahead)

    def ask(url: str) -> reach.Answer:
        if not told:
            raise Failure("E-NETWORK", "it is silent", where=url)
        return reach.Answer(200, "", told.pop(0))

    settings = config.load(tmp_path / "xenbump.toml", {"XDG_STATE_HOME": str(tmp_path)})
    (check,) = examine([probe for probe in reach.probes(settings, ask) if probe.name == "clock"])
    assert check.result == result, check


def test_the_journal(stage: Stage) -> None:
    assert stage.call("check").returncode == 10
    state = stage.world.folder / "state"

    def look(seconds: float) -> dict[str, Check]:
        checks = examine(history.probes(state, ("xen", "other"), 4, lambda: time.time() + seconds))
        return {one.name: one for one in checks}

    assert look(3 * 86400)["last check: xen"].what == "3 days ago"
    old = look(5 * 86400)["last check: xen"]
    assert (old.result, old.what, old.do) == (
        Result.BROKEN, "5 days ago; 4 days are allowed", "xenbump check --package xen"
    )  # fmt: skip
    assert look(0)["last check: other"].result is Result.SKIPPED
    assert look(0)["times in the journal"].result is Result.OK
    assert look(-86400)["times in the journal"].result is Result.BROKEN
    assert look(0)["damaged journals"].result is Result.OK
    for name in ("journal.sqlite3.damaged-20260101T000000Z", "journal.sqlite3.damaged-20260101T000000Z-wal"):
        (state / name).touch()
    aside = look(0)["damaged journals"]
    assert (aside.result, aside.what.split()[0]) == (Result.LACKING, "1")
    path = state / "journal.sqlite3"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert (look(0)["journal"].result, "newer xenbump" in look(0)["journal"].what) == (Result.BROKEN, True)
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert look(0)["journal"].result is Result.BROKEN
    assert look(0)["journal"].do == f"mv {path} {path}.damaged"


def test_checks_run_side_by_side_and_end_in_time() -> None:
    hold = threading.Event()

    def hang() -> Check:
        hold.wait(30)
        return ok("a", "")

    def stumble() -> Check:
        raise ZeroDivisionError

    def refuse() -> Check:
        raise Failure("E-NETWORK", "no", where="here")

    said: list[str] = []
    began = time.monotonic()
    checks = examine(
        [Probe("a", hang, 0.3, "much"), Probe("b", hang, 0.3, "little", grave=False), Probe("c", stumble, 9, "x"),
         Probe("d", refuse, 9, "x"), Probe("e", lambda: ok("e", "good"), 9, "x")],
        said.append,
    )  # fmt: skip
    hold.set()
    assert time.monotonic() - began < 2
    assert [one.result.value for one in checks] == ["broken", "lacking", "broken", "broken", "ok"]
    assert checks[0].what == "nothing came of it within 0.3 seconds"
    assert (checks[2].what, checks[3].do) == (
        "the check itself failed: ZeroDivisionError: ", "xenbump explain E-NETWORK",
    )  # fmt: skip
    assert not is_sound(checks)
    assert said[0].startswith("waiting for: a, b")


def test_as_text(stage: Stage, tmp_path: Path) -> None:
    path = only(tmp_path / "few", "git", "gpgv")
    quiet = stage.call("doctor", "-q", XENBUMP_GITHUB_TOKEN="", PATH=path)
    assert (quiet.returncode, quiet.stderr, "\x1b" in quiet.stdout) == (1, "", False)
    assert "\nbroken   GitHub token " in quiet.stdout
    assert not [line for line in quiet.stdout.splitlines() if line.startswith(("ok ", "skipped "))]
    assert report.text((ok("a", "b"),), width=80, quiet=True) == ""
    long = lack("a", "word " * 30, "much " * 30, "do " * 40, broken=True)
    for width in (40, 60, 200):
        lines = report.text((ok("some longer name", "fine"), long), width=width).splitlines()
        assert all(len(line) <= max(width, 41) or line.startswith("         do: ") for line in lines)
        assert lines[-1] == "1 ok, 1 broken"
        assert [line for line in lines if line.strip().startswith("do: ")] == [f"         do: {'do ' * 40}"]
