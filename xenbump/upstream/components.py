"""Components: the other projects whose revisions a tree of Xen names, their commits, and the hashes of these.

`Config.mk` names QEMU, SeaBIOS, OVMF and mini-os, `tools/firmware/etherboot/Makefile` iPXE, in assignments of GNU make
(its manual, "Setting Variables"). The tree is that of a signed tag, so a commit that it names is what Xen's maintainers
mean; a tag that it names is as good as the repository that resolves it. Make is not run: an assignment that refers to
other variables is the way for a builder to choose for himself, and no value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xenbump.errors import Refusal, UsageError
from xenbump.hashes import archive, nar, sri
from xenbump.upstream import git
from xenbump.upstream.repository import Repository
from xenbump.upstream.submodules import Submodules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from xenbump.upstream.model import Listing

NAMES = ("qemu", "seabios", "ovmf", "ipxe", "minios")
CONFIG = "Config.mk"
ETHERBOOT = "tools/firmware/etherboot/Makefile"

# By component: the variables that may have its revision, the first that has a value counting, and that of its address.
_VARIABLES = {
    "qemu": (("QEMU_UPSTREAM_REVISION",), "QEMU_UPSTREAM_URL"),
    # Until 4.4 it was the tag alone.
    "seabios": (("SEABIOS_UPSTREAM_REVISION", "SEABIOS_UPSTREAM_TAG"), "SEABIOS_UPSTREAM_URL"),
    "ovmf": (("OVMF_UPSTREAM_REVISION",), "OVMF_UPSTREAM_URL"),
    "ipxe": (("IPXE_GIT_TAG",), "IPXE_GIT_URL"),
    "minios": (("MINIOS_UPSTREAM_REVISION",), "MINIOS_UPSTREAM_URL"),
}
_ASSIGNMENT = re.compile(
    rb"^ *(?:(?:export|override)[ \t]+)*(?P<name>[A-Z_]+)[ \t]*(?P<sign>[?+!]|:{0,3})=[ \t]*(?P<value>[^\n#]*)",
    re.MULTILINE,
)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
# Narrower than what git allows (`git help check-ref-format`): none of these can be an option, a range or a place.
_REVISION = re.compile(r"(?!.*(?:\.\.|//|/\.|\.lock(?:/|$)))[0-9A-Za-z](?:[\w.+/-]{0,198}[\w+-])?", re.ASCII)
_ADDRESS = re.compile(r"[\w:/.~@%+,=&?\[\]-]{1,500}", re.ASCII)
_XENBITS = frozenset({"xenbits.xen.org", "xenbits.xenproject.org"})
_GIT_HTTP = "/git-http"
_IPXE_HOST, _IPXE = "git.ipxe.org", "https://github.com/ipxe/ipxe.git"
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Named:
    """A component as a tree names it.

    Attributes:
        name: one of `NAMES`.
        url: where it is to be had; over https where the tree has `git://` or `http://` and the host is known to serve
            the same over https.
        revision: the name of a tag, or a commit in 40 hexadecimal digits.
    """

    name: str
    url: str
    revision: str


@dataclass(frozen=True, slots=True)
class Component:
    """A component as a package is to have it.

    Attributes:
        name: one of `NAMES`.
        url: the address that it was had from.
        revision: as the tree names it.
        commit: identifier of the commit.
        hash: the SRI that `fetchgit` wants for it.
    """

    name: str
    url: str
    revision: str
    commit: str
    hash: str


def read(config_mk: bytes | None, etherboot: bytes | None, where: str) -> dict[str, Named]:
    """Which components a tree names.

    Args:
        config_mk: the content of `Config.mk`; None where the tree has none.
        etherboot: the content of `tools/firmware/etherboot/Makefile`; None where the tree has none.
        where: the tag or commit, for errors.

    Returns:
        The components by name, in the order of `NAMES`; one that the tree says nothing of is not there. Of several
        addresses the last counts: before 4.18 one of two was chosen by an `ifeq`, the last being the usual one.

    Raises:
        Refusal: E-COMPONENT-PIN where there is no `Config.mk`, or a component has no revision, several different ones,
            no address, or one of a form that is no plain tag, commit or address.
    """
    if config_mk is None:
        raise Refusal(
            "E-COMPONENT-PIN", "the tree has no such file, which names its components", where=f"{where}, {CONFIG}"
        )
    found: dict[str, Named] = {}
    for name, (revisions, address) in _VARIABLES.items():
        content, place = (etherboot, ETHERBOOT) if name == "ipxe" else (config_mk, CONFIG)
        component = _named(name, _assignments(content or b""), revisions, address, f"{where}, {place}")
        if component is not None:
            found[name] = component
    return {name: found[name] for name in NAMES if name in found}


class Components:
    """The components' repositories behind a cache.

    Args:
        roots: other addresses, by the name of a component or by the address that a tree leads to (of a submodule, as it
            is after a relative one was continued).
        cache: the folder of the cache; made when it is missing.
        progress: told in a sentence what takes time.

    Raises:
        UsageError: E-GIT-ADDRESS for an address in `roots` that git must not get.
    """

    def __init__(self, roots: Mapping[str, str], cache: Path, progress: Callable[[str], None] = lambda _: None) -> None:
        self._roots = {name: git.check_address(address, f"the address of {name}") for name, address in roots.items()}
        self._cache = cache
        self._progress = progress
        self._listings: dict[str, Listing] = {}

    def resolve(self, named: Named) -> tuple[str, str, str]:
        """The commit that a component's revision stands for, the ref to fetch it by, and the address to fetch it from.

        A commit stands for itself: nothing is asked for it. A repository is asked for its tags once.

        Raises:
            Refusal: E-REV-UNKNOWN where the repository has no such tag; E-COMPONENT-PIN for the name of a branch.
            Failure: the repository did not answer as it should.
        """
        address = self.address(named)
        if _COMMIT.fullmatch(named.revision):
            return named.revision, named.revision, address
        if address not in self._listings:
            self._progress(f"asking {address} for the tags of {named.name}")
            self._listings[address] = self._repository(named.name, address).listing()
        commit, ref = self._listings[address].find(named.revision)
        if not ref.startswith("refs/tags/"):
            what = f"the revision {named.revision!r} of {named.name} is a branch, which moves"
            raise Refusal("E-COMPONENT-PIN", what, where=address)
        return commit, ref, address

    def address(self, named: Named) -> str:
        """Where a component is fetched from."""
        return self._roots.get(named.name) or self._roots.get(named.url) or named.url

    def hash(self, named: Named, commit: str, ref: str, address: str, *, submodules: bool) -> str:
        """The SRI that `fetchgit` wants for a component.

        Args:
            named: the component.
            commit: the commit's identifier.
            ref: a full ref name that has it, or the identifier itself.
            address: where it is fetched from.
            submodules: whether the fetcher is asked for the submodules (`fetchSubmodules`).

        Raises:
            Refusal: E-TAG-MISMATCH where the tag is another than was resolved; E-SUBMODULE; E-TREE-FORM or
                E-TREE-ATTRIBUTE for a tree that cannot be hashed.
            Failure: it could not be fetched or read.
        """
        repository = self._repository(named.name, address)
        if not submodules:
            return repository.source_hash(commit, ref, address, "fetchgit")
        with repository.objects(commit, ref, address) as objects:
            self._progress(f"computing the fetchgit hash of {named.name} with its submodules")
            facts = objects.commit(commit)
            archive.refuse_conversions(objects, facts)
            where = f"{named.name} {named.revision}"
            below = Submodules(objects, facts, address, repository=self._submodule, where=where)
            return sri.encode(nar.tree_hash(objects, facts.tree, submodules=below))

    def component(self, named: Named, *, submodules: bool) -> Component:
        """Resolve and hash a component; errors are those of `resolve` and `hash`."""
        commit, ref, address = self.resolve(named)
        digest = self.hash(named, commit, ref, address, submodules=submodules)
        return Component(named.name, address, named.revision, commit, digest)

    def _repository(self, name: str, address: str) -> Repository:
        return Repository([address], self._cache / name, self._progress)

    def _submodule(self, address: str) -> Repository:
        # One folder for those of all components: OVMF has one of them twice, and QEMU's are components themselves.
        return self._repository("submodules", self._roots.get(address, address))


def _assignments(makefile: bytes) -> dict[str, list[tuple[str, bytes]]]:
    """Signs and values by variable, in order."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    for match in _ASSIGNMENT.finditer(makefile):
        found.setdefault(match["name"].decode(), []).append((match["sign"].decode(), match["value"].strip(b" \t")))
    return found


