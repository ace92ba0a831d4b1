# The Xen Test Framework: small kernels that try what a guest can do, and `xtf-runner`, which starts them in dom0.
{
  lib,
  stdenv,
  fetchFromGitHub,
  python3,
}:

stdenv.mkDerivation (finalAttrs: {
  pname = "xtf";
  version = "0-unstable-2025-10-02";

  # The developers' own copy; xenbits' has no archives, and the same commits.
  src = fetchFromGitHub {
    owner = "andyhhp";
    repo = "xtf";
    rev = "453490df6f65fb503a39b1bddf0093441eece9ae";
    hash = "sha256-YHECFZCl5VgpSv9+OoT5BXpC/tzSVFylrPKK1PrYAOo=";
  };

  strictDeps = true;
  enableParallelBuilding = true;

  # For the scripts that write the guests' files, and for the runner, which stays a script.
  nativeBuildInputs = [ python3 ];
  buildInputs = [ python3 ];

  # These are kernels, without a C library and with assembler of their own.
  hardeningDisable = [ "all" ];
  dontStrip = true;
  dontPatchELF = true;

  # The guests' files name their binaries by the folder that is given while they are built.
  makeFlags = [
    "xtfdir=${placeholder "out"}/libexec/xtf"
    "DESTDIR="
  ];

  postPatch = ''
    patchShebangs --build build
  '';

  # The runner looks for the tests beside itself.
  postInstall = ''
    mkdir -p $out/bin
    printf '#!%s\nexec %s "$@"\n' ${stdenv.shell} $out/libexec/xtf/xtf-runner > $out/bin/xtf-runner
    chmod +x $out/bin/xtf-runner
  '';

  doInstallCheck = true;
  installCheckPhase = ''
    runHook preInstallCheck
    $out/bin/xtf-runner --list selftest | grep -x test-pv64-selftest
    runHook postInstallCheck
  '';

  passthru.folder = "${finalAttrs.finalPackage}/libexec/xtf";

  meta = {
    description = "Test framework for the Xen hypervisor, made of small guests";
    homepage = "https://xenbits.xenproject.org/docs/xtf/";
    license = lib.licenses.bsd2;
    mainProgram = "xtf-runner";
    platforms = [ "x86_64-linux" ];
  };
})
