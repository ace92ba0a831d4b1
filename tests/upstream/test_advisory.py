"""Advisories: the real ones' facts, random ones in the real layout, and every way in which one is refused."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.advisories import DATA, real, resolutions
from xenbump.demo.advisory_text import build, expand, render
from xenbump.errors import Refusal
from xenbump.upstream import advisory
from xenbump.upstream.advisory import Advisory, PatchFile
from xenbump.upstream.ranges import Reach

if TYPE_CHECKING:
    from random import Random

HEX = "0123456789abcdef" * 4
PLAIN = (DATA / "advisories" / "several-lines.txt").read_text("utf-8")


def refusal(text: str | bytes, number: int = 512) -> Refusal:
    with pytest.raises(Refusal) as caught:
        advisory.parse(text, number)
    return caught.value


def changed(old: str, new: str, count: int = 1) -> str:
    assert PLAIN.count(old) >= 1, old
    return PLAIN.replace(old, new, count)


# --- what is read ----------------------------------------------------------------------------------------------------


def test_a_real_text() -> None:
    signed = (DATA / "advisory-509.txt").read_text("utf-8")
    text = signed.split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0]
    found = advisory.parse(text, 509)
    assert (found.number, found.version, found.cves) == (509, 3, ("CVE-2026-62437",))
    assert found.title == "x86: DMs may cause mem leak by IRQ binding"
    assert [section.name for section in found.sections] == [
        "UPDATES IN VERSION 3", "ISSUE DESCRIPTION", "IMPACT", "VULNERABLE SYSTEMS", "MITIGATION", "CREDITS",
        "RESOLUTION", "DEPLOYMENT DURING EMBARGO",
    ]  # fmt: skip
    assert found.section("UPDATES IN VERSION 3") == "Public release."
    assert found.section("NO SUCH SECTION") is None
    (line,) = found.lines
    assert (line.glob, line.range.newest, line.range.oldest) == ("xsa509.patch", "unstable", "4.17")
    assert line.files == (
        PatchFile("xsa509.patch", "1e027737afa753f3498102ceac4abe62b11a49cfa019f25bb19728a7931f9096"),
    )


def test_series_sub_folders_prerequisites_and_prose_between_the_lines() -> None:
    found = advisory.parse(PLAIN, 512)
    assert (found.version, found.title) == (4, "oxenstored: a title that goes on in the next line")
    assert found.cves == ("CVE-2026-00001", "CVE-2026-00002", "CVE-2026-123456")
    assert [(line.glob, line.range.tree, [file.name for file in line.files]) for line in found.lines] == [
        ("xsa512-?.patch", "xen", ["xsa512-1.patch", "xsa512-2.patch"]),
        ("xsa512/xsa512-4.17-*.patch", "xen", [f"xsa512/xsa512-4.17-{n:02}.patch" for n in range(12)]),
        ("xsa512-oxenstored-?.patch", "oxenstored", ["xsa512-oxenstored-1.patch"]),
        ("xsa512-linux.patch", "Linux", ["xsa512-linux.patch"]),
    ]
    assert [file.name for line in found.lines for file in line.files if file.prerequisite] == [
        "xsa512/xsa512-4.17-00.patch"
    ]


@pytest.mark.parametrize("fact", resolutions(), ids=lambda fact: str(fact["xsa"]))
def test_the_tables_of_real_advisories(fact: dict[str, object]) -> None:
    given = real(fact)
    found = advisory.parse(render(given), given.number)
    assert found == given
    assert [[line.glob, line.range.text] for line in found.lines] == fact["resolution"]


@pytest.mark.parametrize(
    "head",
    [
        "Xen Security Advisory XSA-512",  # the first version of one that was public at once: no number, no version
        "   Xen Security Advisory XSA-512\n      version 4",
        " Xen Security Advisory CVE-2026-00001,CVE-2026-00002 / XSA-512\n version 4",
        "Xen Security Advisory CVE-2026-00001,\n  CVE-2026-00002 / XSA-512\n     version 4",
        "Xen Security Advisory CVE-2026-00001, CVE-2026-00002,\nCVE-2026-123456\n/ XSA-512\nversion 4",
    ],
)
def test_heads(head: str) -> None:
    body = PLAIN.partition("\n\n")[2]
    body = body if "version" in head else body.replace("UPDATES IN VERSION", "UPDATES")
    found = advisory.parse(f"\n\n{head}\n\n{body}", 512)
    assert found.version == (4 if "version" in head else 1)
    assert len(found.cves) == head.count("CVE")


def test_white_space_at_line_ends_which_is_not_signed_does_not_matter() -> None:
    assert advisory.parse(PLAIN.replace("\n", " \t\r\n"), 512) == advisory.parse(PLAIN, 512)


def test_a_file_that_only_describes_the_patches_is_left_out() -> None:
    given = build(277, [("xsa277.patch", "xen-unstable, Xen 4.11.x")])
    text = render(given).decode().replace("xsa277*\n", f"xsa277*\n{HEX}  xsa277.meta\n")
    assert advisory.parse(text, 277).lines == given.lines


def test_binary_marks_of_sha256sum() -> None:
    assert advisory.parse(PLAIN.replace("  xsa512", " *xsa512"), 512).lines == advisory.parse(PLAIN, 512).lines


def test_the_outline_of_what_has_no_readable_table() -> None:
    text = (DATA / "advisories" / "no-table.txt").read_bytes()
    found = advisory.outline(text, 456)
    assert (found.number, found.version, found.title) == (456, 3, "x86: something in the processor")
    assert "stable-4.17" in (found.section("RESOLUTION") or "")
    assert refusal(text, 456).code == "E-ADVISORY-NO-TABLE"


# --- what the table says of a branch ---------------------------------------------------------------------------------


UP_TO_421 = [("xsa9.patch", "xen-unstable"), ("xsa9-4.21.patch", "Xen 4.21.x - Xen 4.18.x")]


@pytest.mark.parametrize(
    ("table", "branch", "reach", "globs"),
    [
        (UP_TO_421, "4.20", "NAMED", ["xsa9-4.21.patch"]),
        (UP_TO_421, "4.22", "UNSTABLE", ["xsa9.patch"]),
        (UP_TO_421, "4.17", "OUTSIDE", []),
        ([("xsa9-linux-?.patch", "Linux"), ("xsa9-xen.patch", "xen-unstable")], "4.17", "UNSTABLE", ["xsa9-xen.patch"]),
        ([("xsa9-4.17.patch", "Xen 4.17.x - Xen 4.15.x.")], "4.18", "OUTSIDE", []),
        ([("xsa9.patch", "varstored master")], "4.18", "OUTSIDE", []),
        ([("xsa9-1.patch", "xen-unstable - Xen 4.18.x"), ("xsa9-2.patch", "Xen 4.20.x - Xen 4.19.x")], "4.19", "NAMED",
         ["xsa9-1.patch", "xsa9-2.patch"]),
    ],
)  # fmt: skip
def test_what_the_table_says_of_a_branch(
    table: list[tuple[str, str]], branch: str, reach: str, globs: list[str]
) -> None:
    found, lines = advisory.parse(render(build(9, table)), 9).reach(branch)
    assert (found, [line.glob for line in lines]) == (Reach[reach], globs)


# --- patterns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other", ["xsa512-4.17-1.patch", "xsa512-oxenstored-1.patch", "xsa512-10.patch", "xsa512-x.patch"]
)
def test_a_wildcard_takes_digits_only(other: str) -> None:
    given = build(512, [("xsa512-?.patch", "xen-unstable"), (other, "Xen 4.17.x")])
    assert [len(line.files) for line in advisory.parse(render(given), 512).lines] == [2, 1]
    alone = build(512, [("xsa512-?.patch", "xen-unstable", ["xsa512-1.patch", other])])
    assert refusal(render(alone)).code == "E-ADVISORY-FILES"


@given(
    glob=st.sampled_from(
        ["xsa7-?.patch", "xsa7-??.patch", "xsa7-*.patch", "xsa7/xsa7-4.20-*.patch", "xsa7-linux-??.patch"]
    ),
    count=st.integers(1, 9),
    first=st.integers(0, 1),
    random=st.randoms(use_true_random=False),
)
def test_a_series_is_ordered_by_number_however_it_is_listed(glob: str, count: int, first: int, random: Random) -> None:
    names = expand(glob, count, first)
    text = render(build(7, [(glob, "Xen 4.20.x", names)])).decode()
    head, rest = text.split("$ sha256sum")
    command, *listing = rest.split("\n")
    end = listing.index("$")
    shuffled = random.sample(listing[:end], end)
    (line,) = advisory.parse("\n".join([f"{head}$ sha256sum{command}", *shuffled, *listing[end:]]), 7).lines
    assert [file.name for file in line.files] == list(names)
    assert [file.prerequisite for file in line.files] == [first == 0, *[False] * (count - 1)]


# --- random advisories -----------------------------------------------------------------------------------------------

words = st.text(alphabet="abcdefghij :/!(){}ÄéXSA-456", min_size=1, max_size=60).map(
    lambda text: " ".join(text.split())
)
spans = st.sampled_from(sorted({text for fact in resolutions() for _, text in fact["resolution"]}))
suffixes = st.lists(
    st.sampled_from(["", "-?", "-4.17", "-4.18-?", "-4.19-*", "-linux", "-linux-??", "-xapi", "-oxenstored-?"]),
    min_size=1, max_size=6, unique=True,
)  # fmt: skip


@st.composite
def advisories(draw: st.DrawFn) -> Advisory:
    number = draw(st.integers(1, 99999))
    folder = draw(st.sampled_from(["", f"xsa{number}/"]))
    table = []
    for suffix in draw(suffixes):
        glob = f"{folder}xsa{number}{suffix}.patch"
        table.append((glob, draw(spans), expand(glob, draw(st.integers(1, 9)), draw(st.integers(0, 1)))))
    return build(
        number,
        table,
        title=draw(words.filter(bool)),
        version=draw(st.integers(1, 99)),
        cves=draw(
            st.lists(st.builds("CVE-{}-{:05}".format, st.integers(2011, 2030), st.integers(0, 999999)), max_size=6)
        ),
        sections={"ISSUE DESCRIPTION": draw(words.filter(bool)), "IMPACT": draw(words.filter(bool))},
    )


@given(advisories())
@settings(max_examples=150)
def test_what_is_rendered_is_read_back(given: Advisory) -> None:
    assert advisory.parse(render(given), given.number) == given


@given(advisories(), st.data())
@settings(max_examples=150)
def test_no_slip_in_the_text_loses_a_patch_in_silence(given: Advisory, data: st.DataObject) -> None:
    lines = render(given).decode().split("\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    # A listing that ends one file too early is the only slip that cannot be seen.
    listed = lines[at].endswith(".patch")
    action = data.draw(st.sampled_from(["twice", "swap"] if listed else ["drop", "twice", "swap"]))
    damaged = [*lines[:at], *lines[at + 1 :]] if action == "drop" else [*lines[:at], lines[at], *lines[at:]]
    if action == "swap":
        damaged = [*lines[:at], *lines[at + 1 : at + 2], lines[at], *lines[at + 2 :]]
    try:
        found = advisory.parse("\n".join(damaged), given.number)
    except Refusal:
        return
    assert {line.glob: line for line in found.lines} == {line.glob: line for line in given.lines}


@given(st.binary() | st.text() | st.text(alphabet="xsa12.patch? *\n=$-Xen 4.17RESOLUTION"))
def test_nothing_but_a_refusal_is_raised(text: bytes | str) -> None:
    with pytest.raises(Refusal):
        advisory.parse(text, 1)


@given(st.integers(0, len(PLAIN)), st.integers(0, 200), st.text(max_size=40))
def test_nothing_but_a_refusal_is_raised_for_a_damaged_one(at: int, length: int, text: str) -> None:
    with contextlib.suppress(Refusal):
        advisory.parse(PLAIN[:at] + text + PLAIN[at + length :], 512)


# --- refusals --------------------------------------------------------------------------------------------------------

TITLE = "            oxenstored: a title that\n             goes on in the next line\n"
TABLE_LINE = "xsa512-linux.patch           Linux 6.7-rc - 6.5"
FIRST = "xsa512-?.patch               xen-unstable - Xen 4.18.x"
LISTED = PLAIN.split("$ sha256sum ")[1].split("\n")[1]
LISTED_LINUX = next(line for line in PLAIN.split("\n") if line.endswith("  xsa512-linux.patch"))
FIFTH = next(line for line in PLAIN.split("\n") if line.endswith("-05.patch"))
COMMAND = "$ sha256sum xsa512* xsa512/*"

REFUSED = {
    "number": ("/ XSA-512", "/ XSA-511", "E-ADVISORY-NUMBER", "XSA-511"),
    "head": ("Xen Security Advisory", "Xen Advisory", "E-ADVISORY-FORM", "the head"),
    "cve": ("CVE-2026-00001", "CVE-2026-1", "E-ADVISORY-FORM", "the head"),
    "version": ("version 4", "version four", "E-ADVISORY-FORM", "the head"),
    "no version": ("version 4\n", "\n", "E-ADVISORY-FORM", "newer than the version"),
    "no title": (TITLE, "", "E-ADVISORY-FORM", "1 blocks"),
    "text before sections": ("next line\n", "next line\n\nAnd more.\n", "E-ADVISORY-FORM", "not head and title"),
    "older version": ("version 4", "version 3", "E-ADVISORY-FORM", "newer than the version"),
    "no underline": ("RESOLUTION\n==========", "RESOLUTION", "E-ADVISORY-NO-TABLE", "0 sections"),
    "two resolutions": ("MITIGATION\n", "RESOLUTION\n", "E-ADVISORY-FORM", "2 sections"),
    "underlined nothing": ("MITIGATION\n", "\n", "E-ADVISORY-FORM", "underlines nothing"),
    "control character": ("Running", "Run\x1b[2Jning", "E-ADVISORY-FORM", "control character"),
    "right to left": ("Running", "Run\u202ening", "E-ADVISORY-FORM", "control character"),
    "another line end": (TABLE_LINE, f"{TABLE_LINE}\u2028xsa", "E-ADVISORY-FORM", "control character"),
    "range": ("Linux 6.7-rc - 6.5", "Windows", "E-ADVISORY-RANGE", "'Windows'"),
    "no range": (TABLE_LINE, "xsa512-linux.patch", "E-ADVISORY-RANGE", "no range"),
    "reversed": ("xen-unstable - Xen 4.18.x", "Xen 4.18.x - xen-unstable", "E-ADVISORY-RANGE", "new to old"),
    "continued": (FIRST, f"{FIRST}\n                  Xen 4.17.x", "E-ADVISORY-FORM", "may belong to it"),
    "continued by a comma": (FIRST, f"{FIRST},", "E-ADVISORY-RANGE", "4.18.x,"),
    "unknown line": (FIRST, f"* {FIRST}", "E-ADVISORY-FILES", "no line of the table"),
    "fits nothing": (FIRST, FIRST.replace("-?", "-4.16-?"), "E-ADVISORY-FILES", "fits no file"),
    "line twice": (FIRST, f"{FIRST}\n{FIRST}", "E-ADVISORY-FILES", "takes, too"),
    "file of two": (FIRST, f"{FIRST}\nxsa512-1.patch   Xen 4.16.x", "E-ADVISORY-FILES", "takes, too"),
    "line missing": (TABLE_LINE, "", "E-ADVISORY-FILES", "no line of the table"),
    "file missing": (LISTED_LINUX + "\n", "", "E-ADVISORY-FILES", "fits no file"),
    "gap": (f"{FIFTH}\n", "", "E-ADVISORY-FILES", "missing"),
    "starts at two": (LISTED, LISTED.replace("-1.patch", "-3.patch"), "E-ADVISORY-FILES", "missing"),
    "number twice": (LISTED, LISTED + f"\n{HEX}  xsa512/xsa512-4.17-5.patch", "E-ADVISORY-FILES", "there twice"),
    "listed twice": (LISTED, f"{LISTED}\n{LISTED}", "E-ADVISORY-FILES", "second time"),
    "no listing": (COMMAND, "", "E-ADVISORY-FILES", "0 listings"),
    "two listings": ("\n$\n", f"\n$\n\n{COMMAND}\n{LISTED}\n$\n", "E-ADVISORY-FILES", "2 listings"),
    "md5": (COMMAND, COMMAND.replace("sha256", "md5"), "E-ADVISORY-FORM", "not the command"),
    "command": (COMMAND, "$ sha256sum -b *", "E-ADVISORY-FORM", "not the command"),
    "listing elsewhere": (COMMAND, f"MORE\n====\n\n{COMMAND}", "E-ADVISORY-FORM", "outside of the section"),
    "no end": ("\n$\n", "\n", "E-ADVISORY-FORM", "not a line of the listing"),
    "blank line in the listing": (LISTED, f"{LISTED}\n", "E-ADVISORY-FORM", "not a line of the listing"),
    "listed after the end": ("\n$\n", f"\n$\n{HEX}  xsa512-3.patch\n", "E-ADVISORY-FORM", "outside of it"),
    "table after the end": ("\n$\n", "\n$\n\nxsa512-1.patch  Xen 4.16.x\n", "E-ADVISORY-FORM", "outside of it"),
    "table elsewhere": ("\n\nCREDITS\n", "\n\n  xsa512-1.patch  Xen 4.16.x\n\nCREDITS\n", "E-ADVISORY-FORM", "outside"),
    "short digest": (LISTED, LISTED[1:], "E-ADVISORY-FORM", "a SHA-256"),
    "not a digest": (LISTED, "g" + LISTED[1:], "E-ADVISORY-FORM", "a SHA-256"),
    "large digest": (LISTED, LISTED[:64].upper() + LISTED[64:], "E-ADVISORY-FORM", "a SHA-256"),
    "parent": ("  xsa512-linux", "  ../xsa512-linux", "E-ADVISORY-NAME", "../xsa512"),
    "parent within": ("  xsa512-linux", "  xsa512-..linux", "E-ADVISORY-NAME", "xsa512"),
    "absolute": ("  xsa512-linux", "  /xsa512-linux", "E-ADVISORY-NAME", "/xsa512"),
    "odd character": ("  xsa512-linux", "  xsa512-$(id)", "E-ADVISORY-NAME", "xsa512"),
    "space": ("  xsa512-linux", "  xsa512-a linux", "E-ADVISORY-NAME", "xsa512"),
    "escaped": (LISTED, "\\" + LISTED, "E-ADVISORY-FORM", "a SHA-256"),
    "listed of another": ("  xsa512-linux", "  xsa511-linux", "E-ADVISORY-NAME", "xsa511"),
    "longer number": ("  xsa512-linux", "  xsa5121-linux", "E-ADVISORY-NAME", "xsa5121"),
    "folder of another": ("  xsa512-linux", "  xsa511/xsa512-linux", "E-ADVISORY-NAME", "xsa511"),
    "long name": ("  xsa512-linux", "  xsa512-" + "a" * 200, "E-ADVISORY-NAME", "xsa512"),
    "pattern of another": (FIRST, FIRST.replace("512", "125"), "E-ADVISORY-NAME", "xsa125"),  # a slip that 214 has
    "pattern of anything": (FIRST, FIRST.replace("xsa512-?.patch", "xsa512*"), "E-ADVISORY-NAME", "xsa512*"),
    "two numbers": (FIRST, FIRST.replace("-?", "-?-?"), "E-ADVISORY-NAME", "more than one number"),
    "class": (FIRST, FIRST.replace("-?", "-[12]"), "E-ADVISORY-NAME", "[12]"),
    "tarball": (LISTED, f"{LISTED}\n{HEX}  xsa512.tar.gz", "E-ADVISORY-NAME", "tar.gz"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    old, new, code, words = REFUSED[case]
    error = refusal(changed(old, new))
    assert error.code == code
    assert words in error.what
    assert error.where.startswith("XSA-512")


def test_a_refusal_names_line_and_text() -> None:
    error = refusal(changed("Linux 6.7-rc - 6.5", "Windows"))
    at = PLAIN.split("\n").index(TABLE_LINE) + 1
    assert error.where == f"XSA-512, line {at}"


def test_bytes_that_are_no_text_are_refused() -> None:
    assert refusal(PLAIN.encode("utf-16")).code == "E-ADVISORY-FORM"
    assert refusal(b"\xff").code == "E-ADVISORY-FORM"
    assert refusal(b"").code == "E-ADVISORY-FORM"


def test_a_listing_without_a_table_is_refused() -> None:
    head, rest = PLAIN.split(FIRST)
    error = refusal(head + COMMAND + rest.split(COMMAND)[1])
    assert (error.code, "without a table" in error.what) == ("E-ADVISORY-FORM", True)


def test_a_text_of_a_megabyte_is_refused_soon() -> None:
    assert refusal(changed(TABLE_LINE, "\n\n".join([TABLE_LINE] * 20000))).code == "E-ADVISORY-FILES"
    assert refusal("a " * 500_000).code == "E-ADVISORY-FORM"
    assert refusal(changed(LISTED, "\n".join([LISTED] * 8000))).code == "E-ADVISORY-FILES"


def test_values_cannot_be_changed() -> None:
    found = advisory.parse(PLAIN, 512)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.version = 5  # type: ignore[misc]
    assert hash(found) == hash(advisory.parse(PLAIN, 512))
