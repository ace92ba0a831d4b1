"""The steps of a build that are shell, done for real in a folder that looks like Xen's."""

from __future__ import annotations

import gzip
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.nix.xen import evaluate

# What nixpkgs' stdenv and its hooks have of these names.
_FUNCTIONS = r"""
set -eu
getAllOutputNames() { echo out man doc dev boot; }
patchShebangs() { echo "patchShebangs $*" >> "$NIX_BUILD_TOP/called"; }
wrapPythonProgramsIn() { echo "wrapPythonProgramsIn $*" >> "$NIX_BUILD_TOP/called"; }
substituteInPlace() {
  local files=() ; while [[ $1 != --* ]]; do files+=("$1"); shift; done
  while (($#)); do
    if [[ $1 == --replace-fail ]] && ! grep -qF -- "$2" "${files[@]}"; then echo "no $2" >&2; exit 3; fi
    sed -i "s|$2|$3|g" "${files[@]}"; shift 3
  done
}
"""
STEPS = ("prePatch", "postPatch", "preBuild", "preInstall", "postInstall", "postFixup")


@cache
def steps() -> dict[str, dict[str, Any]]:
    """The scripts of a few packages."""
    forms = {
        "plain": "{ }",
        "bare": "{ withEFI = false; withFlask = true; }",
        "own": "{ withInternalSeaBIOS = true; withInternalIPXE = true; withInternalMiniOS = true; }",
    }
    source = '{ version = "4.20.4"; src = ./.; options = { DEBUG = "y"; HVM = "n"; }; }'
    names = " ".join(STEPS)
    asked = {
        name: f"{{ inherit ((packages {{ }}).xen_4_20.override {given}) {names}; }}" for name, given in forms.items()
    }
    asked["options"] = f"{{ inherit ((packages {{ }}).buildXenPackage {source}) {names}; }}"
    with TemporaryDirectory() as folder:
        return evaluate(Path(folder), asked, fetched=Path("/sources"))


class Build:
    """A folder for a build, and the outputs."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.source = top / "source"
        self.source.mkdir()
        self.outputs = {name: top / "out" / name for name in ("out", "man", "doc", "dev", "boot")}

    def do(self, form: str, step: str) -> subprocess.CompletedProcess[str]:
        """Run a step of a package."""
        script = steps()[form][step].replace("/sources/", f"{self.top}/sources/")
        environment = {name: str(path) for name, path in self.outputs.items()}
        return subprocess.run(
            ["bash", "-c", _FUNCTIONS + script],
            cwd=self.source,
            env={
                "PATH": f"{self.top}/bin:/usr/bin:/bin",
                "NIX_BUILD_TOP": str(self.top),
                "makeFlags": "",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def put(self, path: str, content: str | bytes = "", mode: int = 0o644) -> Path:
        """Write a file below the top."""
        file = self.top / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)
        return file

    def called(self) -> list[str]:
        return (self.top / "called").read_text().splitlines()


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


def stage(build: Build) -> None:
    """What `make install` leaves: Xen's own version of these was looked at in a real build."""
    build.put("staged/boot/xen-4.20.4.gz", gzip.compress(b"\x7fELF the hypervisor"))
    build.put("staged/boot/xen-4.20.4.config", "CONFIG_X86=y\n")
    for name in ("xen.gz", "xen-4.gz", "xen-4.20.gz"):
        (build.top / "staged/boot" / name).symlink_to("xen-4.20.4.gz")
    build.put(f"staged{build.outputs['out']}/bin/xl", "xl", 0o755)
    build.put(f"staged{build.outputs['out']}/bin/flask-loadpolicy", "", 0o755)
    build.put(f"staged{build.outputs['dev']}/include/libxl.h")
    build.put(f"staged{build.outputs['man']}/share/man/man1/xl.1")
    build.put("staged/etc/xen/scripts/vif-bridge", "#!/bin/bash\ndir=$(dirname $0)\n", 0o755)
    build.put("staged/etc/xen/scripts/vif-common.sh", "# read by others\nip\n")
    build.put("staged/usr/lib/debug/xen-syms-4.20.4", "large")


