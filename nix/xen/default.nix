# The packages of Xen: one for each branch with security support, `xen` for the newest, and each in a slim form.
{
  lib,
  callPackage,
  # The day that `meta.knownVulnerabilities` is for, such as a flake's `lastModifiedDate`; null: no day is known.
  today ? null,
}:

let
  branches = {
    xen_4_17 = callPackage ./4.17 { inherit today; };
    xen_4_18 = callPackage ./4.18 { inherit today; };
    xen_4_19 = callPackage ./4.19 { inherit today; };
    xen_4_20 = callPackage ./4.20 { inherit today; };
    xen_4_21 = callPackage ./4.21 { inherit today; };
    xen_4_22 = callPackage ./4.22 { inherit today; };
  };

  packages = branches // {
    xen =
      lib.findSingle (package: package.latest) (throw "No branch of Xen is the latest.")
        (throw "Several branches of Xen are the latest.")
        (lib.attrValues branches);
  };

  slim = lib.mapAttrs' (
    name: package: lib.nameValuePair "${name}-slim" (package.override { slim = true; })
  ) packages;
in
packages
// slim
// {
  buildXenPackage = callPackage ./build-xen-package.nix { };
}
