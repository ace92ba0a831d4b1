"""`xenbump guest run`: from options to guests, and from what came out to text, JSON and a status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from tests.verify.images import folder
from xenbump.cli import guest
from xenbump.dom0.report import CheckResult, Report
from xenbump.errors import UsageError
from xenbump.verify import guest_ready, guest_run, image, probe, qemu

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.verify.guest_ready import Wanted
    from xenbump.verify.image import Image

TCG = probe.Accelerator("tcg", "max", "7.2.22", "it was asked for")


def outcome(result: str, console: Path, kind: Any = "off") -> guest_run.Outcome:
    check = CheckResult("guest:one", "r", result, "why", ("a line",), 1.5)
    report = Report(checks=(check,), xtf=None, started=True, finished=True, missing=(), error="", seconds=1.0)
    booted = qemu.Booted(kind, "" if kind == "off" else "gone", report, "4.20.1", (), 1.0, 2.0, console, ("the end",))
    return guest_run.Outcome(booted, report)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What was asked for; `result` and `kind` say what comes out. Nothing boots."""
    asked: dict[str, Any] = {"result": "passed", "kind": "off"}
    made = folder(tmp_path / "image")

    def prepare(wanted: tuple[Wanted, ...], _image: Image, work: Path, _progress: object, *, together: bool) -> None:
        asked.update(wanted=wanted, together=together, work=work)

    def run(_ready: None, _image: Image, *, console: Path, tell: Callable[[str, str], None], **_: Any) -> Any:
        console.write_text("console")
        tell("one", "hello\x07")
        return outcome(asked["result"], console, asked["kind"])

    def from_debian(xen: str, *_: object, device_model: bool) -> Image:
        asked.update(xen=xen, device_model=device_model)
        return made

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(guest_ready, "prepare", prepare)
    monkeypatch.setattr(guest_run, "run", run)
    monkeypatch.setattr(probe, "probe", lambda _hypervisor: TCG)
    monkeypatch.setattr(image, "from_debian", from_debian)
    return asked


def called(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command("guest")(guest.guest)
    done = CliRunner().invoke(app, ["run", *arguments], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def test_options_become_a_guest(calls: dict[str, Any], tmp_path: Path) -> None:
    status, text = called(
        *("some/root.fs", "--type", "hvm", "--kernel", "none", "--memory", "300", "--vcpus", "2", "--disk"),
        *("--extra", "a=b", "--expect", "^x", "--seconds", "7", "--xen", "4.17", "--command", "sh -c 'a b'"),
    )
    assert status == 0
    (wanted,) = calls["wanted"]
    assert wanted == guest_ready.Wanted(
        "root",
        "some/root.fs",
        type="hvm",
        kernel="none",
        disk=True,
        command=("sh", "-c", "a b"),
        memory=300,
        vcpus=2,
        extra="a=b",
        expect="^x",
        seconds=7,
    )
    assert (calls["xen"], calls["device_model"]) == ("4.17", True)
    assert "one │ hello\ufffd" in text
    assert "one: passed: why (1.5 s)" in text
    assert "root: passed" not in text
    logs = tmp_path / "state/xenbump/guest"
    (console,) = logs.glob("logs/*/dom0.log")
    assert console.read_text() == "console"
    assert not calls["work"].exists()


@pytest.mark.parametrize(("result", "kind"), [("failed", "off"), ("passed", "panic")])
def test_what_is_not_as_expected_is_30(result: str, kind: str, calls: dict[str, Any]) -> None:
    calls.update(result=result, kind=kind)
    status, text = called("root", "--vif", "none")
    assert status == 30
    assert ("    a line" in text) == (result == "failed")
    assert ("dom0: panic: gone" in text) == (kind == "panic")
    assert calls["device_model"] is False


def test_json_is_one_document_on_stdout(calls: dict[str, Any]) -> None:
    status, text = called("root", "--json", "--name", "one")
    document = json.loads(text)
    assert status == 0
    assert (document["schema"], document["passed"]) == ("xenbump.guest/1", True)
    assert Path(document["dom0"]["console"]).read_text() == "console"
    (found,) = document["guests"]
    assert (found["name"], found["result"], found["evidence"]) == ("one", "passed", ["a line"])
    assert Path(found["log"]).read_text() == "hello\ufffd\n"
    assert calls["wanted"][0].name == "one"


def test_a_bundle(calls: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "guests.toml").write_text(
        "[[guest]]\nname = 'one'\nsource = 'a'\n[[guest]]\nname = 'two'\nkernel = 'k'\n"
    )
    assert called("--bundle", "guests.toml", "--together", "--quiet")[0] == 0
    assert [one.name for one in calls["wanted"]] == ["one", "two"]
    assert calls["together"] is True


def test_a_kernel_alone(calls: dict[str, Any]) -> None:
    assert called("--kernel", "some/test.elf", "--type", "pv")[0] == 0
    assert calls["wanted"] == (guest_ready.Wanted("test", type="pv", kernel="some/test.elf"),)


def test_wrong_usage(calls: dict[str, Any]) -> None:
    for arguments in (
        (),
        ("root", "--bundle", "x.toml"),
        ("--kernel", "own"),
        ("root", "--command", "'"),
        ("--bundle", "x.toml", "--memory", "0"),
        ("--bundle", "x.toml", "--type", "pvh"),
    ):
        with pytest.raises(UsageError) as error:
            called(*arguments)
        assert error.value.code == "E-GUEST-BUNDLE"
    assert "wanted" not in calls


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a/b c.tar.gz", "b-c"),
        ("docker://example.org/app:1.2", "app"),
        ("oci:dir:tag", "dir"),
        ("..", "guest"),
        ("/", "guest"),
        ("x" * 60, "x" * 40),
    ],
)
def test_names(source: str, name: str) -> None:
    assert guest.named(source) == name
