# What a unit of the bot may not do (systemd.exec(5)): it talks to servers and to the daemon of Nix, and writes its own.
{
  lib,
  # QEMU runs in it, whose translated code is written and then run.
  boots,
  # It may use /dev/kvm.
  kvm,
}:

{
  CapabilityBoundingSet = "";
  AmbientCapabilities = "";
  DevicePolicy = "closed";
  DynamicUser = true;
  KeyringMode = "private";
  LockPersonality = true;
  MemoryDenyWriteExecute = !boots;
  NoNewPrivileges = true;
  PrivateDevices = !kvm;
  PrivateMounts = true;
  PrivateTmp = true;
  PrivateUsers = true;
  ProcSubset = "pid";
  ProtectClock = true;
  ProtectControlGroups = true;
  ProtectHome = true;
  ProtectHostname = true;
  ProtectKernelLogs = true;
  ProtectKernelModules = true;
  ProtectKernelTunables = true;
  ProtectProc = "invisible";
  ProtectSystem = "strict";
  RemoveIPC = true;
  RestrictAddressFamilies = [
    "AF_UNIX"
    "AF_INET"
    "AF_INET6"
  ];
  RestrictNamespaces = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  SystemCallArchitectures = "native";
  SystemCallErrorNumber = "EPERM";
  SystemCallFilter = [
    "@system-service"
    "~@privileged"
    "~@resources"
  ];
  UMask = "0077";
}
// lib.optionalAttrs kvm {
  DeviceAllow = [ "/dev/kvm rw" ];
  SupplementaryGroups = [ "kvm" ];
}