def test_outputs_get_what_was_staged_for_them(build: Build) -> None:
    assert build.do("plain", "preInstall").returncode == 0
    stage(build)
    # Xen's build fails to install it where this folder is missing.
    assert (build.top / "staged/boot/efi/efi/nixos").is_dir()
    build.put("staged/boot/efi/efi/nixos/xen-4.20.4.efi", b"MZ")
    done = build.do("plain", "postInstall")
    assert done.returncode == 0, done.stderr
    boot = build.outputs["boot"] / "boot"
    assert sorted(file.name for file in boot.iterdir()) == [
        "xen-4.20.4",
        "xen-4.20.4.config",
        "xen-4.20.4.efi",
        "xen-4.20.4.gz",
        "xen-4.20.gz",
        "xen-4.gz",
        "xen.gz",
    ]
    assert (boot / "xen-4.20.4").read_bytes() == b"\x7fELF the hypervisor"
    assert gzip.decompress((boot / "xen.gz").read_bytes()) == b"\x7fELF the hypervisor"
    assert (build.outputs["out"] / "bin/xl").read_text() == "xl"
    assert (build.outputs["dev"] / "include/libxl.h").exists()
    assert (build.outputs["man"] / "share/man/man1/xl.1").exists()
    assert not [file for path in build.outputs.values() for file in path.rglob("*syms*")]
    out = build.outputs["out"]
    assert build.called() == [
        f"wrapPythonProgramsIn {out}/bin {out}",
        f"wrapPythonProgramsIn {out}/libexec/xen/bin {out}",
    ]


def test_scripts_that_are_started_find_their_programs(build: Build) -> None:
    build.do("plain", "preInstall")
    stage(build)
    build.put("staged/boot/efi/efi/nixos/xen-4.20.4.efi", b"MZ")
    build.do("plain", "postInstall")
    scripts = build.outputs["out"] / "etc/xen/scripts"
    first, second, third = (scripts / "vif-bridge").read_text().splitlines()
    assert first == "#!/bin/bash"
    assert second.startswith('export PATH="/nixpkgs/bash/bin:')
    assert second.endswith('${PATH:+:$PATH}"')
    assert third == "dir=$(dirname $0)"
    assert (scripts / "vif-common.sh").read_text() == "# read by others\nip\n"


def test_without_efi_nothing_of_it_is_looked_for(build: Build) -> None:
    assert build.do("bare", "preInstall").returncode == 0
    stage(build)
    done = build.do("bare", "postInstall")
    assert done.returncode == 0, done.stderr
    assert not list(build.outputs["boot"].rglob("*efi*"))
    assert (build.outputs["boot"] / "boot/xen-4.20.4").exists()


def test_a_missing_xen_efi_fails_the_build(build: Build) -> None:
    build.do("plain", "preInstall")
    stage(build)
    assert build.do("plain", "postInstall").returncode != 0


def test_the_tools_for_policies_go_where_there_is_no_flask(build: Build) -> None:
    for form, stays in (("bare", True), ("plain", False)):
        tool = build.put(f"{build.outputs['out'].relative_to(build.top)}/bin/flask-loadpolicy")
        assert build.do(form, "postFixup").returncode == 0
        assert tool.exists() is stays


def tree(build: Build, unit: str) -> None:
    """The files of Xen's tree that are patched."""
    hotplug = "source/tools/hotplug/Linux"
    build.put(f"{hotplug}/systemd/xenstored.service.in", unit)
    build.put(f"{hotplug}/systemd/xen-watchdog.service.in", "ExecStart=@sbindir@/xenwatchdogd 30 15\n")
    build.put(f"{hotplug}/launch-xenstore.in", "/bin/mkdir -p @XEN_RUN_DIR@\n")
    build.put(f"{hotplug}/xendomains.in", "ls=`/bin/ls $1`\n")
    build.put("source/tools/xenmon/xenmon.py", 'stop_cmd = "/usr/bin/pkill -INT xenbaked"\n')


