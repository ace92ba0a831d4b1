"""Whether what was tried is signed: a report says so, and does not stop for it.

Test days are about tags that the Xen Project signs as it signs releases; a commit or a branch has no signature of its
own. The same keys count as for releases.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from xenbump.errors import Failure, Refusal
from xenbump.publish.markup import clipped, plain
from xenbump.trying import source
from xenbump.upstream import signature
from xenbump.upstream.tag import parse_tag

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.upstream.signature import Trust
    from xenbump.upstream.tag import Tag

State = Literal["good", "bad", "unsigned", "none", "unknown"]
_NAME = re.compile(r"[A-Za-z0-9_][\w.+/-]{0,200}", re.ASCII)
_SECONDS = 60.0
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Signed:
    """What there is of a signature.

    Attributes:
        state: `good`: by a pinned key; `bad`: there is one that does not count; `unsigned`: a tag without one;
            `none`: no tag was tried; `unknown`: it could not be judged.
        tag: the tag's name; empty for `none`.
        words: a sentence for people.
    """

    state: State
    tag: str
    words: str


def looked(repository: Path, names: tuple[str, ...], commit: str, trust: Trust) -> Signed:
    """What the tag of a commit carries.

    Args:
        repository: the git folder that has the tag.
        names: what may be the tag's name; the first that is one counts.
        commit: what was tried, in 40 hexadecimal digits.
        trust: whose signature counts.

    Raises:
        Failure: git is missing, or did not end.
    """
    for name in names:
        if ".." in name or _NAME.fullmatch(name) is None:
            continue
        kind = source.asked(repository, "cat-file", "-t", f"refs/tags/{name}", seconds=_SECONDS)
        if kind.status != 0:
            continue
        if kind.stdout.strip() != b"tag":
            return Signed("unsigned", name, "the tag is lightweight: it carries no signature")
        raw = source.asked(repository, "cat-file", "tag", f"refs/tags/{name}", seconds=_SECONDS).stdout
        return judged(raw, name, commit, trust)
    return Signed("none", "", "none: it is no tag, and single commits of Xen are not signed")


def judged(raw: bytes, name: str, commit: str, trust: Trust) -> Signed:
    """What a tag object carries.

    Args:
        raw: its content.
        name: of the ref.
        commit: what it has to name.
        trust: whose signature counts.
    """
    try:
        tag = parse_tag(raw, name)
        wrong = _wrong(tag, name, commit)
        if wrong:
            return Signed("bad", name, wrong)
        if tag.signature is None:
            return Signed("unsigned", name, "the tag object carries no signature")
        found = signature.verify(tag.signed, tag.signature, trust, what=f"tag {name}")
    except Refusal as error:
        return Signed("bad", name, f"{plain(clipped(error.what, _LONGEST))} ({error.code})")
    except Failure as error:
        return Signed("unknown", name, f"it could not be judged: {plain(clipped(error.what, _LONGEST))}")
    return good(name, found.fingerprint, found.made)


def good(tag: str, fingerprint: str, made: int) -> Signed:
    """A signature that was judged, and is good.

    Args:
        tag: the tag's name.
        fingerprint: of the pinned key.
        made: when it was made, in seconds since 1970.
    """
    day = datetime.fromtimestamp(made, UTC)
    return Signed("good", tag, f"good, of {day:%Y-%m-%d}, by the pinned key {fingerprint}")


def _wrong(tag: Tag, name: str, commit: str) -> str:
    """Why a tag object is not that of a name and a commit; empty where it is."""
    if tag.name != name:
        return f"the tag object has the name {plain(clipped(tag.name, _LONGEST))}"
    if tag.object != commit:
        return f"the tag object names {tag.object}, which is not what was tried"
    return ""
