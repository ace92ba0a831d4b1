# The tests that boot a machine, each by the name that it has among the flake's checks.
#
# pkgs: nixpkgs with this flake's overlay. branches: the attributes of the packages that get a test each. modules: this
# flake's NixOS modules, `dom0` and `xenbump`.
{
  lib,
  pkgs,
  branches,
  modules,
}:

let
  inherit (import ./of-xen.nix { inherit lib pkgs modules; }) args dom0 guests;
in
{
  dom0 = dom0 "dom0" pkgs.xen;
  guests = guests pkgs.xen;
  xenstored-c = import ./xenstored.nix (args // { store = "xenstored"; });
  xenstored-ocaml = import ./xenstored.nix (args // { store = "oxenstored"; });
  xenbump-service = import ./xenbump-service.nix args;
}
// lib.listToAttrs (
  map (
    attribute:
    let
      name = "dom0-${lib.replaceStrings [ "_" ] [ "-" ] attribute}";
    in
    lib.nameValuePair name (dom0 name pkgs.${attribute})
  ) branches
)
