"""The shape `derivation-fetchgit`: what it says, edits there and back, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.package.support import (
    FILE,
    FIXTURES,
    NEW_HASH,
    OLD_HASH,
    changed_to,
    edited,
    moved,
    nix_accepts,
    plan_to,
    read,
    release,
    tip,
    xsa,
)
from xenbump.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xenbump.plan.model import Patch

KEY = "derivation-fetchgit"
TEXT = FIXTURES[KEY]
REV = "0123456789abcdef0123456789abcdef01234567"
NEXT = release("4.20.4")
TIP = tip()


def changed(old: str, new: str, text: str = TEXT) -> str:
    """The fixture with one place changed."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


def refused(text: str, code: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(text)
    assert caught.value.code == code, str(caught.value)
    return caught.value


def place_of(text: str, part: str, inside: str = "") -> str:
    """Line and column of a text that stands once in a file, or of a part of it."""
    assert text.count(part) == 1, part
    start = text.index(part) + part.index(inside)
    return f"line {text[:start].count(chr(10)) + 1}, column {start - text.rfind(chr(10), 0, start)}"


def test_what_the_file_says() -> None:
    said = read(TEXT)
    assert (said.shape, said.fetcher, said.version) == (KEY, "fetchgit", "4.20.3")
    assert (said.rev, said.hash, said.upstream_version, said.efi) == (REV, OLD_HASH, None, True)
    assert said.warnings == ()
    assert [(patch.path, patch.xsa) for patch in said.patches] == [
        ("0001-install-into-the-prefix.patch", None),
        ("0002-script-paths.patch", None),
        (None, 469),
        (None, 469),
        (None, 472),
    ]


def with_series(text: str, series: Sequence[Patch]) -> str:
    """The file with other patches and nothing else changed."""
    subject = read(text)
    target = replace(release(subject.version), commit=subject.rev or "")
    plan = plan_to(subject, target, digest=subject.hash, patches=changed_to(subject.patches, series))
    after = edited(text, plan)
    assert nix_accepts(after)
    return after


# --- there and back --------------------------------------------------------------------------------------------------


def test_a_bump_replaces_version_commit_and_hash_and_goes_back() -> None:
    after = moved(TEXT, NEXT)
    wanted = changed('version = "4.20.3"', 'version = "4.20.4"')
    wanted = changed(f'rev = "{REV}"', f'rev = "{"2" * 40}"', wanted)
    assert after == changed(OLD_HASH, NEW_HASH, wanted)
    assert nix_accepts(after)
    back = replace(release("4.20.3"), commit=REV)
    assert edited(after, plan_to(read(after), back, digest=OLD_HASH)) == TEXT


def test_a_security_bump_adds_patches_below_their_like_and_goes_back() -> None:
    old = read(TEXT).patches
    new = (xsa(471), xsa(490, 1), xsa(490, 2))
    after = with_series(TEXT, (*old[:4], new[0], old[4], *new[1:]))

    def call(number: int) -> str:
        patch = new[number]
        return f'    (fetchpatch {{\n      url = "{patch.url}";\n      hash = "{patch.hash}";\n    }})\n'

    wanted = changed("    # XSA #472\n", f"    # XSA #471\n{call(0)}\n    # XSA #472\n")
    end = "    })\n  ];\n"
    wanted = changed(end, f"    }})\n\n    # XSA #490\n{call(1)}{call(2)}  ];\n", wanted)
    assert after == wanted
    assert with_series(after, old) == TEXT


def test_a_patch_that_lands_takes_its_heading_along_when_it_is_the_last_of_its_advisory() -> None:
    old = read(TEXT).patches
    one = with_series(TEXT, [*old[:2], *old[3:]])
    assert one.count("# XSA #469") == 1
    assert "# of two" in one
    both = with_series(TEXT, [*old[:2], *old[4:]])
    assert "469" not in both
    assert "# of two" not in both
    start, end = TEXT.index("    # XSA #469"), TEXT.index("    # XSA #472")
    assert both == TEXT[:start] + TEXT[end:]


def test_with_the_last_patch_that_is_fetched_its_function_goes_and_comes_back_with_the_next() -> None:
    old = read(TEXT).patches
    without = with_series(TEXT, old[:2])
    assert "fetchpatch" not in without
    again = with_series(without, old)
    # A comment that went with a patch does not come back with it.
    assert again == changed(" # of two", "")


def test_a_bump_with_patches_is_both_at_once() -> None:
    subject = read(TEXT)
    series = (*subject.patches[:2], subject.patches[4], xsa(490))
    plan = plan_to(subject, NEXT, patches=changed_to(subject.patches, series))
    after = edited(TEXT, plan)
    assert after == with_series(moved(TEXT, NEXT), series)
    said = read(after)
    assert (said.version, said.rev, said.hash, said.patches) == ("4.20.4", "2" * 40, NEW_HASH, series)


def test_to_a_tip_and_to_the_release_after_it() -> None:
    there = moved(TEXT, TIP)
    comment = "; # keep in step with the NixOS module\n"
    wanted = changed(
        f'version = "4.20.3"{comment}', f'version = "{TIP.version}"{comment}  upstreamVersion = "4.20.4-pre";\n'
    )
    assert there == changed(OLD_HASH, NEW_HASH, changed(REV, TIP.commit, wanted))
    said = read(there)
    assert (said.shape, said.rev, said.upstream_version, said.warnings) == (KEY, TIP.commit, "4.20.4-pre", ())
    # The commit of a release is pinned as that of a tip was; what the tree calls itself is the version again.
    back = moved(there, NEXT)
    wanted = changed(TIP.version, "4.20.4", there).replace(TIP.commit, NEXT.commit)
    assert back == changed('upstreamVersion = "4.20.4-pre"', "upstreamVersion = finalAttrs.version", wanted)
    assert nix_accepts(there)
    assert nix_accepts(back)


def test_from_tip_to_tip_the_values_alone_change() -> None:
    there = moved(TEXT, TIP)
    later = replace(TIP, version="4.20.4-unstable-2026-08-09", commit="d" * 40)
    assert moved(there, later) == there.replace(TIP.version, later.version).replace(TIP.commit, later.commit)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_switch_for_efi(newline: str) -> None:
    text = TEXT.replace("\n", newline)
    subject = read(text)
    plan = plan_to(subject, release(), digest=subject.hash)
    plan = replace(plan, target=replace(release("4.20.3"), commit=REV))
    off = edited(text, replace(plan, efi=False))
    assert off == text.replace("withEFI ? true", "withEFI ? false")
    assert read(off).efi is False
    assert edited(text, replace(plan, efi=True)) == text


# --- other spellings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "after"),
    [
        ('rev = "RELEASE-4.20.3"', 'rev = "RELEASE-4.20.4"'),
        ('tag = "RELEASE-4.20.3"', 'tag = "RELEASE-4.20.4"'),
        ('rev = "refs/tags/RELEASE-4.20.3"', 'rev = "refs/tags/RELEASE-4.20.4"'),
        ('rev = "RELEASE-${finalAttrs.version}"', 'rev = "RELEASE-${finalAttrs.version}"'),
        ('tag = "refs/tags/RELEASE-${finalAttrs.version}"', 'tag = "refs/tags/RELEASE-${finalAttrs.version}"'),
    ],
)
def test_a_tag_stays_a_tag(written: str, after: str) -> None:
    text = changed(f'rev = "{REV}"', written)
    assert (read(text).shape, read(text).rev) == (KEY, None)
    wanted = changed('version = "4.20.3"', 'version = "4.20.4"', text).replace(written, after)
    assert moved(text, NEXT) == changed(OLD_HASH, NEW_HASH, wanted)
    # For a tip, which has no tag, it becomes a commit.
    assert f'rev = "{TIP.commit}"; # the commit' in moved(text, TIP)


