"""Components: what a tree names, the commits behind tags, and the hashes of these."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hashes.support import PROGRAM, SUBMODULE, Entry, Trees, nix_hash
from xenbump.demo.git_server import GitServer, Status
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.upstream.components import NAMES, Component, Components, Named, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OVMF = "ba91d0292e593df8528b66f99c1b0b14fadc8e16"
IPXE = "1d1cf74a5e58811822bee4b3da3cff7282fcdfca"

# Written in the manner of Xen's own since 4.18, and in that of older ones.
CONFIG = f"""\
ifneq (,$(SEABIOS_UPSTREAM_TAG))
SEABIOS_UPSTREAM_REVISION ?= $(SEABIOS_UPSTREAM_TAG)
endif
OVMF_UPSTREAM_URL ?= https://xenbits.xen.org/git-http/ovmf.git
OVMF_UPSTREAM_REVISION ?= {OVMF}
QEMU_UPSTREAM_URL ?= https://xenbits.xen.org/git-http/qemu-xen.git
QEMU_UPSTREAM_REVISION ?= qemu-xen-4.20.1
MINIOS_UPSTREAM_URL ?= https://xenbits.xen.org/git-http/mini-os.git
MINIOS_UPSTREAM_REVISION ?= xen-RELEASE-4.20.0
SEABIOS_UPSTREAM_URL ?= https://xenbits.xen.org/git-http/seabios.git
SEABIOS_UPSTREAM_REVISION ?= rel-1.16.3
# QEMU_UPSTREAM_LOC ?= `pwd`/$(XEN_ROOT)/../qemu-xen.git
QEMU_UPSTREAM_LOC ?= $(call or,$(wildcard $(QEMU_UPSTREAM_INTREE)),\\
                               $(QEMU_UPSTREAM_URL))
