{
  description = "Derivations that end in different ways, each with the shell of the machine as its builder.";

  outputs =
    { self }:
    {
      packages = builtins.listToAttrs (
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
