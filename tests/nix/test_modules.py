"""The NixOS modules: from options to `xenbump.toml`, to units, and to the files of guests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.nix import units
from tests.nix.flake import GOLDEN, NIXPKGS, ROOT, Evaluator
from xenbump import config as configuration

BOT = """
services.xenbump = {
  enable = true;
  settings = {
    upstream.keyring = "/etc/keys \\"of\\" Xen.asc";
    verify.nix-options = [ "--option" "cores" "2" ];
    github = {
      repository = "me/packages";
      operator = "me";
      labels = { always = [ "topic: xen" ]; security = [ ]; };
    };
  };
  packages = {
    xen = { file = "pkgs/xen/package.nix"; track = "latest"; decided."480" = "it is not built in"; };
    xen-old = { file = "pkgs/xen-4.19/package.nix"; strategy = "stable-tip"; };
  };
  githubTokenFile = "/run/secrets/token";
  author = { name = "A Bot"; email = "bot@example.org"; };
  failureHook = "echo failed >&2";
};
"""
SMALL = 'services.xenbump = { enable = true; packages.xen.file = "xen.nix"; MORE };'
GUESTS = """
xenbump.dom0 = {
  enable = true;
  guests = {
    web = {
      memory = 1024;
      maxMemory = 2048;
      vcpus = 2;
      disks = [ "format=raw,vdev=xvda,access=rw,target=/dev/vg/web" ];
      vifs = [ "bridge=xenbr0" "bridge=xenbr1,mac=00:16:3e:00:00:01" ];
      autostart = true;
      settings = { tsc_mode = "native"; nestedhvm = false; cpus = [ 2 3 ]; };
    };
    own-kernel = {
      type = "pv";
      kernel = "/boot/guest/bzImage";
      initrd = "/boot/guest/initrd";
      extra = "console=hvc0 root=/dev/xvda";
      onCrash = "preserve";
    };
    firmware = { type = "hvm"; disks = [ "format=raw,vdev=hda,target=/dev/vg/firmware" ]; };
  };
};
"""
SHOWN = """
{
  services = config.systemd.services;
  timers = config.systemd.timers;
  toml = config.environment.etc."xenbump.toml".source.text;
  programs = map (x: x.name) config.environment.systemPackages;
  broken = broken config;
}
"""


def bots(evaluate: Evaluator, *texts: str) -> list[dict[str, Any]]:
    """What comes of each of several configurations of the service, by one evaluation."""
    modules = " ".join(f"{{ {text} }}" for text in texts)
    found: list[dict[str, Any]] = evaluate(
        f"map (module: let config = evaluated [ flake.nixosModules.xenbump module ]; in {SHOWN}) [ {modules} ]"
    )
    return found


def bot(evaluate: Evaluator, text: str) -> dict[str, Any]:
    return bots(evaluate, text)[0]


def small(evaluate: Evaluator, more: str) -> dict[str, Any]:
    return bot(evaluate, SMALL.replace("MORE", more))


def dom0s(evaluate: Evaluator, *texts: str) -> list[dict[str, Any]]:
    """What comes of each of several configurations of a dom0, by one evaluation."""
    modules = " ".join(f"{{ {text} }}" for text in texts)
    found: list[dict[str, Any]] = evaluate(
        f"""map (module: let config = evaluated [ flake.nixosModules.dom0 module ]; in {{
          files = builtins.mapAttrs (_: file: file.source.text) config.environment.etc;
          xen = removeAttrs config.virtualisation.xen [ "package" "qemu" "store" ];
          package = config.virtualisation.xen.package.name;
          qemu = config.virtualisation.xen.qemu.package.name;
          rules = config.systemd.tmpfiles.rules;
          broken = broken config;
        }}) [ {modules} ]"""
    )
    return found


def same(name: str, text: str) -> None:
    """Compare with a golden file; XENBUMP_GOLDEN=write writes it."""
    path = GOLDEN / name
    if os.environ.get("XENBUMP_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


def loaded(folder: Path, text: str) -> configuration.Config:
    (folder / "xenbump.toml").write_text(text, "utf-8")
    return configuration.load(folder / "xenbump.toml", {"HOME": str(folder), "STATE_DIRECTORY": "/var/lib/xenbump"})


def test_options_become_a_configuration_that_xenbump_reads(evaluate: Evaluator, tmp_path: Path) -> None:
    found = bot(evaluate, BOT)
    assert found["broken"] == []
    same("xenbump.toml", found["toml"])
    config = loaded(tmp_path, found["toml"])
    assert [(one.name, one.track, one.strategy) for one in config.packages] == [
        ("xen", "latest", "patches"),
        ("xen-old", "branch", "stable-tip"),
    ]
    assert config.packages[0].decided == {"480": "it is not built in"}
    assert config.upstream.keyring == '/etc/keys "of" Xen.asc'
    assert config.verify.steps == ("build", "outputs", "meta")
    assert (config.github.write, config.github.labels.always) == ("clone", ("topic: xen",))
    assert config.state == Path("/var/lib/xenbump")


def test_the_units(evaluate: Evaluator) -> None:
    found = bot(evaluate, BOT)
    assert sorted(found["services"]) == ["xenbump", "xenbump-failure", "xenbump-security"]
    for name in ("xenbump", "xenbump-security"):
        same(f"{name}.service", units.service(found["services"][name], f"/stand-in/unit-script-{name}-start"))
        same(f"{name}.sh", found["services"][name]["script"])
        same(f"{name}.timer", units.timer(found["timers"][name]))
    assert found["services"]["xenbump-failure"]["script"] == "echo failed >&2"
    assert found["programs"] == ["xenbump-0.1.0"]


def test_the_script_hands_the_token_on(evaluate: Evaluator, tmp_path: Path) -> None:
    """With the real shell: the program sees the token in its environment, and no argument has it."""
    found = bot(evaluate, BOT)
    script = found["services"]["xenbump"]["script"]
    program = tmp_path / "xenbump"
    program.write_text('#!/bin/sh\necho "$XENBUMP_GITHUB_TOKEN"; echo "$@"\n')
    program.chmod(0o755)
    (tmp_path / "github-token").write_text("secret\n")
    script = script.replace("/stand-in/xenbump-0.1.0/bin/xenbump", str(program))
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "CREDENTIALS_DIRECTORY": str(tmp_path)},
    )
    assert done.stdout == "secret\nrun --no-progress --config /stand-in/xenbump.toml\n"


@pytest.mark.parametrize(
    ("statuses", "status", "runs"),
    [([0], 0, 1), ([1, 1, 0], 0, 3), ([1, 20], 20, 2), ([2], 2, 1), ([30], 30, 1), ([1, 1, 1, 1], 1, 3)],
)
def test_what_may_go_away_by_itself_is_tried_again(
    statuses: list[int], status: int, runs: int, evaluate: Evaluator, tmp_path: Path
) -> None:
    script = small(evaluate, 'retryAfter = [ "0" "0.01" ];')["services"]["xenbump"]["script"]
    program = tmp_path / "xenbump"
    program.write_text(
        f"#!/bin/sh\necho >>{tmp_path}/runs\nset -- {' '.join(map(str, statuses))}\n"
        f'shift $(($(wc -l <{tmp_path}/runs) - 1))\nexit "$1"\n'
    )
    program.chmod(0o755)
    script = script.replace("/stand-in/xenbump-0.1.0/bin/xenbump", str(program))
    done = subprocess.run(["bash", "-e", "-c", script], check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == status
    assert len((tmp_path / "runs").read_text().splitlines()) == runs


def test_credentials_of_an_app(evaluate: Evaluator) -> None:
    more = 'githubApp = { id = "7"; keyFile = "/run/app.pem"; }; githubLookupTokenFile = "/run/look";'
    unit = small(evaluate, more)["services"]["xenbump"]
    assert unit["serviceConfig"]["LoadCredential"] == ["github-app-key:/run/app.pem", "github-lookup-token:/run/look"]
    assert unit["environment"]["XENBUMP_GITHUB_APP_KEY_FILE"] == "%d/github-app-key"
    assert unit["environment"]["XENBUMP_GITHUB_APP_ID"] == "7"
    assert "XENBUMP_GITHUB_LOOKUP_TOKEN=$(<" in unit["script"]
    assert "XENBUMP_GITHUB_TOKEN" not in unit["script"]


def test_what_is_not_wanted_is_not_there(evaluate: Evaluator) -> None:
    found = small(evaluate, "securityCalendar = null; calendar = null;")
    assert list(found["services"]) == ["xenbump"]
    assert found["timers"] == {}
    assert found["services"]["xenbump"]["onFailure"] == []
    assert evaluate("(evaluated [ flake.nixosModules.xenbump ]).systemd") == {
        "services": {},
        "timers": {},
        "tmpfiles": {},
    }


def test_arguments(evaluate: Evaluator) -> None:
    found = small(evaluate, 'dryRun = true; extraArguments = [ "--package" "it\'s" ];')
    script = found["services"]["xenbump-security"]["script"]
    assert " --security-only --dry-run --package 'it'\\''s' || status=$?\n" in script


def test_a_machine_that_is_booted_here_loosens_only_what_it_needs(evaluate: Evaluator) -> None:
    cases = {
        "": (True, True),
        'settings.verify.steps = [ "build" "dom0" ];': (False, True),
        'settings.verify = { steps = [ "xtf" ]; engine = "nixos"; nixos-test = "x"; };': (True, True),
        'settings.verify.steps = [ "guests" ]; kvm = true;': (False, False),
    }
    found = bots(evaluate, *(SMALL.replace("MORE", more) for more in cases))
    for (more, (no_code, no_devices)), one in zip(cases.items(), found, strict=True):
        unit = one["services"]["xenbump"]["serviceConfig"]
        assert unit["MemoryDenyWriteExecute"] is no_code, more
        assert unit["PrivateDevices"] is no_devices, more
        assert unit.get("DeviceAllow", []) == ([] if no_devices else ["/dev/kvm rw"]), more
        assert unit["DevicePolicy"] == "closed", more


def test_what_is_refused(evaluate: Evaluator) -> None:
    both = 'githubTokenFile = "/t"; githubApp = { id = "1"; keyFile = "/k"; };'
    cases = {
        "services.xenbump.enable = true;": "packages is empty",
        "services.xenbump = { enable = true; packages.xen = { }; };": "packages.xen.file is not set",
        SMALL.replace("MORE", "settings.package = [ ];"): "belong into services.xenbump.packages",
        SMALL.replace("MORE", both): "a GitHub App or a token",
        SMALL.replace("MORE", 'githubTokenFile = "${builtins.storeDir}/t";'): "is in the Nix store",
    }
    for message, found in zip(cases.values(), bots(evaluate, *cases), strict=True):
        assert len(found["broken"]) == 1
        assert message in found["broken"][0]


def test_a_wrong_option_is_an_error(evaluate: Evaluator) -> None:
    done = evaluate.run(f"evaluated [ flake.nixosModules.xenbump {{ {SMALL.replace('MORE', 'calender = null;')} }} ]")
    assert done.returncode != 0
    assert "services.xenbump.calender' does not exist" in done.stderr


_NAMES = st.text("abcABC-_ 4.\"'ü", min_size=1, max_size=6)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
_PLAIN = st.one_of(_TEXTS, st.booleans(), st.integers(-(2**40), 2**40))
_VALUES = st.one_of(_PLAIN, st.lists(_PLAIN, max_size=3), st.dictionaries(_NAMES, _PLAIN, max_size=3))
_TABLES = st.dictionaries(_NAMES, _VALUES, max_size=4)
_DOCUMENTS = st.dictionaries(_NAMES, st.one_of(_VALUES, _TABLES, st.lists(_TABLES, min_size=1, max_size=3)), max_size=5)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=st.lists(_DOCUMENTS, min_size=10, max_size=30))
def test_any_document_is_read_back(documents: list[dict[str, Any]], evaluate: Evaluator, tmp_path: Path) -> None:
    (tmp_path / "documents.json").write_text(json.dumps(documents), "utf-8")
    write = f"map (import {ROOT}/nix/toml.nix {{ inherit lib; }}).write"
    # Not what was evaluated before: the file is another one each time.
    done = evaluate.run(f"{write} (builtins.fromJSON (builtins.readFile {tmp_path}/documents.json))")
    assert [tomllib.loads(text) for text in json.loads(done.stdout)] == documents


def test_guests_become_files_and_links(evaluate: Evaluator) -> None:
    (found,) = dom0s(evaluate, GUESTS)
    assert found["broken"] == []
    assert sorted(found["files"]) == ["xen/auto/web.cfg", "xen/firmware.cfg", "xen/own-kernel.cfg", "xen/web.cfg"]
    assert found["files"]["xen/auto/web.cfg"] == found["files"]["xen/web.cfg"]
    for name in ("firmware", "own-kernel", "web"):
        same(f"{name}.cfg", found["files"][f"xen/{name}.cfg"])
    assert (found["package"], found["qemu"]) == ("xen-4.22.1", "qemu_xen")
    assert found["xen"]["enable"]
    assert found["xen"]["domains"]["extraConfig"].strip() == "XENDOMAINS_AUTO=/etc/xen/auto"


BROUGHT = """
boot.kernelPackages.kernel = "/nix-linux";
xenbump.dom0 = {
  enable = true;
  guests = {
    files = { rootfs = "${builtins.storeDir}/files"; memory = 256; extra = "quiet"; autostart = true; };
    init = { type = "pv"; rootfs = "${builtins.storeDir}/init"; init = "/sbin/init"; kernel = "/srv/bzImage"; };
    disk = { image = "/var/lib/disk.raw"; disks = [ "format=raw,vdev=xvdb,target=/dev/vg/more" ]; };
    kept = { type = "hvm"; image = "${builtins.storeDir}/kept"; imageFormat = "qcow2"; };
  };
};
"""


def test_guests_that_are_brought(evaluate: Evaluator) -> None:
    (found,) = dom0s(evaluate, BROUGHT)
    assert found["broken"] == []
    for name in ("files", "init", "disk", "kept"):
        same(f"brought-{name}.cfg", found["files"][f"xen/{name}.cfg"])
    assert "xen/auto/files.cfg" in found["files"]
    (folder, copy) = found["rules"]
    assert folder == "d /var/lib/xenbump/guests 0700 root root -"
    assert re.fullmatch(r"C /var/lib/xenbump/guests/kept\.qcow2 0600 root root - /\S+/kept", copy)
    assert dom0s(evaluate, GUESTS)[0]["rules"] == []


def test_guests_files_are_read_as_xl_reads_them(evaluate: Evaluator) -> None:
    """The syntax of xl.cfg(5): a key, `=`, and a number, a text between double quotes or a list of these."""
    text = r'"[^"\\\n]*"|[0-9]+'
    for file in dom0s(evaluate, GUESTS)[0]["files"].values():
        for line in file.splitlines():
            key, _, value = line.partition(" = ")
            assert key.replace("_", "").isalnum()
            inner = value.removeprefix("[ ").removesuffix(" ]") if value.startswith("[") else value
            assert all(re.fullmatch(text, one) for one in _split(inner)), line


def _split(inner: str) -> list[str]:
    """The members of a list, where `, ` inside of quotes divides nothing."""
    parts: list[str] = []
    for part in inner.split(", "):
        if parts and parts[-1].count('"') % 2:
            parts[-1] += f", {part}"
        elif part != "]":
            parts.append(part)
    return parts


def test_guests_that_are_refused(evaluate: Evaluator) -> None:
    cases = {
        "nothing = { };": "nothing has neither a kernel nor a disk",
        '"a b" = { kernel = "/k"; };': "`a b` is no name",
        'x = { disks = [ "d" ]; initrd = "/i"; };': "x has an initrd and no kernel",
        'x = { kernel = "/k"; memory = 200; maxMemory = 100; };': "maxMemory is less than memory",
        'x = { rootfs = "${builtins.storeDir}/r"; initrd = "/i"; kernel = "/k"; };': "which is the same place",
        'x = { rootfs = "/r"; kernel = "/k"; };': "is not in the Nix store",
        'x = { type = "hvm"; rootfs = "${builtins.storeDir}/r"; };': "needs a kernel, a bzImage",
        "x = { kernel = \"/k\"; extra = ''root=\"a\"''; };": "a double quote",
        'x = { kernel = "/k"; vifs = [ "a\\nb" ]; };': "a line break",
        'x = { kernel = "/k"; settings.uuid = "a\\\\b"; };': "a backslash",
    }
    texts = [f"xenbump.dom0 = {{ enable = true; guests = {{ {guest} }}; }};" for guest in cases]
    for message, found in zip(cases.values(), dom0s(evaluate, *texts), strict=True):
        assert len(found["broken"]) == 1
        assert message in found["broken"][0]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units(evaluate: Evaluator, tmp_path: Path) -> None:
    """`systemd-analyze`: the calendars are ones, and the sandbox leaves little open (0 is best, 10 worst)."""
    found = bot(evaluate, BOT)
    calendars = [timer["timerConfig"]["OnCalendar"] for timer in found["timers"].values()]
    assert subprocess.run(["systemd-analyze", "calendar", *calendars], check=False, capture_output=True).returncode == 0
    unit = tmp_path / "xenbump.service"
    unit.write_text(units.service(found["services"]["xenbump"], "/bin/true"))
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", str(unit)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Unknown" not in done.stderr


def test_the_stand_in_has_no_attribute_that_only_it_has(evaluate: Evaluator) -> None:
    """Whatever the modules call of the library is in nixpkgs' own, too: else only the stand-in would know it."""
    own = f"builtins.attrNames (import {NIXPKGS}/lib)"
    assert evaluate(f"builtins.filter (name: !(lib ? ${{name}}) && !(builtins ? ${{name}})) ({own})") == []
