"""What the page of a report needs to draw its matrix and the advisories, packed: some thousand decisions are alike.

A decision's verdict is a letter; its reason and evidence are places in one list of texts, in which the number of the
advisory, the name of the tree and its branch stand as signs of their own, so that most decisions share theirs. These
signs are characters for private use, which no text from outside can bring along (`markup.plain` replaces them).
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from xenbump.hashes import sri
from xenbump.plan.model import Verdict
from xenbump.publish.markup import clipped, plain
from xenbump.report import view

if TYPE_CHECKING:
    from xenbump.plan.model import Decision
    from xenbump.report.view import Advisory, Exposed, Overview

# The letters are those of `audit`'s matrix, with one for each verdict.
SIGNS = {
    Verdict.NEEDS_PATCH: "X",
    Verdict.CONFLICT: "?",
    Verdict.ALREADY_PATCHED: "p",
    Verdict.IN_RELEASE: ".",
    Verdict.OTHER_BRANCH: "-",
    Verdict.OTHER_TREE: "o",
    Verdict.EMBARGOED: "e",
    Verdict.UNUSED: " ",
}
# In words for people, in the order in which a reader wants them.
WORDS = {
    Verdict.NEEDS_PATCH: "lacks the fix",
    Verdict.CONFLICT: "uncertain",
    Verdict.ALREADY_PATCHED: "patched",
    Verdict.IN_RELEASE: "fixed",
    Verdict.OTHER_BRANCH: "no patch for this branch",
    Verdict.OTHER_TREE: "not for Xen",
    Verdict.EMBARGOED: "embargoed",
    Verdict.UNUSED: "not used",
}
_NUMBER, _TREE, _BRANCH = "\ue000", "\ue001", "\ue002"
_LONGEST = 600


class _Texts:
    """The list of texts, each once."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, text: str, number: int, one: Exposed) -> int:
        """Where a text stands, with what differs between decisions taken out."""
        found = clipped(plain(text), _LONGEST).replace(f"XSA-{number}", _NUMBER)
        found = found.replace(one.version, _TREE).replace(f" {one.branch}", f" {_BRANCH}")
        return self._places.setdefault(found, len(self._places))

    def all(self) -> list[str]:
        """The texts in their places."""
        return list(self._places)


def pack(overview: Overview) -> dict[str, Any]:
    """The data of the page's matrix and of its advisories, as values of JSON.

    Args:
        overview: what is shown; advisories without any content are left out.
    """
    texts = _Texts()
    subjects = (*overview.packages, *overview.releases)
    told = {decision.xsa for one in subjects for decision in one.decisions if decision.verdict is not Verdict.UNUSED}
    shown = [one for one in overview.advisories if one.number in told]
    numbers = [one.number for one in shown]
    return {
        "words": {SIGNS[verdict]: words for verdict, words in WORDS.items()},
        "advisories": [_advisory(one) for one in shown],
        "packages": [_subject(one, numbers, texts, evidence=True) for one in overview.packages],
        "releases": [_subject(one, numbers, texts, evidence=False) for one in overview.releases],
        "waits": [
            [one.xsa, plain(one.request.package), one.request.number, address(one.request.url), one.hours]
            for one in view.waits(overview)
        ],
        "texts": texts.all(),
    }


def address(url: str) -> str:
    """An address that may stand in a link: of the web; else nothing."""
    return url if url.startswith(("https://", "http://")) else ""


def _advisory(one: Advisory) -> list[Any]:
    lines = [
        [
            plain(line.range.text),
            [[plain(file.name), sri.encode(bytes.fromhex(file.sha256)), int(file.prerequisite)] for file in line.files],
        ]
        for line in one.lines
    ]
    return [one.number, plain(one.title), list(one.cves), one.public, lines, plain(one.unread)]


def _subject(one: Exposed, numbers: list[int], texts: _Texts, *, evidence: bool) -> dict[str, Any]:
    """A package or release: a letter for each advisory, and in runs of alike ones the places of their texts."""
    decisions = {decision.xsa: decision for decision in one.decisions}
    ordered = [decisions.get(number) for number in numbers]
    told = [None if decision is None else _told(decision, one, texts, evidence=evidence) for decision in ordered]
    packed: dict[str, Any] = {
        "name": plain(one.name),
        "version": plain(one.version),
        "branch": one.branch,
        "cells": "".join(SIGNS[decision.verdict] if decision is not None else " " for decision in ordered),
        "told": [[len(list(group)), key] for key, group in groupby(told)],
    }
    if one.decided:
        packed["decided"] = {str(number): plain(reason) for number, reason in one.decided}
    return packed if one.released is None else {**packed, "released": one.released.isoformat()}


def _told(decision: Decision, one: Exposed, texts: _Texts, *, evidence: bool) -> list[int]:
    told = (decision.reason, *(decision.evidence if evidence else ()))
    return [texts.place(text, decision.xsa, one) for text in told]
