"""A folder with a file for each branch, end to end: pins of the release's tree, named patches, a branch that comes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.hashes.support import nix_hash
from tests.package import folders
from tests.support import kept
from tests.support.worlds import staged
from xenbump.demo.git_server import isolated_git
from xenbump.demo.xen_project import DEFAULT, Release, Support
from xenbump.demo.xen_tree import Pins
from xenbump.hashes import patch as hashing
from xenbump.journal import Journal
from xenbump.outcomes import Planned, Published, Stopped, UpToDate, Written
from xenbump.pipeline import Wish, hash_of, opened
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.worlds import Stage
    from xenbump.outcomes import Outcome
    from xenbump.pipeline import Pipeline
    from xenbump.settings import Package

NAMES = ("qemu", "seabios", "ovmf", "minios", "ipxe")
WHO = {"GIT_AUTHOR_NAME": "Demo", "GIT_AUTHOR_EMAIL": "demo@localhost", "GIT_AUTHOR_DATE": "1767614400 +0000"}
WHO |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in WHO.items()}
NEW_FILE = b"""\
diff --git a/xen/new.c b/xen/new.c
new file mode 100644
--- /dev/null
+++ b/xen/new.c
@@ -0,0 +1 @@
+int new;
"""
ENDED, OPEN = Support("2020-01-01", "2021-01-01", "2022-01-01"), Support("2026-01-01", "2097-01-01", "2098-01-01")


class Component:
    """A component's repository: one commit a file, a tag for each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=master", ".")

    def git(self, *arguments: str) -> str:
        done = run(["git", *arguments], cwd=self.folder, env={**isolated_git(), **WHO})
        return done.stdout.decode().strip()

    def commit(self, content: str, tag: str) -> str:
        (self.folder / "file").write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", content)
        self.git("tag", "--annotate", "--message", tag, tag)
        return self.git("rev-parse", "HEAD")

    def hash(self, commit: str, place: Path) -> str:
        """What Nix says of the checkout."""
        place.mkdir(parents=True)
        self.git("read-tree", commit)
        self.git(f"--work-tree={place}", "checkout-index", "--all", "--force")
        return nix_hash(place)


