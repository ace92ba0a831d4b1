# The functions of nixpkgs' library that this flake and its modules call, as their documentation has them.
let
  lib =
    builtins
    // {
      optional = condition: x: if condition then [ x ] else [ ];
      optionals = condition: list: if condition then list else [ ];
      optionalString = condition: text: if condition then text else "";
      optionalAttrs = condition: set: if condition then set else { };
      concatStrings = builtins.concatStringsSep "";
      concatMapStringsSep =
        separator: f: list:
        builtins.concatStringsSep separator (map f list);
      escapeShellArgs = lib.concatMapStringsSep " " lib.escapeShellArg;
      escapeShellArg =
        x:
        let
          text = toString x;
          escaped = builtins.replaceStrings [ "'" ] [ "'\\''" ] text;
        in
        if builtins.match "[A-Za-z0-9,._+:@%/-]+" text != null then text else "'${escaped}'";
      hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
      toList = x: if builtins.isList x then x else [ x ];
      remove = x: builtins.filter (y: x != y);
      intersectLists = a: builtins.filter (x: builtins.elem x a);
      foldl' = builtins.foldl';
      fix =
        f:
        let
          x = f x;
        in
        x;

      nameValuePair = name: value: { inherit name value; };
      genAttrs = names: f: builtins.listToAttrs (map (name: lib.nameValuePair name (f name)) names);
      mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);
      mapAttrs' = f: set: builtins.listToAttrs (lib.mapAttrsToList f set);
      concatMapAttrs = f: set: builtins.foldl' (a: b: a // b) { } (lib.mapAttrsToList f set);
      filterAttrs =
        f: set:
        lib.genAttrs (builtins.filter (name: f name set.${name}) (builtins.attrNames set)) (
          name: set.${name}
        );
      recursiveUpdate =
        a: b:
        a
        // builtins.mapAttrs (
          name: x:
          if builtins.isAttrs x && builtins.isAttrs (a.${name} or null) then
            lib.recursiveUpdate a.${name} x
          else
            x
        ) b;

      getExe = package: "${package}/bin/${package.meta.mainProgram or package.name}";
      getExe' = package: name: "${package}/bin/${name}";
      makeBinPath = lib.concatMapStringsSep ":" (package: "${package}/bin");
      cleanSource = path: path;
      fileset = {
        toSource = { root, fileset }: builtins.seq (map builtins.pathExists fileset) root;
        unions = sets: sets;
      };
      systems.flakeExposed = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
        "riscv64-linux"
      ];
      platforms = {
        unix = [ "x86_64-linux" ];
        linux = [ "x86_64-linux" ];
      };
      licenses = {
        bsd2.spdxId = "BSD-2-Clause";
        mit.spdxId = "MIT";
      };
    }
    // import ./modules.nix lib;
in
lib
