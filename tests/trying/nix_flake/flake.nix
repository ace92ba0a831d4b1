{
  description = "In place of xenbump's flake: what that has for trials, built by a shell.";

  outputs =
    { self }:
    {
      legacyPackages = builtins.listToAttrs (
        map
          (system: {
            name = system;
            value.tried = import ./tried.nix system;
          })
          [
            "x86_64-linux"
            "aarch64-linux"
          ]
      );
    };
}