class Place:
    """A checkout with `xen/4.19`, `xen/4.20` and what they share; the file of 4.20 is right for 4.20.2."""

    def __init__(self, stage: Stage, components: dict[str, Component], commits: dict[str, str], folder: Path) -> None:
        self.stage = stage
        self.commits = commits
        self.hashes = {name: components[name].hash(commits[name], folder / name) for name in NAMES}
        world = stage.world
        for path, content in self._made().items():
            (world.checkout / path).parent.mkdir(parents=True, exist_ok=True)
            (world.checkout / path).write_bytes(content)
        roots = "".join(f'{name} = "{one.folder}"\n' for name, one in components.items())
        stage.configure(r"\[\[package\]\]", f"[upstream.components]\n{roots}\n[[package]]")
        stage.configure(r'file = ".*"', f'file = "{folders.FILE}"')
        stage.settle()
        self._after: tuple[kept.Bare, kept.Checkout] | None = None

    def _made(self) -> dict[str, bytes]:
        world = self.stage.world
        text = folders.TEXT.replace("4.20.1", "4.20.2").replace("rel-1.16.3", self.commits["seabios"])
        text = text.replace("      XSA_482_01\n      XSA_482_02\n", "")
        text = text[: text.index("\n        # libxl")] + text[text.index("      ] ++") :]
        commit = run(["git", "rev-parse", "RELEASE-4.20.2^{commit}"], cwd=world.xen.path).stdout.decode().strip()
        text = text.replace("a" * 40, commit)
        digest = hash_of(world.config(), "RELEASE-4.20.2", "fetchgit", lambda _: None).hash
        text = text.replace("sha256-+qTHIsDD2A5lVwmpJ7artnzdviT1XN05CYeu7JFxfqc=", digest, 1)
        listed = hashing.fetchpatch((world.xenbits.folder / "xsa480.patch").read_bytes())
        files = folders.folder(
            text,
            older=folders.sibling("4.19", "XSA_480"),
            patches=folders.shared(folders.entry("480", digest=listed)),
        ).files
        files["xen/4.20/0001-script-paths.patch"] = (world.checkout / "pkgs/xen/paths.patch").read_bytes()
        return files

    def do(self, work: Callable[[Pipeline, Package], Outcome]) -> Outcome:
        config = self.stage.config()
        with Journal(config.state).run("test") as journal, opened(config, journal, lambda _: None) as pipeline:
            return work(pipeline, config.packages[0])

    def plan(self, to: str = "", *, security_only: bool = False) -> Planned:
        outcome = self.do(lambda pipeline, one: pipeline.plan(one, to, security_only=security_only))
        assert not isinstance(outcome, Stopped), outcome.error
        assert isinstance(outcome, Planned)
        return outcome

    def refused(self, to: str = "") -> str:
        before = self.stage.world.in_checkout("status", "--porcelain")
        outcome = self.do(lambda pipeline, one: pipeline.bump(one, to, commit=False))
        assert isinstance(outcome, Stopped)
        assert self.stage.world.in_checkout("status", "--porcelain") == before
        return f"{outcome.error.code}: {outcome.error.what}"

    def bumped(self) -> None:
        """Bring the file to the newest release of its branch; what that comes to is done once."""
        if self._after is not None:
            for one in self._after:
                one.put_back()
            return
        outcome = self.do(lambda pipeline, one: pipeline.bump(one, "", commit=True))
        assert isinstance(outcome, Written), outcome
        world = self.stage.world
        world.in_checkout("push", "--quiet", "--force", str(world.folder / "packages.git"), "HEAD:master")
        self._after = (kept.Bare(world.folder / "packages.git"), kept.Checkout(world.checkout))

    def track_latest(self, more: str = "") -> None:
        self.stage.configure(r'(?m)^file = ".*"', f'file = "{folders.FILE}"\ntrack = "latest"{more}')

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.stage.world.checkout / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        self.stage.commit("xen: edit")


def releases(pins: Pins) -> Sequence[Release]:
    """The usual ones and 4.19, which is past its support, with components that there are."""
    support = {"4.19": ENDED, "4.20": OPEN, "4.21": OPEN}
    older = [one for one in DEFAULT if one.line in {"4.2", "4.9"}]
    known = [*older, Release("4.19.0"), Release("4.19.1"), *(one for one in DEFAULT if one not in older)]
    return [replace(one, pins=pins, support=support.get(one.line)) for one in known]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("branches")
    components = {name: Component(folder / "components" / name) for name in NAMES}
    for name, one in components.items():
        one.commit(f"old {name}", "old")
    tags = {"qemu": "qemu-xen-4.20.1", "seabios": "rel-1.16.3", "minios": "xen-RELEASE-4.20.0"}
    commits = {name: one.commit(f"new {name}", tags.get(name, "new")) for name, one in components.items()}
    pins = Pins(**{name: tags.get(name, commits[name]) for name in NAMES})
    with staged(folder / "world", releases=releases(pins)) as stage:
        yield Place(stage, components, commits, folder / "checkouts")


@pytest.fixture
def place(shared: Place) -> Place:
    shared.stage.reset()
    return shared


def changed(outcome: Planned) -> list[str]:
    return [edit.file for edit in outcome.edits]


