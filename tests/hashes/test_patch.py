"""Hashes of patches: against normal forms at hand, published hashes, and the real patchutils as the judge.

The judge may be any patchutils from 0.3.3 on. What differs between them is the lines that git writes above a file's
names, so those are taken out of what it prints before it is compared with `fetchpatch`'s form.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xenbump.errors import Refusal
from xenbump.hashes import sri
from xenbump.hashes.patch import Options, PatchFacts, fetchpatch, fetchpatch2, flat, normal_form, parse

FOLDER = Path(__file__).parent / "patches"
PATCHES = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.patch"))}

# Published patches of advisories with the signed digest of the file and the hash that nixpkgs' fetchpatch wants.
PUBLISHED = {
    "xsa467.patch": (
        "2fffaa8892b3daecd698b4af95701045874a76edc2e18c8d2abbec85a39aa05c",
        "sha256-O2IwfRo6BnXAO04xjKmOyrV6J6Q1mAVLHWNCxqIEQGU=",
    ),
    "xsa472-1.patch": (
        "16e14b3cc87800c08d96adc18e66aa4a20a77834af12b9cdd01d739882f07b7d",
        "sha256-6k/X7KFno9uBG0mUtJxl7TMavaRs2Xlj9JlW9ai6p0k=",
    ),
    "xsa480.patch": (
        "578f8fec3f34656e085419f6376d43987ffd6ed32e067b4024d3c83ce03a5901",
        "sha256-mHoY+Y8klwLYOo4LZCwYcNsB1BcBbSa1nQOn3NueDdI=",
    ),
    "xsa491-4.21.patch": (
        "443674f42a092b953b6ba4d91cfa19bfbee0077dfcd5a39ae53368e40ed23aac",
        "sha256-I21YIcaK1v7BfBJi/aiVACgR3QyN+/gXnB4YMprT4zA=",
    ),
}

HUNK = b"@@ -1 +1 @@\n-a\n+b\n"


def diff(old: bytes = b"a/x/f.c", new: bytes = b"b/x/f.c", hunks: bytes = HUNK) -> bytes:
    return b"--- %s\n+++ %s\n%s" % (old, new, hunks)


def git(lines: bytes, rest: bytes = b"") -> bytes:
    return b"diff --git a/x/f.c b/x/f.c\n" + lines + rest


class Patchutils:
    """The real lsdiff and filterdiff, run as nixpkgs' fetchpatch runs them."""

    def __init__(self) -> None:
        missing = [name for name in ("lsdiff", "filterdiff") if shutil.which(name) is None]
        if missing:
            message = "patchutils is not installed"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        self.is_0_4_2 = re.search(rb"version 0\.4\.2$", self._run("filterdiff", "--version").strip()) is not None

    def _run(self, program: str, *arguments: str, content: bytes = b"") -> bytes:
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        done = subprocess.run(
            [program, *arguments], input=content, env=environment, capture_output=True, check=True, timeout=60
        )
        return done.stdout

    def normal_form(self, content: bytes, options: Options) -> bytes:
        strip, prefix, listing = options.strip_len, options.extra_prefix, []
        if options.relative is not None:
            strip += 1 + len(options.relative.split("/"))
            prefix, listing = prefix or "", ["-p1", "-i", f"{options.relative}/*"]
        change = [f"--strip={strip}"]
        if prefix is not None:
            change += [f"--addoldprefix=a/{prefix}", f"--addnewprefix=b/{prefix}"]
        names = sorted(set(self._run("lsdiff", *listing, content=content).decode().splitlines()))
        cleaned = b"".join(
            self._run("filterdiff", f"--include={name}", *change, "--clean", content=content) for name in names
        )
        chosen = [f"--include={one}" for one in options.includes] + [f"--exclude={one}" for one in options.excludes]
        return self._run("filterdiff", "-p1", *chosen, content=cleaned)

    def check(self, content: bytes, options: Options = Options()) -> None:  # noqa: B008 - frozen
        """Compare what this program makes of a patch with what patchutils makes of it."""
        real = self.normal_form(content, options)
        # No line of a hunk begins with a letter.
        bare = b"".join(line for line in real.splitlines(keepends=True) if not line[:1].isalpha())
        # `splitlines` also ends lines at a carriage return, which a letter may follow.
        if b"\r" not in real:
            assert normal_form(content, options) == bare
        if self.is_0_4_2:
            assert normal_form(content, options, version=2) == real


@pytest.fixture(scope="module")
def patchutils() -> Patchutils:
    return Patchutils()