@pytest.mark.parametrize(
    "url",
    [
        "https://xenbits.xen.org/git-http/xen.git",
        "http://xenbits.xen.org/git-http/xen.git",
        "git://xenbits.xen.org/xen.git",
        "https://github.com/xen-project/xen.git",
        "https://github.com/xen-project/xen",
        "https://gitlab.com/xen-project/xen/",
    ],
)
def test_addresses_of_xen(url: str) -> None:
    text = changed("https://xenbits.xenproject.org/git-http/xen.git", url)
    assert read(text) == read(TEXT)
    assert moved(text, NEXT) == moved(TEXT, NEXT).replace("https://xenbits.xenproject.org/git-http/xen.git", url)


@pytest.mark.parametrize("name", ["version", "rev", "hash"])
def test_a_literal_one_step_away_is_followed(name: str) -> None:
    value = {"version": "4.20.3", "rev": REV, "hash": OLD_HASH}[name]
    text = changed(f'    {name} = "{value}"' if name != "version" else f'  {name} = "{value}"', f"    inherit {name}")
    text = changed("in\n\nstdenv", f'  {name} = "{value}"; # here\nin\n\nstdenv', text)
    assert nix_accepts(text)
    assert read(text) == read(TEXT)
    wanted = text.replace('"4.20.3"', '"4.20.4"').replace(f'"{REV}"', f'"{NEXT.commit}"')
    assert moved(text, NEXT) == wanted.replace(OLD_HASH, NEW_HASH)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'rev = "{REV}"', "rev = commit"),
        (OLD_HASH + '"', OLD_HASH + '" + ""'),
        ('version = "4.20.3"', "version = number"),
    ],
)
def test_a_literal_two_steps_away_is_not(old: str, new: str) -> None:
    text = changed(old, new)
    defined = '  commit = pins.rev;\n  pins.rev = "x";\n  number = other;\n  other = "4.20.3";\n'
    text = changed("in\n\nstdenv", f"{defined}in\n\nstdenv", text)
    assert nix_accepts(text)
    error = refused(text, "E-NOT-LITERAL")
    assert re.search(r"line \d+, column \d+$", error.where)


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", [OLD_HASH * 2, "sha256-" + "A" * 43 + "=", ""])
def test_a_hash_that_is_none_is_told_with_its_place_and_repaired(digest: str) -> None:
    text = changed(OLD_HASH, digest)
    (warning,) = read(text).warnings
    assert "the source hash is" in warning
    part = f'    hash = "{digest}"' if digest else '    hash = ""'
    assert place_of(text, part, f'{digest}"') in warning if digest else "line " in warning
    assert moved(text, NEXT) == moved(TEXT, NEXT)


