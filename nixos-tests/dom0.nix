# A dom0 with one of our packages: everything that is checked in one but guests, and the Xen Test Framework.
{
  pkgs,
  makeTest,
  dom0,
  name,
  xen,
  ...
}:

makeTest {
  inherit name;
  machine = dom0 xen;
  timeout = 3600;
  wanted = {
    job = {
      version = xen.upstreamVersion;
      memory = 2048;
      guests = [ ];
      engine = "hardware";
      check_seconds = 60.0;
      checks = [
        "control"
        "xenstored"
        "xenconsoled"
        "units"
        "tools"
        "version"
        "alone"
        "memory"
        "free-memory"
        "kernel-dom0"
        "kernel-domu"
        "dmesg"
        "xl-dmesg"
      ];
      xtf = {
        inherit (pkgs.xtf) folder;
        test_seconds = 60.0;
        seconds = 1800.0;
      };
    };
  };
}
