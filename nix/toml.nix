# Writes a value of Nix as the text of a TOML file. The text is there at evaluation, without a builder in between, so a
# test can hold it against what xenbump reads. Of a document, plain values come first, then a section for each table,
# then the entries of each list of tables: messages that name a line then lead to the right place.
{ lib }:

let
  inherit (builtins)
    all
    attrNames
    filter
    isAttrs
    isList
    match
    toJSON
    ;
  inherit (lib) concatMap concatMapStringsSep concatStringsSep;

  # What is a path or a package is written as a text.
  isTable = x: isAttrs x && !(x ? outPath);
  isTables = x: isList x && x != [ ] && all isTable x;

  key = name: if match "[A-Za-z0-9_-]+" name != null then name else toJSON name;
  names = table: filter (name: table.${name} != null) (attrNames table);
  pair = table: name: "${key name} = ${inline table.${name}}";

  # JSON writes texts, numbers and truth as TOML does, but for one character, which TOML wants escaped.
  inline =
    x:
    if isTable x && names x == [ ] then
      "{}"
    else if isTable x then
      "{ ${concatMapStringsSep ", " (pair x) (names x)} }"
    else if isList x then
      "[${concatMapStringsSep ", " inline x}]"
    else
      builtins.replaceStrings [ delete ] [ "\\u007F" ] (toJSON x);
  delete = builtins.fromJSON ''"\u007f"'';

  section =
    heading: table:
    concatMapStringsSep "" (line: "${line}\n") ([ heading ] ++ map (pair table) (names table));
in
{
  # A set without functions, nulls being left out, as the text of a document.
  write =
    document:
    let
      having = test: filter (name: test document.${name}) (names document);
      plain = having (x: !isTable x && !isTables x);
    in
    concatStringsSep "\n" (
      lib.optional (plain != [ ]) (concatMapStringsSep "" (name: "${pair document name}\n") plain)
      ++ map (name: section "[${key name}]" document.${name}) (having isTable)
      ++ concatMap (name: map (section "[[${key name}]]") document.${name}) (having isTables)
    );
}