def refused(content: bytes, options: Options = Options()) -> tuple[str, str]:  # noqa: B008 - frozen
    with pytest.raises(Refusal) as caught:
        normal_form(content, options)
    return caught.value.code, caught.value.what


# --- the file itself -------------------------------------------------------------------------------------------------


def test_flat_is_the_signed_digest_as_sri() -> None:
    digest = sha256(b"x").digest()
    assert flat(b"x", digest.hex()) == flat(b"x", digest.hex().upper()) == sri.encode(digest)


@pytest.mark.parametrize(
    "expected", [sha256(b"y").hexdigest(), "", "0" * 63, "g" * 64, sha256(b"x").hexdigest() + "\n"]
)
def test_flat_refuses_other_bytes_and_says_both_digests(expected: str) -> None:
    with pytest.raises(Refusal) as caught:
        flat(b"x", expected)
    assert caught.value.code == "E-PATCH-SHA256"
    if len(expected) == 64 and "g" not in expected:
        assert expected in caught.value.what
        assert sha256(b"x").hexdigest() in caught.value.what


# --- the normal form -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PATCHES)
def test_normal_forms_at_hand(name: str, patchutils: Patchutils) -> None:
    normal = (FOLDER / f"{name}.normal").read_bytes()
    assert normal_form(PATCHES[name]) == normal
    assert fetchpatch(PATCHES[name]) == sri.encode(sha256(normal).digest())
    patchutils.check(PATCHES[name])


def test_the_normal_form_of_fetchpatch2() -> None:
    normal = (FOLDER / "files.normal2").read_bytes()
    assert normal_form(PATCHES["files"], version=2) == normal
    assert fetchpatch2(PATCHES["files"]) == sri.encode(sha256(normal).digest())


@pytest.mark.parametrize("name", PATCHES)
def test_a_normal_form_is_its_own(name: str) -> None:
    normal = normal_form(PATCHES[name])
    assert normal_form(normal) == normal


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_hashes(name: str) -> None:
    folder = os.environ.get("XENBUMP_REAL_PATCHES")
    if not folder:
        pytest.skip("XENBUMP_REAL_PATCHES names no folder with the published patches")
    content = (Path(folder) / name).read_bytes()
    digest, normal = PUBLISHED[name]
    assert flat(content, digest) == sri.encode(bytes.fromhex(digest))
    assert fetchpatch(content) == normal


@pytest.mark.parametrize(
    "content",
    [
        diff(hunks=b"@@ -1,2 +1,2 @@\n-a\n\\ No newline at end of file\n+b\r\n\n"),
        diff(hunks=b"@@ -1 +1 @@f\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"),
        diff(b"x", b"x"),
        diff(b"./x", b"./x"),
        diff(b"x/f.c.orig", b"y/f.c"),
        diff(b"/dev/null\tThu Jan  1 00:00:00 1970", b"b/f"),
        b"--- one\n" + diff() + b"\n+++ two\n",
        b"diff of two\n" + diff() + b"diff -u a b\n" + diff(b"a/y", b"b/y") + b"no line end",
        diff(b"b/y", b"b/y") + diff(b"a/x", b"a/x") + diff(b"b/y", b"b/y"),
        git(b"deleted file mode 100644\nindex 1..0\n", diff()),
    ],
)
def test_odd_patches_that_are_certain(content: bytes, patchutils: Patchutils) -> None:
    patchutils.check(content)


