"""What Nix makes of a package file: small stand-ins for what nixpkgs hands it, and many files evaluated by one process.

A stand-in gives back what it is told: a fetcher its arguments and its name, `mkDerivation` its set. So two files whose
values are equal ask nixpkgs for the same.
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.nixlang.nix import Nix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xenbump.plan.model import Patch, Pin

MAIN = "pkgs/xen/package.nix"

# A function of the folder that the files are in. What it gives: `plain`, a value as JSON can have it, with paths that
# begin in that folder; `package`, a file called with the stand-ins that it asks for; and `unadorned`, one without what
# is told of its patches.
_STAND_INS = r"""
folder:
let
  inherit (builtins) compareVersions concatLists elemAt functionArgs genList intersectAttrs isAttrs isFunction isList
    isPath length listToAttrs mapAttrs splitVersion stringLength substring;

  start = toString folder + "/";
  below = path:
    if substring 0 (stringLength start) path == start then "./" + substring (stringLength start) (-1) path else path;
  plain = value:
    if isPath value then below (toString value)
    else if isList value then map plain value
    else if isFunction value then "a function"
    else if isAttrs value then mapAttrs (_: plain) (removeAttrs value [ "outPath" "overrideAttrs" "override" ])
    else value;

  lib = rec {
    versionOlder = one: other: compareVersions other one == 1;
    versionAtLeast = one: other: !versionOlder one other;
    versions = rec {
      part = number: version: elemAt (splitVersion version) number;
      major = part 0;
      minor = part 1;
      patch = part 2;
      majorMinor = version: "${major version}.${minor version}";
    };
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalString = condition: text: if condition then text else "";
    optionalAttrs = condition: set: if condition then set else { };
    take = count: values: genList (elemAt values) (if count < length values then count else length values);
    drop = count: values: genList (number: elemAt values (number + count)) (length values - count);
    last = values: elemAt values (length values - 1);
    flatten = value: if isList value then concatLists (map flatten value) else [ value ];
    lists = { inherit flatten take drop last; };
    withFeatureAs = condition: name: value: "--${if condition then "with" else "without"}-${name}=${toString value}";
    getExe' = package: name: "${package}/bin/${name}";
    fakeHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    licenses = { gpl2Only = "GPL-2.0-only"; };
    license = licenses;
  };

  derivation = attributes:
    let
      made = attributes // {
        outPath = "/out/${attributes.pname}";
        overrideAttrs = change: derivation (attributes // applied change);
      };
      applied = change: overlaid (change attributes);
      overlaid = changed: if isFunction changed then changed attributes else changed;
    in
    made;

  mkDerivation = argument:
    let final = if isFunction argument then argument final else argument;
    in final // { outPath = "/out/${final.pname or "xen"}"; };

  named = [ "fetchgit" "fetchFromGitHub" "fetchpatch" "fetchpatch2" "fetchurl" ];
  fetchers = listToAttrs (map (name: { inherit name; value = arguments: { fetcher = name; } // arguments; }) named);
  packages = [
    "seabios-qemu" "OVMF" "binutils-unwrapped" "binutils-unwrapped-all-targets" "qemu_xen" "ipxe" "seabios"
  ];
  derivations = listToAttrs (map (name: {
    inherit name;
    value = derivation { pname = name; configureFlags = [ ]; firmware = "/out/${name}/firmware"; };
  }) packages);

  builder = arguments: { built = "by buildXenPackage"; } // arguments;
  xen = derivation {
    pname = "xen";
    version = "4.19.0";
    src = fetchers.fetchFromGitHub { owner = "xen-project"; repo = "xen"; tag = "RELEASE-4.19.0"; hash = "old"; };
    patches = [ "of nixpkgs, the first" "of nixpkgs, the second" ];
    meta = { description = "of nixpkgs"; };
  };

  pkgs = derivations // fetchers // {
    inherit lib pkgs xen callPackage;
    stdenv = { inherit mkDerivation; };
    replaceVars = path: variables: { replaced = path; inherit variables; };
    python3Packages = { python = derivation { pname = "python3"; }; };
    buildXenPackage = {
      __functor = _: builder;
      override = changes: arguments: builder (arguments // { overridden = changes; });
    };
  };

  callPackage = function: given:
    let called = if isFunction function then function else import function;
    in called (intersectAttrs (functionArgs called) pkgs // given);
in
{
  inherit mapAttrs plain;
  package = file: callPackage file { };
  # What a patch is besides what it fetches, a collection of patches says.
  unadorned = made: made // {
    patches = map (patch: if isAttrs patch then removeAttrs patch [ "passthru" "meta" ] else patch) made.patches;
  };
}
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A package file, with the files around it, and how Nix calls it.

    Attributes:
        files: the contents by name.
        main: the name of the package file.
        call: a Nix expression in which `file` is its path and the stand-ins are in scope.
    """

    files: Mapping[str, str | bytes]
    main: str = MAIN
    call: str = "package file"


def evaluate(cases: Sequence[Case]) -> list[Any]:
    """The values of package files, as JSON has them; all of them must have one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stand-ins.nix").write_text(_STAND_INS)
        expressions = []
        for number, case in enumerate(cases):
            for path, content in case.files.items():
                target = folder / str(number) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content if isinstance(content, bytes) else content.encode())
            expressions.append(
                f"let file = ./{number}/{case.main}; in with import ./stand-ins.nix ./{number}; plain ({case.call})"
            )
        return list(Nix(folder).values(expressions))


# --- what is planned, as a value -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a file is to say after an edit.

    Attributes:
        version: of the package.
        hash: of the source.
        tag: None where a commit is pinned.
        rev: None where a tag is named.
        upstream: the version of the tree; None where the file does not say it.
        pins: the sources of components.
    """

    version: str
    hash: str
    tag: str | None = None
    rev: str | None = None
    upstream: str | None = None
    pins: tuple[Pin, ...] = ()


def at(value: Any, path: str) -> Any:
    """A value inside of another one, by dotted path; None where there is none."""
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value


def put(value: Any, path: str, new: object) -> None:
    """Set what stands at a dotted path; None takes it away."""
    *steps, last = path.split(".")
    for step in steps:
        value = value[step]
    if new is None:
        value.pop(last, None)
    else:
        value[last] = new


@dataclass(frozen=True, slots=True)
class Places:
    """Where the value of a shape's file has what an edit changes, as dotted paths.

    Attributes:
        version: the version of the package.
        tag: of the source.
        rev: the commit of the source.
        hash: of the source.
        upstream: the version of the tree.
        patches: the list of them.
        made: what the file makes of these by itself, as texts in which they are filled in.
        implied: whether the version of the tree stands there only while it is another than that of the package.
        pins: where the sources of components are, by their names.
    """

    version: str = "version"
    tag: str = "src.tag"
    rev: str = "src.rev"
    hash: str = "src.hash"
    upstream: str = "upstreamVersion"
    patches: str = "patches"
    made: Mapping[str, str] = field(default_factory=dict)
    implied: bool = False
    pins: Mapping[str, str] = field(default_factory=dict)

    def planned(self, before: object, outcome: Outcome, patches: Sequence[object]) -> object:
        """The value that a file is to have, from the one that it had: all but these places stays."""
        value = copy.deepcopy(before)
        facts = {name: getattr(outcome, name) for name in ("version", "tag", "rev", "hash", "upstream")}
        for name, new in facts.items():
            put(value, getattr(self, name), new)
        facts["tree"] = outcome.upstream or outcome.version
        facts["branch"] = ".".join(outcome.version.split(".")[:2])
        for path, text in self.made.items():
            put(value, path, text.format(**facts))
        for pin in outcome.pins:
            put(value, f"{self.pins[pin.component]}.rev", pin.rev)
            put(value, f"{self.pins[pin.component]}.hash", pin.hash)
        put(value, self.patches, list(patches))
        return value


def fetched(patch: Patch) -> dict[str, str]:
    """What the stand-in of a fetcher gives for a patch."""
    return {"fetcher": patch.fetcher or "", "url": patch.url, "hash": patch.hash or ""}


def is_of(element: object, patch: Patch) -> bool:
    """Whether an element of an evaluated list is a patch that a file lists."""
    if patch.hash is not None:
        return isinstance(element, dict) and fetched(patch).items() <= element.items()
    path = element.get("replaced") if isinstance(element, dict) else element
    return isinstance(path, str) and patch.path is not None and path.endswith(f"/{patch.path}")


def patches_after(
    before: Sequence[object], old: Sequence[Patch], series: Sequence[Patch], version: str
) -> list[object]:
    """The evaluated list that a file is to have.

    Args:
        before: the list as it was evaluated. What no patch of the file accounts for stays in front.
        old: the patches that the file listed.
        series: the patches that it is to list.
        version: that it is to have.
    """
    foreign = [one for one in before if not any(is_of(one, patch) for patch in old)]
    return [*foreign, *_of_series(before, old, series, version)]


def _of_series(
    before: Sequence[object], old: Sequence[Patch], series: Sequence[Patch], version: str
) -> Iterable[object]:
    for patch in series:
        if patch.condition is not None and not patch.condition.holds(version):
            continue
        if patch in old:
            yield next(one for one in before if is_of(one, patch))
        else:
            yield fetched(patch)