def test_a_tip_without_the_version_of_its_tree_is_told_and_repaired() -> None:
    there = moved(TEXT, TIP)
    text = changed('  upstreamVersion = "4.20.4-pre";\n', "", there)
    (warning,) = read(text).warnings
    assert "`upstreamVersion`" in warning
    assert place_of(text, f'"{TIP.version}"', TIP.version) in warning
    later = replace(TIP, version="4.20.4-unstable-2026-08-09", commit="d" * 40)
    assert moved(text, later) == moved(there, later)


@pytest.mark.parametrize(
    ("old", "new", "code", "inside"),
    [
        ('url = "https://xenbits.xenproject.org/git-http/xen.git"', 'url = "@"', "E-SOURCE-OTHER", "@"),
        (
            "https://xenbits.xenproject.org/git-http/xen.git",
            "https://xenbits.xen.org/git-http/qemu-xen.git",
            "E-SOURCE-OTHER",
            "",
        ),
        (
            "https://xenbits.xenproject.org/git-http/xen.git",
            "https://xenbits.xenproject.org.example.org/git-http/xen.git",
            "E-SOURCE-OTHER",
            "",
        ),
        (
            "https://xenbits.xenproject.org/git-http/xen.git",
            "https://github.com/xen-project/../someone/xen.git",
            "E-SOURCE-OTHER",
            "",
        ),
        (
            'url = "https://xenbits.xenproject.org/git-http/xen.git"',
            'url = "${base}/xen.git"',
            "E-NOT-LITERAL",
            '"',
        ),
        (f'    rev = "{REV}"', "    rev = null", "E-NOT-LITERAL", "null"),
        (f'    rev = "{REV}"', "    inherit (pins) rev", "E-NOT-LITERAL", "inherit"),
        (f'    rev = "{REV}"', '    rev = "${commit}"', "E-NOT-LITERAL", '"'),
        (f'    rev = "{REV}"', '    rev = "RELEASE-${version}"', "E-NOT-LITERAL", '"'),
        (f'    rev = "{REV}"', '    rev = "RELEASE-4.20.2"', "E-TAG-DISAGREES", '"'),
        (f'    rev = "{REV}"', '    rev = "stable-4.20"', "E-TAG-DISAGREES", '"'),
        (f'    rev = "{REV}"', f'    rev = "{REV[:12]}"', "E-TAG-DISAGREES", '"'),
        (f'    rev = "{REV}"', f'    rev = "{REV}"; tag = "RELEASE-4.20.3"', "E-AMBIGUOUS", ""),
        (f'    rev = "{REV}"', f'    rev = "{REV}"; rev = "{REV}"', "E-NIX-SYNTAX", ""),
        (f'    rev = "{REV}"; # the commit, not the tag object\n', "", "E-SHAPE-UNKNOWN", ""),
        (f'    hash = "{OLD_HASH}";\n', "", "E-MISSING", ""),
        (f'    hash = "{OLD_HASH}"', "    hash = lib.hashOf", "E-NOT-LITERAL", "lib"),
        (f'    hash = "{OLD_HASH}"', "    inherit hash", "E-NOT-LITERAL", "inherit"),
        (f'    hash = "{OLD_HASH}"', f'    hash = "{OLD_HASH}"; hash = ""', "E-NIX-SYNTAX", ""),
        (f'    hash = "{OLD_HASH}"', f"    hash = ''{OLD_HASH}''", "E-NOT-LITERAL", "''"),
        ('  version = "4.20.3"', "  inherit version", "E-NOT-LITERAL", "inherit"),
        ('  version = "4.20.3"', '  version = "4.20"', "E-VERSION-FORM", "4.20"),
        ('  version = "4.20.3"', '  version = "4.20.3-rc1"', "E-VERSION-FORM", "4.20"),
        ('  version = "4.20.3"', '  version = "4.20.3"; version = "4.20.3"', "E-NIX-SYNTAX", ""),
        ('  version = "4.20.3"', '  version = "${number}"', "E-NOT-LITERAL", '"'),
    ],
)
def test_what_leaves_room_to_guess_is_refused_with_its_place(old: str, new: str, code: str, inside: str) -> None:
    text = changed(old, new)
    error = refused(text, code)
    assert error.where.startswith(FILE)
    if inside:
        assert error.where == f"{FILE}, {place_of(text, new, inside)}"
    elif code != "E-SHAPE-UNKNOWN":
        assert re.search(r"line \d+, column \d+$", error.where)


