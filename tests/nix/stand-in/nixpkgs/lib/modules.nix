# A module system that is small: options with types that merge, `mkIf`, `mkMerge` and priorities. It checks no value; a
# definition without an option is an error.
lib:

let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    filter
    foldl'
    head
    isAttrs
    isFunction
    isList
    length
    mapAttrs
    ;

  typeOf = x: if isAttrs x then x._type or "" else "";
  isSet = x: isAttrs x && !(x ? outPath) && typeOf x == "";
  last = list: builtins.elemAt list (length list - 1);
  names = sets: attrNames (foldl' (a: b: a // b) { } sets);

  # The parts of a set's definition, with its conditions and priorities at the leaves: which names it has is then known
  # before any condition.
  parts =
    x:
    {
      merge = concatMap parts x.contents or [ ];
      "if" = map (mapAttrs (_: lib.mkIf x.condition)) (parts x.content or { });
      override = map (mapAttrs (_: lib.mkOverride x.priority)) (parts x.content or { });
      "" = [ x ];
    }
    .${typeOf x};

  # The values of a leaf's definition, each with its priority.
  leaves =
    priority: x:
    {
      merge = concatMap (leaves priority) x.contents or [ ];
      "if" = if x.condition then leaves priority x.content else [ ];
      override = leaves x.priority x.content;
    }
    .${typeOf x} or [
      {
        inherit priority;
        value = x;
      }
    ];

  merged =
    place: option: definitions:
    let
      given = concatMap (leaves 100) definitions;
      all = given ++ lib.optional (option ? default) (defaultOf option);
      least = foldl' (a: b: if b.priority < a then b.priority else a) 9999 all;
      winners = map (x: x.value) (filter (x: x.priority == least) all);
    in
    if all == [ ] then throw "The option `${place}' has no value." else option.type.merge place winners;
  defaultOf = option: {
    priority = 1500;
    value = option.default;
  };

  tree =
    place: options: definitions:
    let
      found = concatMap parts definitions;
      unknown = filter (name: !(options ? ${name})) (names found);
      below = name: if place == "" then name else "${place}.${name}";
    in
    if unknown != [ ] then
      throw "The option `${below (head unknown)}' does not exist."
    else
      mapAttrs (
        name: option:
        let
          given = map (set: set.${name}) (filter (set: set ? ${name}) found);
        in
        (if typeOf option == "option" then merged else tree) (below name) option given
      ) options;

  evalModules =
    {
      modules,
      specialArgs ? { },
    }:
    let
      args = specialArgs // {
        inherit lib config;
      };
      load =
        module:
        if builtins.isPath module || builtins.isString module then
          load (import module)
        else if isFunction module then
          load (module args)
        else
          concatMap load (module.imports or [ ])
          ++ [
            {
              options = module.options or { };
              config =
                if module ? config || module ? options then
                  module.config or { }
                else
                  removeAttrs module [ "imports" ];
            }
          ];
      loaded = concatMap load modules;
      options = foldl' lib.recursiveUpdate { } (map (module: module.options) loaded);
      config = tree "" options (map (module: module.config) loaded);
    in
    {
      inherit config options;
    };

  type = name: merge: { inherit name merge; };
  one = name: type name (_: last);

  types = {
    bool = one "bool";
    int = one "int";
    str = one "str";
    path = one "path";
    package = one "package";
    raw = one "raw";
    enum = _: one "enum";
    either = _: _: one "either";
    oneOf = _: one "oneOf";
    ints = {
      positive = one "positive";
      unsigned = one "unsigned";
    };
    lines = type "lines" (_: builtins.concatStringsSep "\n");
    listOf = _: type "listOf" (_: concatLists);
    nullOr =
      inner:
      type "nullOr" (
        place: values:
        let
          some = filter (x: x != null) values;
        in
        if some == [ ] then null else inner.merge place some
      );
    attrsOf =
      inner:
      type "attrsOf" (
        place: values:
        let
          found = concatMap parts values;
          given = name: map (set: set.${name}) (filter (set: set ? ${name}) found);
        in
        lib.genAttrs (names found) (name: merged "${place}.${name}" { type = inner; } (given name))
      );
    anything = type "anything" (
      place: values:
      if lib.all isSet values then
        (types.attrsOf types.anything).merge place values
      else if lib.all isList values then
        concatLists values
      else
        last values
    );
    submodule =
      module: type "submodule" (_: values: (evalModules { modules = [ module ] ++ values; }).config);
  };
in
{
  inherit evalModules types;

  mkOption = option: option // { _type = "option"; };
  mkEnableOption =
    what:
    lib.mkOption {
      type = types.bool;
      default = false;
      description = "Whether there is to be ${what}.";
    };
  mkPackageOption =
    pkgs: name: _:
    lib.mkOption {
      type = types.package;
      default = pkgs.${name};
    };

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkDefault = lib.mkOverride 1000;
  mkForce = lib.mkOverride 50;
  mkAfter = x: x;
}
