"""Series of patches: every form in which they come, what they leave, and how a conflict is named."""

from __future__ import annotations

import base64
import contextlib
import os
import quopri
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trying import fake_tree
from xenbump import process
from xenbump.errors import Refusal
from xenbump.trying import series
from xenbump.trying.model import Trial
from xenbump.trying.source import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.trying.model import Prepared

REAL = os.environ.get("XENBUMP_REAL_XEN", "")
BASE = "4.22.0-rc3"
CHANGED = fake_tree.SETUP.replace("return 1", "return 7")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_tree.repository(tmp_path_factory.mktemp("series") / "xen")


@pytest.fixture(scope="module")
def shop(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(str(made), tmp_path_factory.mktemp("series-try"))


@pytest.fixture(scope="module")
def mail(made: Path) -> str:
    return fake_tree.mail(made, BASE, {"xen/setup.c": CHANGED})


@pytest.fixture(scope="module")
def changed(made: Path, mail: str) -> str:
    """The tree with the patch, as `git am` of a person makes it."""
    here = fake_tree.git(made, "symbolic-ref", "--short", "HEAD")
    fake_tree.git(made, "checkout", "--quiet", "--detach", BASE)
    fake_tree.git(made, "am", "--quiet", stdin=mail.encode())
    tree = fake_tree.git(made, "rev-parse", "HEAD^{tree}")
    fake_tree.git(made, "checkout", "--quiet", here)
    return tree


@pytest.fixture(scope="module")
def second(made: Path) -> str:
    return fake_tree.mail(made, BASE, {"xen/new.c": "int added;\n"}, "[XEN][for-4.22] xen: add a “file”")


def _tried(shop: Workshop, *patches: Path, rev: str = BASE) -> Prepared:
    return shop.prepared(Trial(rev, patches))


def _refused(work: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        work()
    assert caught.value.code == "E-TRY-PATCH"
    return caught.value


def _encoded(mail: str, kind: str) -> bytes:
    head, _, body = mail.partition("\n\n")
    content = body.encode()
    coded = base64.encodebytes(content) if kind == "base64" else quopri.encodestring(content)
    head = re.sub("(?m)^(MIME-Version|Content-T).*\n", "", head)
    kinds = f"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {kind}"
    return f"{head}\n{kinds}\n\n".encode() + coded


FORMS: dict[str, Callable[[str], bytes]] = {
    "format-patch": str.encode,
    "crlf": lambda mail: mail.replace("\n", "\r\n").encode(),
    "base64": lambda mail: _encoded(mail, "base64"),
    "base64 of crlf": lambda mail: _encoded(
        mail.partition("\n\n")[0] + "\n\n" + mail.partition("\n\n")[2].replace("\n", "\r\n"), "base64"
    ),
    "quoted-printable": lambda mail: _encoded(mail, "quoted-printable"),
    "from a client": lambda mail: (
        b"Return-Path: <xen-devel-bounces@lists.example>\nReceived: from a by b;\n\tSat, 1 Nov 2025 10:00:00 +0000\n"
        + mail.partition("\n")[2].encode()
    ),
    "with a reply": lambda mail: (
        mail.encode() + b"From 0 Mon Sep 17 00:00:00 2001\nFrom: B <b@example.org>\n"
        b"Subject: Re: [PATCH] x86: a change\nDate: Sat, 1 Nov 2025 10:00:00 +0000\n\nLooks good.\n"
    ),
    "bare diff": lambda mail: mail[mail.index("diff --git") :].encode(),
    "bare diff with crlf": lambda mail: mail[mail.index("diff --git") :].replace("\n", "\r\n").encode(),
    "diff without git's lines": lambda mail: mail[mail.index("--- a/") :].encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_tree(shop: Workshop, mail: str, changed: str, tmp_path: Path, form: str) -> None:
    path = tmp_path / "one.mbox"
    path.write_bytes(FORMS[form](mail))
    prepared = _tried(shop, path)
    assert (prepared.folder / "xen" / "setup.c").read_text() == CHANGED
    assert prepared.applied == (("one.mbox",) if "diff" in form else ("x86: a change",))
    assert prepared.tree == changed


def test_a_series_in_one_mbox_and_in_a_folder_are_the_same(
    shop: Workshop, mail: str, second: str, tmp_path: Path
) -> None:
    cover = "From 0 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.org>\nSubject: [PATCH 0/2] A series\n\nTwo.\n\n"
    (tmp_path / "all.mbox").write_text(cover + mail + second)
    folder = tmp_path / "outgoing"
    folder.mkdir()
    (folder / "0000-cover-letter.patch").write_text(cover)
    (folder / "0001-a.patch").write_text(mail)
    (folder / "0002-b.patch").write_text(second)
    (folder / "notes.txt").write_text("diff --git a/x b/x\n")
    one = _tried(shop, tmp_path / "all.mbox")
    other = _tried(shop, folder)
    assert one.applied == other.applied == ("x86: a change", "xen: add a “file”")
    assert one.tree == other.tree == _tried(shop, folder / "0001-a.patch", folder / "0002-b.patch").tree
    assert one.version == "4.22.0-rc3"


def test_the_commit_depends_on_nothing_but_tree_and_series(shop: Workshop, mail: str, tmp_path: Path) -> None:
    (tmp_path / "one.patch").write_text(mail)
    heads = []
    for _ in range(2):
        folder = _tried(shop, tmp_path / "one.patch").folder
        heads.append(series.git_in(folder, "rev-parse", "HEAD").stdout)
        shop.prepared(Trial("staging"))
    assert heads[0] == heads[1]


def test_what_a_patch_added_is_gone_with_it(shop: Workshop, second: str, tmp_path: Path) -> None:
    (tmp_path / "b.patch").write_text(second)
    folder = _tried(shop, tmp_path / "b.patch").folder
    assert (folder / "xen" / "new.c").is_file()
    shop.prepared(Trial(BASE))
    assert not (folder / "xen" / "new.c").exists()


def test_what_a_killed_run_had_added_is_gone_too(shop: Workshop, tmp_path: Path, second: str) -> None:
    folder = shop.prepared(Trial(BASE)).folder
    (tmp_path / "b.patch").write_text(second)
    (folder / ".git" / "xenbump-added").write_text("\0".join(series.added(series.read([tmp_path / "b.patch"]))))
    (folder / "xen" / "new.c").write_text("int added;\n")
    (folder / "xen" / "mine.c").write_text("int mine;\n")
    shop.prepared(Trial(BASE))
    assert not (folder / "xen" / "new.c").exists()
    assert (folder / "xen" / "mine.c").exists()
    (folder / "xen" / "mine.c").unlink()


def test_a_conflict_names_patch_file_and_hunk_and_leaves_the_tree(
    shop: Workshop, made: Path, second: str, tmp_path: Path
) -> None:
    text = fake_tree.SETUP.replace("lines(void)\n", "rows(void)\n").replace("return 2", "return 5")
    text = text.replace("/* a */", "/* other */")
    base = fake_tree.git(made, "rev-parse", "staging")
    other = fake_tree.mail(made, BASE, {"xen/setup.c": text})
    (tmp_path / "two.mbox").write_text(second + other.replace("return 2", "return 99"))
    error = _refused(lambda: _tried(shop, tmp_path / "two.mbox"))
    assert error.what.startswith("patch 2 of 2, “x86: a change”, does not apply: xen/setup.c, hunk ")
    assert error.where == str(tmp_path / "two.mbox")
    folder = shop.prepared(Trial(BASE)).folder
    assert series.git_in(folder, "status", "--porcelain").stdout == b""
    assert (folder / "xen" / "setup.c").read_text() == fake_tree.SETUP
    assert not (folder / "xen" / "new.c").exists()
    assert fake_tree.git(made, "rev-parse", "staging") == base


@pytest.mark.parametrize(("bare", "name"), [(False, "“x86: gone”"), (True, "gone.patch")])
def test_a_patch_for_a_file_that_is_not_there_says_so(
    shop: Workshop, made: Path, tmp_path: Path, *, bare: bool, name: str
) -> None:
    mail = fake_tree.mail(made, "staging", {"xen/Kconfig": "config X\n"}, "x86: gone").replace("Kconfig", "Gone")
    # With the objects at hand, a three-way merge would find the file under its other name.
    mail = re.sub(r"(?m)^index [0-9a-f]+", "index 1234567", mail)
    (tmp_path / "gone.patch").write_text(mail[mail.index("diff --git") :] if bare else mail)
    error = _refused(lambda: _tried(shop, tmp_path / "gone.patch"))
    assert error.what == f"patch 1 of 1, {name}, does not apply: xen/Gone: does not exist in index"


def test_a_patch_whose_context_moved_goes_in_by_three_way_merge_and_is_told(made: Path, tmp_path: Path) -> None:
    changed = fake_tree.SETUP.replace("return 2", "return 5").replace("/* a */", "/* new */\n/* a */")
    mail = fake_tree.mail(
        made, "staging~2", {"xen/setup.c": changed.replace("return 1", "return 3").replace("/* new */\n", "")}
    )
    mail = mail.replace(" /* e */", " /* e */")
    here = fake_tree.git(made, "symbolic-ref", "--short", "HEAD")
    fake_tree.git(made, "checkout", "--quiet", "-B", "moved", BASE)
    fake_tree.commit(
        made, "moved", {"xen/setup.c": fake_tree.SETUP.replace("int last(void);\n", "int last(void); /* y */\n")}
    )
    fake_tree.git(made, "checkout", "--quiet", here)
    (tmp_path / "m.patch").write_text(mail)
    said: list[str] = []
    prepared = Workshop(str(made), tmp_path / "try", said.append).prepared(Trial("moved", (tmp_path / "m.patch",)))
    text = (prepared.folder / "xen" / "setup.c").read_text()
    assert "return 5" in text
    assert "/* y */" in text
    assert any("three-way merge" in line for line in said)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no patch in it"),
        (b"hello\n", "no patch in it"),
        (b"From: a@b\nSubject: x\n\nno diff\n", "no patch in it"),
    ],
)
def test_what_has_no_patch_is_refused(shop: Workshop, tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "x.mbox"
    path.write_bytes(content)
    assert what in _refused(lambda: _tried(shop, path)).what


def test_what_is_not_there_is_refused(shop: Workshop, tmp_path: Path) -> None:
    assert "cannot be read" in _refused(lambda: _tried(shop, tmp_path / "gone.mbox")).what
    assert "no patch in this folder" in _refused(lambda: _tried(shop, tmp_path)).what


def test_a_patch_cannot_write_outside_of_the_tree(shop: Workshop, tmp_path: Path) -> None:
    for name in ("../../evil", ".git/hooks/post-checkout"):
        (tmp_path / "evil.patch").write_text(f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n")
        _refused(lambda: _tried(shop, tmp_path / "evil.patch"))


@settings(max_examples=25)
@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.mbox"
    path.write_bytes(content)
    with contextlib.suppress(Refusal):
        assert series.read([path])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 99), st.integers(1, 9)), min_size=1, max_size=6))
