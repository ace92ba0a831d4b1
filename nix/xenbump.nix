# xenbump as a program, with the programs that it starts; its tests are in `passthru.tests`.
{
  lib,
  stdenv,
  callPackage,
  gitMinimal,
  gnupg,
  nix,
  python3Packages,
  qemu,
  withQemu ? stdenv.hostPlatform.isLinux,
}:

let
  version = lib.head (
    builtins.match ".*__version__ = \"([^\"]+)\".*" (builtins.readFile ../xenbump/__init__.py)
  );
in
python3Packages.buildPythonApplication {
  pname = "xenbump";
  inherit version;
  pyproject = true;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../LICENSE
      ../README.md
      ../pyproject.toml
      ../xenbump
    ];
  };

  build-system = [ python3Packages.hatchling ];

  dependencies = with python3Packages; [
    gitpython
    jinja2
    msgspec
    packaging
    pygithub
    requests
    rich
    typer
  ];

  # Behind what the caller has: a Nix that fits the machine's daemon, a git with the user's helpers for credentials.
  makeWrapperArgs = [
    "--suffix"
    "PATH"
    ":"
    (lib.makeBinPath (
      [
        gitMinimal
        gnupg
        nix
      ]
      ++ lib.optional withQemu qemu
    ))
  ];

  # They take minutes and programs that running xenbump does not need.
  doCheck = false;
  pythonImportsCheck = [
    "xenbump.cli.app"
    "xenbump.dom0.nixos"
  ];

  doInstallCheck = true;
  installCheckPhase = ''
    runHook preInstallCheck
    test "$($out/bin/xenbump --version)" = "xenbump ${version}"
    $out/bin/xenbump explain E-CONFIG > explained
    test -s explained
    runHook postInstallCheck
  '';

  # Without what `callPackage` adds.
  passthru.tests = removeAttrs (callPackage ./tests.nix { }) [
    "override"
    "overrideDerivation"
  ];

  meta = {
    description = "From a signed Xen release or advisory to a reviewed pull request, with proof";
    homepage = "https://xenproject.org/";
    license = lib.licenses.mit;
    mainProgram = "xenbump";
    platforms = lib.platforms.unix;
  };
}