def test_pins_follow_the_tree_of_the_release(place: Place) -> None:
    outcome = place.plan()
    plan = outcome.plan
    assert (plan.subject.shape, plan.subject.branch, plan.subject.siblings) == (
        "version-definition",
        "4.20",
        ("4.19", "4.20"),
    )
    assert (plan.target.version, plan.adds) == ("4.20.4", None)
    assert {(pin.component, pin.rev, pin.hash) for pin in plan.pins} >= {
        (name, place.commits[name], place.hashes[name]) for name in ("qemu", "ovmf", "ipxe")
    }
    assert {pin.component: pin.called for pin in plan.pins} == {
        "qemu": "qemu-xen-4.20.1",
        "seabios": "rel-1.16.3",
        "ovmf": place.commits["ovmf"],
        "ipxe": place.commits["ipxe"],
    }
    # The hash of SeaBIOS stood there with its commit: it is taken as it is.
    assert "sha256-+qTHIsDD2A5lVwmpJ7artnzdviT1XN05CYeu7JFxfqc=" in {pin.hash for pin in plan.pins}
    assert f"qemu is qemu-xen-4.20.1 in Xen's tree; its repository says that this is {place.commits['qemu']}" in (
        plan.warnings
    )
    assert changed(outcome) == [folders.FILE]
    text = (outcome.edits[0].after or b"").decode()
    assert 'version = "4.20.4";' in text
    assert text.count(plan.target.commit) == 1


def test_a_bump_and_then_nothing(place: Place) -> None:
    place.bumped()
    again = place.do(lambda pipeline, one: pipeline.bump(one, "", commit=False))
    assert isinstance(again, UpToDate), again


def test_a_new_advisory_comes_with_its_entry(place: Place) -> None:
    place.bumped()
    name = "xsa500-4.20.patch"
    place.stage.world.xenbits.add(500, [(name, "Xen 4.20.x - Xen 4.9.x", [name])], contents={name: NEW_FILE})
    outcome = place.plan(security_only=True)
    assert changed(outcome) == [folders.FILE, folders.PATCHES]
    (added,) = outcome.plan.patches.add
    assert (added.patch.name, added.patch.hash) == ("XSA_500_4_20", hashing.fetchpatch(NEW_FILE))
    text, patches = ((edit.after or b"").decode() for edit in outcome.edits)
    assert "XSA_480\n      XSA_500_4_20\n" in text
    assert f'hash = "{added.patch.hash}";' in patches
    assert 'id = "500-4.20";' in patches
    assert f'title = "{added.title}";' in patches
    assert added.description
    assert all(line.strip() in patches for line in added.description.splitlines())
    written = place.do(lambda pipeline, one: pipeline.bump(one, "", commit=True, security_only=True))
    assert isinstance(written, Written)
    assert isinstance(place.do(lambda pipeline, one: pipeline.plan(one)), UpToDate)
    assert place.stage.world.in_checkout("show", "--name-only", "--format=").split() == [folders.FILE, folders.PATCHES]


def test_a_placeholder_is_filled_though_the_version_stays(place: Place) -> None:
    place.bumped()
    place.edit(folders.FILE, place.hashes["ovmf"], "sha256-" + "A" * 43 + "=")
    plan = place.plan().plan
    assert {pin.component: pin.hash for pin in plan.pins}["ovmf"] == place.hashes["ovmf"]
    assert any("placeholder" in warning for warning in plan.warnings)
    assert not plan.moves


def test_a_placeholder_that_cannot_be_filled_stays(place: Place) -> None:
    place.bumped()
    place.edit(folders.FILE, place.hashes["ipxe"], "sha256-" + "A" * 43 + "=")
    place.edit(folders.FILE, place.commits["ipxe"], "old")
    place.edit("xen/generic/default.nix", "inherit (pkg.ipxe) rev hash;", "src = pkg.ipxe;")
    stays = place.do(lambda pipeline, one: pipeline.plan(one))
    assert isinstance(stays, UpToDate), stays
    assert any("ipxe" in warning for warning in stays.subject.warnings)


def test_a_component_that_is_not_to_be_had_stops_a_bump(place: Place) -> None:
    place.stage.configure(r'qemu = ".*"', 'qemu = "/nowhere"')
    assert place.refused().startswith("E-GIT-REPOSITORY: ")


@pytest.mark.parametrize(
    ("path", "old", "new", "code"),
    [
        ("xen/generic/default.nix", "inherit (pkg.qemu) rev hash;", "src = pkg.qemu;", "E-COMPONENT-PIN"),
        (folders.FILE, 'branch = "4.20"', 'branch = "4.21"', "E-BRANCH-DISAGREES"),
        (folders.FILE, "XSA_480", "XSA_481", "E-PATCH-NAME"),
    ],
)
def test_what_cannot_be_planned(place: Place, path: str, old: str, new: str, code: str) -> None:
    place.edit(path, old, new)
    assert place.refused().startswith(f"{code}: ")


