# The patches that branches take by name. Those of an advisory are called XSA_N, or after its file where it has several:
# `xsa490-4.21.patch` is XSA_490_4_21. xenbump writes them here, with what the signed text says of them, and takes each
# away again when no branch names it any more.
{
  lib,
  fetchpatch,
}:

let
  xsaPatch =
    {
      id,
      title,
      description ? "",
      cve ? [ ],
      hash,
    }:
    fetchpatch {
      url = "https://xenbits.xen.org/xsa/xsa${id}.patch";
      inherit hash;
      passthru.xsa = id;
      meta = {
        description = title;
        longDescription = lib.concatStringsSep "\n" (cve ++ [ description ]);
        homepage = "https://xenbits.xen.org/xsa/advisory-${lib.head (builtins.match "([0-9]+).*" id)}.html";
      };
    };
in
{
  # Tools that are told of a device model by its name alone look for it in PATH; 4.21 does by itself.
  LIBXL_QEMU_IN_PATH = fetchpatch {
    url = "https://github.com/xen-project/xen/commit/f6281291704aa356489f4bd927cc7348a920bd01.diff?full_index=1";
    hash = "sha256-LH+68kxH/gxdyh45kYCPxKwk+9cztLrScpC2pCNQV2M=";
  };
}
