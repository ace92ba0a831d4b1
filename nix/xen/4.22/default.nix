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
  branch = "4.22";
  version = "4.22.0";
  latest = true;
  pkg = {
    xen = {
      rev = "d45d5687f1441495f4ee20d5e9940066c5fa5beb";
      hash = "sha256-airf4+QjornWQ9aH+cCpKzgVoLbsNduurXySDAv8clY=";
      patches = with upstreamPatches; [ ];
    };
    # A hash that could not be computed where there was no network is a placeholder; `xenbump bump` fills it.
    qemu = {
      rev = "qemu-xen-4.22.0";
      hash = lib.fakeHash;
    };
    seaBIOS = {
      rev = "b52ca86e094d19b58e2304417787e96b940e39c6";
      hash = "sha256-eDQpl8Mf30p9WRvsNW192ISfBnEtMCdsWjUbWMXWmWw=";
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
      rev = "xen-RELEASE-4.22.0";
      hash = lib.fakeHash;
    };
  };
}) given
