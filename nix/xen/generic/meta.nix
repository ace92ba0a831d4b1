# What a package of Xen says of itself.
{
  lib,
  branch,
  version,
  upstreamVersion,
  minSupportedVersion,
  support,
  # `YYYY-MM-DD`, or `YYYYMMDD…` as `lastModifiedDate` of a flake; null where nobody says which day it is.
  today,
  slim,
  withEFI,
  withFlask,
  # The names of the kinds of firmware that HVM guests can have.
  firmware,
}:

let
  inherit (lib)
    optional
    optionalString
    replaceStrings
    substring
    versionOlder
    ;

  day = date: substring 0 8 (replaceStrings [ "-" ] [ "" ] date);
  isTooOld = versionOlder branch minSupportedVersion;
  hasEnded = today != null && support != null && day today > day support.security;
in
{
  inherit branch;

  description = "Type-1 hypervisor and its toolstack" + optionalString slim ", for PV and PVH guests";
  longDescription = ''
    Xen runs on the bare machine and divides it into domains. The first one, domain 0, is the system that starts the
    others and has the drivers; the guests are paravirtualised (PV, PVH) or see a whole machine (HVM), for which a
    device model runs in domain 0: the package `qemu_xen`.

    The output `boot` has the hypervisor: `boot/xen-${upstreamVersion}`.
  ''
  + optionalString withEFI ''
    UEFI starts `boot/xen-${upstreamVersion}.efi` there.
  ''
  + (
    if firmware == [ ] then
      ''
        There is no firmware for HVM guests.
      ''
    else
      ''
        HVM guests boot by ${lib.concatStringsSep ", " firmware}.
      ''
  )
  + optionalString withFlask ''
    The security module FLASK is built in, with its default policy.
  '';

  homepage = "https://xenproject.org/";
  changelog = "https://wiki.xenproject.org/wiki/Xen_Project_${branch}_Release_Notes";

  license = with lib.licenses; [
    gpl2Only
    # The libraries.
    lgpl21Only
    # The headers that guests are built with.
    mit
    # The documentation.
    cc-by-40
  ];

  knownVulnerabilities = optional (isTooOld || hasEnded) (
    "Xen ${branch} gets no security fixes from the Xen Project any more"
    + optionalString (support != null) " (it did until ${support.security})"
  );

  mainProgram = "xl";
  platforms = [ "x86_64-linux" ];
}
// lib.optionalAttrs (version == upstreamVersion) {
  downloadPage = "https://downloads.xenproject.org/release/xen/${version}/";
}