"""
ETHERBOOT = f"""\
IPXE_GIT_URL ?= https://github.com/ipxe/ipxe.git
# after changes to this variable
IPXE_GIT_TAG := {IPXE}
IPXE_TARBALL_URL ?= $(XEN_EXTFILES_URL)/ipxe-git-$(IPXE_GIT_TAG).tar.gz
"""
OLD_CONFIG = """\
ifeq ($(GIT_HTTP),y)
QEMU_UPSTREAM_URL ?= http://xenbits.xen.org/git-http/qemu-xen.git
SEABIOS_UPSTREAM_URL ?= http://xenbits.xen.org/git-http/seabios.git
else
QEMU_UPSTREAM_URL ?= git://xenbits.xen.org/qemu-xen.git
SEABIOS_UPSTREAM_URL ?= git://xenbits.xenproject.org/seabios.git
endif
QEMU_UPSTREAM_REVISION ?= qemu-xen-4.4.0
SEABIOS_UPSTREAM_TAG ?= rel-1.7.3.1
"""
OLD_ETHERBOOT = """\
ifeq ($(GIT_HTTP),y)
IPXE_GIT_URL := http://git.ipxe.org/ipxe.git
else
IPXE_GIT_URL := git://git.ipxe.org/ipxe.git
endif
IPXE_GIT_TAG := v1.0.0
"""


def revisions(config: str, etherboot: str | None = None) -> dict[str, str]:
    found = read(config.encode(), None if etherboot is None else etherboot.encode(), "RELEASE-4.20.4")
    return {name: one.revision for name, one in found.items()}


def test_what_a_tree_names() -> None:
    found = read(CONFIG.encode(), ETHERBOOT.encode(), "RELEASE-4.20.4")
    assert tuple(found) == NAMES
    assert found["qemu"] == Named("qemu", "https://xenbits.xen.org/git-http/qemu-xen.git", "qemu-xen-4.20.1")
    assert found["ipxe"] == Named("ipxe", "https://github.com/ipxe/ipxe.git", IPXE)
    assert (found["seabios"].revision, found["ovmf"].revision) == ("rel-1.16.3", OVMF)
    assert found["minios"].revision == "xen-RELEASE-4.20.0"


def test_an_old_tree_is_asked_over_https_for_the_same() -> None:
    found = read(OLD_CONFIG.encode(), OLD_ETHERBOOT.encode(), "RELEASE-4.4.0")
    assert list(found.values()) == [
        Named("qemu", "https://xenbits.xen.org/git-http/qemu-xen.git", "qemu-xen-4.4.0"),
        Named("seabios", "https://xenbits.xenproject.org/git-http/seabios.git", "rel-1.7.3.1"),
        Named("ipxe", "https://github.com/ipxe/ipxe.git", "v1.0.0"),
    ]


@pytest.mark.parametrize(
    ("written", "served"),
    [
        ("http://git.ipxe.org/ipxe.git/", "https://github.com/ipxe/ipxe.git"),
        ("git://git.ipxe.org/people/x/ipxe.git", "git://git.ipxe.org/people/x/ipxe.git"),
        ("git://XENBITS.xen.org/people/x/q.git", "https://xenbits.xen.org/git-http/people/x/q.git"),
        ("git://xenbits.xen.org:9419/q.git", "git://xenbits.xen.org:9419/q.git"),
        ("ssh://xenbits.xen.org/q.git", "ssh://xenbits.xen.org/q.git"),
        ("http://127.0.0.1:8000/q.git", "http://127.0.0.1:8000/q.git"),
        ("git@host.example:q.git", "git@host.example:q.git"),
        ("/srv/git/q.git", "/srv/git/q.git"),
        ("file:///srv/git/q.git", "file:///srv/git/q.git"),
    ],
)
def test_addresses(written: str, served: str) -> None:
    text = f"QEMU_UPSTREAM_URL = {written}\nQEMU_UPSTREAM_REVISION = v1\n"
    assert read(text.encode(), None, "x")["qemu"].url == served


def test_what_a_tree_does_not_have_is_not_there() -> None:
    assert revisions("# nothing\nXEN_ROOT = x\n") == {}
    assert revisions(CONFIG, "D=ipxe\n").keys() == set(NAMES) - {"ipxe"}
    # Xen's own build has these by other names.
    assert revisions("MY_QEMU_UPSTREAM_REVISION = x\nQEMU_UPSTREAM_REVISION_OLD = y\n\tOVMF_UPSTREAM_URL = z\n") == {}


@pytest.mark.parametrize(
    "line",
    [
        "QEMU_UPSTREAM_REVISION = v1  # the last",
        "  export QEMU_UPSTREAM_REVISION:=v1",
        "override QEMU_UPSTREAM_REVISION ::= v1\t",
        "QEMU_UPSTREAM_REVISION ?= $(QEMU_TAG)\nQEMU_UPSTREAM_REVISION?=v1\nQEMU_UPSTREAM_REVISION ?= v1",
        "QEMU_UPSTREAM_REVISION = v1\n#QEMU_UPSTREAM_REVISION = v2\nQEMU_UPSTREAM_REVISION = ${OTHER}",
    ],
)
def test_forms_of_assignments(line: str) -> None:
    assert revisions(f"{line}\nQEMU_UPSTREAM_URL = https://host.example/q\n") == {"qemu": "v1"}


@pytest.mark.parametrize("revision", ["v1", "a/b", "rel-1.16.3", "1+2_3", "x" * 200, IPXE])
def test_revisions(revision: str) -> None:
    assert revisions(f"OVMF_UPSTREAM_REVISION = {revision}\nOVMF_UPSTREAM_URL = https://h/o\n") == {"ovmf": revision}


@pytest.mark.parametrize(
    "revision",
    [
        *("", "-x", "--upload-pack=x", ".x", "x.", "/x", "x/", "a..b", "a//b", "a/.b", "a.lock", "a.lock/b", "x" * 201),
        *(
            "a b",
            "a\\",
            "a\r",
            "a\0b",
            "a^{}",
            "a~1",
            "a:b",
            "@{1}",
            "HEAD@{1}",
            "'a'",
            '"a"',
            "é",
            "\ufffd",
            "a*",
            "+a",
        ),
    ],
)
def test_a_revision_that_is_no_plain_name_is_refused(revision: str) -> None:
    with pytest.raises(Refusal) as caught:
        revisions(f"OVMF_UPSTREAM_REVISION = {revision}\nOVMF_UPSTREAM_URL = https://h/o\n")
    assert (caught.value.code, caught.value.where) == ("E-COMPONENT-PIN", "RELEASE-4.20.4, Config.mk")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("QEMU_UPSTREAM_REVISION = v1\n", "QEMU_UPSTREAM_URL is not given"),
        ("QEMU_UPSTREAM_REVISION = v1\nQEMU_UPSTREAM_URL = $(X)\n", "QEMU_UPSTREAM_URL is not given"),
        ("QEMU_UPSTREAM_URL = https://h/q\n", "QEMU_UPSTREAM_REVISION is given 0 different values"),
        ("QEMU_UPSTREAM_URL = https://h/q\nQEMU_UPSTREAM_REVISION = $(X)\n", "given 0 different"),
        ("QEMU_UPSTREAM_URL = https://h/q\n" + "QEMU_UPSTREAM_REVISION ?= {}\n" * 2, "given 2 different"),
        ("QEMU_UPSTREAM_URL = https://h/q\nQEMU_UPSTREAM_REVISION += v1\n", r"QEMU_UPSTREAM_REVISION \+= 'v1' is not"),
        ("QEMU_UPSTREAM_URL = https://h/q\nQEMU_UPSTREAM_REVISION != $(X)\n", "!= .* is not plain"),
        *(
            (f"QEMU_UPSTREAM_REVISION = v1\nQEMU_UPSTREAM_URL = {url}\n", "QEMU_UPSTREAM_URL")
            for url in (
                "",
                "q.git",
                "../q.git",
                "-u",
                "ext::sh",
                "ftp://h/q",
                "https://u:p@h/q",
                "https://h/q x",
                "http://[x",
            )
        ),
    ],
)
def test_what_is_refused(text: str, what: str) -> None:
    with pytest.raises(Refusal, match=what) as caught:
        revisions(text.replace("{}", "v1", 1).replace("{}", "v2"))
    assert (caught.value.code, caught.value.where) == ("E-COMPONENT-PIN", "RELEASE-4.20.4, Config.mk")


def test_a_tree_without_the_file_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        read(None, ETHERBOOT.encode(), "RELEASE-2.0.0")
    assert (caught.value.code, caught.value.where) == ("E-COMPONENT-PIN", "RELEASE-2.0.0, Config.mk")
    with pytest.raises(Refusal) as caught:
        read(b"", b"IPXE_GIT_TAG := v1\n", "x")
    assert caught.value.where == "x, tools/firmware/etherboot/Makefile"


variables = st.sampled_from([b"QEMU_UPSTREAM_REVISION", b"QEMU_UPSTREAM_URL", b"IPXE_GIT_TAG", b"IPXE_GIT_URL"])
signs = st.sampled_from([b" ", b"\t", b"\n", b"#", b"=", b"?=", b":=", b"+="])
values = st.sampled_from(
    [b"$(X)", b"v1", b"-x", b"https://h/q", b"git://xenbits.xen.org/q", b"http://[", b"\xff", b"\0"]
)
words = variables | signs | values
makefiles = st.lists(words, max_size=16).map(b"".join) | st.binary(max_size=60)


def outcome(config: bytes, etherboot: bytes | None) -> dict[str, Named] | Refusal:
    try:
        return read(config, etherboot, "x")
    except Refusal as error:
        return error


@settings(max_examples=300)
@given(makefiles, st.none() | makefiles)
def test_any_bytes_are_read_or_refused(config: bytes, etherboot: bytes | None) -> None:
    found = outcome(config, etherboot)
    if isinstance(found, Refusal):
        assert found.code == "E-COMPONENT-PIN"
        assert found.what.isprintable()
        return
    for name, one in found.items():
        assert name == one.name in NAMES
        assert not one.revision.startswith("-")
        assert (one.revision + one.url).isprintable()


@given(st.binary(max_size=200))
def test_what_stands_around_does_not_matter(text: bytes) -> None:
    around = b"".join(b"# " + line + b"\n" for line in text.split(b"\n"))
    expected = read(CONFIG.encode(), None, "x")
    assert read(around + CONFIG.encode() + around, None, "x") == expected


@dataclass
class Served:
    """A component's repository over HTTP, with tags of all kinds."""

    trees: Trees
    server: GitServer
    address: str
    commits: dict[str, str]

    def named(self, revision: str, url: str = "") -> Named:
        return Named("qemu", url or self.address, revision)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    trees = Trees(tmp_path_factory.mktemp("qemu"))
    link = Entry(b"1" * 40, SUBMODULE)
    files = {b"configure": Entry(b"#!/bin/sh\n", PROGRAM), b"roms/seabios": link, b"VERSION": Entry(b"8.0\n")}
    one = trees.commit(files)
    two = trees.commit({**files, b"VERSION": Entry(b"8.1\n")})
    tagger = ("-c", "user.name=Xen demo", "-c", "user.email=demo@localhost")
    trees.git("tag", "light", one)
    trees.git(*tagger, "tag", "-a", "-m", "x", "qemu-xen-4.20.1", two)
    trees.git("update-ref", "refs/heads/stable-4.20", one)
    # What other repositories have: thousands of tags, names of all kinds, tags of anything, and branches of that name.
    refs = [f"create refs/tags/v{number} {one}" for number in range(2000)]
    refs += [
        f"create refs/tags/{name} {one}" for name in ("a/b/c", "é", "x\u2028y", "RELEASE-4.20.0", "a\u00a0b", "{x}")
    ]
    refs += [f"create refs/tags/tree {trees.git('rev-parse', one + '^{tree}').decode().strip()}"]
    refs += [f"create refs/heads/stable-{name} {one}" for name in ("x", "qemu-xen-4.20.1")]
    trees.git("update-ref", "--stdin", stdin="\n".join(refs).encode() + b"\n")
    trees.git("update-ref", "--stdin", stdin=b"create refs/tags/not\xff\xfeutf %b\n" % one.encode())
    with GitServer(trees.folder) as server:
        yield Served(trees, server, server.url("store.git"), {"light": one, "qemu-xen-4.20.1": two})


