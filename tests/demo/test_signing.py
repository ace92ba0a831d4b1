"""`xenbump.demo.signing` against the real gpg, gpgv and git."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.demo import none_left_with, processes_with
from xenbump.demo import signing
from xenbump.demo.signing import SigningKey
from xenbump.errors import Failure
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.process import Completed

TEXT = b"object 0123\n\nXen 4.20.4\n"


@pytest.fixture(scope="module")
def key() -> Iterator[SigningKey]:
    with SigningKey() as made:
        yield made


def verify(folder: Path, key: SigningKey, *contents: bytes) -> Completed:
    """What gpgv says of a signature (and what it signs, unless it has that within), with only this key trusted."""
    keyring = folder / "keyring.gpg"
    keyring.write_bytes(key.public_key(armored=False))
    files = [folder / f"content-{number}" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    names = [str(file) for file in files]
    return run(["gpgv", "--status-fd", "1", "--keyring", str(keyring), *names], check=False)


def test_a_detached_signature_is_valid(tmp_path: Path, key: SigningKey) -> None:
    signature = key.sign_detached(TEXT)
    assert signature.startswith(b"-----BEGIN PGP SIGNATURE-----\n")
    assert signature.endswith(b"-----END PGP SIGNATURE-----\n")
    done = verify(tmp_path, key, signature, TEXT)
    assert done.status == 0
    assert f"VALIDSIG {key.fingerprint} ".encode() in done.stdout


def test_other_data_are_not_signed(tmp_path: Path, key: SigningKey) -> None:
    done = verify(tmp_path, key, key.sign_detached(TEXT), TEXT + b" ")
    assert done.status != 0
    assert b"BADSIG" in done.stdout


def test_another_key_is_not_this_one(tmp_path: Path, key: SigningKey) -> None:
    with SigningKey() as other:
        assert other.fingerprint != key.fingerprint
        done = verify(tmp_path, key, other.sign_detached(TEXT), TEXT)
    assert done.status != 0
    assert b"NO_PUBKEY" in done.stdout


def test_a_clear_signed_text_is_valid_and_readable(tmp_path: Path, key: SigningKey) -> None:
    signed = key.clearsign(b"Xen Security Advisory\n- a line that needs escaping\n")
    assert b"\nXen Security Advisory\n- - a line" in signed
    assert verify(tmp_path, key, signed).status == 0
    assert verify(tmp_path, key, signed.replace(b"Advisory", b"advisory")).status != 0


def test_the_public_key_comes_in_two_forms(key: SigningKey) -> None:
    armored, binary = key.public_key(), key.public_key(armored=False)
    assert armored.startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    assert run(["gpg", "--dearmor"], env={"GNUPGHOME": str(key.home)}, stdin=armored).stdout == binary


def test_an_expired_key_is_told_from_a_valid_one(tmp_path: Path) -> None:
    with SigningKey(expired=True) as old:
        done = verify(tmp_path, old, old.sign_detached(TEXT), TEXT)
    assert b"EXPKEYSIG" in done.stdout
    assert b"GOODSIG" not in done.stdout


def test_an_older_key_signs_at_any_time_since(tmp_path: Path, key: SigningKey) -> None:
    def signed_at(signer: SigningKey, at: int | None) -> int:
        done = verify(tmp_path, signer, signer.sign_detached(TEXT, at), TEXT)
        assert (done.status, b"GOODSIG" in done.stdout) == (0, True)
        return int(next(line.split()[4] for line in done.stdout.decode().splitlines() if " VALIDSIG " in line))

    start = int(time.time())
    with SigningKey(made_at=1_767_614_400) as old:
        assert signed_at(old, 1_767_614_400) == 1_767_614_400
        assert signed_at(old, 1_770_000_000) == 1_770_000_000
        # Before the key was there, nothing was signed with it.
        assert min(signed_at(old, 1_767_614_399), signed_at(old, None), signed_at(key, 1_770_000_000)) >= start


def test_a_key_like_xens(tmp_path: Path) -> None:
    with SigningKey(algorithm="rsa2048") as rsa:
        done = verify(tmp_path, rsa, rsa.sign_detached(TEXT), TEXT)
    valid = next(line.split() for line in done.stdout.decode().splitlines() if " VALIDSIG " in line)
    # Public-key algorithm 1 is RSA (RFC 9580, section 9.1).
    assert valid[8] == "1"


def test_git_signs_and_verifies_with_it(tmp_path: Path, key: SigningKey) -> None:
    env = {**key.git_environment(), "GIT_COMMITTER_NAME": "Demo", "GIT_COMMITTER_EMAIL": "demo@localhost"}
    env |= {"GIT_AUTHOR_NAME": "Demo", "GIT_AUTHOR_EMAIL": "demo@localhost"}
    for command in (
        ["init", "--quiet", "."],
        ["commit", "--quiet", "--allow-empty", "--message=first"],
        ["tag", "--sign", "--message=Xen 4.20.4", "RELEASE-4.20.4"],
        ["verify-tag", "RELEASE-4.20.4"],
    ):
        run(["git", *command], cwd=tmp_path, env=env)


def test_the_folder_is_private(key: SigningKey) -> None:
    assert stat.S_IMODE(key.home.stat().st_mode) == 0o700


def test_nothing_stays_behind() -> None:
    with SigningKey() as made:
        home = made.home
        made.sign_detached(TEXT)
        assert processes_with(str(home))
    assert not processes_with(str(home))
    assert not home.exists()
    with pytest.raises(RuntimeError):
        made.sign_detached(TEXT)


def test_nothing_stays_behind_after_an_exception() -> None:
    home = Path()

    def work() -> None:
        nonlocal home
        with SigningKey() as made:
            home = made.home
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not processes_with(str(home))
    assert not home.exists()


def test_a_key_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(signing, "_LONGEST_PARENT", 1000)
    with pytest.raises(Failure) as caught, SigningKey(algorithm="none-such"):
        pass
    assert caught.value.code == "E-PROGRAM-FAILED"
    assert not list(tmp_path.iterdir())
    assert not processes_with(str(tmp_path))


def test_nothing_stays_behind_after_a_kill() -> None:
    program = (
        "import time\nfrom xenbump.demo.signing import SigningKey\n"
        "with SigningKey() as made:\n    print(made.home, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        home = Path(owner.stdout.readline().strip())
        assert processes_with(str(home))
        owner.kill()
    assert none_left_with(str(home), 20)
    assert not home.exists()


def test_an_agent_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "gpg-agent"
    fake.write_text("#!/bin/sh\nexit 2\n", encoding="ascii")
    fake.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Failure, match="does not start"):
        SigningKey().__enter__()


def test_a_long_temporary_folder_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("long-" * 20)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with SigningKey() as made:
        assert made.sign_detached(TEXT)


def test_an_agent_that_does_not_end_is_made_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_AGENT_SECONDS", 0.05)
    with subprocess.Popen(["sleep", "60"]) as stubborn:
        signing._wait_for_end(stubborn.pid)
        assert stubborn.wait(5) == -signal.SIGKILL
        # Now nobody is there, and to wait is not needed.
        signing._wait_for_end(stubborn.pid)


def test_the_users_own_keys_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setitem(os.environ, "GNUPGHOME", str(tmp_path / "mine"))
    with SigningKey() as made:
        made.sign_detached(TEXT)
    assert not list(tmp_path.iterdir())
