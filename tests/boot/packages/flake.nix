# Packages for a machine without nixpkgs: its own compiler builds them.
{
  outputs =
    { self }:
    let
      host = import ./host.nix;
      scope = host // {
        inherit callPackage;
      };
      callPackage =
        function: arguments:
        let
          wanted = builtins.functionArgs function;
        in
        function (builtins.intersectAttrs wanted scope // arguments);
    in
    {
      packages.x86_64-linux.xen = callPackage (import ./pkgs/xen/4.20) { };
    };
}
