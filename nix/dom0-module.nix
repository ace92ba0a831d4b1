# A dom0 with this flake's Xen, and guests that are declared: each becomes /etc/xen/NAME.cfg (xl.cfg(5)), and those that
# start by themselves have a link in /etc/xen/auto, where xendomains looks.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatMapStringsSep
    concatStringsSep
    isBool
    isInt
    isList
    mkIf
    mkOption
    optionalAttrs
    types
    ;

  cfg = config.xenbump.dom0;

  # xl knows no way to write these in a text between double quotes.
  isPlain = text: builtins.match ".*[\"\\\n].*" text == null;

  value =
    x:
    if isBool x then
      (if x then "1" else "0")
    else if isInt x then
      toString x
    else if x == [ ] then
      "[ ]"
    else if isList x then
      "[ ${concatMapStringsSep ", " value x} ]"
    else
      ''"${toString x}"'';

  # A guest without a kernel of its own is started by GRUB, which reads the configuration on the guest's disk.
  grub = {
    pv = "${pkgs.grub2_pvgrub_image}/lib/grub-xen/grub-x86_64-xen.bin";
    pvh = "${pkgs.grub2_pvhgrub_image}/lib/grub-xen/grub-i386-xen_pvh.bin";
  };
  kernelOf =
    guest:
    if guest.kernel != null then
      guest.kernel
    else if guest.rootfs != null && guest.type != "hvm" then
      "${config.boot.kernelPackages.kernel}/bzImage"
    else
      grub.${guest.type} or null;

  # A root file system as an initial ramdisk. What is in the store is nobody's but root's and has no devices, and
  # neither is missed: Linux brings the console's file itself, and init mounts the others.
  ramdiskOf =
    name: guest:
    pkgs.runCommand "${name}-initrd" { nativeBuildInputs = [ pkgs.cpio ]; } ''
      cd ${lib.escapeShellArg "${guest.rootfs}"}
      find . -print0 | sort -z | cpio --quiet --null --create --format=newc --owner=0:0 --reproducible > $out
    '';
  initrdOf =
    name: guest:
    if guest.initrd != null || guest.rootfs == null then guest.initrd else "${ramdiskOf name guest}";

  # What is in the store can only be read, and a guest writes on its disk: it gets a copy, which tmpfiles makes.
  isCopied = guest: guest.image != null && lib.hasPrefix builtins.storeDir "${guest.image}";
  diskOf =
    name: guest:
    if isCopied guest then "/var/lib/xenbump/guests/${name}.${guest.imageFormat}" else "${guest.image}";
  disksOf =
    name: guest:
    lib.optional (guest.image != null)
      "format=${guest.imageFormat},vdev=${
        if guest.type == "hvm" then "hda" else "xvda"
      },access=rw,target=${diskOf name guest}"
    ++ guest.disks;
  extraOf =
    guest:
    concatStringsSep " " (
      lib.optional (guest.rootfs != null) "console=hvc0 rdinit=${guest.init}"
      ++ lib.optional (guest.extra != "") guest.extra
    );

  settingsOf =
    name: guest:
    {
      inherit name;
      inherit (guest) type memory vcpus;
      disk = disksOf name guest;
      vif = guest.vifs;
      on_poweroff = "destroy";
      on_reboot = "restart";
      on_crash = guest.onCrash;
    }
    // optionalAttrs (kernelOf guest != null) { kernel = kernelOf guest; }
    // optionalAttrs (initrdOf name guest != null) { ramdisk = initrdOf name guest; }
    // optionalAttrs (extraOf guest != "") { extra = extraOf guest; }
    // optionalAttrs (guest.maxMemory != null) { maxmem = guest.maxMemory; }
    // guest.settings;

  # The name first, for people; the rest by its name.
  textOf =
    name: guest:
    let
      settings = settingsOf name guest;
      keys = [ "name" ] ++ lib.remove "name" (lib.attrNames settings);
    in
    concatStringsSep "" (map (key: "${key} = ${value settings.${key}}\n") keys);

  fileOf = name: guest: pkgs.writeText "${name}.cfg" (textOf name guest);

  texts =
    x:
    if isList x then
      lib.concatMap texts x
    else if isBool x || isInt x then
      [ ]
    else
      [ (toString x) ];

  simple = types.oneOf [
    types.bool
    types.int
    types.str
  ];

  guestOptions.options = {
    type = mkOption {
      type = types.enum [
        "pv"
        "pvh"
        "hvm"
      ];
      default = "pvh";
      description = "How the guest is virtualised.";
    };

    kernel = mkOption {
      type = types.nullOr (types.either types.path types.str);
      default = null;
      description = "The kernel; null: what is on the disk, by GRUB (PV, PVH) or by the guest's firmware (HVM).";
    };

    initrd = mkOption {
      type = types.nullOr (types.either types.path types.str);
      default = null;
      description = "What the kernel gets as its initial file system.";
    };

    rootfs = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = lib.literalExpression "./guest";
      description = ''
        A folder with a root file system, beside the configuration or in the Nix store, and small enough for the
        guest's memory: it becomes its initial file system, all of it root's, and without a kernel of its own the guest
        gets this machine's.
      '';
    };

    init = mkOption {
      type = types.str;
      default = "/init";
      description = "The first program in the root file system.";
    };

    image = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = lib.literalExpression "./guest.qcow2";
      description = ''
        A disk with the guest's root file system, its first disk. Of one in the Nix store, a copy in
        /var/lib/xenbump/guests is made once, which the guest then changes.
      '';
    };

    imageFormat = mkOption {
      type = types.enum [
        "raw"
        "qcow2"
      ];
      default = "raw";
      description = "What the disk is; a file with an ext4 file system is a raw disk.";
    };

    extra = mkOption {
      type = types.str;
      default = "";
      example = "console=hvc0 root=/dev/xvda";
      description = "The kernel's command line.";
    };

    disks = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "format=raw,vdev=xvda,access=rw,target=/dev/vg/guest" ];
      description = "The guest's disks (xl-disk-configuration(5)).";
    };

    vifs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "bridge=xenbr0" ];
      description = "The guest's network interfaces (xl-network-configuration(5)).";
    };

    memory = mkOption {
      type = types.ints.positive;
      default = 512;
      description = "The memory that the guest starts with, in MiB.";
    };

    maxMemory = mkOption {
      type = types.nullOr types.ints.positive;
      default = null;
      description = "The memory that it may grow to, in MiB; null: no more than it starts with.";
    };

    vcpus = mkOption {
      type = types.ints.positive;
      default = 1;
      description = "The number of its processors.";
    };

    onCrash = mkOption {
      type = types.enum [
        "destroy"
        "restart"
        "preserve"
        "coredump-destroy"
        "coredump-restart"
      ];
      default = "destroy";
      description = "What becomes of it when it crashes.";
    };

    autostart = mkOption {
      type = types.bool;
      default = false;
      description = "Whether xendomains starts it with the machine, and ends it with the machine.";
    };

    settings = mkOption {
      type = types.attrsOf (types.either simple (types.listOf simple));
      default = { };
      example = {
        tsc_mode = "native";
        nestedhvm = true;
      };
      description = "What else stands in its file (xl.cfg(5)); it counts before what the other options say.";
    };
  };
