# What `xenbump try --nix` has Nix build: the Xen of the source beside this file, and the tests that boot it.
let
  asked = builtins.fromJSON (builtins.readFile ./trial.json);
  flake = builtins.getFlake asked.flake;
in
flake.legacyPackages.${builtins.currentSystem}.tried {
  source = ./source;
  inherit (asked) version options;
}
