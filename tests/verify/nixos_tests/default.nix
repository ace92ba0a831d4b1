# Tests of NixOS as far as Nix is concerned: derivations whose build is the test. What they leave lies beside this file.
{
  system ? builtins.currentSystem,
}:
let
  make =
    name: script: more:
    builtins.derivation (
      {
        inherit system;
        name = "vm-test-run-${name}";
        builder = "/bin/sh";
        args = [
          "-c"
          "PATH=/usr/bin:/bin; mkdir -p $out; ${script}"
        ];
      }
      // more
    );
in
{
  report = make "report" "mkdir $out/results; cp ${./report.json} $out/results/xenbump-report.json" { };
  junit = make "junit" "mkdir $log; cp ${./junit.xml} $log/junit.xml" {
    outputs = [
      "out"
      "log"
    ];
  };
  both = make "both" "cp ${./report.json} $out/xenbump-report.json; cp ${./failed.xml} $out/junit.xml" { };
  nothing = make "nothing" "touch $out/screenshot.png" { };
  damaged = make "damaged" "echo '{}' >$out/xenbump-report.json; echo '<!DOCTYPE a><a/>' >$out/junit.xml" { };
  linked = make "linked" "ln -s ${./junit.xml} $out/junit.xml" { };
  failing = make "failing" "cat ${./driver.log} >&2; exit 1" { };
  behind = make "behind" "cat ${make "dependency" "echo no compiler; exit 3" { }}" { };
  sleeping = make "sleeping" "echo 'subtest: boot'; sleep 60" { };
  elsewhere = make "elsewhere" "true" { requiredSystemFeatures = [ "no-such-machine" ]; };
}
