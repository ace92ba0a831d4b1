# The options of NixOS that this flake's modules define, and those of the virtual machine and of Xen that tests set.
{ lib, ... }:

let
  any = lib.mkOption {
    type = lib.types.attrsOf lib.types.anything;
    default = { };
  };
  list = lib.mkOption {
    type = lib.types.listOf lib.types.raw;
    default = [ ];
  };
in
{
  options = {
    assertions = list;
    boot = any;
    systemd.services = any;
    systemd.timers = any;
    systemd.tmpfiles = any;
    environment.etc = any;
    environment.systemPackages = list;
    virtualisation = {
      xen = {
        enable = lib.mkOption {
          type = lib.types.bool;
          default = false;
        };
        package = lib.mkOption { type = lib.types.raw; };
        qemu.package = lib.mkOption { type = lib.types.raw; };
        dom0Resources = any;
        store.path = lib.mkOption {
          type = lib.types.str;
          default = "oxenstored";
        };
        boot.params = lib.mkOption {
          type = lib.types.listOf lib.types.str;
          default = [ ];
        };
        domains.extraConfig = lib.mkOption {
          type = lib.types.lines;
          default = "";
        };
      };
      memorySize = lib.mkOption { type = lib.types.int; };
      cores = lib.mkOption { type = lib.types.int; };
      graphics = lib.mkOption { type = lib.types.bool; };
      useBootLoader = lib.mkOption { type = lib.types.bool; };
      useEFIBoot = lib.mkOption { type = lib.types.bool; };
      installBootLoader = lib.mkOption { type = lib.types.bool; };
      mountHostNixStore = lib.mkOption { type = lib.types.bool; };
      sharedDirectories = any;
    };
  };
}
