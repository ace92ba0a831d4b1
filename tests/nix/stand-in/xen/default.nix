# In place of nix/xen, for what the flake does with its packages.
{
  lib,
  today ? null,
}:

let
  make = branch: version: slim: {
    type = "derivation";
    name = "xen-${version}";
    inherit branch slim today;
    inherit version;
    upstreamVersion = version;
    outPath = "/stand-in/xen-${version}";
    boot = "/stand-in/xen-${version}-boot";
    meta = {
      mainProgram = "xl";
      platforms = [ "x86_64-linux" ];
      knownVulnerabilities = lib.optional (branch == "4.17") "Its support is over.";
    };
    tests.boot = {
      type = "derivation";
      name = "xen-boot-${version}";
    };
  };
  both = name: branch: version: {
    ${name} = make branch version false;
    "${name}-slim" = make branch version true;
  };
in
both "xen" "4.22" "4.22.1"
// both "xen_4_17" "4.17" "4.17.9"
// both "xen_4_22" "4.22" "4.22.1"
// {
  buildXenPackage =
    definition:
    let
      package = make "4.20" definition.version false // {
        inherit definition;
        override = changes: package // { inherit changes; };
      };
    in
    package;
}
