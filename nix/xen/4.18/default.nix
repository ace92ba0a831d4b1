{
  lib,
  fetchpatch,
  callPackage,
  ...
}@args:

let
  upstreamPatches = import ../generic/patches.nix {
    inherit lib fetchpatch;
  };

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

callPackage (import ../generic/default.nix {
  pname = "xen";
  branch = "4.18";
  version = "4.18.6";
  latest = false;
  pkg = {
    xen = {
      rev = "c9355898f3b8e10ca49e87d50e335d682827c33b";
      hash = "sha256-YEBvvYdBLXbBJnvcE1r/jqqyd5GXR8uS1ec29Ab2LcQ=";
      patches = with upstreamPatches; [
        LIBXL_QEMU_IN_PATH
      ];
    };
    # A hash that could not be computed where there was no network is a placeholder; `xenbump bump` fills it.
    qemu = {
      rev = "qemu-xen-4.18.4";
      hash = lib.fakeHash;
    };
    seaBIOS = {
      rev = "ea1b7a0733906b8425d948ae94fba63c32b1d425";
      hash = "sha256-J2FuT+FXn9YoFLSfxDOxyKZvKrys59a6bP1eYvEXVNU=";
    };
    ovmf = {
      rev = "ba91d0292e593df8528b66f99c1b0b14fadc8e16";
      hash = lib.fakeHash;
    };
    ipxe = {
      rev = "1d1cf74a5e58811822bee4b3da3cff7282fcdfca";
      hash = "sha256-8pwoPrmkpL6jIM+Y/C0xSvyrBM/Uv0D1GuBwNm+0DHU=";
    };
    miniOS = {
      rev = "xen-RELEASE-4.18.4";
      hash = lib.fakeHash;
    };
  };
}) given