@pytest.mark.parametrize("revision", ["light", "qemu-xen-4.20.1"])
def test_a_tag_stands_for_its_commit(revision: str, served: Served, tmp_path: Path) -> None:
    components = Components({}, tmp_path)
    named = served.named(revision)
    commit = served.commits[revision]
    assert components.resolve(named) == (commit, f"refs/tags/{revision}", served.address)
    with served.trees.checked_out(commit) as folder:
        expected = nix_hash(folder)
    assert components.component(named, submodules=False) == Component(
        "qemu", served.address, revision, commit, expected
    )


def test_a_commit_stands_for_itself_and_nothing_is_asked(served: Served, tmp_path: Path) -> None:
    commit = served.commits["light"]
    named = served.named(commit)
    served.server.reset_counters()
    assert Components({}, tmp_path).resolve(named) == (commit, commit, served.address)
    assert served.server.requests == ()
    first = Components({}, tmp_path).component(named, submodules=False)
    assert first.hash == Components({}, tmp_path / "cold").component(served.named("light"), submodules=False).hash
    served.server.reset_counters()
    assert Components({}, tmp_path).component(named, submodules=False) == first
    assert served.server.requests == ()


def test_a_repository_is_listed_once(served: Served, tmp_path: Path) -> None:
    told: list[str] = []
    components = Components({}, tmp_path, told.append)
    served.server.reset_counters()
    components.resolve(served.named("light"))
    asked = len(served.server.requests)
    components.resolve(served.named("v1999"))
    assert asked == len(served.server.requests) > 0
    assert told == [f"asking {served.address} for the tags of qemu"]


