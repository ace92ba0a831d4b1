{
  system ? builtins.currentSystem,
}:
let
  make =
    name: script: more:
    builtins.derivation (
      {
        inherit system;
        name = "${name}-1";
        builder = "/bin/sh";
        args = [
          "-c"
          "PATH=/usr/bin:/bin; ${script}"
        ];
      }
      // more
    );
in
rec {
  good = make "good" "echo made; echo >$out; echo >$dev" {
    outputs = [
      "out"
      "dev"
    ];
  };
  failing = make "failing" ''
    i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo "CC file$i.o"; done
    echo "make: *** [all] Error 2" >&2
    exit 2'' { };
  behind = make "behind" "echo ${failing} >$out" { };
  mismatch = make "mismatch" "echo hello >$out" {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  };
  sleeping = make "sleeping" "echo sleeps; sleep 60; echo >$out" { };
  chatting = make "chatting" "while :; do echo chat; done" { };
  broken = make "broken" "echo ${good.nothing}" { };

  # As nixpkgs refuses a package: its metadata can be read, its derivation cannot be made.
  refused = {
    version = "4.15.0";
    meta.knownVulnerabilities = [ "XSA-401" ];
    drvPath = throw "Package ‘xen-4.15.0’ in ${toString ./default.nix}:1 is marked as insecure, refusing to evaluate.\n\nmore";
  };
  xen = make "xen" "exit 1" { version = "4.20.3"; } // {
    upstreamVersion = "4.20.3";
    efi = "boot/xen-4.20.3.efi";
    multiboot = "boot/xen-4.20.3";
    meta = {
      branch = "4.20";
      changelog = "https://xen.example/4.20/notes";
      description = "Hypervisor and its tools";
      longDescription = "Xen 4.20.3 and `qemu_xen_4_20`.";
    };
  };
  lying = make "xen" "exit 1" { version = "4.20.2"; } // {
    upstreamVersion = "4.20.2";
    efi = throw "built without xen.efi";
    meta = {
      branch = "4.19";
      changelog = "https://xen.example/notes";
      description = "";
      longDescription = "Xen 4.19 and `qemu_xen_4_20`.";
      knownVulnerabilities = [ "XSA-401" ];
    };
  };
  bare = make "bare" "exit 1" { };
  aborting = make "xen" "exit 1" { version = "4.20.3"; } // {
    meta = {
      branch = "4.20";
      description = abort "no description";
      longDescription = good.nothing;
    };
  };
}
