# What nix/xen asks of nixpkgs, in small: a package is its attributes, a fetcher gives back what it is told.
{
  # A copy of nixpkgs' own library; null: the part of it that is here.
  nixpkgsLib ? null,
  # The folder of the packages.
  xen,
  # The folder in which what a fetcher fetches lies, by its revision.
  fetched ? "/fetched",
}:

let
  inherit (builtins)
    attrNames
    attrValues
    compareVersions
    concatStringsSep
    elemAt
    filter
    functionArgs
    intersectAttrs
    isAttrs
    isFunction
    isList
    isPath
    length
    listToAttrs
    mapAttrs
    replaceStrings
    splitVersion
    substring
    trace
    tryEval
    ;

  ownLib = rec {
    inherit
      attrValues
      concatStringsSep
      length
      replaceStrings
      substring
      ;
    inherit (builtins) head;

    assertMsg = condition: message: condition || trace message false;
    attrsToList = set: map (name: nameValuePair name set.${name}) (attrNames set);
    escapeShellArgs = values: concatStringsSep " " (map (value: "'${value}'") values);
    enableFeature = condition: name: "--${if condition then "enable" else "disable"}-${name}";
    fakeHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    filterAttrs = keep: set: listToAttrs (filter (one: keep one.name one.value) (attrsToList set));
    findSingle =
      fits: none: several: list:
      let
        found = filter fits list;
      in
      if found == [ ] then
        none
      else if length found > 1 then
        several
      else
        elemAt found 0;
    getExe' = package: name: "${package}/bin/${name}";
    licenses = listToAttrs (
      map (name: nameValuePair name { shortName = name; }) [
        "cc-by-40"
        "gpl2Only"
        "lgpl21Only"
        "mit"
      ]
    );
    filter = builtins.filter;
    makeBinPath = packages: concatStringsSep ":" (map (one: "${one}/bin") packages);
    mapAttrsToList = change: set: map (one: change one.name one.value) (attrsToList set);
    mapAttrs' = change: set: listToAttrs (map (one: change one.name one.value) (attrsToList set));
    nameValuePair = name: value: { inherit name value; };
    optional = condition: value: if condition then [ value ] else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";
    optionals = condition: values: if condition then values else [ ];
    throwIf =
      condition: message: value:
      if condition then throw message else value;
    versionAtLeast = one: other: compareVersions one other >= 0;
    versionOlder = one: other: compareVersions other one == 1;
    versions.majorMinor =
      version: "${elemAt (splitVersion version) 0}.${elemAt (splitVersion version) 1}";
  };
  lib = if nixpkgsLib == null then ownLib else import nixpkgsLib;

  makeOverridable =
    function: given:
    let
      result = function given;
      override =
        changes:
        makeOverridable function (given // (if isFunction changes then changes given else changes));
    in
    if isAttrs result then
      result // { inherit override; }
    else if isFunction result then
      {
        __functor = _: result;
        inherit override;
      }
    else
      result;

  callPackage =
    path:
    let
      function = if isFunction path then path else import path;
    in
    given: makeOverridable function (intersectAttrs (functionArgs function) pkgs // given);

  mkDerivation =
    argument:
    let
      final = argument (final // { finalPackage = package; });
      package =
        final.passthru
        // final
        // {
          type = "derivation";
          outPath = "/out/${final.pname}-${final.version}";
          boot = "/out/${final.pname}-${final.version}-boot";
        };
    in
    package;

  derivation = name: {
    type = "derivation";
    inherit name;
    outPath = "/nixpkgs/${name}";
    dev = "/nixpkgs/${name}-dev";
    firmware = "/nixpkgs/${name}/firmware";
    mergedFirmware = "/nixpkgs/${name}/merged";
  };
  named =
    names:
    listToAttrs (
      map (name: {
        inherit name;
        value = derivation name;
      }) names
    );

  fetcher =
    name: arguments:
    arguments
    // {
      fetcher = name;
      outPath = "${fetched}/${arguments.rev or arguments.url}";
    };

  pkgs =
    named [
      "OVMF"
      "acpica-tools"
      "autoPatchelfHook"
      "bash"
      "binutils-unwrapped-all-targets"
      "bison"
      "bridge-utils"
      "bzip2"
      "checkpolicy"
      "coreutils"
      "dev86"
      "diffutils"
      "drbd"
      "e2fsprogs"
      "flex"
      "gawk"
      "glib"
      "gnugrep"
      "gnused"
      "inetutils"
      "ipxe"
      "iproute2"
      "iptables"
      "json_c"
      "kmod"
      "libnl"
      "libuuid"
      "lz4"
      "lzo"
      "meson"
      "multipath-tools"
      "nasm"
      "nbd"
      "ncurses"
      "ninja"
      "openiscsi"
      "openvswitch"
      "pandoc"
      "perl"
      "pixman"
      "pkg-config"
      "procps"
      "psmisc"
      "seabios-qemu"
      "systemdMinimal"
      "util-linux"
      "which"
      "xz"
      "yajl"
      "zlib"
      "zstd"
    ]
    // {
      inherit lib callPackage;
      fetchFromGitHub = fetcher "fetchFromGitHub";
      fetchgit = fetcher "fetchgit";
      fetchpatch = fetcher "fetchpatch";
      ocamlPackages = named [
        "findlib"
        "ocaml"
      ];
      python3Packages = named [
        "distlib"
        "python"
        "setuptools"
        "wrapPython"
      ];
      runCommand = name: arguments: script: { inherit name arguments script; };
      slim = throw "A display manager that nixpkgs once had.";
      stdenv = { inherit mkDerivation; };
      testers.hasPkgConfigModules = { package, moduleNames }: {
        package = package.outPath;
        inherit moduleNames;
      };
    };

  # A value as JSON can have it. Of what nixpkgs has, the name is enough; of a package, its path.
  plain =
    value:
    if isPath value then
      toString value
    else if isList value then
      map plain value
    else if isFunction value then
      "a function"
    else if isAttrs value && (value.type or "") == "derivation" then
      value.name or value.outPath
    else if isAttrs value then
      mapAttrs (_: plain) (removeAttrs value [ "outPath" ])
    else
      value;

  # What its evaluation ends in: a value, or a message of the package's own.
  tried =
    value:
    let
      found = tryEval (builtins.deepSeq value value);
    in
    if found.success then found.value else null;

  # A package, without what leads back to it.
  told =
    package:
    plain (
      removeAttrs package [
        "efi"
        "flaskPolicy"
        "override"
        "passthru"
        "type"
      ]
      // {
        efi = tried package.efi;
        flaskPolicy = tried package.flaskPolicy;
        path = package.outPath;
      }
    );
in
{
  inherit
    lib
    plain
    told
    tried
    ;
  packages =
    given:
    removeAttrs (callPackage xen given) [
      "override"
      "overrideDerivation"
    ];
}
