{
  description = "Xen for Nix, tested in a booted dom0, and the bot that keeps it current";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable-small";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      # Xen and its tests are for one system; xenbump itself is for all of these that nixpkgs still builds for.
      xenSystem = "x86_64-linux";
      systems = lib.intersectLists lib.systems.flakeExposed [
        xenSystem
        "aarch64-linux"
        "aarch64-darwin"
        "x86_64-darwin"
      ];
      forSystems = lib.genAttrs systems;

      packagesFor = forSystems (
        system:
        import nixpkgs {
          inherit system;
          overlays = [ self.overlays.default ];
        }
      );

      # What there is for every system, and what only Xen's has besides.
      withXen =
        common: more:
        forSystems (
          system:
          let
            pkgs = packagesFor.${system};
          in
          common pkgs // lib.optionalAttrs (system == xenSystem) (more pkgs)
        );

      app = package: {
        type = "app";
        program = lib.getExe package;
        meta = { inherit (package.meta) description; };
      };

      # nixpkgs refuses what is marked as insecure, and so would `nix flake check`: a branch past its support is in the
      # overlay, and nowhere else.
      supported =
        pkgs: lib.filter (name: pkgs.${name}.meta.knownVulnerabilities == [ ]) pkgs.xenPackages.attributes;
    in
    {
      overlays.default = import ./nix/overlay.nix { today = self.lastModifiedDate or null; };

      packages =
        withXen
          (pkgs: {
            inherit (pkgs) xenbump;
            default = pkgs.xenbump;
          })
          (
            pkgs:
            let
              branches = supported pkgs;
            in
            {
              inherit (pkgs)
                xen
                xen-slim
                xen-stack
                xtf
                ;
              qemu-xen = pkgs.xenPackages.qemu;
            }
            // lib.genAttrs (branches ++ map (name: "${name}-slim") branches) (name: pkgs.${name})
          );

      # `buildXenPackage` builds any tag or commit; the siblings of Xen are beside it. `tried` is for `xenbump try`.
      legacyPackages = withXen (_: { }) (pkgs: {
        inherit (pkgs) xenPackages;
        tried = import ./nix/tried.nix {
          inherit lib pkgs;
          modules = self.nixosModules;
        };
      });

      nixosModules = {
        default = self.nixosModules.xenbump;

        xenbump =
          { lib, pkgs, ... }:
          {
            imports = [ ./nix/module.nix ];
            services.xenbump.package = lib.mkDefault packagesFor.${pkgs.stdenv.hostPlatform.system}.xenbump;
          };

        dom0 =
          { lib, pkgs, ... }:
          {
            imports = [ ./nix/dom0-module.nix ];
            xenbump.dom0 =
              let
                ours = packagesFor.${pkgs.stdenv.hostPlatform.system};
              in
              {
                package = lib.mkDefault ours.xen;
                qemuPackage = lib.mkDefault ours.qemu_xen;
              };
          };
      };

      checks = withXen (pkgs: pkgs.xenbump.tests // { inherit (pkgs) xenbump; }) (
        pkgs:
        import ./nixos-tests {
          inherit lib pkgs;
          branches = supported pkgs;
          modules = self.nixosModules;
        }
        // lib.mapAttrs' (name: lib.nameValuePair "xen-${name}") pkgs.xen.tests
      );

      apps =
        withXen
          (pkgs: rec {
            xenbump = app pkgs.xenbump;
            default = xenbump;
          })
          (pkgs: {
            xtf-runner = app pkgs.xtf;
          });

      devShells = withXen (pkgs: {
        default = pkgs.callPackage ./nix/shell.nix { };
      }) (_: { });

      formatter = forSystems (system: packagesFor.${system}.nixfmt-tree);

      # For Hydra: jobs by kind, name and system.
      hydraJobs =
        let
          turned =
            outputs:
            lib.foldl' lib.recursiveUpdate { } (
              lib.mapAttrsToList (system: lib.mapAttrs (_: job: { ${system} = job; })) outputs
            );
        in
        {
          packages = turned self.packages;
          checks = turned self.checks;
        };

      templates = rec {
        default = consumer;
        consumer = {
          path = ./templates/consumer;
          description = "A dom0 with this Xen and a guest, and a Xen package of one's own that xenbump keeps current";
        };
      };
    };
}