def test_units_and_helpers_call_programs_where_they_are(build: Build) -> None:
    tree(build, "ExecStartPre=/bin/grep -q control_d /proc/xen/capabilities\nExecStartPre=-/bin/mkdir -p /run/xen\n")
    done = build.do("plain", "postPatch")
    assert done.returncode == 0, done.stderr
    hotplug = build.source / "tools/hotplug/Linux"
    assert (hotplug / "systemd/xenstored.service.in").read_text() == (
        "ExecStartPre=/nixpkgs/gnugrep/bin/grep -q control_d /proc/xen/capabilities\n"
        "ExecStartPre=-/nixpkgs/coreutils/bin/mkdir -p /run/xen\n"
    )
    assert (hotplug / "launch-xenstore.in").read_text() == "/nixpkgs/coreutils/bin/mkdir -p @XEN_RUN_DIR@\n"
    assert (build.source / "tools/xenmon/xenmon.py").read_text().startswith('stop_cmd = "/nixpkgs/procps/bin/pkill ')


@pytest.mark.parametrize("call", ["ExecStart=/bin/true", "ExecStartPre=-/usr/sbin/modprobe xen", "ExecStop=/sbin/x"])
def test_a_unit_that_calls_what_nixos_has_not_fails_the_build(build: Build, call: str) -> None:
    tree(build, call + "\n")
    done = build.do("plain", "postPatch")
    assert done.returncode != 0
    assert call in done.stdout


def test_sources_of_its_own_are_laid_out_and_can_be_changed(build: Build) -> None:
    pins = {
        "seabios": "a6ed6b701f0a57db0569ab98b0661c12a6ec3ff8",
        "ipxe": "1d1cf74a5e58811822bee4b3da3cff7282fcdfca",
        "minios": "xen-RELEASE-4.20.0",
    }
    for name, rev in pins.items():
        build.put(f"sources/{rev}/src/{name}.c", name, 0o444)
    build.put("source/tools/firmware/etherboot/Makefile")
    done = build.do("own", "prePatch")
    assert done.returncode == 0, done.stderr
    seabios = build.source / "tools/firmware/seabios-dir-remote/src/seabios.c"
    assert seabios.stat().st_mode & 0o200
    assert (build.source / "extras/mini-os/src/minios.c").read_text() == "minios"
    with tarfile.open(build.source / "tools/firmware/etherboot/ipxe.tar.gz") as archive:
        assert "ipxe/src/ipxe.c" in archive.getnames()
    assert "patchShebangs --build etherboot/ipxe" in build.called()


def test_a_package_without_sources_of_its_own_prepares_nothing() -> None:
    assert steps()["plain"]["prePatch"] == ""


@pytest.mark.parametrize(
    ("configured", "complaint"),
    [
        ("CONFIG_DEBUG=y\n# CONFIG_HVM is not set\n", ""),
        # What there is not is not set, either.
        ("CONFIG_DEBUG=y\n", ""),
        ("CONFIG_DEBUG=y\nCONFIG_HVM=y\n", "CONFIG_HVM=n"),
        ("# CONFIG_HVM is not set\n", "CONFIG_DEBUG=y"),
        ("# CONFIG_DEBUG is not set\n", "CONFIG_DEBUG=y"),
    ],
)
def test_options_are_asked_for_and_looked_for(build: Build, configured: str, complaint: str) -> None:
    """`make` is a stand-in that leaves of the options what Kconfig might."""
    build.put("source/xen/Kconfig")
    make = f"#!/bin/sh\ncp xen/.config asked\nprintf '{configured.encode('unicode_escape').decode()}' > xen/.config\n"
    build.put("bin/make", make, 0o755)
    done = build.do("options", "preBuild")
    assert (build.source / "asked").read_text() == "CONFIG_DEBUG=y\nCONFIG_HVM=n\n"
    assert done.returncode == (1 if complaint else 0), done.stderr
    assert (f"error: {complaint} did not take" in done.stdout) == bool(complaint)
