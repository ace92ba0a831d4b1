"""Entries of a collection of patches come, go and are corrected."""

from __future__ import annotations

import re
import string
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.folders import HEAD, PATCHES, ROOT, entry, folder, named, patched, read, said, shared, told
from tests.package.support import nix_accepts, sri
from xenbump.errors import Failure, Refusal
from xenbump.nixlang import bindings, body, parse
from xenbump.nixlang.tree import Binding, String
from xenbump.package import collection
from xenbump.plan.model import Addition, Patch

IDS = ("478", "480", "482-01", "482-02", "490-4.20", "492/xsa492-4.20-01", "1000")
OLD = ("480", "490-4.20")
DIRECT = '  XSA_480 = fetchpatch {\n    url = "@xsa480.patch";\n    hash = "#";\n  };\n'.replace("#", sri(1))


def edited(text: str, *new: Addition, gone: tuple[str, ...] = ()) -> str:
    """The collection edited, which Nix' parser reads, with the entries that it is to have."""
    after = collection.edited(read(text), new, gone)
    now = read(after).patches
    before = {name: found for name, found in read(text).patches.items() if name not in gone}
    assert dict(now) == before | {one.patch.name or "": (one.patch,) for one in new}
    return after


# --- what is written -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_", "place"),
    [("478", 0), ("481", 1), ("490-4.19", 1), ("490-4.21", 2), ("492/xsa492-4.20-01", 2), ("1000", 2)],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_entry_comes_in_the_order_of_numbers_and_goes(id_: str, place: int, newline: str) -> None:
    entries = [entry(one) for one in OLD]
    before = shared(*entries).replace("\n", newline)
    after = edited(before, told(id_))
    assert after == shared(*entries[:place], entry(id_), *entries[place:]).replace("\n", newline)
    assert nix_accepts(after)
    assert edited(after, gone=(named(id_).name or "",)) == before


def test_comments_stay_with_their_entries() -> None:
    kept, going = "  # of the newest\n" + entry("490-4.20"), "  # of all\n  # branches\n" + entry("480")
    text = shared("  # Security\n\n" + going, kept) + "# end\n"
    after = edited(text, told("478"), told("481"), gone=("XSA_480",))
    assert after == shared("  # Security\n\n" + entry("478"), entry("481"), kept) + "# end\n"


def test_titles_descriptions_and_cves() -> None:
    text = "Some 'text' with ''two'' and ${x}.\n\n  Indented $${y} '${z}\nlast '\n"
    one = told("481", title='x86: "a" ${b} \\', text=f"\n  \n{text}", cves=("CVE-2026-2", "CVE-2026-3"))
    after = edited(shared(entry("480")), one)
    assert nix_accepts(after)
    facts = next(binding.value for binding in bindings(body(parse(after)), ["XSA_481"]))
    shown = after[facts.start : facts.end]
    assert 'title = "x86: \\"a\\" \\${b} \\\\";' in shown
    assert 'cve = [\n      "CVE-2026-2"\n      "CVE-2026-3"\n    ];' in shown
    assert value_of(after, "XSA_481", "description") == text
    assert "cve" not in edited(HEAD + "{ }\n", told("481")).partition("in\n")[2]


def value_of(text: str, name: str, attribute: str) -> str | None:
    """The string that an entry has."""
    (found,) = [entry for entry in read(text).entries if entry.name == name]
    assert found.arguments is not None
    (one,) = bindings(found.arguments, [attribute])
    return one.value.literal() if isinstance(one, Binding) and isinstance(one.value, String) else None


LETTERS = st.sampled_from([*"$'{}\\\"# \nab", "''", "${", "''$", "$$", "\t", "ü", "*/"])


@settings(max_examples=80, deadline=None, database=None)
@given(st.lists(LETTERS, max_size=14).map("".join))
def test_any_description_is_what_nix_reads(text: str) -> None:
    after = edited(shared(entry("480")), told("481", text=text))
    lines = textwrap.dedent(text.expandtabs()).strip("\n").split("\n")
    wanted = "\n".join(line.rstrip() for line in lines)
    if text.strip():
        # Nix takes off what all lines are indented by, and knows no line of blanks only.
        assert textwrap.dedent(value_of(after, "XSA_481", "description") or "") == textwrap.dedent(wanted) + "\n"


def test_nix_reads_the_descriptions() -> None:
    texts = ["'", "''", "'''", "''''", "'${a}", "''${a}", "'''${a}", "$${a}", "$''{a}", "''\\n", "'$", "\\", "${", "$"]
    after = edited(shared(), *(told(f"{number}", text=text) for number, text in enumerate(texts, 400)))
    assert nix_accepts(after)
    assert [value_of(after, f"XSA_{number}", "description") for number in range(400, 400 + len(texts))] == [
        f"{text}\n" for text in texts
    ]


def test_a_hash_is_corrected_in_its_place_only() -> None:
    before = shared(*map(entry, IDS)).replace(named("480").hash or "", "sha256-X=sha256-X=")
    after = collection.edited(read(before), [told("480"), told("482-01")], ())
    assert after == shared(*map(entry, IDS))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('id = "480"', 'id = "480-4.20"', "E-PATCH-NAME"),
        ("= xsaPatch {", "= f {", "E-PATCH-NAME"),
        (entry("480"), DIRECT.replace("@", ROOT).replace("    url", "    stripLen = 2;\n    url"), "E-PATCH-NAME"),
        (entry("480"), DIRECT.replace("@", ROOT).replace("fetchpatch", "fetchpatch2"), "E-PATCH-NAME"),
        (f'hash = "{named("480").hash}"', "hash = lib.fakeHash", "E-NOT-LITERAL"),
        (f'    hash = "{named("480").hash}";\n', "", "E-MISSING"),
        (f'hash = "{named("480").hash}"', "inherit hash", "E-NOT-LITERAL"),
    ],
)
def test_an_entry_that_is_another_patch_is_refused_with_its_place(old: str, new: str, code: str) -> None:
    text = shared(entry("480"), entry("490-4.20"))
    text = text.replace(old, new, 1)
    assert nix_accepts(text)
    with pytest.raises(Refusal) as caught:
        collection.edited(read(text), [told("480")], ())
    assert caught.value.code == code
    assert re.match(r"\.\./generic/patches\.nix, line \d+, column \d+$", caught.value.where)


