# What makes a package of Xen of the definition of a branch. INSTALL in Xen's tree has the options of its build.
{
  pname,
  version,
  branch,
  # What the tree calls itself, where that is not the version: `4.20.5-pre`.
  upstreamVersion ? version,
  latest ? false,
  vendor ? "nixos",
  pkg,
}:

{
  lib,
  stdenv,
  callPackage,
  fetchFromGitHub,
  fetchgit,
  runCommand,
  testers,

  # Tools that build
  acpica-tools,
  autoPatchelfHook,
  binutils-unwrapped-all-targets,
  bison,
  checkpolicy,
  dev86,
  flex,
  meson,
  nasm,
  ninja,
  ocamlPackages,
  pandoc,
  perl,
  pkg-config,
  python3Packages,

  # Libraries
  bzip2,
  e2fsprogs,
  glib,
  json_c,
  libnl,
  libuuid,
  lz4,
  lzo,
  ncurses,
  pixman,
  systemdMinimal,
  xz,
  yajl,
  zlib,
  zstd,

  # Programs that run with Xen
  bash,
  coreutils,
  gnugrep,
  procps,

  # Firmware for HVM guests
  OVMF,
  ipxe,
  seabios-qemu,

  # Without what HVM guests boot from, and without the tools for storage and switches beyond those of Linux itself.
  slim ? false,

  withEFI ? true,
  # A linker that knows PE, in which xen.efi is written.
  efiBinutils ? binutils-unwrapped-all-targets,
  withFlask ? false,
  withIPXE ? !slim,
  withOVMF ? !slim,
  withSeaBIOS ? !slim,

  # The sources that Xen's own tree names, instead of nixpkgs' packages.
  withInternalIPXE ? false,
  # Where Xen's build looks for it; a stub domain has to be asked for besides.
  withInternalMiniOS ? false,
  withInternalOVMF ? false,
  withInternalQEMU ? false,
  withInternalSeaBIOS ? false,

  # The day for which `meta` says whether the branch has security support; null: no day is known.
  today ? null,
}:

let
  inherit (lib)
    filterAttrs
    getExe'
    optional
    optionalAttrs
    optionalString
    optionals
    throwIf
    versionAtLeast
    versionOlder
    ;

  # The lowest branch with security support.
  minSupportedVersion = "4.17";

  sources = {
    qemu = fetchgit {
      url = "https://xenbits.xen.org/git-http/qemu-xen.git";
      fetchSubmodules = true;
      inherit (pkg.qemu) rev hash;
    };
    seaBIOS = fetchgit {
      url = "https://xenbits.xen.org/git-http/seabios.git";
      inherit (pkg.seaBIOS) rev hash;
    };
    ovmf = fetchgit {
      url = "https://xenbits.xen.org/git-http/ovmf.git";
      fetchSubmodules = true;
      inherit (pkg.ovmf) rev hash;
    };
    ipxe = fetchgit {
      url = "https://github.com/ipxe/ipxe.git";
      inherit (pkg.ipxe) rev hash;
    };
    miniOS = fetchgit {
      url = "https://xenbits.xen.org/git-http/mini-os.git";
      inherit (pkg.miniOS) rev hash;
    };
  };

  # Xen's build clones what is not in its tree, but first it looks into certain folders.
  place =
    name: folder:
    throwIf (!pkg ? ${name}) "${pname} ${version} pins no source of ${name}" ''
      mkdir -p ${dirOf folder}
      cp -r ${sources.${name}} ${folder}
      chmod -R u+w ${folder}
      for one in ${toString (pkg.${name}.patches or [ ])}; do
        patch -d ${folder} -p1 < "$one"
      done
      patchShebangs --build ${folder}
    '';

  # Whether there is a kind of firmware, and who makes it.
  firmware =
    name: wanted: internal: path:
    throwIf (internal && !wanted) "Xen's own ${name} is asked for, and ${name} is switched off" (
      if !wanted then
        "--disable-${name}"
      else if internal then
        "--enable-${name}"
      else
        "--with-system-${name}=${path}"
    );

  scriptPath = callPackage ./script-path.nix { inherit slim; };

  # Of the hypervisor's configuration; the rest of it is as `defconfig` has it.
  options = (pkg.xen.options or { }) // optionalAttrs withFlask { XSM = "y"; };
  settings = lib.mapAttrsToList (name: value: "CONFIG_${name}=${value}") options;

  efi = "boot/xen-${upstreamVersion}.efi";
  multiboot = "boot/xen-${upstreamVersion}";
  flaskPolicy = "boot/xenpolicy-${upstreamVersion}";