@pytest.mark.parametrize("key", ["qemu", "https://host.invalid/q.git"])
def test_a_configured_address_counts(key: str, served: Served, tmp_path: Path) -> None:
    components = Components({key: str(served.trees.store)}, tmp_path)
    found = components.component(served.named("light", "https://host.invalid/q.git"), submodules=False)
    assert (found.url, found.commit) == (str(served.trees.store), served.commits["light"])


def test_a_configured_address_is_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"E-GIT-ADDRESS: the address of qemu: "):
        Components({"qemu": "--upload-pack=x"}, tmp_path)


@pytest.mark.parametrize(
    ("revision", "code"),
    [
        *(("master", "E-REV-UNKNOWN"), ("v1^{}", "E-REV-UNKNOWN"), ("qemu-xen-4.20", "E-REV-UNKNOWN")),
        *(("refs/tags/light", "E-REV-UNKNOWN"), ("stable-4.20", "E-COMPONENT-PIN")),
    ],
)
def test_what_is_no_tag_is_refused(revision: str, code: str, served: Served, tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        Components({}, tmp_path).resolve(served.named(revision))
    assert (caught.value.code, caught.value.where) == (code, served.address)


def test_a_commit_that_is_not_there_is_refused(served: Served, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="E-TAG-MISSING"):
        Components({}, tmp_path).component(served.named("1" * 40), submodules=False)


def test_a_tag_of_something_else_has_no_hash(served: Served, tmp_path: Path) -> None:
    tag = served.trees.git("rev-parse", "refs/tags/qemu-xen-4.20.1").decode().strip()
    for revision in ("tree", tag):
        for submodules in (False, True):
            with pytest.raises((Failure, Refusal), match="E-OBJECT"):
                Components({}, tmp_path).component(served.named(revision), submodules=submodules)


def test_a_tag_that_moves_is_refused(served: Served, tmp_path: Path) -> None:
    one, two = served.commits.values()
    served.trees.git("tag", "moving", one)
    components = Components({}, tmp_path)
    resolved = components.resolve(served.named("moving"))
    served.trees.git("tag", "--force", "moving", two)
    with pytest.raises(Refusal, match="E-TAG-MISMATCH"):
        components.hash(served.named("moving"), *resolved, submodules=False)


def test_a_server_that_fails(served: Served, tmp_path: Path) -> None:
    served.server.fail_next("store.git", Status(500), times=1)
    components = Components({}, tmp_path)
    with pytest.raises(Failure, match="E-HTTP-STATUS"):
        components.resolve(served.named("light"))
    assert components.resolve(served.named("light"))


def test_two_components_do_not_share_a_cache(served: Served, tmp_path: Path) -> None:
    components = Components({}, tmp_path)
    for name in ("qemu", "seabios"):
        components.component(dataclasses.replace(served.named("light"), name=name), submodules=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["qemu", "seabios"]
