"""Smaller texts of upstream's: SUPPORT.md, Config.mk, commit messages, addresses, hashes."""

from __future__ import annotations

import re

from tests.fuzz.shown import refused
from xenbump.errors import Refusal, UsageError
from xenbump.hashes import nix32, sri
from xenbump.upstream import commits, components, git, library, markers, submodules, support

_PARENTS = ("https://example.org/a/b.git", "ssh://git@example.org/a", "host:path", "/srv/git/a.git", "./a")


def one(data: bytes) -> bool:
    """Read bytes as each of them."""
    text = data.decode("utf-8", "replace")
    _message(text)
    _address(text)
    library._version(data)
    # Each, whatever the others say.
    return any([_support(data), _components(data), _hash(text)])


def _support(data: bytes) -> bool:
    try:
        window = support.read(data, "stable-4.20", "4.20")
    except Refusal as error:
        return refused(error, "E-SUPPORT-FORM")
    days = [day for day in (window.initial_release, window.supported_until, window.security_until) if day is not None]
    assert days == sorted(days)
    assert not (window.status and window.security_until)
    return window != support.UNKNOWN


def _components(data: bytes) -> bool:
    try:
        found = components.read(data, data, "RELEASE-4.20.3")
    except Refusal as error:
        return refused(error, "E-COMPONENT-PIN")
    for name, named in found.items():
        assert name == named.name
        assert not named.revision.startswith("-")
        assert re.fullmatch(r"[\w.+/-]+", named.revision, re.ASCII)
        # What git gets as an argument.
        assert git.check_address(named.url, "") == named.url
    return bool(found)


def _message(text: str) -> None:
    assert all(0 <= number < 10**5 for number in markers.fixes(text))
    assert all(re.fullmatch("[0-9a-f]{40}", origin) for origin in commits.origins(text))
    assert all(re.fullmatch("[0-9a-f]{7,40}", named) for named in commits.reverted(text))


def _address(text: str) -> None:
    for address in {text, text.strip()}:
        commit = commits.commit_of(address)
        assert commit is None or re.fullmatch("[0-9a-f]{40}", commit)
        for parent in _PARENTS:
            try:
                found = submodules.address_of(address, parent, "a submodule")
            except Refusal as error:
                refused(error, "E-SUBMODULE")
                continue
            assert not found.startswith("-")
            assert not found.startswith("ext::")
            if address.startswith(("./", "../")) and "://" in parent:
                assert found.startswith(parent[: parent.index("/", 8) + 1])
    try:
        git.check_address(text, "")
    except UsageError as error:
        refused(error, "E-GIT-ADDRESS")


def _hash(text: str) -> bool:
    words = text.split()[:1]
    for word in (text, *words):
        for digest in (sri.decode(word), nix32.decode(word), nix32.any_form(word)):
            assert digest is None or sri.decode(sri.encode(digest)) == digest
    return bool(words) and sri.is_hash(words[0])