def test_hunks_are_counted_within_their_file(starts: list[tuple[int, int]]) -> None:
    lines = ["--- a/other", "+++ b/other", "@@ -1,2 +1,2 @@", "--- a/x.c", "+++ b/x.c"]
    at = 1000
    places = []
    for step, length in starts:
        at += step
        places.append(at)
        lines.append(f"@@ -{at},{length} +{at},{length} @@ f()")
    diff = "\n".join(lines)
    assert [series.hunk_at(diff, "x.c", place) for place in places] == list(range(1, len(places) + 1))
    assert series.hunk_at(diff, "x.c", 1) == 0


@pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN names no repository")
def test_real_commits_sent_as_mails_give_the_trees_that_they_have(tmp_path: Path) -> None:
    git = ["git", f"--git-dir={REAL}"]
    given = process.run([*git, "format-patch", "--stdout", "RELEASE-4.20.2~20..RELEASE-4.20.2"], cwd=tmp_path).stdout
    (tmp_path / "series.mbox").write_bytes(given)
    prepared = Workshop(REAL, tmp_path / "try").prepared(Trial("RELEASE-4.20.2~20", (tmp_path / "series.mbox",)))
    assert prepared.tree == process.run([*git, "rev-parse", "RELEASE-4.20.2^{tree}"]).stdout.decode().strip()
    assert (len(prepared.applied), prepared.version) == (20, "4.20.2")
