"""A folder of branches: a file for each, the builder, the collection of patches, and what lists the branches."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.package.support import FIXTURES, NEW_HASH, changed_to, plan_to, release, sri
from xenbump.package import collection, rewrite
from xenbump.plan.model import Addition, Patch, PatchChange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xenbump.package.collection import Collection
    from xenbump.plan.model import Plan, Subject, Target

FILE = "xen/4.20/default.nix"
PATCHES, BUILDER, LISTING = "xen/generic/patches.nix", "xen/generic/default.nix", "xen/default.nix"
TEXT = FIXTURES["version-definition"]
ROOT = "https://xenbits.xen.org/xsa/"
WITH = TEXT[TEXT.index("lib.lists.flatten") : TEXT.index(";\nin")]

# The builder: what it fetches, and the switch.
SHARED = """{
  pname,
  branch,
  version,
  upstreamVersion ? version,
  latest ? false,
  pkg,
}:

{
  lib,
  stdenv,
  fetchgit,
  withEFI ? true,
  withInternalQEMU ? true,
  ...
}:

stdenv.mkDerivation {
  inherit pname version;

  src = fetchgit {
    url = "https://xenbits.xen.org/git-http/xen.git";
    inherit (pkg.xen) rev hash;
  };

  inherit (pkg.xen) patches;

  passthru = {
    qemu = fetchgit {
      url = "https://xenbits.xen.org/git-http/qemu-xen.git";
      fetchSubmodules = true;
      inherit (pkg.qemu) rev hash;
    };
    seabios = fetchgit {
      url = "https://xenbits.xen.org/git-http/seabios.git";
      rev = pkg.seaBIOS.rev;
      hash = pkg.seaBIOS.hash;
    };
    ovmf = fetchgit {
      url = "https://xenbits.xen.org/git-http/ovmf.git";
      fetchSubmodules = true;
      inherit (pkg.ovmf) rev hash;
    };
    ipxe = fetchgit {
      url = "https://github.com/ipxe/ipxe.git";
      inherit (pkg.ipxe) rev hash;
    };
    inherit branch latest upstreamVersion;
  };
}
"""

HEAD = """{ lib, fetchpatch }:

let
  xsaPatch =
    {
      id,
      title,
      description,
      type ? "xsa",
      hash ? "",
      cve ? null,
    }:
    fetchpatch {
      url = "https://xenbits.xen.org/xsa/${type}${id}.patch";
      inherit hash;
      passthru.xsa = id;
      meta = { inherit title description cve; };
    };
in
"""

LISTED = """{ callPackage }:

