# Guests of each kind by `xl create`, one that a check puts into the folder of xendomains, and two that the module
# declares: one that goes down by itself, and one that has to be ended before the machine can go down cleanly.
{
  makeTest,
  dom0,
  guest,
  xen,
  ...
}:

makeTest {
  name = "guests";
  timeout = 2400;
  machine = [
    (dom0 xen)
    {
      xenbump.dom0.guests = {
        declared = {
          type = "pv";
          inherit (guest) kernel;
          initrd = "${guest.once}";
          memory = 128;
          extra = "console=hvc0 quiet panic=-1 xenbump.line=xenbump-declared";
          autostart = true;
        };
        stays = {
          type = "pv";
          inherit (guest) kernel;
          initrd = "${guest.stays}";
          memory = 128;
          extra = "console=hvc0 quiet panic=-1";
          autostart = true;
        };
        # Only its file: nobody starts it.
        rests = {
          type = "hvm";
          disks = [ "format=raw,vdev=xvda,access=rw,target=/var/lib/rests.img" ];
        };
      };
      # A guest is asked to go down, and not saved to the disk.
      virtualisation.xen.domains.extraConfig = ''
        XENDOMAINS_SAVE=
        XENDOMAINS_SHUTDOWN=--wait
      '';
    }
  ];
  wanted = {
    units = [
      "multi-user.target"
      "xendomains.service"
    ];
    job = {
      version = xen.upstreamVersion;
      memory = 2048;
      guests = [
        "pv"
        "pvh"
        "hvm"
      ];
      guest_kernel = guest.kernel;
      guest_initrd = "${guest.once}";
      engine = "hardware";
      check_seconds = 60.0;
      guest_seconds = 240.0;
      seconds = 1200.0;
      # Not `alone`, with guests that start by themselves.
      checks = [
        "control"
        "units"
        "tools"
        "version"
        "free-memory"
        "guest-pv"
        "guest-pvh"
        "guest-hvm"
        "autostart"
        "dmesg"
        "xl-dmesg"
      ];
    };
    # A machine whose processor is not virtualised further has only PV guests.
    may_skip = [
      "guest-pvh"
      "guest-hvm"
    ];
    commands = [
      {
        name = "guest-declared";
        requirement = "A declared guest with autostart printed its line.";
        command = "cat /var/log/xen/console/guest-declared.log";
        pattern = ''^\s*xenbump-declared\s*$'';
      }
      {
        name = "guest-file";
        requirement = "A declared guest without autostart has a file, and no link.";
        command = "test -e /etc/xen/rests.cfg && test ! -e /etc/xen/auto/rests.cfg && cat /etc/xen/rests.cfg";
        pattern = "^name = \"rests\"$";
      }
      {
        name = "guest-stays";
        requirement = "The other one runs.";
        command = "xl list stays";
        pattern = "^stays ";
      }
      {
        name = "guest-ended";
        requirement = "xendomains ends the guest that stays.";
        command = "systemctl stop xendomains.service && ! xl domid stays && echo ended";
        pattern = "^ended$";
        seconds = 180.0;
      }
    ];
  };
}
