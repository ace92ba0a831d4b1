"""What the packages of Xen are, evaluated by real Nix: versions, options, what they say of themselves."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.nix.xen import BRANCHES, STAND_IN, XEN, attribute, evaluate, is_hash, shown
from xenbump.verify.meta import Names

VERSIONS = {
    "4.17": "4.17.7",
    "4.18": "4.18.6",
    "4.19": "4.19.6",
    "4.20": "4.20.4",
    "4.21": "4.21.2",
    "4.22": "4.22.0",
}
FILES = [*sorted(XEN.rglob("*.nix")), STAND_IN]
SWITCHES = {
    "plain": "{ }",
    "slim": "{ slim = true; }",
    "slim with SeaBIOS": "{ slim = true; withSeaBIOS = true; }",
    "without EFI": "{ withEFI = false; }",
    "other linker": '{ efiBinutils = { type = "derivation"; outPath = "/mine"; }; }',
    "flask": "{ withFlask = true; }",
    "QEMU": "{ withInternalQEMU = true; }",
    "firmware": "{ withInternalSeaBIOS = true; withInternalOVMF = true; withInternalIPXE = true; }",
    "no firmware": "{ withSeaBIOS = false; withOVMF = false; withIPXE = false; }",
    "Mini-OS": "{ withInternalMiniOS = true; }",
}
BUILT = {
    "tag": '{ version = "4.19.2"; tag = "RELEASE-4.19.2"; hash = "sha256-x"; }',
    "commit": """{
      version = "4.20.5-unstable-2026-08-20";
      upstreamVersion = "4.20.5-pre";
      rev = "0123456789abcdef0123456789abcdef01234567";
      hash = "sha256-x";
      vendor = "mine";
      patches = [ ./mine.patch ./other.patch ];
    }""",
    "source": """{
      version = "4.22.0-rc3";
      src = ./tree;
      options = { DEBUG = "y"; HVM = "n"; };
    }""",
    "newer": '{ pname = "mine"; version = "4.21.0"; tag = "RELEASE-4.21.0"; hash = "sha256-x"; patches = [ ]; }',
}
REFUSED = {
    "older than 4.17": 'buildXenPackage { version = "4.16.7"; tag = "RELEASE-4.16.7"; hash = ""; }',
    "neither tag nor commit": 'buildXenPackage { version = "4.20.4"; hash = ""; }',
    "tag and commit": 'buildXenPackage { version = "4.20.4"; tag = "a"; rev = "b"; hash = ""; }',
    "commit and source": 'buildXenPackage { version = "4.20.4"; rev = "b"; hash = ""; src = ./tree; }',
    "source and hash": 'buildXenPackage { version = "4.20.4"; src = ./tree; hash = ""; }',
    "commit and no hash": 'buildXenPackage { version = "4.20.4"; rev = "b"; }',
    "no pin of SeaBIOS": """
      (buildXenPackage { version = "4.20.4"; tag = "RELEASE-4.20.4"; hash = ""; }).override
      { withInternalSeaBIOS = true; }""",
    "own OVMF and none": "xen.override { withOVMF = false; withInternalOVMF = true; }",
}


@cache
def found() -> dict[str, Any]:
    """Everything that these tests ask Nix, in one process."""
    asked = {"all": "map (name: name) (builtins.attrNames (packages { }))"}
    asked |= {attribute(branch): f"told (packages {{ }}).{attribute(branch)}" for branch in BRANCHES}
    asked |= {"xen": "told (packages { }).xen", "xen-slim": "told (packages { }).xen-slim"}
    asked |= {name: f"told ((packages {{ }}).xen_4_20.override {given})" for name, given in SWITCHES.items()}
    asked |= {f"build {name}": f"told ((packages {{ }}).buildXenPackage {given})" for name, given in BUILT.items()}
    asked["build overridden"] = (
        f"told ((packages {{ }}).buildXenPackage.override {{ withEFI = false; }} {BUILT['tag']})"
    )
    asked["build with a pin"] = """told (((packages { }).buildXenPackage {
      version = "4.20.4"; tag = "RELEASE-4.20.4"; hash = "sha256-x";
      components.seaBIOS = { rev = "mine"; hash = "sha256-y"; patches = [ ./one.patch ]; };
    }).override { withInternalSeaBIOS = true; })"""
    asked |= {f"refused {name}": f"tried (with packages {{ }}; told ({code}))" for name, code in REFUSED.items()}
    for today in ('"2027-12-12"', '"2027-12-13"', '"20280101120000"', "null"):
        asked[f"day {today}"] = f"(packages {{ today = {today}; }}).xen_4_17.meta.knownVulnerabilities"
    asked["later 4.18"] = '(packages { today = "2028-01-01"; }).xen_4_18.meta.knownVulnerabilities'
    asked["slim 4.17"] = '(packages { today = "2028-01-01"; }).xen_4_17-slim.meta.knownVulnerabilities'
    with TemporaryDirectory() as folder:
        return evaluate(Path(folder), asked)


def package(name: str) -> dict[str, Any]:
    value = found()[name]
    assert isinstance(value, dict)
    return value


# --- the files -------------------------------------------------------------------------------------------------------


def test_every_file_parses() -> None:
    program = shutil.which("nix-instantiate")
    if program is None:
        pytest.skip("nix is not installed")
    done = subprocess.run(
        [program, "--store", "dummy://", "--parse", *map(str, FILES)], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(done.stdout.splitlines()) == len(FILES)


def test_every_file_is_laid_out_as_nixfmt_does_it() -> None:
    program = shutil.which("nixfmt")
    if program is None:
        pytest.skip("nixfmt is not installed")
    done = subprocess.run([program, "--check", *map(str, FILES)], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_no_file_has_what_no_formatter_leaves(file: Path) -> None:
    text = file.read_text("utf-8")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not [line for line in text.splitlines() if line != line.rstrip() or "\t" in line or len(line) > 120]


# --- the table of versions -------------------------------------------------------------------------------------------


def test_there_is_a_package_for_each_branch_and_each_has_a_slim_form() -> None:
    names = ["xen", *map(attribute, BRANCHES)]
    assert found()["all"] == sorted([*names, *(f"{name}-slim" for name in names), "buildXenPackage"])


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_has_its_newest_release_by_commit_and_a_hash(branch: str) -> None:
    one = package(attribute(branch))
    assert (one["version"], one["upstreamVersion"], one["branch"]) == (VERSIONS[branch], VERSIONS[branch], branch)
    assert one["pname"] == "xen"
    assert (one["src"]["fetcher"], one["src"]["owner"], one["src"]["repo"]) == ("fetchFromGitHub", "xen-project", "xen")
    assert re.fullmatch("[0-9a-f]{40}", one["src"]["rev"])
    assert is_hash(one["src"]["hash"])


def test_no_two_branches_have_the_same_source() -> None:
    sources = [package(attribute(branch))["src"] for branch in BRANCHES]
    assert len({one["rev"] for one in sources}) == len({one["hash"] for one in sources}) == len(BRANCHES)


def test_one_branch_is_the_latest_and_is_xen() -> None:
    assert [branch for branch in BRANCHES if package(attribute(branch))["latest"]] == ["4.22"]
    written = [file for file in XEN.rglob("*.nix") if re.search(r"\blatest = true;", file.read_text())]
    assert written == [XEN / "4.22" / "default.nix"]
    assert package("xen") == package("xen_4_22")


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_names_patches_that_the_collection_has(branch: str) -> None:
    urls = [one["url"] for one in package(attribute(branch))["patches"]]
    fix = "f6281291704aa356489f4bd927cc7348a920bd01"
    assert [fix in url for url in urls] == ([True] if branch < "4.21" else [])
    assert all(is_hash(one["hash"]) for one in package(attribute(branch))["patches"])


@pytest.mark.parametrize("branch", BRANCHES)
def test_the_pins_of_components_are_true_or_open(branch: str) -> None:
    """What nobody could compute is a placeholder, which no switch but its own leads to."""
    sources = package(attribute(branch))["sources"]
    assert set(sources) == {"qemu", "seaBIOS", "ovmf", "ipxe", "miniOS"}
    assert {name for name, one in sources.items() if is_hash(one["hash"])} == {"seaBIOS", "ipxe"}
    assert {name for name, one in sources.items() if one.get("fetchSubmodules")} == {"qemu", "ovmf"}
    for name in ("seaBIOS", "ovmf", "ipxe"):
        assert re.fullmatch("[0-9a-f]{40}", sources[name]["rev"])
    assert sources["qemu"]["rev"].startswith(f"qemu-xen-{branch}.")
    assert sources["miniOS"]["rev"].startswith(f"xen-RELEASE-{branch}.")
    one = dict(package(attribute(branch)))
    del one["sources"]
    assert "/fetched/" not in shown(one)


# --- switches --------------------------------------------------------------------------------------------------------


def flags(name: str) -> set[str]:
    return set(package(name)["configureFlags"])


def test_by_itself_a_package_takes_the_components_that_nixpkgs_has() -> None:
    assert flags("plain") == {
        "--disable-stubdom",
        "--enable-rpath",
        "--enable-systemd",
        "--disable-xsmpolicy",
        "--with-system-qemu",
        "--with-system-seabios=/nixpkgs/seabios-qemu/firmware",
        "--with-system-ovmf=/nixpkgs/OVMF/merged",
        "--with-system-ipxe=/nixpkgs/ipxe/firmware",
    }
    assert package("plain")["outputs"] == ["out", "man", "doc", "dev", "boot"]
    assert package("plain")["prePatch"] == ""
    assert package("plain") == package("xen_4_20")


def test_a_slim_one_has_no_firmware_and_fewer_programs() -> None:
    slim = package("slim")
    assert {"--disable-seabios", "--disable-ovmf", "--disable-ipxe", "--with-system-qemu"} <= flags("slim")
    assert slim["pname"] == "xen-slim"
    assert "no firmware" in slim["meta"]["longDescription"]
    assert "/nixpkgs/openvswitch/" in package("plain")["postInstall"]
    assert "/nixpkgs/openvswitch/" not in slim["postInstall"]
    assert "/nixpkgs/iproute2/" in slim["postInstall"]
    assert package("xen-slim")["version"] == package("xen")["version"]
    assert "--disable-seabios" in flags("xen-slim")


def test_a_slim_one_can_have_one_kind_of_firmware() -> None:
    assert {"--with-system-seabios=/nixpkgs/seabios-qemu/firmware", "--disable-ovmf"} <= flags("slim with SeaBIOS")
    assert "boot by SeaBIOS." in package("slim with SeaBIOS")["meta"]["longDescription"]


def test_efi_needs_its_linker_and_says_its_path() -> None:
    efi = package("plain")
    assert (efi["efi"], efi["multiboot"]) == ("boot/xen-4.20.4.efi", "boot/xen-4.20.4")
    assert "LD=/nixpkgs/binutils-unwrapped-all-targets/bin/ld" in efi["makeFlags"]
    assert "LD=/mine/bin/ld" in package("other linker")["makeFlags"]
    assert "xen-4.20.4.efi" in efi["tests"]["boot"]["script"]
    assert "xen-4.20.4.efi" in efi["meta"]["longDescription"]


def test_without_efi_there_is_no_path_and_no_file() -> None:
    bare = package("without EFI")
    assert bare["efi"] is None
    assert "XEN_BUILD_PE=n" in bare["makeFlags"]
    assert not [one for one in bare["makeFlags"] if one.startswith(("LD=", "EFI_"))]
    assert "efi" not in bare["preInstall"]
    assert ".efi" not in bare["meta"]["longDescription"]
    assert "-name '*.efi'" in bare["tests"]["boot"]["script"]


def test_flask_is_configured_and_its_tools_stay() -> None:
    flask, plain = package("flask"), package("plain")
    assert (flask["flaskPolicy"], plain["flaskPolicy"]) == ("boot/xenpolicy-4.20.4", None)
    assert "--enable-xsmpolicy" in flags("flask")
    assert "CONFIG_XSM=y" in flask["preBuild"]
    assert plain["preBuild"] == ""
    assert "checkpolicy" in flask["nativeBuildInputs"]
    assert "flask-" in plain["postFixup"]
    assert "flask-" not in flask["postFixup"]


def test_sources_of_its_own_lie_where_the_build_looks() -> None:
    sources = package("plain")["sources"]
    found_in = {
        "QEMU": {"qemu": "tools/qemu-xen"},
        "firmware": {
            "seaBIOS": "tools/firmware/seabios-dir-remote",
            "ovmf": "tools/firmware/ovmf-dir-remote",
            "ipxe": "etherboot/ipxe",
        },
        "Mini-OS": {"miniOS": "extras/mini-os"},
    }
    for switches, places in found_in.items():
        script = package(switches)["prePatch"]
        assert dict(re.findall(r"cp -r /fetched/(\S+) (\S+)", script)) == {
            sources[name]["rev"]: place for name, place in places.items()
        }
    assert "--with-system-qemu" not in flags("QEMU")
    assert {"--enable-seabios", "--enable-ovmf", "--enable-ipxe", "--with-system-qemu"} <= flags("firmware")
    assert {"meson", "ninja"} <= set(package("QEMU")["nativeBuildInputs"])
    assert {"nasm", "dev86"} <= set(package("firmware")["nativeBuildInputs"])


def test_a_release_gets_the_libraries_of_its_time() -> None:
    inputs = {branch: set(package(attribute(branch))["buildInputs"]) for branch in BRANCHES}
    assert [branch for branch in BRANCHES if "yajl" in inputs[branch]] == ["4.17", "4.18", "4.19", "4.20"]
    assert [branch for branch in BRANCHES if "json_c" in inputs[branch]] == ["4.21", "4.22"]
    assert [branch for branch in BRANCHES if "lz4" in inputs[branch]] == ["4.22"]


def test_firmware_without_it_is_refused() -> None:
    assert {name: found()[f"refused {name}"] for name in REFUSED} == dict.fromkeys(REFUSED)
    assert {"--disable-seabios", "--disable-ovmf", "--disable-ipxe"} <= flags("no firmware")


# --- what a package says of itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*map(attribute, BRANCHES), "xen-slim", "without EFI", "flask", "build newer"])
def test_the_texts_name_no_other_version(name: str) -> None:
    one = package(name)
    names, meta = Names(one["version"]), one["meta"]
    assert "\n" not in meta["description"]
    assert meta["description"][0].isupper()
    assert not meta["description"].endswith(".")
    for text in (meta["description"], meta["longDescription"], meta["changelog"], meta.get("downloadPage", "")):
        assert names.others(text) == []
    assert meta["branch"] == names.branch in meta["changelog"]
    assert f"boot/xen-{one['upstreamVersion']}`" in meta["longDescription"]


def test_licences_and_platform() -> None:
    meta = package("xen")["meta"]
    assert [one["shortName"] for one in meta["license"]] == ["gpl2Only", "lgpl21Only", "mit", "cc-by-40"]
    assert (meta["platforms"], meta["mainProgram"]) == (["x86_64-linux"], "xl")


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_supported_branch_has_no_known_vulnerabilities(branch: str) -> None:
    one = package(attribute(branch))
    assert one["meta"]["knownVulnerabilities"] == []
    assert one["support"]["full"] < one["support"]["security"]


def test_past_the_window_a_branch_is_marked() -> None:
    assert found()['day "2027-12-12"'] == found()["day null"] == found()["later 4.18"] == []
    (mark,) = found()['day "2027-12-13"']
    assert "4.17" in mark
    assert "2027-12-12" in mark
    assert found()['day "20280101120000"'] == found()["slim 4.17"] == [mark]


# --- for those who build on it ---------------------------------------------------------------------------------------


def test_a_source_that_is_there_is_built_with_options() -> None:
    one = package("build source")
    assert (one["pname"], one["version"], one["upstreamVersion"]) == ("xen", "4.22.0-rc3", "4.22.0-rc3")
    assert one["branch"] == "4.22"
    assert one["src"].endswith("/tree")
    assert "'CONFIG_DEBUG=y' 'CONFIG_HVM=n'" in one["preBuild"]


def test_a_release_is_built_by_its_tag() -> None:
    one = package("build tag")
    assert (one["pname"], one["version"], one["src"]["rev"], one["src"]["hash"]) == (
        "xen",
        "4.19.2",
        "RELEASE-4.19.2",
        "sha256-x",
    )
    assert (one["latest"], one["branch"], one["efi"]) == (False, "4.19", "boot/xen-4.19.2.efi")
    assert "downloadPage" in one["meta"]
    assert one["sources"] == {}


def test_a_commit_is_built_with_more_patches() -> None:
    one = package("build commit")
    assert one["src"]["rev"] == "0123456789abcdef0123456789abcdef01234567"
    assert one["multiboot"] == "boot/xen-4.20.5-pre"
    assert one["patches"][0]["fetcher"] == "fetchpatch"
    assert [Path(patch).name for patch in one["patches"][1:]] == ["mine.patch", "other.patch"]
    assert {"XEN_DOMAIN=mine", "EFI_VENDOR=mine"} <= set(one["makeFlags"])
    # Nobody offers a commit for download.
    assert "downloadPage" not in one["meta"]


def test_a_newer_one_needs_no_patch_of_ours() -> None:
    assert package("build newer")["patches"] == []
    assert package("build newer")["pname"] == "mine"


def test_what_is_built_can_be_overridden_before_and_after() -> None:
    assert package("build overridden")["efi"] is None
    script = package("build with a pin")["prePatch"]
    assert "cp -r /fetched/mine tools/firmware/seabios-dir-remote" in script
    assert "one.patch" in script
