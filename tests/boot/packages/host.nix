# Derivations that run the programs of the machine.
rec {
  build =
    { script, ... }@given:
    builtins.derivation (
      {
        system = "x86_64-linux";
        builder = "/bin/sh";
        args = [
          "-euc"
          script
        ];
        PATH = "/usr/local/bin:/usr/bin:/bin";
      }
      // removeAttrs given [ "script" ]
    );

  # The files of a commit, which must have this hash. What is on xenbits is fetched from the mirror.
  fetchgit =
    {
      url,
      rev,
      hash,
    }:
    build {
      name = "source";
      outputHashMode = "recursive";
      outputHash = hash;
      inherit url rev;
      mirror = "@mirror@";
      script = ''
        git init --quiet $out
        cd $out
        git -c "url.$mirror.insteadOf=https://xenbits.xenproject.org/git-http" fetch --quiet --depth 1 $url $rev
        git checkout --quiet FETCH_HEAD
        rm -rf .git
      '';
    };
}
