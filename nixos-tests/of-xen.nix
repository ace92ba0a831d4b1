# The tests of one Xen, whichever it is: `dom0 NAME XEN` and `guests XEN`, and what the other tests are made with.
#
# pkgs: nixpkgs with this flake's overlay. modules: this flake's NixOS modules, `dom0` and `xenbump`.
{
  lib,
  pkgs,
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
in
{
  inherit args;
  dom0 = name: xen: import ./dom0.nix (args // { inherit name xen; });
  guests = xen: import ./guests.nix (args // { inherit xen; });
}
