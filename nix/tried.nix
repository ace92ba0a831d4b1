# Xen of a source tree, and what boots it: what `xenbump try --nix` asks for.
{
  lib,
  pkgs,
  # This flake's NixOS modules.
  modules,
}:

{
  # The folder of the tree, with all patches in it.
  source,
  # What the tree calls itself, such as `4.22.0-rc3`.
  version,
  # Of the hypervisor's configuration, by name without `CONFIG_`.
  options ? { },
}:

let
  # Firmware is for HVM guests, and takes its time; nothing of it is Xen's.
  xen =
    (pkgs.xenPackages.buildXenPackage {
      inherit version options;
      src = source;
    }).override
      { withOVMF = false; };
  tests = import ../nixos-tests/of-xen.nix { inherit lib pkgs modules; };
in
{
  inherit xen;
  dom0 = tests.dom0 "dom0" xen;
  guests = tests.guests xen;
}
