"""`xenbump audit` and `xenbump xsa` as programs, in a world with signed advisories."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.shelf import diff, source
from tests.support.worlds import staged
from xenbump.demo.advisory_text import build, render
from xenbump.demo.xenbits import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

    from tests.support.worlds import Stage

ALL = "xen-unstable - Xen 4.17.x"


class Place:
    """The world of the demo, at 4.20.2, with advisories, of which 4.20.5 has the fix of 481."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        xen = stage.world.xen
        self.shelf = Shelf(stage.world.folder / "xsa", xen.key)
        before = xen.add_commit("4.20", source(), "a file")
        after = xen.add_commit("4.20", source("fixed"), "x86: fix it\n\nThis is XSA-481.")
        xen.add_release("4.20.5")
        patch = diff(xen, before, after)
        self.shelf.add(478, [("xsa478.patch", "varstored master")])
        self.shelf.add(480, [("xsa480.patch", "Xen 4.20.x")], contents={"xsa480.patch": patch}, title="x86: a title")
        self.shelf.add(481, [("xsa481.patch", ALL)], contents={"xsa481.patch": patch}, cves=["CVE-2026-12345"])
        self.shelf.add(496, [("xsa496.patch", "xen-unstable - Xen 4.21.x")], contents={"xsa496.patch": patch})
        self.shelf.listed(500, public_time="2099-01-01 12:00")
        stage.configure(r'xsa = "[^"]*"\n', f'xsa = "{self.shelf.folder}"\n')

    def call(self, *arguments: str, status: int = 0) -> CompletedProcess[str]:
        done = self.stage.call(*arguments)
        assert done.returncode == status, done.stderr
        return done

    def subjects(self, *arguments: str) -> list[dict[str, Any]]:
        document = json.loads(self.call("audit", "--json", *arguments).stdout)
        assert document["schema"] == "xenbump.audit/1"
        subjects: list[dict[str, Any]] = document["subjects"]
        return subjects

    def verdicts(self, *arguments: str) -> dict[int, str]:
        (subject,) = self.subjects(*arguments)
        return {one["xsa"]: one["verdict"] for one in subject["decisions"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with staged(tmp_path_factory.mktemp("audit")) as stage:
        yield Place(stage)


BARE = {478: "other-tree", 481: "conflict", 496: "other-branch", 500: "embargoed"}


def test_a_package_file(place: Place) -> None:
    # 4.20.2 has not even the file that the patch of 481 changes; the package lists that of 480.
    assert place.verdicts() == {**BARE, 480: "already-patched"}
    text = place.call("audit").stdout
    assert text.startswith("xen: Xen 4.20.2 (RELEASE-4.20.2): 1 conflict, 1 already-patched")
    assert "the file lists xsa480.patch of XSA-480 for 4.20" in text
    assert place.call("audit", "--package", "xen").stdout == text


def test_releases_and_tags(place: Place) -> None:
    assert place.verdicts("--version", "4.20.2") == {**BARE, 480: "conflict"}
    fixed = {478: "other-tree", 480: "in-release", 481: "in-release", 496: "other-branch", 500: "embargoed"}
    assert place.verdicts("--tag", "RELEASE-4.20.5") == fixed
    assert place.verdicts("--tag", "4.20.0-rc1") == {**BARE, 480: "conflict"}
    both = place.subjects("--version", "4.20.2", "--version", "4.20.5", "--tag", "RELEASE-4.21.0")
    assert [(one["name"], one["version"], one["tag"]) for one in both] == [
        ("xen-4.20.2", "4.20.2", "RELEASE-4.20.2"),
        ("xen-4.20.5", "4.20.5", "RELEASE-4.20.5"),
        ("RELEASE-4.21.0", "4.21.0", "RELEASE-4.21.0"),
    ]


def test_what_the_tree_has_is_listed_on_demand(place: Place) -> None:
    assert "4.20.5 has the fix of XSA-481" not in place.call("audit", "--version", "4.20.5").stdout
    assert "4.20.5 has the fix of XSA-481" in place.call("audit", "--version", "4.20.5", "--all").stdout
    markdown = place.call("audit", "--version", "4.20.5", "--markdown", "--all").stdout
    assert "/advisory-481.html) | in-release | `4.20.5 has the fix of XSA-481` |" in markdown


def test_all_releases_from_a_branch_on(place: Place) -> None:
    done = place.call("audit", "--since", "4.20")
    rows = {row.split()[0]: row.split()[1:] for row in done.stdout.splitlines() if row.strip()[:1].isdigit()}
    assert rows["481"] == [*"?????.???"]
    assert rows["480"] == [*"?????.---"]
    subjects = place.subjects("--since", "4.21")
    assert [one["version"] for one in subjects] == ["4.21.0", "4.21.1", "4.21.2"]
    assert place.call("audit", "--since", "4.21", "--markdown").stdout.count("### ") == 3


def test_the_list_and_single_advisories(place: Place) -> None:
    listed = place.call("xsa").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["XSA-500", "XSA-496", "XSA-481", "XSA-480", "XSA-478"]
    assert "(embargoed until 2099-01-01 12:00 UTC)" in listed[0]
    shown = place.call("xsa", "480", "481").stdout
    assert "XSA-480: x86: a title" in shown
    assert "first releases with the fix: 4.20.5" in shown
    document = json.loads(place.call("xsa", "481", "--json").stdout)
    assert document["schema"] == "xenbump.xsa/1"
    (one,) = document["advisories"]
    assert one["first_releases"] == {"4.20": "4.20.5", "4.21": None}
    assert (one["signed_by"], one["cves"]) == (place.shelf.key.fingerprint, ["CVE-2026-12345"])


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["audit", "--since", "4.20.3"], 2, "--since takes a branch X.Y"),
        (["audit", "--package", "other"], 2, "E-PACKAGE-NAME"),
        (["audit", "--nonsense"], 2, "--nonsense"),
        (["xsa", "one"], 2, "Invalid value"),
        (["audit", "--version", "4.20.9"], 20, "E-"),
        (["audit", "--tag", "4.21.0-branched"], 20, "E-REV-UNKNOWN"),
        (["xsa", "479"], 20, "E-XSA-UNKNOWN"),
        (["audit", "--config", "no-such.toml"], 2, "E-CONFIG-MISSING"),
    ],
)
def test_what_is_wrong_is_told(place: Place, arguments: list[str], status: int, words: str) -> None:
    done = place.call(*arguments, status=status)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_forged_text_ends_the_audit_without_a_word_on_stdout(place: Place) -> None:
    path = place.shelf.folder / "advisory-480.txt"
    before = path.read_bytes()
    try:
        path.write_bytes(before.replace(b"Xen 4.20.x", b"Xen 4.19.x"))
        done = place.call("audit", "--json", status=20)
        assert done.stdout == ""
        assert "E-SIGNATURE-BAD" in done.stderr
        path.write_bytes(place.shelf.key.clearsign(render(build(480, [("xsa480.patch", "Linux")], version=1))))
        assert "E-XSA-OLD" in place.call("audit", status=20).stderr
        path.unlink()
        assert "E-XSA-MISSING" in place.call("audit", status=1).stderr
    finally:
        path.write_bytes(before)
