"""From a release to a commit of a stable branch and back: tag, commit, and the version that the tree gives itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.package.support import (
    DERIVED,
    FIXTURES,
    LITERAL,
    NEW_HASH,
    OLD_HASH,
    READ,
    edited,
    moved,
    nix_accepts,
    plan_for,
    plan_to,
    read,
    release,
    rewritten,
    tip,
)
from xenbump.errors import Failure, Refusal
from xenbump.package import rewrite

if TYPE_CHECKING:
    from xenbump.plan.model import Target

TIP, COMMIT = tip(), "c" * 40
NEXT = replace(tip("4.20.4-unstable-2026-08-09"), commit="d" * 40)
OWN = '  version = "4.20.3";\n  upstreamVersion = finalAttrs.version;\n'


def with_upstream(shape: str, line: str) -> str:
    return FIXTURES[shape].replace('  version = "4.20.3";\n', f'  version = "4.20.3";\n{line}')


def pinned(shape: str = LITERAL, line: str = "") -> str:
    """A file that pins the commit of a release."""
    text = with_upstream(shape, line)
    return text.replace('tag = "RELEASE-4.20.3"', f'rev = "{"a" * 40}"')


@pytest.mark.parametrize("shape", READ)
def test_to_a_tip_and_back(shape: str) -> None:
    before = FIXTURES[shape].replace('  version = "4.20.3";\n', OWN)
    there = moved(before, TIP)
    written = '"RELEASE-4.20.3"' if shape == LITERAL else '"RELEASE-${finalAttrs.version}"'
    assert there == (
        before.replace('version = "4.20.3"', 'version = "4.20.4-unstable-2026-08-01"')
        .replace("upstreamVersion = finalAttrs.version;", 'upstreamVersion = "4.20.4-pre";')
        .replace(f"tag = {written}", f'rev = "{COMMIT}"')
        .replace(OLD_HASH, NEW_HASH)
    )
    assert nix_accepts(there)
    said = read(there)
    assert (said.shape, said.rev, said.upstream_version) == (LITERAL, COMMIT, "4.20.4-pre")
    assert (said.version, said.warnings) == ("4.20.4-unstable-2026-08-01", ())
    back = edited(there, plan_to(said, release("4.20.3"), digest=OLD_HASH))
    # A derived tag does not come back by itself: the release that follows is spelt out.
    assert back == before.replace("RELEASE-${finalAttrs.version}", "RELEASE-4.20.3")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "line", ['  version = "4.20.3";', '\tversion = "4.20.3"; # kept', '  "version" = "4.20.3"; /**/']
)
def test_where_the_tree_has_no_version_of_its_own_one_is_added_below_the_version(line: str, newline: str) -> None:
    before = FIXTURES[LITERAL].replace('  version = "4.20.3";', line).replace("\n", newline)
    there = moved(before, TIP)
    old = line.replace("4.20.3", "4.20.4-unstable-2026-08-01") + newline
    indentation = line[: len(line) - len(line.lstrip())]
    assert f'{old}{indentation}upstreamVersion = "4.20.4-pre";{newline}{newline}' in there
    assert there.count("upstreamVersion") == 1
    assert nix_accepts(there)


def test_the_added_version_in_a_set_on_one_line() -> None:
    before = (
        '{ stdenv, fetchFromGitHub }: stdenv.mkDerivation { pname = "xen"; version = "4.20.3"; src = fetchFromGitHub '
        f'{{ owner = "xen-project"; repo = "xen"; tag = "RELEASE-4.20.3"; hash = "{OLD_HASH}"; }}; }}'
    )
    there = moved(before, TIP)
    assert 'version = "4.20.4-unstable-2026-08-01"; upstreamVersion = "4.20.4-pre"; src' in there
    back = moved(there, release("4.20.3"))
    # Without a name for the final set, the version is spelt out.
    assert 'version = "4.20.3"; upstreamVersion = "4.20.3"; src' in back
    assert read(back).upstream_version == "4.20.3"


def test_from_tip_to_tip_only_values_change() -> None:
    there = moved(FIXTURES[LITERAL].replace('  version = "4.20.3";\n', OWN), TIP)
    after = moved(there, NEXT)
    assert after == there.replace(COMMIT, "d" * 40).replace("2026-08-01", "2026-08-09")


def test_a_tip_that_does_not_say_what_its_tree_is_gets_told() -> None:
    there = moved(FIXTURES[LITERAL], TIP).replace('  upstreamVersion = "4.20.4-pre";\n', "")
    assert read(there).upstream_version is None
    assert '  upstreamVersion = "4.20.4-pre";\n' in moved(there, NEXT)
    # Where only patches change, it is left as it is.
    assert moved(there, TIP) == there


def test_in_rec_the_version_is_named_plainly() -> None:
    before = FIXTURES[LITERAL].replace('  version = "4.20.3";\n', OWN)
    before = before.replace("(finalAttrs: {", "(rec {").replace("finalAttrs.", "")
    there = moved(before, TIP)
    assert 'upstreamVersion = "4.20.4-pre";' in there
    assert "upstreamVersion = version;" in moved(there, release("4.20.4"))


def test_the_name_of_the_final_set_is_the_files_own() -> None:
    there = moved(FIXTURES[LITERAL].replace("finalAttrs", "self"), TIP)
    assert "upstreamVersion = self.version;" in moved(there, release("4.20.4"))


@pytest.mark.parametrize("line", ["", "  upstreamVersion = finalAttrs.version;\n"])
def test_a_file_that_pins_releases_by_commit_goes_on_to_do_so(line: str) -> None:
    before = pinned(line=line)
    said = read(before)
    assert (said.shape, said.rev, said.upstream_version, said.version) == (LITERAL, "a" * 40, None, "4.20.3")
    after = moved(before, release("4.20.4"))
    assert after == before.replace("4.20.3", "4.20.4").replace("a" * 40, "2" * 40).replace(OLD_HASH, NEW_HASH)
    assert nix_accepts(after)


def test_a_commit_that_is_not_the_releases_is_put_right() -> None:
    before = pinned()
    after = edited(before, plan_to(read(before), release("4.20.3"), digest=OLD_HASH))
    assert after == before.replace("a" * 40, "2" * 40)


def test_a_literal_version_of_the_tree_follows_the_release() -> None:
    before = with_upstream(LITERAL, '  upstreamVersion = "4.20.3";\n')
    said = read(before)
    # It is one of the values that an edit replaces, so nobody need be warned of it.
    assert (said.upstream_version, said.warnings) == ("4.20.3", ())
    assert rewritten(before) == before.replace("4.20.3", "4.20.4").replace(OLD_HASH, NEW_HASH)


@pytest.mark.parametrize(
    "value", ["lib.version", "version", '"4.20.${x}"', "other.version", 'finalAttrs.version + "-pre"', "''4.20.3-pre''"]
)
@pytest.mark.parametrize("shape", READ)
def test_a_version_of_the_tree_that_is_anything_else_is_refused(shape: str, value: str) -> None:
    text = with_upstream(shape, f"  upstreamVersion = {value};\n")
    assert nix_accepts(text)
    with pytest.raises(Refusal) as caught:
        read(text)
    assert caught.value.code == "E-NOT-LITERAL"
    assert "upstreamVersion" in caught.value.what


def test_an_inherited_version_of_the_tree_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        read(with_upstream(LITERAL, "  inherit upstreamVersion;\n"))
    assert caught.value.code == "E-NOT-LITERAL"


@pytest.mark.parametrize(("old", "new"), [("a" * 40, "b" * 40), ('= "4.20.3-x"', '= "4.20.3-y"')])
def test_a_file_whose_commit_or_tree_changed_since_is_refused(old: str, new: str) -> None:
    before = pinned(line='  upstreamVersion = "4.20.3-x";\n')
    plan = plan_for(read(before))
    with pytest.raises(Refusal) as caught:
        rewrite.write(before.replace(old, new).encode(), plan)
    assert caught.value.code == "E-FILE-CHANGED"


@pytest.mark.parametrize("shape", READ)
@pytest.mark.parametrize(
    "target",
    [
        replace(TIP, commit="c" * 39),
        replace(TIP, commit='c"; evil = "'),
        replace(TIP, commit="RELEASE-4.20.3"),
        replace(TIP, tree_version='4.20.4-pre"; evil = "'),
        replace(TIP, tree_version="4.20.4-${x}"),
        replace(TIP, version="4.20.4-unstable"),
    ],
)
def test_a_tip_that_would_read_back_as_something_else_is_not_written(shape: str, target: Target) -> None:
    with pytest.raises((Failure, Refusal)):
        moved(FIXTURES[shape], target)


@pytest.mark.parametrize("shape", READ)
def test_a_release_whose_tree_has_another_version_needs_a_place_to_say_so(shape: str) -> None:
    odd = replace(release("4.20.4"), tree_version="4.20.4.1")
    with pytest.raises(Failure) as caught:
        moved(FIXTURES[shape], odd)
    assert caught.value.code == "E-EDIT-CHECK"


def test_a_derived_tag_stays_derived_from_release_to_release() -> None:
    assert "RELEASE-${finalAttrs.version}" in rewritten(FIXTURES[DERIVED])
