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
  branch = "4.17";
  version = "4.17.7";
  latest = false;
  pkg = {
    xen = {
      rev = "9373a593c5a6ef57db1302eb1dca58cc3eb51c07";
      hash = "sha256-mSXOriwk3nUIJCB30INJK2U6y2RzSct9dQsh8s3TIdk=";
      patches = with upstreamPatches; [
        LIBXL_QEMU_IN_PATH
      ];
    };
    # A hash that could not be computed where there was no network is a placeholder; `xenbump bump` fills it.
    qemu = {
      rev = "qemu-xen-4.17.3";
      hash = lib.fakeHash;
    };
    seaBIOS = {
      rev = "d239552ce7220e448ae81f41515138f7b9e3c4db";
      hash = "sha256-UKMceJhIprN4/4Xe4EG2EvKlanxVcEi5Qcrrk3Ogiik=";
    };
    ovmf = {
      rev = "7b4a99be8a39c12d3a7fc4b8db9f0eab4ac688d5";
      hash = lib.fakeHash;
    };
    ipxe = {
      rev = "1d1cf74a5e58811822bee4b3da3cff7282fcdfca";
      hash = "sha256-8pwoPrmkpL6jIM+Y/C0xSvyrBM/Uv0D1GuBwNm+0DHU=";
    };
    miniOS = {
      rev = "xen-RELEASE-4.17.6";
      hash = lib.fakeHash;
    };
  };
}) given
