"""Rewriting: version, tag and hash change, and not one other byte; whatever the layout of the file."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.support import (
    DERIVED,
    FIXTURES,
    LITERAL,
    NEW_HASH,
    OLD_HASH,
    READ,
    edited,
    nix_accepts,
    plan_for,
    read,
    rewritten,
)
from xenbump.errors import Failure, Refusal
from xenbump.package import files, rewrite
from xenbump.package.rewrite import Edit


@pytest.mark.parametrize("shape", READ)
def test_only_version_tag_and_hash_change(shape: str) -> None:
    before = FIXTURES[shape]
    after = rewritten(before)
    assert after == (
        before.replace('version = "4.20.3"', 'version = "4.20.4"')
        .replace('tag = "RELEASE-4.20.3"', 'tag = "RELEASE-4.20.4"')
        .replace(OLD_HASH, NEW_HASH)
    )
    assert after != before
    assert nix_accepts(before)
    assert nix_accepts(after)
    said = read(after)
    assert (said.version, said.hash, said.patches) == ("4.20.4", NEW_HASH, read(before).patches)


@pytest.mark.parametrize("shape", READ)
def test_a_longer_version_and_the_way_back(shape: str) -> None:
    there = rewritten(FIXTURES[shape], "4.120.10")
    assert edited(there, plan_for(read(there), "4.20.3", OLD_HASH)) == FIXTURES[shape]


def test_a_mention_of_the_old_version_stays() -> None:
    text = FIXTURES[LITERAL].replace('pname = "xen";', 'pname = "xen"; # since 4.20.3')
    after = rewritten(text)
    assert after.count("4.20.3") == 1
    assert "# since 4.20.3" in after


@pytest.mark.parametrize("shape", READ)
def test_a_malformed_hash_is_replaced(shape: str) -> None:
    text = FIXTURES[shape].replace(OLD_HASH, OLD_HASH * 2)
    assert rewritten(text) == rewritten(FIXTURES[shape])


@pytest.mark.parametrize(
    ("old", "new"),
    [('version = "4.20.3"', 'version = "4.20.2"'), (OLD_HASH, NEW_HASH)],
)
def test_a_file_that_is_not_as_it_was_planned_is_refused(old: str, new: str) -> None:
    plan = plan_for(read(FIXTURES[DERIVED]))
    with pytest.raises(Refusal) as caught:
        rewrite.write(FIXTURES[DERIVED].replace(old, new).encode(), plan)
    assert caught.value.code == "E-FILE-CHANGED"


@pytest.mark.parametrize(
    ("version", "digest"),
    [
        ('4.20.4"; evil = "', NEW_HASH),
        ("4.20.4", NEW_HASH + '"; evil = "'),
        ("4.20.4", "${builtins.readFile /etc/passwd}"),
        ("4.20.4", r"sha256-\n"),
        ("4.20.4 # ", "a\\"),
    ],
)
@pytest.mark.parametrize("shape", READ)
def test_a_value_that_would_end_its_string_is_not_written(shape: str, version: str, digest: str) -> None:
    plan = plan_for(read(FIXTURES[shape]))
    plan = replace(plan, target=replace(plan.target, version=version, tag=f"RELEASE-{version}"), hash=digest)
    with pytest.raises((Failure, Refusal)):
        rewrite.write(FIXTURES[shape].encode(), plan)


def test_what_nix_says_to_an_edit() -> None:
    good, bad = FIXTURES[DERIVED].encode(), b"{ a = ; }"
    assert nix_accepts(good.decode())
    assert files.nix_parses(Edit("x.nix", good, good))
    with pytest.raises(Failure) as caught:
        files.nix_parses(Edit("x.nix", good, bad))
    assert (caught.value.code, caught.value.where) == ("E-EDIT-CHECK", "x.nix")
    # What Nix did not accept before either is not the edit's fault, and nothing is claimed.
    assert not files.nix_parses(Edit("x.nix", bad, bad))


def test_without_nix_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not files.nix_parses(Edit("x.nix", b"1", b"2"))


# --- any layout ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """How a file is laid out; everything but the values."""

    derived: bool
    revision: str
    itself: str
    header: str
    order: tuple[int, ...]
    source_order: tuple[int, ...]
    gaps: tuple[str, ...]
    newline: str
    wrapped: bool
    ending: str

    def text(self, version: str, digest: str) -> str:
        """The file with these values; two files of one layout differ in the values alone."""
        gaps = itertools.cycle(self.gaps)

        def line(*parts: str) -> str:
            return "".join(part + next(gaps) for part in parts)

        tag = f'"RELEASE-${{{self.itself}.version}}"' if self.derived else f'"RELEASE-{version}"'
        source = [
            line("owner", "=", '"xen-project"', ";"),
            line("repo", "=", '"xen"', ";"),
            line(self.revision, "=", tag, ";"),
            line("hash", "=", f'"{digest}"', ";"),
        ]
        inner = "".join(source[place] for place in self.source_order)
        attributes = [
            line("pname", "=", '"xen"', ";"),
            line("version", "=", f'"{version}"', ";"),
            line("src", "=", "fetchFromGitHub", "{") + inner + line("}", ";"),
            line("patches", "=", "[", "./a.patch", "(f ./b.patch)", "]", ";"),
            line("meta", "=", "{", "description", "=", "\"a 'b' é 😀\"", ";", "}", ";"),
            line("postPatch", "=", "''\n    echo ''${x} '$(y)' \"z\"\n  ''", ";"),
        ]
        derivation = "".join(attributes[place] for place in self.order)
        argument = line("(", f"{self.itself}:") + line("{") + derivation + line("}") + ")"
        call = line("stdenv.mkDerivation") + argument
        whole = self.header + (line("let", "x", "=", "1", ";", "in") + call if self.wrapped else call) + self.ending
        return whole.replace("\n", self.newline)


GAP = st.sampled_from(
    [" ", "\n", "\n  ", "\t", " # note\n", "  # trailing  \n\n", " /* a\n b */ ", '\n# version = "9.9.9";\n', " /**/ "]
)
LAYOUTS = st.builds(
    Layout,
    derived=st.booleans(),
    revision=st.sampled_from(["tag", "rev", '"tag"']),
    itself=st.sampled_from(["finalAttrs", "self", "a'"]),
    header=st.sampled_from(
        [
            "{ stdenv, fetchFromGitHub, f }: ",
            "{\n  stdenv,\n  fetchFromGitHub,\n  f,\n}:\n\n",
            "# é 😀\n{ stdenv\n, f\n, ... }@args:\n",
        ]
    ),
    order=st.permutations(range(6)).map(tuple),
    source_order=st.permutations(range(4)).map(tuple),
    gaps=st.lists(GAP, min_size=1, max_size=23).map(tuple),
    newline=st.sampled_from(["\n", "\r\n"]),
    wrapped=st.booleans(),
    ending=st.sampled_from(["", "\n", "  \n\n", "\n# the end", " /* 1 */\n"]),
)


@settings(max_examples=100, deadline=None, database=None)
@given(layout=LAYOUTS, version=st.sampled_from(["4.20.4", "4.20.10", "5.0.0"]))
def test_no_other_byte_changes_whatever_the_layout(layout: Layout, version: str) -> None:
    before = layout.text("4.20.3", OLD_HASH)
    said = read(before)
    assert said.shape == (DERIVED if layout.derived else LITERAL)
    assert rewritten(before, version) == layout.text(version, NEW_HASH)


def test_nix_reads_the_layouts_as_well() -> None:
    layouts: list[str] = []

    @settings(max_examples=12, deadline=None, database=None, derandomize=True)
    @given(layout=LAYOUTS)
    def collect(layout: Layout) -> None:
        before = layout.text("4.20.3", OLD_HASH)
        layouts.extend([before, rewritten(before)])

    collect()
    # The whole of them as elements of one list: one process for all.
    assert nix_accepts("[\n" + "\n".join(f"(\n{text}\n)" for text in layouts) + "\n]")


def test_alejandra_style() -> None:
    before = """{
  stdenv,
  fetchFromGitHub,
  ...
}:
stdenv.mkDerivation (finalAttrs: {
  pname = "xen";
  version = "4.20.3"; # renovate: keep
  src = fetchFromGitHub {
    hash = "@"; # of the tree
    owner = "xen-project"; repo = "xen"; tag = "RELEASE-4.20.3";
  };
  patches =
    [./a.patch]
    ++ [
      (fetchpatch {
        hash = "";
        url = "https://xenbits.xen.org/xsa/xsa480.patch";
      })
    ];
})""".replace("@", OLD_HASH)
    after = rewritten(before)
    assert after == before.replace("4.20.3", "4.20.4").replace(OLD_HASH, NEW_HASH)
    assert nix_accepts(after)


def test_a_huge_file_is_rewritten_too() -> None:
    padding = "".join(f"  # line {number} of a long history\n" for number in range(30_000))
    text = FIXTURES[DERIVED].replace('  pname = "xen";\n', padding + '  pname = "xen";\n')
    assert rewritten(text) == rewritten(FIXTURES[DERIVED]).replace('  pname = "xen";\n', padding + '  pname = "xen";\n')
