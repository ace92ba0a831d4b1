# A NixOS test with one machine, which says as data what is to be looked at; `xenbump.dom0.nixos` looks. These are the
# checks that `xenbump verify` makes of a dom0, through the driver instead of a serial line.
{ lib, pkgs }:

{
  name,
  # Modules of the machine.
  machine,
  # What is looked at: `Wanted` in xenbump/dom0/nixos.py.
  wanted,
  # Seconds after which the driver ends everything.
  timeout ? 1800,
}:

pkgs.testers.runNixOSTest {
  inherit name;
  globalTimeout = timeout;
  extraPythonPackages = ps: [ (ps.callPackage ../nix/dom0-checks.nix { }) ];
  nodes.machine.imports = lib.toList machine;
  testScript = ''
    from xenbump.dom0 import nixos

    nixos.run(machine, subtest, "${pkgs.writeText "${name}.json" (builtins.toJSON wanted)}")
  '';
  passthru = { inherit wanted; };
}
