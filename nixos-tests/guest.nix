# What guests of the tests are started from: a kernel, and two initial file systems with one program each.
{
  cpio,
  linuxPackages,
  pkgsStatic,
  runCommand,
}:

let
  initrd =
    name: init:
    runCommand "xenbump-${name}.cpio.gz" { nativeBuildInputs = [ cpio ]; } ''
      mkdir -p root/{bin,dev,proc,sbin}
      cp ${pkgsStatic.busybox}/bin/busybox root/bin/busybox
      # Linux calls it when Xen asks a guest to go down.
      ln -s ../bin/busybox root/sbin/poweroff
      install -m 755 ${init} root/init
      cd root
      find . -print0 | sort -z | cpio --null --create --format=newc --owner=0:0 --reproducible | gzip -9n > $out
    '';
in
{
  kernel = "${linuxPackages.kernel}/bzImage";
  # Prints a line of its kernel's command line and goes down.
  once = initrd "guest" ../xenbump/verify/initrd/guest-init;
  # Stays until it is asked to go.
  stays = initrd "guest-that-stays" ./guest-that-stays;
}