def test_a_mode_stays_only_where_the_fetcher_keeps_it() -> None:
    changed = git(b"old mode 100644\nnew mode 100755\nindex 1..2\n", diff())
    assert refused(changed) == ("E-PATCH-FORM", "it changes a file's mode, and the fetcher drops that")
    assert normal_form(changed, version=2) == changed
    created = git(b"new file mode 100755\nindex 0..2\n", diff(b"/dev/null", hunks=b"@@ -0,0 +1 @@\n+b\n"))
    for version in (1, 2):
        with pytest.raises(Refusal, match="E-PATCH-FORM"):
            normal_form(created, version=version)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no unified diff"),
        (b"<html>\n", "no unified diff"),
        (b"--- a/x\n", "no unified diff"),
        (b"*** a/x\n--- b/x\n***************\n*** 1 ****\n! a\n--- 1 ----\n! b\n", "context diff"),
        (b"diff --cc x\n@@@ -1,1 -1,1 +1,1 @@@\n", "combined"),
        (diff() + b"\n" + HUNK, "outside"),
        (diff() + b"Binary files a/x and b/x differ\n", "binary"),
        (git(b"GIT binary patch\nliteral 0\n"), "binary"),
        (git(b"rename from x/f.c\nrename to x/g.c\n"), "renames"),
        (git(b"copy from x/f.c\ncopy to x/g.c\n"), "renames"),
        (git(b"old mode 100644\nnew mode 100755\n"), "no hunks"),
        (git(b"new file mode 100644\nindex 0..0\n", git(b"", diff())), "no hunks"),
        (git(b"old mode 100644\nnew mode 100755\n", diff(b"a/y", b"b/y")), "not those"),
        (git(b"old mode 100644\nnew mode 100755\n\n", diff()), "no hunks"),
        (git(b"new file mode 120000\nindex 0..1\n", diff(b"/dev/null")), "symbolic link"),
        (git(b"index 1..2 160000\n", diff()), "submodule"),
        (diff(b"/dev/null", b"/dev/null"), "both"),
        (diff(b"a/f", b"b/x/f"), "equally deep"),
        (diff(hunks=b"text\n"), "no hunk"),
        (diff(hunks=b"@@ -1 +1 @\n-a\n+b\n"), "first line"),
        (diff(hunks=b"@@ -1,0 +1,0 @@\n"), "empty"),
        (diff(hunks=HUNK + b"+c\n"), "more lines"),
        (diff(hunks=HUNK + b"--- c\n"), "more lines"),
        (diff(hunks=b"@@ -1,2 +1 @@\n-a\n+b\n"), "fewer lines"),
        (diff(hunks=b"@@ -1 +1 @@\n-a\n-b\n"), "fewer lines"),
        (diff(hunks=b"@@ -1 +1 @@\n\\ No newline at end of file\n-a\n+b\n"), "fewer lines"),
        (diff(hunks=b"@@ -1 +1 @@\n-a\n+b"), "middle"),
        (b"--- a/x\n+++ b/x", "middle"),
        (diff().replace(b"\n", b"\r\n"), "character"),
        (diff(b"a/x y\t", b"b/x y\t"), "character"),
        (diff(b'"a/\\303\\251"', b'"b/\\303\\251"'), "quoted"),
        (diff("a/é".encode(), "b/é".encode()), "character"),
        (diff(b"a/x*", b"b/x*"), "character"),
        (diff(b"a/[x]", b"b/[x]"), "character"),
        (diff(b"a//x", b"b//x"), "empty component"),
        (diff(b"a/./x", b"b/./x"), "shortest form"),
        (diff(b"", b""), "character"),
        (diff(hunks=b"@@ -1 +1 @@\n-a\n+b\0\n"), "NUL"),
        (diff(b"/dev/null", b"b/x/f.c") + diff(), "reorder"),
    ],
)
def test_what_is_not_certain_is_refused(content: bytes, reason: str) -> None:
    code, what = refused(content)
    assert code == "E-PATCH-FORM"
    assert reason in what


# --- options ---------------------------------------------------------------------------------------------------------

OPTIONS = [
    Options(strip_len=1),
    Options(strip_len=9),
    Options(extra_prefix="tools/"),
    Options(strip_len=1, extra_prefix="q", includes=("*.c",)),
    Options(includes=("tools/*",)),
    Options(includes=("*.txt", "tools/?.c")),
    Options(excludes=("docs/*",)),
    Options(strip_len=1, excludes=("docs/*", "b.c")),
    Options(relative="tools"),
    Options(relative="docs", extra_prefix="x/y/"),
]


@pytest.mark.parametrize("options", OPTIONS)
def test_options_do_what_nixpkgs_does(options: Options, patchutils: Patchutils) -> None:
    patchutils.check(PATCHES["mail"], options)


@pytest.mark.parametrize(
    "options",
    [
        Options(revert=True),
        Options(decode="base64 -d"),
        Options(hunks=("1",)),
        Options(post_fetch="true"),
        Options(includes=("*",), excludes=("*",)),
        Options(includes=("none",)),
        Options(excludes=("*",)),
        Options(includes=("[a]*",)),
        Options(includes=("a\\*",)),
        Options(includes=("é",)),
        Options(strip_len=-1),
        Options(extra_prefix="../"),
        Options(extra_prefix="/x/"),
        Options(extra_prefix="a b/"),
        Options(relative=""),
        Options(relative="tools/"),
        Options(relative="nowhere"),
        Options(relative="*"),
    ],
)
def test_other_options_are_refused_by_name(options: Options) -> None:
    assert refused(PATCHES["mail"], options)[0] == "E-PATCH-OPTION"


def test_a_prefix_would_make_a_path_of_dev_null() -> None:
    assert refused(PATCHES["files"], Options(extra_prefix="x/"))[0] == "E-PATCH-OPTION"


