# The PATH of the scripts that xl starts for block devices and network interfaces, which call these by their names.
{
  lib,
  bash,
  bridge-utils,
  coreutils,
  diffutils,
  drbd,
  gawk,
  gnugrep,
  gnused,
  inetutils,
  iproute2,
  iptables,
  kmod,
  multipath-tools,
  nbd,
  openiscsi,
  openvswitch,
  procps,
  psmisc,
  systemdMinimal,
  util-linux,
  which,
  # Without what serves storage of other machines and Open vSwitch, which weighs more than all the rest.
  slim ? false,
}:

lib.makeBinPath (
  [
    bash
    bridge-utils
    coreutils
    diffutils
    gawk
    gnugrep
    gnused
    inetutils
    iproute2
    iptables
    kmod
    procps
    psmisc
    systemdMinimal
    util-linux
    which
  ]
  ++ lib.optionals (!slim) [
    drbd
    multipath-tools
    nbd
    openiscsi
    openvswitch
  ]
)
