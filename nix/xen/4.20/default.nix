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
  branch = "4.20";
  version = "4.20.4";
  latest = false;
  pkg = {
    xen = {
      rev = "9611e26eff425be128d4b9c7b48f2bc6b5d3498e";
      hash = "sha256-dO9Y7W6NIVbXwWdlnQawpmV6MtemczwgbZdi9gGu190=";
      patches = with upstreamPatches; [
        LIBXL_QEMU_IN_PATH
      ];
    };
    # A hash that could not be computed where there was no network is a placeholder; `xenbump bump` fills it.
    qemu = {
      rev = "qemu-xen-4.20.1";
      hash = lib.fakeHash;
    };
    seaBIOS = {
      rev = "a6ed6b701f0a57db0569ab98b0661c12a6ec3ff8";
      hash = "sha256-hWemj83cxdY8p+Jhkh5GcPvI0Sy5aKYZJCsKDjHTUUk=";
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
      rev = "xen-RELEASE-4.20.0";
      hash = lib.fakeHash;
    };
  };
}) given
