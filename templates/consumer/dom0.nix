# A dom0 with one guest. The disks are this machine's business: import what `nixos-generate-config` wrote.
_: {
  boot.loader.systemd-boot.enable = true;
  boot.initrd.systemd.enable = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  fileSystems."/boot" = {
    device = "/dev/disk/by-label/ESP";
    fsType = "vfat";
  };

  virtualisation.xen.dom0Resources.memory = 4096;

  xenbump.dom0 = {
    enable = true;
    guests.web = {
      type = "pvh";
      memory = 1024;
      vcpus = 2;
      disks = [ "format=raw,vdev=xvda,access=rw,target=/dev/vg/web" ];
      vifs = [ "bridge=xenbr0" ];
      autostart = true;
    };
  };

  system.stateVersion = "26.05";
}
