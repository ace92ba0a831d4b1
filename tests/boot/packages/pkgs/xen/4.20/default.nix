# One branch of Xen, for the builder that all branches share.
{ callPackage, ... }:

callPackage (import ../generic/default.nix {
  pname = "xen";
  branch = "4.20";
  version = "@version@";
  latest = true;
  pkg = {
    xen = {
      rev = "@rev@";
      hash = "@hash@";
      patches = [ ];
    };
  };
}) { }
