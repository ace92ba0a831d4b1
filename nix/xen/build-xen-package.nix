# Xen of any release or commit from 4.17 on, with patches of one's own, for those who build on this flake:
#
#   buildXenPackage {
#     version = "4.20.3";
#     tag = "RELEASE-4.20.3";
#     hash = "sha256-…";
#     patches = [ ./mine.patch ];
#   }
#
# or a commit by `rev`; then `version` is such as `4.20.5-unstable-2026-08-20`, and `upstreamVersion` what its tree says
# of itself. `xenbump hash --fetcher github REV` says the hash. `src` is a source that is there already, such as the
# folder of a tree; it has no hash. What the builder takes besides is given by `override` of this function, or of what
# it makes.
{
  lib,
  fetchpatch,
  callPackage,
  ...
}@args:

{
  pname ? "xen",
  version,
  branch ? lib.versions.majorMinor version,
  upstreamVersion ? version,
  vendor ? "nixos",
  tag ? null,
  rev ? null,
  hash ? null,
  src ? null,
  patches ? [ ],
  # Of the hypervisor's configuration, such as `{ DEBUG = "y"; }`.
  options ? { },
  # The pins of other sources, such as `{ seaBIOS = { rev = …; hash = …; }; }`.
  components ? { },
}:

let
  upstreamPatches = import ./generic/patches.nix {
    inherit lib fetchpatch;
  };

  isKnown = lib.versionAtLeast branch "4.17";
  isPinned =
    lib.length (
      lib.filter (one: one != null) [
        tag
        rev
        src
      ]
    ) == 1;
  isHashed = (hash != null) == (src == null);

  # What the builder relies on.
  needed = lib.optional (lib.versionOlder branch "4.21") upstreamPatches.LIBXL_QEMU_IN_PATH;

  # What `override` gives; with these two, callPackage takes no package of their names for them.
  given = {
    slim = false;
    today = null;
  }
  // removeAttrs args [
    "lib"
    "fetchpatch"
    "callPackage"
  ];
in

assert lib.assertMsg isKnown "Xen ${version} is older than 4.17.";
assert lib.assertMsg isPinned "Xen ${version} needs either `tag` or `rev`, or else `src`.";
assert lib.assertMsg isHashed
  "Xen ${version} needs the `hash` of what `tag` or `rev` names, and of `src` none.";

callPackage (import ./generic/default.nix {
  inherit
    pname
    version
    branch
    upstreamVersion
    vendor
    ;
  pkg = components // {
    xen = {
      inherit options;
      patches = needed ++ patches;
    }
    // (
      if src != null then
        { inherit src; }
      else
        {
          rev = if tag != null then tag else rev;
          inherit hash;
        }
    );
  };
}) given
