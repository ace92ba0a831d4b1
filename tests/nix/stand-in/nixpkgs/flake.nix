{
  description = "What this project's flake uses of nixpkgs, without anything that is built";

  outputs = _: { lib = import ./lib; };
}
