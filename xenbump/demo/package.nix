# The package of the demo: the Xen of the demo project, in the shape that nixpkgs has.
{
  lib,
  stdenv,
  fetchFromGitHub,
  fetchpatch,
}:

stdenv.mkDerivation (finalAttrs: {
  pname = "xen";
  version = "@version@";

  src = fetchFromGitHub {
    owner = "xen-project";
    repo = "xen";
    tag = "RELEASE-${finalAttrs.version}";
    hash = "@hash@";
  };

  patches = [
    ./paths.patch

    (fetchpatch {
      url = "https://xenbits.xenproject.org/xsa/xsa480.patch";
      hash = "@xsa480@";
    })
  ];

  meta = {
    description = "Type-1 hypervisor";
    branch = lib.versions.majorMinor finalAttrs.version;
  };
})
