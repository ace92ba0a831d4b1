"""The NixOS tests: each one's script is run for real over a stand-in of the driver, and its machine is evaluated."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.dom0.support import Fake, healthy
from tests.dom0.test_checks import UNITS
from tests.dom0.test_nixos import Driver, Qemu
from tests.nix import flake
from tests.nix.flake import ROOT, Evaluator
from xenbump.demo import world as worlds
from xenbump.dom0 import nixos, xtf
from xenbump.dom0.guests import line, name
from xenbump.dom0.report import XtfReport, XtfResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xenbump.dom0.job import Job

DOM0 = ("dom0", "dom0-xen-4-22", "guests", "xenstored-c", "xenstored-ocaml")
TESTS = (*DOM0, "xenbump-service")
CHECKS = "flake.checks.x86_64-linux"
# What the commands of the tests get where all is well.
ANSWERS = {
    "guest-declared": "xenbump-declared\n",
    "guest-file": 'name = "rests"\n',
    "guest-stays": "stays   4   128   1   -b----   0.1\n",
    "guest-ended": "ended\n",
    "store": "{store}\n",
    "store-writes": "here\n",
    "timer": "ActiveState=active\nNextElapseUSecRealtime=Sat 2026-11-21 12:00:00 UTC\n",
    "run": "xen: 4.20.3 -> 4.20.4: draft pull request 1 opened\n",
    "pull-request": "1 draft: xen: 4.20.3 -> 4.20.4\n",
    "state": "700\n",
    "no-token": "none\n",
    "hook": "xenbump.service ended with 2\n",
}


def test_of(evaluate: Evaluator, test: str) -> dict[str, Any]:
    """What a test is made of, but for its machine."""
    tests = " ".join(f'"{one}"' for one in TESTS)
    found: dict[str, dict[str, Any]] = evaluate(
        f"lib.genAttrs [ {tests} ] (test: let found = {CHECKS}.${{test}}; in {{ inherit (found) wanted drivers;"
        " inherit (found.test) name testScript globalTimeout; })"
    )
    return found[test]


test_of.__test__ = False  # type: ignore[attr-defined]


def machine_of(evaluate: Evaluator, test: str, shown: str) -> Any:
    """What `shown` is of the configuration of a test's machine, which is `config`."""
    tests = " ".join(f'"{one}"' for one in (DOM0 if test in DOM0 else [test]))
    modules = f"{CHECKS}.${{test}}.test.nodes.machine.imports"
    found = evaluate(f"lib.genAttrs [ {tests} ] (test: let config = evaluated {modules}; in {shown})")
    return found[test]


@pytest.mark.parametrize("test", TESTS)
def test_a_test_has_a_limit_and_the_checks_and_says_what_it_looks_at(test: str, evaluate: Evaluator) -> None:
    found = test_of(evaluate, test)
    assert found["name"] == test
    assert 300 < found["globalTimeout"] <= 3600
    assert found["drivers"] == ["xenbump-dom0-0"]
    wanted = nixos.wanted_from(json.dumps(found["wanted"]))
    assert (wanted.job is None) == (test == "xenbump-service")
    if wanted.job is not None:
        # All that may be looked at fits into the limit, with time for the boot.
        xtf_seconds = 0.0 if wanted.job.xtf is None else wanted.job.xtf.seconds
        assert wanted.job.seconds + xtf_seconds + 300 < found["globalTimeout"]
        assert set(wanted.may_skip) <= set(wanted.job.checks)


def good(test: str, job: Job | None, commands: list[dict[str, Any]]) -> Fake:
    """A machine in which all is well, with systemd and a device model; guests print their lines."""
    store = "xenstored" if test == "xenstored-c" else "oxenstored"

    def lines(command: str) -> tuple[int, str]:
        assert job is not None
        labels = ("pv", "pvh", "hvm", "auto")
        return 0, "".join(f"{line(job, label)}\n" for label in labels if name(job, label) in command)

    texts = {re.escape(one["command"]): ANSWERS[one["name"]].format(store=store) for one in commands}
    return healthy(
        *((f"^{command}$", 0, text) for command, text in texts.items()),
        (r"tail .*guest-xb-", lines),
        ("xl create", 0, "Domain 1 has shut down, reason code 0 0x0\n"),
        ("systemctl show", 0, UNITS),
        ("systemctl restart", 0, ""),
        ("run/systemd", 0, ""),
        (r"for f in \$\(command", 0, "/run/current-system/sw/bin/qemu-system-i386\n"),
        ("XENDOMAINS_AUTO", 0, "/etc/xen/auto\n"),
        ("rm -f", 0, ""),
    )


