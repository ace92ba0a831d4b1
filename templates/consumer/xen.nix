# The package that xenbump keeps current: `xenbump plan --diff` says what would change.
{ buildXenPackage }:

buildXenPackage {
  version = "4.20.4";
  tag = "RELEASE-4.20.4";
  hash = "sha256-dO9Y7W6NIVbXwWdlnQawpmV6MtemczwgbZdi9gGu190=";
  patches = [ ];
}