rec {
  xen_4_19 = callPackage ./4.19 { };
  xen_4_20 = callPackage ./4.20 { };
  xen = xen_4_20;
}
"""


class Files:
    """Files by their path, seen from the folder of one of them."""

    def __init__(self, files: Mapping[str, str | bytes], file: str = FILE) -> None:
        self.files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self._folder = posixpath.dirname(file)

    def read(self, name: str) -> bytes | None:
        return self.files.get(posixpath.normpath(posixpath.join(self._folder, name)))

    def names(self, folder: str) -> tuple[str, ...]:
        start = posixpath.normpath(posixpath.join(self._folder, folder)) + "/"
        inside = {path.removeprefix(start).partition("/")[0] for path in self.files if path.startswith(start)}
        return tuple(sorted(inside))


def entry(id_: str, *, title: str = "x86: a title", cves: Sequence[str] = (), digest: str = "") -> str:
    """An entry of a collection, as the collection of `folder` has it."""
    name = collection.name_of(f"{ROOT}xsa{id_}.patch")
    lines = [f'id = "{id_}";', f'title = "{title}";', "description = ''", "  What it is about.", "'';"]
    lines += [f'cve = [ "{cves[0]}" ];'] if len(cves) == 1 else []
    lines += ["cve = [", *(f'  "{one}"' for one in cves), "];"] if len(cves) > 1 else []
    lines.append(f'hash = "{digest or named(id_).hash}";')
    return f'  "{name}" = xsaPatch {{\n' + "".join(f"    {line}\n" for line in lines) + "  };\n"


def named(id_: str, *, hash_: str = "") -> Patch:
    """A patch of the collection."""
    url = f"{ROOT}xsa{id_}.patch"
    number = int(id_.partition("-")[0].partition("/")[0])
    return Patch(url, number, hash_ or sri(sum(map(ord, id_))), "fetchpatch", name=collection.name_of(url))


def shared(*entries: str) -> str:
    """A collection with these entries."""
    return HEAD + ("{\n" + "\n".join(entries) + "}\n" if entries else "{ }\n")


def sibling(branch: str, *names: str, latest: bool = False) -> str:
    """The file of another branch."""
    text = TEXT.replace('branch = "4.20"', f'branch = "{branch}"').replace("4.20.1", f"{branch}.1")
    text = text.replace("latest = true", f"latest = {str(latest).lower()}")
    return text.replace(WITH, f"with upstreamPatches; [ {' '.join(names)} ]").replace("[  ]", "[ ]")


def folder(text: str = TEXT, **changes: str | bytes | None) -> Files:
    """The folder; `changes` are by the last part of a file's path or by these keys.

    Keys: `patches`, `builder`, `listing`, `older` (the file of 4.19).
    """
    files: dict[str, str | bytes | None] = {
        FILE: text,
        "xen/4.20/0001-script-paths.patch": b"--- a\n+++ b\n",
        "xen/4.19/default.nix": changes.pop("older", sibling("4.19", "XSA_480")),
        PATCHES: changes.pop("patches", shared(entry("480", cves=["CVE-2026-1"]), entry("482-01"), entry("482-02"))),
        BUILDER: changes.pop("builder", SHARED),
        LISTING: changes.pop("listing", LISTED),
        **changes,
    }
    return Files({path: content for path, content in files.items() if content is not None})


def said(files: Files) -> Subject:
    """What the package file of a folder says."""
    return rewrite.read(files.files[FILE], name="xen", file=FILE, attribute="xen", beside=files)


def written(files: Files, plan: Plan) -> Files:
    """The folder with a plan written into it."""
    edits = rewrite.write(files.files[FILE], plan, files)
    after = dict(files.files)
    for edit in edits:
        assert after.get(edit.file) == edit.before
        if edit.after is None:
            del after[edit.file]
        else:
            after[edit.file] = edit.after
    return Files(after)


def planned(subject: Subject, target: Target | None = None, *, change: PatchChange | None = None) -> Plan:
    """A plan for a file; where nothing is said, it stays on its release."""
    to = replace(release(subject.version), commit=subject.rev or "2" * 40) if target is None else target
    digest = subject.hash if target is None else NEW_HASH
    return replace(plan_to(subject, to, digest=digest, patches=change), pins=subject.pins)


def change_to(subject: Subject, series: Sequence[Patch], **told: Addition) -> PatchChange:
    """The change of a file's list; `told` are the additions with more to say, by name."""
    change = changed_to(subject.patches, series)
    add = tuple(told.get(one.patch.name or "", one) for one in change.add)
    return replace(change, add=add)


def patched(files: Files, series: Sequence[Patch], **told: Addition) -> Files:
    """The folder with other patches of its file, read again."""
    subject = said(files)
    after = written(files, planned(subject, change=change_to(subject, series, **told)))
    assert said(after).patches == tuple(series)
    return after


def differing(before: Files, after: Files) -> set[str]:
    """The paths of the files that are not the same."""
    paths = before.files.keys() | after.files.keys()
    return {path for path in paths if before.files.get(path) != after.files.get(path)}


def read(text: str) -> Collection:
    """A collection of this text."""
    found = collection.read("../generic/patches.nix", text.encode())
    assert found is not None
    return found


def told(
    id_: str, *, title: str = "x86: a title", text: str = "What it is about.", cves: tuple[str, ...] = ()
) -> Addition:
    """An addition, with what its advisory says."""
    return Addition(named(id_), "0" * 64, title, text, cves)
