# Files in the source's top folder say what goes wrong: `old-qemu`, `panics`, `no-machine`.
system:
{
  source,
  version,
  options,
}:

let
  make =
    name: script: more:
    builtins.derivation (
      {
        inherit system name version;
        source = "${source}";
        settings = builtins.toJSON options;
        builder = "/bin/sh";
        args = [
          "-c"
          "PATH=/usr/bin:/bin; set -eu; mkdir -p $out; cd $source; ${script}"
        ];
      }
      // more
    );
  xen = make "xen-${version}" ''
    printf 'options: %s\n' "$settings" >&2
    if grep -n 'return x' xen/setup.c; then echo 'setup.c:5: error: x is nowhere' >&2; exit 1; fi
    cp xen/setup.c $out
  '' { };
  qemu = make "qemu-10.1" "test ! -e old-qemu" { };
  test =
    name:
    make "vm-test-run-${name}"
      ''
        if test -e panics; then echo 'subtest: boot' >&2; exit 1; fi
        echo ${xen} ${qemu} >$out/made-of
        sed "s/VERSION/$version/" ${./. + "/${name}.json"} >$out/xenbump-report.json
      ''
      (
        if builtins.pathExists (source + "/no-machine") then
          { requiredSystemFeatures = [ "no-such-machine" ]; }
        else
          { }
      );
in
{
  inherit xen;
  dom0 = test "dom0";
  guests = test "guests";
}
