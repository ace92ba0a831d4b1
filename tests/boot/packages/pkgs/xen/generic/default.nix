# Makes a package of the definition of a branch: the hypervisor, and a program in the place of the tools.
{
  pname,
  branch,
  version,
  upstreamVersion ? version,
  latest ? false,
  pkg,
}:

{ build, fetchgit, ... }:

let
  # The work of a minute. It does not know the version: the hypervisor has that from its source.
  hypervisor = build {
    name = "${pname}-hypervisor";
    source = fetchgit {
      url = "https://xenbits.xenproject.org/git-http/xen.git";
      inherit (pkg.xen) rev hash;
    };
    inherit (pkg.xen) patches;
    XEN_CONFIG_EXPERT = "y";
    script = ''
      cp -r $source/. .
      chmod -R u+w .
      for patch in $patches; do patch -p1 <$patch; done
      make -C xen defconfig
      # What is for debuggers and live patches takes a quarter of the time, and nothing here looks at it.
      printf 'CONFIG_%s=n\n' DEBUG_INFO LIVEPATCH ENFORCE_UNIQUE_SYMBOLS >>xen/.config
      make -C xen olddefconfig
      make -C xen -j"$(nproc)"
      mkdir $out
      cp xen/xen xen/xen.efi $out
    '';
  };

  package = build {
    name = "${pname}-${version}";
    outputs = [
      "out"
      "boot"
    ];
    inherit hypervisor upstreamVersion;
    script = ''
      mkdir -p $out/bin $boot/boot
      printf '#!/bin/sh\n' >$out/bin/xl
      chmod +x $out/bin/xl
      cp $hypervisor/xen $boot/boot/xen-$upstreamVersion
      cp $hypervisor/xen.efi $boot/boot/xen-$upstreamVersion.efi
    '';
  };
in
package
// {
  inherit
    pname
    version
    upstreamVersion
    latest
    ;
  efi = "boot/xen-${upstreamVersion}.efi";
  multiboot = "boot/xen-${upstreamVersion}";
  meta = {
    inherit branch;
    description = "Type-1 hypervisor";
    longDescription = "Xen ${version}, built with the compiler of the machine.";
    changelog = "https://wiki.xenproject.org/wiki/Xen_Project_${branch}_Release_Notes";
  };
}
