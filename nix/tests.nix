# What CI runs without a virtual machine: xenbump's own tests, and what judges style and types.
{
  lib,
  gitMinimal,
  gnupg,
  nix,
  nixfmt,
  python3,
  qemu,
  runCommand,
  shellcheck,
  stdenv,
  zizmor,
}:

let
  # In a flake, this is what git tracks.
  project = lib.cleanSource ../.;

  python = python3.withPackages (
    ps: with ps; [
      gitpython
      hypothesis
      jinja2
      markdown-it-py
      msgspec
      mypy
      openapi-core
      packaging
      pygithub
      pytest
      pytest-httpserver
      pytest-xdist
      pyyaml
      requests
      rich
      ruff
      typer
      types-pyyaml
      types-requests
    ]
  );

  check =
    name: inputs: script:
    runCommand "xenbump-${name}" { nativeBuildInputs = [ python ] ++ inputs; } ''
      cp -r --no-preserve=mode ${project} project
      cd project
      export HOME=$TMPDIR
      ${script}
      touch $out
    '';
in
{
  lint = check "lint" [ shellcheck ] ''
    ruff check --no-cache .
    ruff format --no-cache --check .
    mypy --cache-dir="$TMPDIR/mypy"
    shellcheck tools/*.sh
  '';

  format = check "format" [ nixfmt ] ''
    find flake.nix nix nixos-tests templates tests/nix -name '*.nix' -exec nixfmt --check {} +
  '';
}
# A dom0 is a Linux, and so is what stands for one in the tests.
// lib.optionalAttrs stdenv.hostPlatform.isLinux {
  pytest =
    check "pytest"
      [
        gitMinimal
        gnupg
        nix
        qemu
        zizmor
      ]
      ''
        patchShebangs tools
        pytest -n "$NIX_BUILD_CORES" --dist loadgroup -o cache_dir="$TMPDIR/cache"
      '';
}
