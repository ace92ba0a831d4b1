"""Whether what was tried is signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.trying import fake_tree
from xenbump.demo.signing import SigningKey
from xenbump.errors import Failure
from xenbump.trying import signed
from xenbump.upstream import signature

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.upstream.signature import Trust


@dataclass(frozen=True)
class Made:
    """A repository with tags of each kind, and whose signature counts."""

    git: Path
    commit: str
    trust: Trust
    stranger: Trust

    def looked(self, *names: str, commit: str = "") -> signed.Signed:
        return signed.looked(self.git, names, commit or self.commit, self.trust)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    base = tmp_path_factory.mktemp("signed")
    folder = base / "xen"
    folder.mkdir()
    fake_tree.git(folder, "init", "--quiet", "--template=", "--initial-branch=staging")
    commit = fake_tree.commit(folder, "One", {"README": "\n"})
    fake_tree.git(folder, "tag", "-m", "unsigned", "4.22.0-rc1")
    fake_tree.git(folder, "tag", "4.22.0-rc2")
    with SigningKey() as key, SigningKey() as other:
        form = f"object {commit}\ntype commit\ntag NAME\ntagger A Tester <t@example.org> 1700000000 +0000\n\nMessage\n"
        for name, signer, inner in (
            ("4.22.0-rc3", key, "4.22.0-rc3"),
            ("4.22.0-rc4", other, "4.22.0-rc4"),
            ("4.22.0-rc5", key, "4.22.0-rc3"),
        ):
            text = form.replace("NAME", inner).encode()
            tag = fake_tree.git(folder, "mktag", stdin=text + signer.sign_detached(text))
            fake_tree.git(folder, "update-ref", f"refs/tags/{name}", tag)
        keys = []
        for number, one in enumerate((key, other)):
            path = base / f"{number}.asc"
            path.write_bytes(one.public_key())
            keys.append(signature.load_trust(path, (one.fingerprint,)))
        yield Made(folder / ".git", commit, *keys)


def test_a_signature_by_a_pinned_key_is_good(made: Made) -> None:
    found = made.looked("4.22.0-rc3")
    assert (found.state, found.tag) == ("good", "4.22.0-rc3")
    assert found.words.startswith("good, of 20")
    assert found.words.endswith(next(iter(made.trust.fingerprints)))


def test_one_by_another_key_is_bad(made: Made) -> None:
    found = made.looked("4.22.0-rc4")
    assert found.state == "bad"
    assert found.words.endswith("(E-SIGNATURE-KEY)")


def test_one_of_another_name_or_commit_is_bad(made: Made) -> None:
    assert made.looked("4.22.0-rc5") == signed.Signed("bad", "4.22.0-rc5", "the tag object has the name 4.22.0-rc3")
    assert made.looked("4.22.0-rc3", commit="ab" * 20).state == "bad"


def test_tags_without_a_signature_are_unsigned(made: Made) -> None:
    assert made.looked("4.22.0-rc1") == signed.Signed("unsigned", "4.22.0-rc1", "the tag object carries no signature")
    assert made.looked("4.22.0-rc2").state == "unsigned"


def test_the_first_name_that_is_a_tag_counts(made: Made) -> None:
    assert made.looked("staging", "4.22.0-rc3").state == "good"
    assert made.looked("staging", "staging~1", "-x", "a..b", "").state == "none"


def test_what_is_no_tag_object_is_bad(made: Made) -> None:
    assert signed.judged(b"no tag", "x", made.commit, made.trust).state == "bad"


def test_a_machine_that_cannot_judge_says_so(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: object, **__: object) -> None:
        raise Failure("E-PROGRAM-MISSING", "the program `gpgv` is needed")

    monkeypatch.setattr(signature, "verify", lacks)
    found = made.looked("4.22.0-rc3")
    assert found == signed.Signed("unknown", "4.22.0-rc3", "it could not be judged: the program `gpgv` is needed")