def test_an_address_that_the_helper_cannot_make_is_refused() -> None:
    other = Patch("https://example.org/xsa481.patch", 481, sri(1), "fetchpatch", name="XSA_481")
    with pytest.raises(Refusal) as caught:
        collection.edited(read(shared(entry("480"))), [Addition(other, "")], ())
    assert caught.value.code == "E-PATCH-NAME"
    assert "`xsaPatch`" in caught.value.what


def test_a_name_that_is_not_the_patchs_own_is_a_fault() -> None:
    listed = said(folder()).patches
    odd = Patch(f"{ROOT}xsa490.patch", 490, sri(1), "fetchpatch", name="XSA_491")
    with pytest.raises(Failure) as caught:
        patched(folder(), [*listed, odd])
    assert caught.value.code == "E-EDIT-CHECK"


# --- styles ----------------------------------------------------------------------------------------------------------


def test_the_order_the_quotes_and_the_indentation_are_those_of_the_others() -> None:
    text = HEAD + (
        '{\n\tXSA_480 = xsaPatch {\n\t\thash = "";\n\t\tcve = [ "A" "B" ];\n\t\tid = "480";\n\t\ttitle = "t";\n'
        "\t\tdescription = ''\n\t\t\tabc\n\t\t'';\n\t};\n}\n"
    )
    after = edited(text, told("481", cves=("C", "D")))
    new = (
        f'\n\tXSA_481 = xsaPatch {{\n\t\thash = "{named("481").hash}";\n\t\tcve = [ "C" "D" ];\n\t\tid = "481";\n'
        "\t\ttitle = \"x86: a title\";\n\t\tdescription = ''\n\t\t\tWhat it is about.\n\t\t'';\n\t};\n}\n"
    )
    assert after == text[:-2] + new


def test_what_the_others_lack_comes_at_its_place() -> None:
    text = HEAD + '{\n  XSA_480 = xsaPatch {\n    hash = "";\n    id = "480";\n  };\n}\n'
    after = edited(text, told("481", cves=("C",)))
    names = re.findall(r"^    (\w+) = ", after[after.index("XSA_481") :], re.MULTILINE)
    assert names == ["hash", "id", "title", "description", "cve"]


def test_entries_on_one_line() -> None:
    helper = HEAD.replace("      title,\n      description,\n", "").replace("title description cve", "cve")
    text = helper + '{\n  XSA_480 = xsaPatch { id = "480"; hash = ""; };\n}\n'
    line = f'\n  XSA_481 = xsaPatch {{ id = "481"; cve = [ "C" "D" ]; hash = "{named("481").hash}"; }};\n}}\n'
    assert edited(text, told("481", cves=("C", "D"))) == text[:-2] + line


@pytest.mark.parametrize("empty", ["{ }", "{}", "{\n}", "{\n  # none yet\n}", "{ # none\n}"])
def test_the_first_entry_has_the_house_style(empty: str) -> None:
    after = edited(HEAD + empty + "\n", told("480", cves=("CVE-1",)), told("481"))
    assert nix_accepts(after)
    first = entry("480", cves=["CVE-1"]).replace('"XSA_480"', "XSA_480")
    assert after.endswith(first + "\n" + entry("481").replace('"XSA_481"', "XSA_481") + "}\n")
    assert edited(after, gone=("XSA_480", "XSA_481")).count("XSA") == 0


def test_entries_that_call_the_fetcher_themselves() -> None:
    text = "{ fetchpatch }:\n\n{\n" + DIRECT.replace("@", ROOT) + "}\n"
    after = edited(text, told("481"))
    new = DIRECT.replace("@", ROOT).replace("480", "481").replace(sri(1), named("481").hash or "")
    assert after == text[:-2] + "\n" + new + "}\n"
    assert edited(after, gone=("XSA_481",)) == text


@settings(max_examples=30, deadline=None, database=None)
@given(st.sets(st.sampled_from(IDS)), st.sets(st.sampled_from(IDS)), st.sets(st.sampled_from(IDS)))
def test_any_entries_come_and_go_and_all_else_stays(there: set[str], come: set[str], go: set[str]) -> None:
    order = [one for one in IDS if one in there]
    before = shared(*map(entry, order))
    gone = tuple(named(one).name or "" for one in order if one in go)
    after = edited(before, *(told(one) for one in IDS if one in come - there), gone=gone)
    wanted = [one for one in IDS if one in (there - go) | (come - there)]
    plain = after.replace('"XSA', "XSA").replace('" = xsaPatch', " = xsaPatch")
    expected = shared(*map(entry, wanted)).replace('"XSA', "XSA").replace('" = xsaPatch', " = xsaPatch")
    assert "".join(plain.split()) == "".join(expected.split())
    if there and wanted:
        assert after == shared(*map(entry, wanted))
    assert all(letter in string.printable for letter in after)


def test_a_file_names_what_its_collection_gets_and_loses() -> None:
    before = folder()
    listed = said(before).patches
    after = patched(before, [*listed[:3], named("490-4.20")])
    assert after.files[PATCHES].decode().count("xsaPatch {") == 2
