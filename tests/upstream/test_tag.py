"""The form of tag objects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.upstream.support import DATA
from xenbump.errors import Refusal
from xenbump.upstream.tag import parse_tag

OID = "0123456789abcdef0123456789abcdef01234567"
HEAD = f"object {OID}\ntype commit\ntag RELEASE-4.20.4\ntagger Xen demo <demo@localhost> 1767614400 +0000\n\n"
SIGNATURE = "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"


@pytest.mark.parametrize(
    ("name", "commit"),
    [
        ("RELEASE-4.20.3", "14274673cbb499472f63b8ece772e8d88bf7d79b"),
        ("RELEASE-4.2.2", "a125ec6a4a2f028f97f0bdd8946d347a36dbe76b"),
        ("4.5.0-rc1", "1b068a5b485062c862c20d8ba7674faa97ee3714"),
    ],
)
def test_a_tag_of_xen(name: str, commit: str) -> None:
    raw = (DATA / "tags" / name).read_bytes()
    tag = parse_tag(raw, name)
    assert (tag.name, tag.kind, tag.object) == (name, "commit", commit)
    assert tag.signature is not None
    assert tag.signed + tag.signature == raw
    assert tag.signature.startswith(b"-----BEGIN PGP SIGNATURE-----\n")


def test_a_tag_without_a_signature() -> None:
    raw = (HEAD + "Xen 4.20.4\n").encode()
    tag = parse_tag(raw, "x")
    assert tag.signature is None
    assert tag.signed == raw


def test_what_only_looks_like_a_signature_is_text() -> None:
    for text in (f"see {SIGNATURE}", f"> {SIGNATURE}", SIGNATURE.replace("SIGNATURE", "MESSAGE")):
        assert parse_tag((HEAD + text).encode(), "x").signature is None


def test_the_signature_begins_at_its_first_line() -> None:
    raw = (HEAD + "Xen 4.20.4\n" + SIGNATURE + SIGNATURE).encode()
    tag = parse_tag(raw, "x")
    assert tag.signed == (HEAD + "Xen 4.20.4\n").encode()
    assert tag.signature == (SIGNATURE * 2).encode()


@pytest.mark.parametrize(
    "raw",
    [
        "",
        HEAD[1:],
        HEAD.replace("object ", "object  "),
        HEAD.replace(OID, OID[1:]),
        HEAD.replace(OID, OID.upper()),
        HEAD.replace("type commit\n", ""),
        HEAD.replace("type", "kind"),
        HEAD.replace("tag RELEASE-4.20.4\n", ""),
        HEAD.replace("tag RELEASE-4.20.4", "tag "),
        HEAD.replace("RELEASE-4.20.4", "RELEASE-4.20.4\0"),
        HEAD.replace("\n", "\r\n"),
        HEAD.replace("\n\n", "\nencoding x\n\n"),
        f"\n{HEAD}",
    ],
)
def test_another_form_is_refused(raw: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_tag(raw.encode(), "RELEASE-4.20.4")
    assert (caught.value.code, caught.value.where) == ("E-TAG-FORM", "RELEASE-4.20.4")


@given(st.binary(max_size=200))
def test_any_message_is_kept_whole(message: bytes) -> None:
    tag = parse_tag(HEAD.encode() + message, "x")
    assert tag.signed + (tag.signature or b"") == HEAD.encode() + message


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(Refusal):
        parse_tag(raw, "x")
