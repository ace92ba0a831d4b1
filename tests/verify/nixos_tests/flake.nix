{
  description = "The same as checks of a flake.";

  outputs =
    { self }:
    {
      checks = builtins.listToAttrs (
        map
          (system: {
            name = system;
            value = import ./default.nix { inherit system; };
          })
          [
            "x86_64-linux"
            "aarch64-linux"
          ]
      );
    };
}
