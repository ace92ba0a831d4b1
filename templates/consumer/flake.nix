{
  description = "A Xen package of one's own, a dom0 that runs it, and the bot that keeps it current";

  inputs = {
    # Where you have it from.
    xenbump.url = "git+https://git.example.org/xenbump";
    nixpkgs.follows = "xenbump/nixpkgs";
  };

  outputs =
    { nixpkgs, xenbump, ... }:
    let
      system = "x86_64-linux";
      inherit (xenbump.legacyPackages.${system}) xenPackages;
      xen = import ./xen.nix { inherit (xenPackages) buildXenPackage; };
    in
    {
      packages.${system} = {
        inherit xen;
        default = xen;
      };

      nixosConfigurations.dom0 = nixpkgs.lib.nixosSystem {
        inherit system;
        modules = [
          xenbump.nixosModules.dom0
          ./dom0.nix
          {
            xenbump.dom0 = {
              package = xen;
              qemuPackage = xenPackages.qemuFor xen;
            };
          }
        ];
      };

      # The machine that the bot runs on; it may be any.
      nixosConfigurations.bot = nixpkgs.lib.nixosSystem {
        inherit system;
        modules = [
          xenbump.nixosModules.xenbump
          ./bot.nix
        ];
      };
    };
}