in
{
  options.xenbump.dom0 = {
    enable = lib.mkEnableOption "a Xen dom0 with the Xen of this flake";

    package = lib.mkPackageOption pkgs "xen" { };
    qemuPackage = lib.mkPackageOption pkgs "qemu_xen" { };

    guests = mkOption {
      type = types.attrsOf (types.submodule guestOptions);
      default = { };
      description = "The guests, by name.";
    };
  };

  config = mkIf cfg.enable {
    virtualisation.xen = {
      enable = true;
      package = lib.mkDefault cfg.package;
      qemu.package = lib.mkDefault cfg.qemuPackage;
      # A package may have been built with a folder of its own for this.
      domains.extraConfig = "XENDOMAINS_AUTO=/etc/xen/auto\n";
    };

    assertions = lib.concatLists (
      lib.mapAttrsToList (name: guest: [
        {
          assertion = builtins.match "[A-Za-z0-9][A-Za-z0-9_.+-]*" name != null;
          message = "xenbump.dom0.guests: `${name}` is no name for a guest.";
        }
        {
          assertion = guest.kernel != null || guest.rootfs != null || disksOf name guest != [ ];
          message = "xenbump.dom0.guests.${name} has neither a kernel nor a disk.";
        }
        {
          assertion = guest.rootfs == null || guest.initrd == null;
          message = "xenbump.dom0.guests.${name} has a root file system and an initrd, which is the same place.";
        }
        {
          assertion = guest.rootfs == null || lib.hasPrefix builtins.storeDir "${guest.rootfs}";
          message = "xenbump.dom0.guests.${name}: `rootfs` is not in the Nix store; write a path, not a text.";
        }
        {
          assertion = guest.rootfs == null || guest.kernel != null || guest.type != "hvm";
          message = "xenbump.dom0.guests.${name}: an HVM guest with a root file system needs a kernel, a bzImage.";
        }
        {
          assertion = guest.kernel != null || guest.initrd == null || guest.rootfs != null;
          message = "xenbump.dom0.guests.${name} has an initrd and no kernel.";
        }
        {
          assertion = guest.maxMemory == null || guest.maxMemory >= guest.memory;
          message = "xenbump.dom0.guests.${name}: maxMemory is less than memory.";
        }
        {
          assertion = lib.all isPlain (texts (lib.attrValues (settingsOf name guest)));
          message = "xenbump.dom0.guests.${name}: a text has a double quote, a backslash or a line break in it.";
        }
      ]) cfg.guests
    );

    environment.etc = lib.concatMapAttrs (
      name: guest:
      {
        "xen/${name}.cfg".source = fileOf name guest;
      }
      // optionalAttrs guest.autostart { "xen/auto/${name}.cfg".source = fileOf name guest; }
    ) cfg.guests;

    systemd.tmpfiles.rules =
      let
        copied = lib.filterAttrs (_: isCopied) cfg.guests;
      in
      lib.optional (copied != { }) "d /var/lib/xenbump/guests 0700 root root -"
      ++ lib.mapAttrsToList (
        name: guest: "C ${diskOf name guest} 0600 root root - ${guest.image}"
      ) copied;
  };
}
