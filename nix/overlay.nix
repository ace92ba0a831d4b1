# This flake's packages in nixpkgs, in place of nixpkgs' own Xen; what nixpkgs builds with Xen (`qemu_xen`, libvirt) is
# then built with this one. `xenPackages` has them all, with the siblings that nixpkgs has.
{
  # The day by which it is told whether a branch still has security support (see xen/default.nix).
  today ? null,
}:

final: prev:

let
  inherit (prev) lib;

  # A folder for each branch. Which names an overlay has must not depend on what it gives.
  branches = lib.attrNames (
    lib.filterAttrs (name: kind: kind == "directory" && builtins.match "4\\.[0-9]+" name != null) (
      builtins.readDir ./xen
    )
  );
  attribute = branch: "xen_${lib.replaceStrings [ "." ] [ "_" ] branch}";
  names = lib.concatMap (name: [
    name
    "${name}-slim"
  ]) ([ "xen" ] ++ map attribute branches);

  siblings =
    lib.optionalAttrs (prev ? xen-guest-agent) { guest-agent = final.xen-guest-agent; }
    // lib.optionalAttrs (prev ? win-pvdrivers) { windows-drivers = final.win-pvdrivers; }
    // lib.optionalAttrs (prev ? ocamlPackages.xenstore) {
      ocaml-vchan = final.ocamlPackages.vchan;
      ocaml-xenstore = final.ocamlPackages.xenstore;
      ocaml-xenstore-tool = final.ocamlPackages.xenstore-tool;
    };

  ours = {
    xenbump = final.callPackage ./xenbump.nix { };
    xtf = final.callPackage ./xtf.nix { };
    xen-stack = final.callPackage ./stack.nix { };
  };
in
lib.genAttrs names (name: final.xenPackages.${name})
// ours
// {
  xenPackages =
    siblings
    // {
      inherit branches;
      attributes = map attribute branches;
      inherit (final) xen-stack xtf;
      qemu = final.qemu_xen;
      # A device model has to be built with the Xen that it is to serve.
      qemuFor = xen: final.qemu_xen.override { inherit xen; };
    }
    // final.callPackage ./xen { inherit today; };
}
