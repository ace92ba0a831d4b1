# What can be said of a built Xen without starting it. Systems are made from the paths in `boot`.
{
  runCommand,
  testers,
  package,
  multiboot,
  # The path of xen.efi; null where there is to be none.
  efi,
}:

{
  boot = runCommand "xen-boot-${package.version}" { } (
    if efi == null then
      ''
        test -s ${package.boot}/${multiboot}
        test -z "$(find ${package.boot} -name '*.efi')"
        touch $out
      ''
    else
      ''
        test -s ${package.boot}/${multiboot}
        test -s ${package.boot}/${efi}
        touch $out
      ''
  );

  pkg-config = testers.hasPkgConfigModules {
    inherit package;
    moduleNames = [
      "xencall"
      "xencontrol"
      "xendevicemodel"
      "xenevtchn"
      "xenforeignmemory"
      "xengnttab"
      "xenguest"
      "xenhypfs"
      "xenlight"
      "xenstat"
      "xenstore"
      "xentoolcore"
      "xentoollog"
      "xenvchan"
      "xlutil"
    ];
  };
}