def test_a_branch_comes(place: Place) -> None:
    place.track_latest()
    outcome = place.plan()
    assert (outcome.plan.adds, outcome.plan.target.version) == ("4.21", "4.21.2")
    assert changed(outcome)[0] == folders.FILE
    assert set(changed(outcome)) == {
        folders.FILE,
        "xen/4.21/default.nix",
        "xen/4.21/0001-script-paths.patch",
        folders.LISTING,
    }
    texts = {edit.file: (edit.after or b"").decode() for edit in outcome.edits}
    assert "latest = false;" in texts[folders.FILE]
    assert 'branch = "4.21";' in texts["xen/4.21/default.nix"]
    assert "latest = true;" in texts["xen/4.21/default.nix"]
    assert "xen_4_21 = callPackage ./4.21 { };" in texts[folders.LISTING]
    assert "xen = xen_4_21;" in texts[folders.LISTING]
    published = place.do(lambda pipeline, one: pipeline.publish(one, Wish()))
    assert isinstance(published, Published), published
    assert published.message.title == "xen: init 4.21 at 4.21.2"
    assert published.branch == "xenbump/xen-4.21"
    world = place.stage.world
    listed = world.in_packages("ls-tree", "-r", "--name-only", published.commit).splitlines()
    assert {"xen/4.21/default.nix", "xen/4.21/0001-script-paths.patch"} <= set(listed)
    again = place.do(lambda pipeline, one: pipeline.publish(one, Wish()))
    assert isinstance(again, Published)
    assert (again.action, again.commit) == ("unchanged", published.commit)


def test_a_branch_is_added_from_the_newest_file_only(place: Place) -> None:
    place.stage.configure(r'file = ".*"', 'file = "xen/4.19/default.nix"\ntrack = "latest"')
    assert place.refused() == "E-BRANCH-EXISTS: a file for 4.21 is made from the newest one, which is that of 4.20"
    assert place.refused("4.20.4") == "E-BRANCH-EXISTS: branch 4.20 has a file of its own beside that of 4.19"


def test_a_branch_past_its_support_goes(place: Place) -> None:
    world = place.stage.world
    place.track_latest('\nretire = "remove"')
    outcome = place.plan()
    assert [(one.branch, one.until, one.removed) for one in outcome.plan.retired] == [("4.19", "2022-01-01", True)]
    texts = {edit.file: edit.after for edit in outcome.edits}
    assert texts["xen/4.19/default.nix"] is None
    assert b"4_19" not in (texts[folders.LISTING] or b"")
    written = place.do(lambda pipeline, one: pipeline.bump(one, "", commit=True))
    assert isinstance(written, Written)
    assert not (world.checkout / "xen/4.19").exists()
    assert world.in_checkout("status", "--porcelain") == ""


def test_the_switch_for_efi_is_set_in_the_builder(place: Place) -> None:
    place.bumped()
    place.stage.configure(r'(?m)^file = ".*"', f'file = "{folders.FILE}"\nefi = false')
    outcome = place.plan()
    assert changed(outcome) == [folders.BUILDER]
    assert b"withEFI ? false" in (outcome.edits[0].after or b"")
    place.edit(folders.BUILDER, "  withEFI ? true,\n", "")
    assert place.refused().startswith("E-EFI-SWITCH: ")


def test_a_tag_object_is_put_right(place: Place) -> None:
    xen = place.stage.world.xen.path
    tagged, commit = (
        run(["git", "rev-parse", name], cwd=xen).stdout.decode().strip()
        for name in ("RELEASE-4.20.4", "RELEASE-4.20.4^{commit}")
    )
    place.bumped()
    place.edit(folders.FILE, commit, tagged)
    plan = place.plan().plan
    assert f"the file pins {tagged}, which is the tag object of RELEASE-4.20.4 and not its commit" in plan.warnings
    assert plan.target.commit == commit