def test_fetchpatch2_changes_only_names_in_git_s_own_lines() -> None:
    with pytest.raises(Refusal, match="E-PATCH-OPTION"):
        normal_form(b"diff -u a/x/f.c b/x/f.c\n" + diff(), Options(strip_len=1), version=2)


# --- the files that a patch touches ----------------------------------------------------------------------------------


def test_parse_gives_each_file_once_in_order() -> None:
    assert parse(PATCHES["mail"]) == PatchFacts(("tools/b.c", "docs/a.txt"))
    assert parse(PATCHES["files"]) == PatchFacts(("xen/gone.c", "xen/fresh.c", "xen/kept.c"))
    assert parse(diff() + diff()) == PatchFacts(("x/f.c",))


@pytest.mark.parametrize("content", [diff(b"f.c", b"f.c"), diff(b"a/x", b"b/y"), PATCHES["plain"]])
def test_parse_refuses_names_that_patch_could_take_in_two_ways(content: bytes) -> None:
    with pytest.raises(Refusal, match="E-PATCH-FORM"):
        parse(content)


@pytest.mark.parametrize(
    "name", [b"/etc/x", b"//x", b"a/../../x", b"..", b"a/..", b"C:/x", b"a/c:x", b"a\\..\\x", b"a/x\0y", b"/dev/null/x"]
)
def test_a_path_out_of_the_tree_is_refused_everywhere(name: bytes) -> None:
    for content in (diff(name, name), diff(new=name), diff(old=name), diff() + diff(name, b"/dev/null")):
        assert refused(content)[0] == "E-PATCH-PATH"
        with pytest.raises(Refusal, match="E-PATCH-PATH"):
            parse(content)


def test_a_path_out_of_the_tree_is_refused_in_git_s_line_too() -> None:
    assert refused(b"diff --git a/../x b/x\n" + diff(b"/dev/null", b"b/x"))[0] == "E-PATCH-PATH"


# --- patches that the real programs write ----------------------------------------------------------------------------

LINES = st.sampled_from(
    [
        "one",
        "two",
        "",
        " ",
        "-- x",
        "++ y",
        "@@ -1 +1 @@",
        "diff --git a/x b/x",
        "*** z",
        "\\ no",
        "-- ",
        "tab\t",
        "int f()",
    ]
)
TREES = st.dictionaries(
    st.sampled_from(["a.c", "b.c", "d/a.c", "d/e/b.h", "-c", "z+z"]),
    st.tuples(st.lists(LINES, max_size=14), st.booleans()),
    max_size=4,
)
PROGRAMS = (
    ("diff", "-ruN", "old", "new"),
    ("diff", "-rup", "--unified=0", "old", "new"),
    ("git", "diff", "--no-index", "--no-prefix", "--no-color", "--no-ext-diff", "old", "new"),
    ("git", "diff", "--no-index", "--no-prefix", "--no-renames", "-U1", "old", "new"),
)
# What git and diff say in words, where there is no text to compare.
WORDS = re.compile(rb"^(?:rename |copy |Only in )|^diff --git [^\n]*\n(?:[a-z][^\n]*\n)*(?:diff |\Z)", re.MULTILINE)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=TREES, new=TREES, program=st.sampled_from(PROGRAMS), options=st.sampled_from([Options(), *OPTIONS[:2]]))
def test_patches_of_real_programs(
    patchutils: Patchutils,
    old: dict[str, tuple[list[str], bool]],
    new: dict[str, tuple[list[str], bool]],
    program: tuple[str, ...],
    options: Options,
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for root, files in (("old", old), ("new", new)):
            (folder / root).mkdir()
            for path, (lines, ended) in files.items():
                (folder / root / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / root / path).write_text("\n".join(lines) + "\n" * (ended and bool(lines)), newline="")
        environment = {"PATH": os.environ["PATH"], "HOME": name, "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1"}
        content = subprocess.run(program, cwd=folder, env=environment, capture_output=True, check=False).stdout
    if not content or WORDS.search(content):
        return
    # fetchpatch2 with stripped names is refused for the `diff -…` line that diff writes.
    patchutils.check(content, options if program[0] == "git" else Options())


@pytest.mark.parametrize("name", ["b/tools/.", "b/./tools", "b/."])
def test_a_name_that_is_a_folder_is_refused(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(f"--- /dev/null\n+++ {name}\n@@ -0,0 +1 @@\n+a\n".encode())
    assert caught.value.code == "E-PATCH-FORM"
