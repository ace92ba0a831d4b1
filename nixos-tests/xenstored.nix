# Each of the two programs that keep Xenstore: it runs, it answers, and a guest comes up and goes down with it.
{
  pkgs,
  makeTest,
  dom0,
  guest,
  # `xenstored`, which is written in C, or `oxenstored`, in OCaml.
  store,
  ...
}:

makeTest {
  name = "xenstored-${if store == "xenstored" then "c" else "ocaml"}";
  machine = [
    (dom0 pkgs.xen)
    { virtualisation.xen.store.path = "${pkgs.xen}/bin/${store}"; }
  ];
  wanted = {
    job = {
      version = pkgs.xen.upstreamVersion;
      memory = 2048;
      guests = [ "pv" ];
      guest_kernel = guest.kernel;
      guest_initrd = "${guest.once}";
      engine = "hardware";
      check_seconds = 60.0;
      guest_seconds = 120.0;
      checks = [
        "control"
        "xenstored"
        "xenconsoled"
        "units"
        "tools"
        "version"
        "alone"
        "guest-pv"
      ];
    };
    commands = [
      {
        name = "store";
        requirement = "It is ${store} that runs.";
        command = "pgrep -x ${store} > /dev/null && echo ${store}";
        pattern = "^${store}$";
      }
      {
        name = "store-writes";
        requirement = "What is written into Xenstore can be read.";
        command = "xenstore-write /tool/xenbump here && xenstore-read /tool/xenbump && xenstore-rm /tool/xenbump";
        pattern = "^here$";
      }
    ];
  };
}
