# The machine in which a dom0 is tested: UEFI, systemd-boot and Xen, as it would be on hardware, and consoles that let
# the test's driver in.
{ lib, pkgs, ... }:

{
  virtualisation = {
    memorySize = 4096;
    cores = 2;
    graphics = false;

    # Without a boot loader QEMU starts the kernel itself, and no Xen is below it.
    useBootLoader = true;
    useEFIBoot = true;
    installBootLoader = true;
    # The store is on the disk, as the shared folders of the host are of no use to what is tested.
    mountHostNixStore = lib.mkForce false;
    sharedDirectories = lib.mkForce { };

    xen = {
      dom0Resources = {
        memory = 2048;
        maxMemory = 2048;
        maxVCPUs = 2;
      };
      boot.params = [
        "console=com1"
        "com1=115200,8n1"
        "loglvl=all"
        "guest_loglvl=none/warning"
      ];
    };
  };

  boot = {
    initrd.systemd.enable = true;
    kernelParams = lib.mkAfter [ "console=hvc0" ];
    loader = {
      systemd-boot.enable = true;
      efi.canTouchEfiVariables = true;
      timeout = lib.mkForce 0;
    };
  };

  # XTF's runner is a script.
  environment.systemPackages = [ pkgs.python3 ];

  # What guests say is what they are believed by.
  systemd.services.xenconsoled.environment.XENCONSOLED_TRACE = "guest";
  systemd.tmpfiles.rules = [ "d /var/log/xen/console 0755 root root -" ];

  # Under Xen the first console is Xen's, the driver's is the second, and the serial port is Xen's alone. The driver's
  # shell is started on the first and complains on the serial port, whose device never comes: the consoles get the
  # names that it expects.
  systemd.services.driver-console = {
    description = "The names of consoles that the test's driver expects";
    requires = [
      "dev-hvc0.device"
      "dev-hvc1.device"
    ];
    after = [
      "dev-hvc0.device"
      "dev-hvc1.device"
    ];
    before = [ "backdoor.service" ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
    script = ''
      mv /dev/hvc0 /dev/hvc-xen
      mv /dev/hvc1 /dev/hvc0
      ln -sfn hvc-xen /dev/ttyS0
    '';
  };
  systemd.services.backdoor = {
    requires = lib.mkForce [ "driver-console.service" ];
    after = lib.mkForce [ "driver-console.service" ];
  };
  systemd.services."serial-getty@hvc1".enable = false;
}