@pytest.mark.parametrize(
    "option",
    [
        "fetchSubmodules = true;",
        "leaveDotGit = true;",
        "deepClone = true;",
        'sparseCheckout = [ "xen" ];',
        "postFetch = ''rm -r $out/docs'';",
        'branchName = "stable-4.20";',
        'sha256 = "";',
        "inherit (pins) fetchLFS;",
    ],
)
def test_an_option_of_the_fetcher_is_refused_with_its_place(option: str) -> None:
    text = changed("  src = fetchgit {\n", f"  src = fetchgit {{\n    {option}\n")
    assert nix_accepts(text)
    assert refused(text, "E-FETCHER-OPTION").where == f"{FILE}, {place_of(text, option)}"


def test_two_candidates_are_refused_with_both_places() -> None:
    text = f"{{ pkgs }}:\n{{\n  a = {TEXT};\n  b = {TEXT};\n}}\n"
    assert nix_accepts(text)
    assert refused(text, "E-AMBIGUOUS").where.count("line ") == 2


def test_both_fetchers_in_one_file_are_two_shapes() -> None:
    text = f"{{ pkgs }}:\n{{\n  a = {TEXT};\n  b = {FIXTURES['derivation-github']};\n}}\n"
    assert nix_accepts(text)
    error = refused(text, "E-SHAPE-UNKNOWN")
    assert "derivation-github" in error.what
    assert KEY in error.what


def test_patches_that_are_written_elsewhere_take_none() -> None:
    start, end = TEXT.index("  patches = [\n    # The"), TEXT.index("  outputs = [")
    text = TEXT[:start] + "  inherit patches;\n\n" + TEXT[end:]
    subject = read(text)
    assert subject.patches == ()
    plan = plan_to(subject, NEXT, patches=changed_to((), (xsa(490),)))
    with pytest.raises(Refusal) as caught:
        edited(text, plan)
    assert caught.value.code == "E-PATCH-LIST"
    assert caught.value.where == f"{FILE}, {place_of(text, '  inherit patches', 'inherit')}"
