"""The shapes that are known by sight and not read here: each is refused by its name, not called unknown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from xenbump.errors import Refusal
from xenbump.nixlang.find import bindings, body, call
from xenbump.nixlang.tree import AttrSet, Binding, String
from xenbump.package.nodes import calls, sets

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.edit import Replacement
    from xenbump.nixlang.find import Call
    from xenbump.package.model import PackageFile
    from xenbump.plan.model import Plan

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True)
class KnownBySight:
    """A shape that is recognised and refused."""

    key: str
    sign: Callable[[Document], bool]

    def recognises(self, document: Document) -> bool:
        """Whether the file shows the sign of the shape."""
        return self.sign(document)

    def read(self, document: Document) -> PackageFile:
        """Refuse: E-SHAPE-UNSUPPORTED."""
        self._refuse(document)

    def edits(self, document: Document, file: PackageFile, plan: Plan) -> tuple[Replacement, ...]:
        """Refuse: E-SHAPE-UNSUPPORTED."""
        del file, plan
        self._refuse(document)

    def _refuse(self, document: Document) -> NoReturn:
        raise Refusal(
            "E-SHAPE-UNSUPPORTED",
            f"the file has the shape `{self.key}`, which this version of xenbump does not rewrite",
            where=document.where(document.root),
        )


def _last_name(made: Call) -> str:
    return (made.name or "").rpartition(".")[2]


def _fetched_by(document: Document, fetcher: str) -> bool:
    """Whether a derivation has `src = fetcher { … }`."""
    for node in sets(document):
        for one in bindings(node, ["src"]):
            made = call(one.value)
            if made is not None and _last_name(made) == fetcher:
                return True
    return False


def _version_definition(document: Document) -> bool:
    return any(
        bindings(node, ["branch"]) and bindings(node, ["version"]) and bindings(node, ["pkg", "xen"])
        for node in sets(document)
    )


def _build_xen_package(document: Document) -> bool:
    return any((made.name or "").split(".")[-1] == "buildXenPackage" for made in calls(document)) or any(
        (made.name or "").endswith("buildXenPackage.override") for made in calls(document)
    )


def _override_attrs(document: Document) -> bool:
    for made in calls(document):
        if _last_name(made) == "overrideAttrs" and (made.name or "").split(".")[-2:-1] == ["xen"]:
            # A table of versions feeds an override, too, and is what matters there.
            return isinstance(body(made.arguments[0]), AttrSet) and not _version_table(document)
    return False


def _version_table(document: Document) -> bool:
    for node in sets(document):
        names = [one.names for one in node.bindings if isinstance(one, Binding) and isinstance(one.value, String)]
        if len(names) == len(node.bindings) > 1 and all(
            len(path) == 1 and path[0] is not None and _VERSION.fullmatch(path[0]) for path in names
        ):
            return True
    return False


def _legacy(document: Document) -> bool:
    if any(_last_name(made) == "xsaPatch" for made in calls(document)) and not _version_definition(document):
        return True
    return _fetched_by(document, "fetchurl") and not _version_definition(document)


SHAPES = (
    KnownBySight("version-definition", _version_definition),
    KnownBySight("build-xen-package", _build_xen_package),
    KnownBySight("derivation-fetchgit", lambda document: _fetched_by(document, "fetchgit")),
    KnownBySight("override-attrs", _override_attrs),
    KnownBySight("version-table", _version_table),
    KnownBySight("legacy", _legacy),
)