@pytest.mark.parametrize("test", TESTS)
def test_a_script_runs_for_real(
    test: str, evaluate: Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the driver runs it, with its names; only the machine is a stand-in."""
    found = test_of(evaluate, test)
    job = found["wanted"].get("job")
    if job is not None:
        # The transcripts are of a release and of a size.
        job |= {"version": "4.20.2", "memory": 768, "guest_memory": 64}
    file = tmp_path / "wanted.json"
    file.write_text(json.dumps(found["wanted"]))
    script, replaced = re.subn(r'"/stand-in/[^"]*\.json"', repr(str(file)), found["testScript"])
    assert replaced == 1

    jobs: list[Job | None] = []
    fake: list[Fake] = []
    real = nixos.wanted_from

    def wanted_from(data: str | bytes) -> nixos.Wanted:
        wanted = real(data)
        jobs.append(wanted.job)
        fake.append(good(test, wanted.job, found["wanted"].get("commands", [])))
        machine.fake = fake[0]
        return wanted

    monkeypatch.setattr(nixos, "wanted_from", wanted_from)
    monkeypatch.setattr(nixos, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(os, "access", lambda *_: True)
    tests = XtfReport((XtfResult("test-pv64-selftest", "SUCCESS"),), "", 1.0)
    asked: list[str] = []

    def run_xtf(_: object, __: object, choice: Any, ___: object) -> XtfReport:
        asked.append(choice.folder)
        return tests

    monkeypatch.setattr(xtf, "run", run_xtf)
    machine, driver = Qemu(tmp_path, Fake()), Driver()
    exec(script, {"machine": machine, "subtest": driver.subtest, "driver": driver})  # noqa: S102 - so does the driver
    report = json.loads((tmp_path / nixos.REPORT).read_text())
    results = {one["name"]: one["result"] for one in report["checks"]}
    assert set(results.values()) == {"passed"}, report
    expected = ["boot", *(job or {}).get("checks", []), *(one["name"] for one in found["wanted"].get("commands", []))]
    assert set(expected) <= set(results)
    assert asked == (["/stand-in/xtf-0-unstable-2025-10-02/libexec/xtf"] if test.startswith("dom0") else [])
    assert machine.events[-1] == "shutdown"


@pytest.mark.parametrize("test", DOM0)
def test_the_machine_boots_xen_and_lets_the_driver_in(test: str, evaluate: Evaluator) -> None:
    found = machine_of(
        evaluate,
        test,
        """{
          inherit (config.virtualisation) useBootLoader useEFIBoot installBootLoader mountHostNixStore;
          inherit (config.boot) kernelParams;
          initrd = config.boot.initrd.systemd.enable;
          systemd-boot = config.boot.loader.systemd-boot.enable;
          shared = config.virtualisation.sharedDirectories;
          xen = config.virtualisation.xen.enable;
          xl = config.virtualisation.xen.package.version;
          qemu = config.virtualisation.xen.qemu.package.xen.version;
          params = config.virtualisation.xen.boot.params;
          memory = config.virtualisation.memorySize;
          dom0 = config.virtualisation.xen.dom0Resources.memory;
          backdoor = config.systemd.services.backdoor;
          console = config.systemd.services.driver-console;
          logs = config.systemd.services.xenconsoled.environment.XENCONSOLED_TRACE;
          broken = broken config;
        }""",
    )
    assert found["broken"] == []
    assert all(
        found[name] for name in ("useBootLoader", "useEFIBoot", "installBootLoader", "initrd", "systemd-boot", "xen")
    )
    assert (found["mountHostNixStore"], found["shared"]) == (False, {})
    assert (found["xl"], found["qemu"]) == ("4.22.1", "4.22.1")
    assert found["kernelParams"][-1] == "console=hvc0"
    assert found["params"][:2] == ["console=com1", "com1=115200,8n1"]
    # Xen itself, and the guests of a test beside dom0.
    assert found["memory"] - found["dom0"] >= 1024
    assert found["backdoor"] == {"after": ["driver-console.service"], "requires": ["driver-console.service"]}
    assert found["console"]["before"] == ["backdoor.service"]
    assert found["logs"] == "guest"


def test_the_consoles_get_the_names_that_the_driver_expects(evaluate: Evaluator, tmp_path: Path) -> None:
    """The script, in another folder than /dev: what was hvc1 is hvc0, and the serial port leads to Xen's console."""
    script = machine_of(evaluate, "dom0", "config.systemd.services.driver-console.script")
    for device in ("hvc0", "hvc1", "ttyS0"):
        (tmp_path / device).write_text(device)
    subprocess.run(["sh", "-e", "-c", script.replace("/dev/", f"{tmp_path}/")], check=True)
    assert (tmp_path / "hvc0").read_text() == "hvc1"
    assert (tmp_path / "ttyS0").read_text() == "hvc0"


def test_the_stores(evaluate: Evaluator) -> None:
    for test, program in (("xenstored-c", "xenstored"), ("xenstored-ocaml", "oxenstored")):
        assert machine_of(evaluate, test, "config.virtualisation.xen.store.path").endswith(f"/bin/{program}")


def test_declared_guests(evaluate: Evaluator) -> None:
    files = machine_of(evaluate, "guests", "builtins.mapAttrs (_: file: file.source.text) config.environment.etc")
    assert sorted(name for name in files if "/auto/" in name) == ["xen/auto/declared.cfg", "xen/auto/stays.cfg"]
    # The command line that the guest's init reads, and the line that the test waits for.
    assert 'xenbump.line=xenbump-declared"' in files["xen/declared.cfg"]


@pytest.mark.parametrize("script", ["nixos-tests/guest-that-stays", "xenbump/verify/initrd/guest-init"])
def test_guests_first_programs_are_shell(script: str) -> None:
    text = (ROOT / script).read_text()
    assert text.startswith("#!/bin/busybox sh\n")
    assert subprocess.run(["sh", "-n", str(ROOT / script)], check=False).returncode == 0
    # The archive has no other program.
    assert all(
        "/bin/busybox " in line for line in text.splitlines() if re.match(r"\s*(sleep|mount|poweroff|cat)", line)
    )


@pytest.fixture
def stand_in(evaluate_once: Evaluator, tmp_path: Path) -> Iterator[Path]:
    """The stand-in of the service's test as a process, in a folder, from the configuration that the module wrote."""
    toml = machine_of(evaluate_once, "xenbump-service", 'config.environment.etc."xenbump.toml".source.text')
    folder = tmp_path / "stand-in"
    folder.mkdir()
    (tmp_path / "template.toml").write_text(toml.replace("/run/stand-in", str(folder)))
    command = [sys.executable, str(ROOT / "nixos-tests" / "stand-in.py"), str(tmp_path / "template.toml"), str(folder)]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        try:
            wait(lambda: process.poll() is not None or (folder / "pulls").exists())
            assert process.poll() is None
            yield folder
        finally:
            process.terminate()
    assert process.returncode == 0


def wait(done: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_service_opens_a_pull_request_on_the_stand_in(
    stand_in: Path, evaluate_once: Evaluator, tmp_path: Path
) -> None:
    """The unit's own script with the unit's environment: what the virtual machine adds is systemd and its sandbox."""
    unit = machine_of(evaluate_once, "xenbump-service", 'removeAttrs config.systemd.services.xenbump [ "path" ]')
    assert unit["serviceConfig"]["EnvironmentFile"] == "/run/stand-in/env"
    assert unit["serviceConfig"]["LoadCredential"] == ["github-token:/run/stand-in/token"]
    program = tmp_path / "xenbump"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from xenbump.cli.main import main; main()" "$@"\n')
    program.chmod(0o755)
    state = tmp_path / "state"
    state.mkdir()
    environment = {name: value.replace("%S/xenbump", str(state)) for name, value in unit["environment"].items()}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    environment |= dict([(stand_in / "env").read_text().strip().split("=", 1)])
    (stand_in / "github-token").write_text((stand_in / "token").read_text())
    environment |= {"CREDENTIALS_DIRECTORY": str(stand_in), "STATE_DIRECTORY": str(state), "PYTHONPATH": str(ROOT)}
    script = unit["script"].replace("/stand-in/xenbump-0.1.0/bin/xenbump", str(program))
    script = script.replace("/run/stand-in", str(stand_in))
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        env={"PATH": os.environ["PATH"]} | environment,
        cwd=state,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = {one["name"]: one for one in test_of(evaluate_once, "xenbump-service")["wanted"]["commands"]}
    assert re.search(wanted["run"]["pattern"], done.stdout + done.stderr), done.stdout + done.stderr
    pattern = wanted["pull-request"]["pattern"]
    wait(lambda: re.search(pattern, (stand_in / "pulls").read_text(), re.MULTILINE) is not None, 5)
    assert (state / "journal.sqlite3").exists()
    assert worlds.TOKEN not in done.stdout + done.stderr


def test_the_library_for_the_driver_is_the_room_that_needs_nothing(evaluate_once: Evaluator) -> None:
    library = ROOT / "nix" / "dom0-checks.nix"
    assert evaluate_once(f"(pkgs.python3Packages.callPackage {library} {{ }}).pythonImportsCheck") == [
        "xenbump.dom0.nixos"
    ]
    done = subprocess.run(
        [sys.executable, "-B", "-I", "-S", "-c", f"import sys; sys.path[:0] = ['{ROOT}']; import xenbump.dom0.nixos"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_without_nix_the_tests_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception):
        flake.need_nix()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        flake.need_nix()
