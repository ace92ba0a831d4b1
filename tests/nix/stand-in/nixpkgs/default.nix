# A package set in which nothing can be built: a package is a set with the attributes that it was made with. What a
# function asks for by `callPackage` and is not defined here is a package with its name.
{
  system,
  overlays ? [ ],
  lib ? import ./lib,
}:

let
  package =
    attrs:
    let
      self = {
        type = "derivation";
        name = attrs.pname or "unnamed" + lib.optionalString (attrs ? version) "-${attrs.version}";
        outPath = "/stand-in/${self.name}";
        drvPath = "/stand-in/${self.name}.drv";
        override = more: package (attrs // more);
        finalPackage = self;
      }
      // attrs
      // attrs.passthru or { };
    in
    self;

  named =
    name:
    package {
      inherit name;
      meta.mainProgram = name;
    };

  make = f: package (if builtins.isFunction f then lib.fix (self: f (package self)) else f);

  callWith =
    set: path: given:
    let
      f = if builtins.isFunction path then path else import path;
      wanted = builtins.functionArgs f;
      required = lib.filterAttrs (_: isOptional: !isOptional) wanted;
      found = builtins.mapAttrs (name: _: set.${name} or (named name)) required;
      optional = builtins.intersectAttrs wanted set;
      result = f (found // optional // given);
    in
    if builtins.isAttrs result then
      result
      // {
        override = more: callWith set path (given // more);
        overrideDerivation = _: throw "It is not what is used today.";
      }
    else
      result;

  python = rec {
    inherit lib python;
    sitePackages = "lib/python3/site-packages";
    buildPythonApplication = make;
    buildPythonPackage = make;
    callPackage = callWith (pythonPackages // { inherit python; });
    toPythonModule = x: x;
  };
  pythonPackages =
    python
    // lib.genAttrs [
      "gitpython"
      "hatchling"
      "hypothesis"
      "jinja2"
      "markdown-it-py"
      "msgspec"
      "mypy"
      "openapi-core"
      "packaging"
      "pygithub"
      "pytest"
      "pytest-httpserver"
      "pytest-xdist"
      "pyyaml"
      "requests"
      "rich"
      "ruff"
      "typer"
      "types-pyyaml"
      "types-requests"
    ] named;

  stdenv = {
    mkDerivation = make;
    shell = "/bin/sh";
    hostPlatform = {
      inherit system;
      isLinux = lib.elem system [
        "x86_64-linux"
        "aarch64-linux"
      ];
    };
  };

  base =
    final:
    lib.genAttrs [
      "cpio"
      "gitMinimal"
      "gnupg"
      "grub2_pvgrub_image"
      "grub2_pvhgrub_image"
      "libvirt"
      "nixfmt-tree"
      "qemu_xen"
      "win-pvdrivers"
      "xen-guest-agent"
    ] named
    // {
      inherit lib stdenv;
      callPackage = callWith final;
      python3Packages = pythonPackages;
      python3 = named "python3" // {
        withPackages = f: named "python3" // { packages = map (p: p.name) (f pythonPackages); };
      };
      pkgsStatic.busybox = named "busybox";
      linuxPackages.kernel = named "linux";
      OVMF.fd = named "ovmf";
      ocamlPackages = lib.genAttrs [
        "vchan"
        "xenstore"
        "xenstore-tool"
      ] named;

      fetchFromGitHub = source: source // { outPath = "/stand-in/source"; };
      runCommand =
        name: attrs: script:
        package (attrs // { inherit name script; });
      writeText = name: text: package { inherit name text; };
      linkFarm = name: entries: package { inherit name entries; };
      symlinkJoin = package;
      mkShell = attrs: package (attrs // { name = "shell"; });
      formats.toml = _: { type = lib.types.attrsOf lib.types.anything; };
      testers = {
        hasPkgConfigModules = { package, ... }: named "pkg-config-${package.name}";
        runNixOSTest =
          test:
          package {
            name = "vm-test-run-${test.name}";
            inherit test;
            inherit (test) passthru;
            drivers = map (p: p.name) (test.extraPythonPackages pythonPackages);
          };
      };
    };
in
lib.fix (self: builtins.foldl' (set: overlay: set // overlay self set) (base self) overlays)
