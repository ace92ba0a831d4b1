"""Version, revision and source of a file: what is read, what is refused with its place, and how each is rewritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.package.support import NEW_HASH, OLD_HASH, read, release, rewritten, tip, with_patches
from xenbump.errors import Refusal
from xenbump.nixlang import Document, apply, parse
from xenbump.nixlang.find import body
from xenbump.nixlang.tree import AttrSet
from xenbump.package import digests, source
from xenbump.package.model import PackageFile

if TYPE_CHECKING:
    from xenbump.plan.model import Target

COMMIT = "a" * 40
GITHUB = 'fetchFromGitHub { owner = "xen-project"; repo = "xen"; @ hash = ""; }'


def opened(text: str) -> tuple[Document, AttrSet]:
    document = parse(text)
    node = body(document)
    assert isinstance(node, AttrSet)
    return document, node


def said(document: Document, node: AttrSet, fetcher: str = source.GITHUB, itself: str | None = None) -> PackageFile:
    """What a set says that has all in itself."""
    version = source.version(document, node)
    names = source.version_names(document, node, itself)
    revision = source.revision(document, node, version, names)
    digest, warnings = digests.read(document, node)
    upstream = source.upstream_version(document, node, names)
    return PackageFile("x", version, revision.tag, fetcher, digest, (), warnings, revision.rev, upstream)


def moved(text: str, target: Target, *, fetcher: str = source.GITHUB, implied: bool = False) -> str:
    """The file with another target."""
    document, node = opened(text)
    file = said(document, node, fetcher)
    names = source.version_names(document, node, None)
    edits = source.edits(document, node, file, target, versions=names, revised=node, implied=implied)
    after = apply(text, edits)
    assert said(*opened(after), fetcher).version.value == target.version
    return after


def plain(rest: str, version: str = "4.20.3", *, head: str = "") -> str:
    return f'{head}{{ version = "{version}"; {rest} hash = "{OLD_HASH}"; }}'


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "fetcher"),
    [
        ("fetchFromGitHub { }", "fetchFromGitHub"),
        ("pkgs.fetchgit { }", "fetchgit"),
        ("(a.b.fetchgit) (rec { })", "fetchgit"),
        ("pkgs.${system}.fetchgit { }", "fetchgit"),
        ("fetchgit", None),
        ("fetchgit a { }", None),
        ("fetchgit a", None),
        ("fetchzip { }", None),
        ("(pkgs.fetchgit or f) { }", None),
        ("fetchgit.override { } { }", None),
        ("./xen", None),
    ],
)
def test_what_is_a_source(value: str, fetcher: str | None) -> None:
    document, node = opened(f"{{ src = {value}; }}")
    if fetcher is None:
        with pytest.raises(Refusal) as caught:
            source.source(document, node)
        assert (caught.value.code, caught.value.where) == ("E-SOURCE-OTHER", "line 1, column 9")
        return
    found = source.source(document, node)
    assert found.fetcher == fetcher
    # Without tag and revision it is none that tells a shape.
    assert source.source_of(node.bindings[0].children()[-1]) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["let s = fetchgit { }; in { src = s; }", "let src = fetchgit { }; in { inherit src; }"]
)
def test_a_source_one_step_away(text: str) -> None:
    assert source.source(*opened(text)).fetcher == "fetchgit"


@pytest.mark.parametrize(("text", "code"), [("{ }", "E-MISSING"), ("{ inherit src; }", "E-NOT-LITERAL")])
def test_a_source_that_is_not_there(text: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        source.source(*opened(text))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("url", "is_known"),
    [
        ("https://xenbits.xenproject.org/git-http/xen.git", True),
        ("https://xenbits.xen.org/git-http/xen.git", True),
        ("git://xenbits.xenproject.org/xen.git", True),
        ("https://github.com/xen-project/xen", True),
        ("https://gitlab.com/xen-project/xen.git", True),
        ("https://gitlab.com/xen-project/hardware/xen.git", False),
        ("https://github.com/xen-project/xen-guest-agent", False),
        ("https://xenbits.xenproject.org.example.org/xen.git", False),
        ("https://xenbits.xenproject.org/git-http/qemu-xen.git", False),
        ("file:///xen.git", False),
    ],
)
def test_which_repositories_are_xens(url: str, *, is_known: bool) -> None:
    document, node = opened(f'{{ src = fetchgit {{ url = "{url}"; rev = "x"; hash = ""; }}; }}')
    found = source.source(document, node)
    if is_known:
        source.check(document, found)
        return
    with pytest.raises(Refusal) as caught:
        source.check(document, found)
    assert (caught.value.code, caught.value.where) == ("E-SOURCE-OTHER", "line 1, column 27")


@pytest.mark.parametrize("name", ["sparseCheckout", "fetchSubmodules", "postFetch", "${x}", "forceFetchGit"])
def test_an_argument_that_may_change_the_hash_is_refused(name: str) -> None:
    for written in (f"{name} = 1;", f"inherit {name};"):
        if "$" in written and "inherit" in written:
            continue
        document, node = opened(f"{{ src = {GITHUB.replace('@', written)}; }}")
        with pytest.raises(Refusal) as caught:
            source.check(document, source.source(document, node))
        assert caught.value.code == "E-FETCHER-OPTION"


@pytest.mark.parametrize(
    ("text", "itself", "names"),
    [
        ('{ version = "1"; }', None, ()),
        ('{ version = "1"; }', "final", ("final.version",)),
        ('rec { version = "1"; }', None, ("version",)),
        ('rec { version = "1"; }', "final", ("final.version", "version")),
        ("{ inherit version; }", None, ("version",)),
        ('let v = "1"; in { version = v; }', None, ("v",)),
        ("{ version = v; }", None, ()),
    ],
)
def test_the_names_of_a_version(text: str, itself: str | None, names: tuple[str, ...]) -> None:
    assert source.version_names(*opened(text), itself) == names


@pytest.mark.parametrize(
    ("revision", "tag", "rev"),
    [
        ('tag = "RELEASE-4.20.3";', "RELEASE-4.20.3", None),
        ('tag = "refs/tags/RELEASE-4.20.3";', "refs/tags/RELEASE-4.20.3", None),
        (f'rev = "{COMMIT}";', None, COMMIT),
        ('tag = "RELEASE-${final.version}";', None, None),
        ('rev = "refs/tags/RELEASE-${final.version}";', None, None),
    ],
)
def test_a_revision(revision: str, tag: str | None, rev: str | None) -> None:
    found = said(*opened(plain(revision)), itself="final")
    assert (found.tag and found.tag.value, found.rev and found.rev.value) == (tag, rev)


@pytest.mark.parametrize(
    ("revision", "code"),
    [
        ("", "E-MISSING"),
        ('tag = "RELEASE-${old.version}";', "E-NOT-LITERAL"),
        ('tag = "${final.version}";', "E-NOT-LITERAL"),
        ('tag = "RELEASE-${final.version}-x";', "E-NOT-LITERAL"),
        ("tag = ''RELEASE-${final.version}'';", "E-NOT-LITERAL"),
        ("tag = final.version;", "E-NOT-LITERAL"),
        ('tag = "4.20.3";', "E-TAG-DISAGREES"),
        (f'tag = "{COMMIT}";', "E-TAG-DISAGREES"),
        ('rev = "master";', "E-TAG-DISAGREES"),
        ('rev = "";', "E-TAG-DISAGREES"),
    ],
)
def test_a_revision_that_is_refused(revision: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        said(*opened(plain(revision)), itself="final")
    assert caught.value.code == code
    assert caught.value.where.startswith("line 1, column ")


@pytest.mark.parametrize(
    ("digest", "told"),
    [
        (OLD_HASH, ""),
        (OLD_HASH * 2, "not one SHA-256"),
        (f"sha256-{'A' * 43}=", "placeholder"),
        ("x", "not one SHA-256"),
    ],
)
def test_a_hash_that_is_none_is_told(digest: str, told: str) -> None:
    found, warnings = digests.read(*opened(f'{{ hash = "{digest}"; }}'))
    assert found.value == digest
    assert [told in warning and "line 1, column 11" in warning for warning in warnings] == [True] * bool(told)


# --- rewriting -------------------------------------------------------------------------------------------------------


def test_nothing_changes_where_the_file_is_there_already() -> None:
    for text in (plain('tag = "RELEASE-4.20.3";'), plain(f'rev = "{"2" * 40}";')):
        assert moved(text, release("4.20.3")) == text


@pytest.mark.parametrize("implied", [False, True])
@pytest.mark.parametrize("fetcher", [source.GITHUB, source.GIT])
def test_a_commit_of_a_release_stays_one(fetcher: str, *, implied: bool) -> None:
    after = moved(plain(f'rev = "{COMMIT}";'), release(), fetcher=fetcher, implied=implied)
    assert after == plain(f'rev = "{"2" * 40}";', "4.20.4")


TIP = 'upstreamVersion = "4.20.4-pre"; rev = "@";'


@pytest.mark.parametrize(
    ("text", "implied", "back"),
    [
        (plain("@"), False, 'upstreamVersion = "4.20.3"; '),
        (plain("@"), True, ""),
        ("rec " + plain("@"), False, "upstreamVersion = version; "),
        ("rec " + plain("@"), True, ""),
    ],
)
def test_to_a_tip_and_back(text: str, *, implied: bool, back: str) -> None:
    before = text.replace("@", 'tag = "RELEASE-4.20.3";')
    on_tip = moved(before, tip(), implied=implied)
    assert on_tip == text.replace("@", TIP.replace("@", "c" * 40)).replace('"4.20.3"', '"4.20.4-unstable-2026-08-01"')
    assert moved(on_tip, release("4.20.3"), implied=implied) == text.replace("@", back + 'tag = "RELEASE-4.20.3";')


def test_what_stands_beside_the_version_of_the_tree_stays() -> None:
    text = '{ version = "4.20.3"; tag = "RELEASE-4.20.3"; hash = ""; }'
    for gap in ("", " /* a */ ", " # b\n", "\n\n", "\n  # above\n  "):
        on_tip = moved(text.replace("; tag", f";{gap}tag"), tip(), implied=True)
        assert moved(on_tip, release("4.20.3"), implied=True) == text.replace("; tag", f";{gap}tag")


def test_the_line_of_the_version_of_the_tree_is_shared() -> None:
    text = '{\n  version = "4.20.4-unstable-2026-08-01";\n  upstreamVersion = "4.20.4-pre"; rev = "@"; hash = "";\n}'
    after = moved(text.replace("@", COMMIT), release(), fetcher=source.GIT, implied=True)
    assert after == f'{{\n  version = "4.20.4";\n  rev = "{"2" * 40}"; hash = "";\n}}'


def test_inherited_values_are_edited_where_they_are_written() -> None:
    let = 'let version = "@v"; rev = "@r"; upstreamVersion = "@u"; in '
    rest = 'rec { inherit version rev upstreamVersion; hash = ""; }'

    def text(version: str, rev: str, upstream: str) -> str:
        return let.replace("@v", version).replace("@r", rev).replace("@u", upstream) + rest

    before = text("4.20.4-unstable-2026-07-01", COMMIT, "4.20.4-pre")
    assert moved(before, tip()) == text("4.20.4-unstable-2026-08-01", "c" * 40, "4.20.4-pre")
    assert moved(before, release(), fetcher=source.GIT, implied=True) == text("4.20.4", "2" * 40, "4.20.4")


def test_beside_an_inherited_version_that_of_the_tree_comes_behind_the_first_attribute() -> None:
    text = f'let version = "4.20.3"; in {{ inherit version; rev = "{COMMIT}"; hash = ""; }}'
    assert f'rev = "{"c" * 40}"; upstreamVersion = "4.20.4-pre"; hash' in moved(text, tip())


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ('let tag = "RELEASE-4.20.3"; in { version = "4.20.3"; inherit tag; hash = ""; }', 54),
        ('let rev = "RELEASE-4.20.3"; in { version = "4.20.3"; hash = ""; inherit rev; }', 65),
    ],
)
def test_an_inherited_tag_cannot_become_a_commit(text: str, column: int) -> None:
    with pytest.raises(Refusal) as caught:
        moved(text, tip())
    assert (caught.value.code, caught.value.where) == ("E-NOT-LITERAL", f"line 1, column {column}")
    assert '"RELEASE-4.20.4"; in' in moved(text, release())


def test_a_version_of_the_tree_that_is_inherited_as_the_version_cannot_become_another_one() -> None:
    text = (
        'let v = "4.20.3"; upstreamVersion = v; in '
        f'{{ inherit upstreamVersion; version = v; rev = "{COMMIT}"; hash = ""; }}'
    )
    with pytest.raises(Refusal) as caught:
        moved(text, tip())
    assert (caught.value.code, caught.value.where) == ("E-NOT-LITERAL", "line 1, column 45")
    assert moved(text, release()) == text.replace("4.20.3", "4.20.4").replace(COMMIT, "2" * 40)


def test_filled_values_stay_one_string() -> None:
    document, node = opened('{ version = "4.20.3"; }')
    edit = source.filled(source.version(document, node), 'a"; ${b}\\')
    assert apply(document.source, [edit]) == r'{ version = "a\"; \${b}\\"; }'
    assert NEW_HASH in apply(document.source, [source.filled(source.version(document, node), NEW_HASH)])


@pytest.mark.parametrize("name", ["lib.fakeHash", "fakeHash", "pkgs.lib.fakeSha256"])
def test_the_placeholder_of_nixpkgs_library_is_filled(name: str) -> None:
    text = with_patches("").replace(f'"{OLD_HASH}"', name)
    said = read(text)
    assert (said.hash, said.warnings) == (name, ("the source hash is a placeholder (line 16, column 12)",))
    after = rewritten(text)
    assert f'hash = "{NEW_HASH}";' in after
    assert read(after).hash == NEW_HASH