def _named(
    name: str, assigned: dict[str, list[tuple[str, bytes]]], revisions: tuple[str, ...], address: str, place: str
) -> Named | None:
    if not any(variable in assigned for variable in (*revisions, address)):
        return None
    pins = next(
        (values for variable in revisions if (values := _values(assigned, variable, _REVISION, place))),
        [],
    )
    urls = _values(assigned, address, _ADDRESS, place)
    if len(set(pins)) != 1:
        what = f"{revisions[0]} is given {len(set(pins))} different values instead of one"
        raise Refusal("E-COMPONENT-PIN", what, where=place)
    if not urls:
        raise Refusal("E-COMPONENT-PIN", f"{address} is not given", where=place)
    return Named(name, _served(urls[-1], address, place), pins[0])


def _values(
    assigned: dict[str, list[tuple[str, bytes]]], variable: str, form: re.Pattern[str], place: str
) -> list[str]:
    """The values of a variable that are none of other variables."""
    values = []
    for sign, raw in assigned.get(variable, ()):
        value = raw.decode("ascii", "backslashreplace")
        if "$" in value and sign not in {"+", "!"}:
            continue
        if sign in {"+", "!"} or form.fullmatch(value) is None:
            what = f"{variable} {sign}= {value[:_LONGEST_SHOWN]!r} is not plain"
            raise Refusal("E-COMPONENT-PIN", what, where=place)
        values.append(value)
    return values


def _served(url: str, variable: str, place: str) -> str:
    """The address that a tree has, as it is served today and can be trusted on the way."""
    try:
        git.check_address(url, place)
    except UsageError as error:
        raise Refusal("E-COMPONENT-PIN", f"{variable}: {error.what}", where=place) from error
    if git.is_path(url) and not url.startswith("/"):
        raise Refusal("E-COMPONENT-PIN", f"{variable}: {url!r} is not an address", where=place)
    parts = urlsplit(url)
    if parts.scheme not in {"git", "http"}:
        return url
    host = parts.netloc.lower()
    if host in _XENBITS:
        path = parts.path if parts.path.startswith(f"{_GIT_HTTP}/") else _GIT_HTTP + parts.path
        return f"https://{host}{path}"
    if host == _IPXE_HOST and parts.path.strip("/").removesuffix(".git") == "ipxe":
        return _IPXE
    return url
