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
  args = {
    inherit lib pkgs;
    makeTest = import ./make-test.nix { inherit lib pkgs; };
    guest = pkgs.callPackage ./guest.nix { };
    # A dom0 with one of our packages; an underscore in a test's name would not be one of a machine.
    dom0 = xen: {
      imports = [
        ./dom0-machine.nix
        modules.dom0
      ];
      xenbump.dom0 = {
        enable = true;
        package = xen;
        qemuPackage = pkgs.xenPackages.qemuFor xen;
      };
    };
    service = modules.xenbump;
  };

  dom0 = name: xen: import ./dom0.nix (args // { inherit name xen; });
in
{
  dom0 = dom0 "dom0" pkgs.xen;
  guests = import ./guests.nix args;
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
