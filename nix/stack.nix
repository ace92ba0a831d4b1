# All that a machine needs to be a dom0 and to start guests of every kind, in one folder: the hypervisor and its tools,
# a device model, what firmware guests are given, libvirt, and a kernel.
{
  lib,
  symlinkJoin,
  linkFarm,
  OVMF,
  grub2_pvgrub_image,
  grub2_pvhgrub_image,
  ipxe,
  libvirt,
  linuxPackages,
  qemu_xen,
  seabios-qemu,
  xen,
}:

let
  virtualisation = libvirt.override { enableXen = true; };
  kernel = linuxPackages.kernel;

  # By folder, as each package has its files.
  parts = linkFarm "xen-stack-parts" {
    "boot/linux" = kernel;
    "boot/xen" = "${xen.boot}/boot";
    "share/xen-stack/grub-pv" = grub2_pvgrub_image;
    "share/xen-stack/grub-pvh" = grub2_pvhgrub_image;
    "share/xen-stack/ipxe" = ipxe;
    "share/xen-stack/ovmf" = OVMF.fd;
    "share/xen-stack/seabios" = seabios-qemu;
  };
in
symlinkJoin {
  name = "xen-stack-${xen.version}";

  paths = [
    xen
    qemu_xen
    virtualisation
    parts
  ];

  passthru = {
    inherit kernel xen;
    inherit (xen) version;
    libvirt = virtualisation;
    qemu = qemu_xen;
  };

  meta = {
    description = "Xen ${xen.version} with device model, firmware, libvirt and a kernel for dom0";
    inherit (xen.meta) platforms;
    mainProgram = "xl";
  };
}