in

stdenv.mkDerivation (finalAttrs: {
  pname = pname + optionalString slim "-slim";
  inherit version;

  outputs = [
    "out"
    "man"
    "doc"
    "dev"
    "boot"
  ];

  src =
    pkg.xen.src or (fetchFromGitHub {
      owner = "xen-project";
      repo = "xen";
      inherit (pkg.xen) rev hash;
    });

  patches = pkg.xen.patches or [ ];

  strictDeps = true;

  nativeBuildInputs = [
    acpica-tools
    autoPatchelfHook
    bison
    flex
    ocamlPackages.findlib
    ocamlPackages.ocaml
    pandoc
    perl
    pkg-config
    python3Packages.python
    python3Packages.setuptools
    python3Packages.wrapPython
  ]
  ++ optional withFlask checkpolicy
  # The ROM BIOS that carries it is 16-bit code.
  ++ optional withInternalIPXE dev86
  ++ optional withInternalOVMF nasm
  ++ optionals withInternalQEMU [
    meson
    ninja
    python3Packages.distlib
  ];

  buildInputs = [
    bash
    bzip2
    e2fsprogs.dev
    libnl
    libuuid
    lzo
    ncurses
    xz
    zlib
    zstd
    (if versionAtLeast version "4.21" then json_c else yajl)
  ]
  ++ optional (versionAtLeast version "4.22") lz4
  # 4.17.5 and 4.18.3 were the first releases that do without.
  ++ optional (versionOlder version "4.18.3") systemdMinimal
  ++ optionals withInternalQEMU [
    glib
    pixman
  ];

  prePatch =
    optionalString withInternalQEMU (place "qemu" "tools/qemu-xen")
    + optionalString withInternalSeaBIOS (place "seaBIOS" "tools/firmware/seabios-dir-remote")
    + optionalString withInternalOVMF (place "ovmf" "tools/firmware/ovmf-dir-remote")
    + optionalString withInternalMiniOS (place "miniOS" "extras/mini-os")
    # The build wants an archive of this one, unpacks it and patches it.
    + optionalString withInternalIPXE (
      place "ipxe" "etherboot/ipxe"
      + ''
        tar -C etherboot -czf tools/firmware/etherboot/ipxe.tar.gz ipxe
      ''
    );

  # What starts before there is a PATH, and what names folders that there are not.
  postPatch = ''
    substituteInPlace tools/hotplug/Linux/systemd/*.service.in \
      --replace-quiet /bin/grep ${getExe' gnugrep "grep"} \
      --replace-quiet /bin/mkdir ${getExe' coreutils "mkdir"}
    substituteInPlace tools/hotplug/Linux/launch-xenstore.in \
      --replace-fail /bin/mkdir ${getExe' coreutils "mkdir"}
    substituteInPlace tools/hotplug/Linux/xendomains.in \
      --replace-fail /bin/ls ${getExe' coreutils "ls"}
    substituteInPlace tools/xenmon/xenmon.py \
      --replace-fail /usr/bin/pkill ${getExe' procps "pkill"}
    if grep -nE '=[-@:+!]*/(usr/)?s?bin/' tools/hotplug/Linux/systemd/*.service.in; then
      echo "a unit calls a program in a folder that NixOS has not"
      exit 1
    fi
  '';

  configureFlags = [
    "--disable-stubdom"
    "--enable-rpath"
    "--enable-systemd"
    (firmware "ipxe" withIPXE withInternalIPXE ipxe.firmware)
    (firmware "ovmf" withOVMF withInternalOVMF OVMF.mergedFirmware)
    (firmware "seabios" withSeaBIOS withInternalSeaBIOS seabios-qemu.firmware)
    (lib.enableFeature withFlask "xsmpolicy")
  ]
  # By its name: with its path Xen would need the device model, which needs Xen.
  ++ optional (!withInternalQEMU) "--with-system-qemu";

  # These hooks are for QEMU, which Xen's build configures.
  dontUseMesonConfigure = true;
  dontUseMesonInstall = true;
  dontUseNinjaBuild = true;
  dontUseNinjaInstall = true;

  makeFlags = [
    "BASH_COMPLETION_DIR=$(out)/share/bash-completion/completions"

    # What the hypervisor says of who built it, the same wherever it is built.
    "XEN_WHOAMI=${pname}"
    "XEN_DOMAIN=${vendor}"
    "XEN_BUILD_HOST=${vendor}"

    # Nothing is to be fetched.
    "GIT=${getExe' coreutils "false"}"
    "WGET=${getExe' coreutils "false"}"
  ]
  ++ (
    if withEFI then
      [
        "LD=${getExe' efiBinutils "ld"}"
        "EFI_VENDOR=${vendor}"
        "INSTALL_EFI_STRIP=1"
      ]
    else
      [ "XEN_BUILD_PE=n" ]
  );

  # Not `build`: it makes PDFs too.
  buildFlags = [
    "build-xen"
    "build-tools"
  ];

  # Xen is built with -Werror, and older releases with compilers that warn of more than those of their time.
  env.NIX_CFLAGS_COMPILE = "-Wno-error";

  enableParallelBuilding = true;

  preBuild = optionalString (options != { }) ''
    printf '%s\n' ${lib.escapeShellArgs settings} > xen/.config
    make -C xen olddefconfig $makeFlags
    for setting in ${lib.escapeShellArgs settings}; do
      name="''${setting%%=*}"
      # What is not set, or is no option of this tree, has no line of its own.
      got="$(grep "^$name=" xen/.config || true)"
      if [[ "''${got:-$name=n}" != "$setting" ]]; then
        echo "error: $setting did not take: there is no such option, or it depends on another one"
        exit 1
      fi
    done
  '';

  # Paths of the system, and those of the outputs, are staged below one folder.
  installFlags = [ "DESTDIR=$(NIX_BUILD_TOP)/staged" ];

  preInstall = optionalString withEFI ''
    mkdir -p "$NIX_BUILD_TOP/staged/boot/efi/efi/${vendor}"
  '';

  postInstall = ''
    staged="$NIX_BUILD_TOP/staged"
    for output in $(getAllOutputNames); do
      mkdir -p "''${!output}"
      if [ -d "$staged''${!output}" ]; then
        cp -a "$staged''${!output}/." "''${!output}"
      fi
    done
    cp -a "$staged/etc" "$out"

    find "$staged/boot" -maxdepth 1 -type f -name '*.gz' -exec gunzip --keep {} +
    mkdir -p "$boot/boot"
    find "$staged/boot" -mindepth 1 -maxdepth 1 -not -name efi -exec cp -a {} "$boot/boot" \;
  ''
  + optionalString withEFI ''
    cp "$staged/boot/efi/efi/${vendor}"/*.efi "$boot/boot"
  ''
  + ''

    wrapPythonProgramsIn "$out/bin" "$out"
    wrapPythonProgramsIn "$out/libexec/xen/bin" "$out"

    # The scripts without that bit are read by the others.
    find "$out/etc/xen/scripts" -type f -perm -u+x -exec \
      sed -i '1a export PATH="${scriptPath}''${PATH:+:$PATH}"' {} +
  '';

  preFixup = ''
    addAutoPatchelfSearchPath "$out/lib"
  '';

  # The tools for policies are built in any case.
  postFixup = optionalString (!withFlask) ''
    rm -f "$out"/bin/flask-*
  '';

  passthru = {
    inherit
      branch
      latest
      upstreamVersion
      multiboot
      ;
    efi = throwIf (!withEFI) "this Xen was built without xen.efi" efi;
    flaskPolicy = throwIf (!withFlask) "this Xen was built without FLASK" flaskPolicy;
    support = (import ./support.nix).${branch} or null;
    # What this release is developed with, whether it is used here or not.
    sources = filterAttrs (name: _: pkg ? ${name}) sources;

    tests = import ./tests.nix {
      inherit
        runCommand
        testers
        multiboot
        ;
      package = finalAttrs.finalPackage;
      efi = if withEFI then efi else null;
    };
  };

  meta = import ./meta.nix {
    inherit
      lib
      branch
      version
      upstreamVersion
      minSupportedVersion
      today
      slim
      withEFI
      withFlask
      ;
    inherit (finalAttrs.passthru) support;
    firmware =
      optional withSeaBIOS "SeaBIOS" ++ optional withOVMF "OVMF (UEFI)" ++ optional withIPXE "iPXE";
  };
})
