# The service: its timer starts it, and in its sandbox, with a token that systemd hands on, it opens a pull request on a
# stand-in of Xen's servers and of GitHub. A wrong configuration calls the failure hook.
{
  pkgs,
  makeTest,
  service,
  ...
}:

let
  folder = "/run/stand-in";
  # The stand-in is a part of xenbump.
  python = pkgs.python3.withPackages (ps: [ (ps.toPythonModule pkgs.xenbump) ]);
in
makeTest {
  name = "xenbump-service";
  timeout = 900;
  machine =
    { lib, ... }:
    {
      imports = [ service ];

      services.xenbump = {
        enable = true;
        calendar = "*-*-* *:*:00/10";
        securityCalendar = null;
        randomizedDelay = "0";
        # What is between @ is known when the stand-in stands.
        settings = {
          upstream = {
            git = "@xen@";
            xsa = "@xsa@";
            keyring = "${folder}/key.asc";
            fingerprints = [ "@fingerprint@" ];
          };
          github = {
            repository = "demo/packages";
            git = "@packages@";
            operator = "demo-bot";
          };
          verify.steps = [ ];
        };
        packages.xen.file = "pkgs/xen/package.nix";
        extraArguments = [
          "--config"
          "${folder}/xenbump.toml"
        ];
        author = {
          name = "xenbump demo";
          email = "demo@localhost";
        };
        githubTokenFile = "${folder}/token";
        failureHook = ''
          echo "$MONITOR_UNIT ended with $MONITOR_EXIT_STATUS" > /run/xenbump-hook
        '';
      };

      systemd.services.xenbump.serviceConfig.EnvironmentFile = "${folder}/env";

      systemd.services.stand-in = {
        description = "A stand-in of Xen's servers and of GitHub";
        requiredBy = [ "xenbump.service" ];
        before = [ "xenbump.service" ];
        path = [
          pkgs.gitMinimal
          pkgs.gnupg
        ];
        environment.HOME = "/root";
        serviceConfig = {
          Type = "notify";
          RuntimeDirectory = "stand-in";
          ExecStart = "${lib.getExe' python "python3"} ${./stand-in.py} /etc/xenbump.toml ${folder}";
        };
      };
    };
  wanted = {
    boot_seconds = 300.0;
    commands = [
      {
        name = "timer";
        requirement = "The timer waits for its next time.";
        command = "systemctl show --property=ActiveState,NextElapseUSecRealtime xenbump.timer";
        pattern = "^NextElapseUSecRealtime=.+$";
      }
      {
        name = "run";
        requirement = "A run that the timer began has ended well.";
        command = "journalctl --unit=xenbump.service --output=cat --no-pager";
        pattern = "draft pull request 1 opened";
        seconds = 180.0;
      }
      {
        name = "pull-request";
        requirement = "The stand-in of GitHub has one pull request, a draft.";
        command = "cat ${folder}/pulls";
        pattern = "^1 draft: xen: 4[.]20[.]3 -> 4[.]20[.]4$";
      }
      {
        name = "state";
        requirement = "The state is the service's own, and nobody else's.";
        command = "stat --dereference --format='%a' /var/lib/xenbump && test -e /var/lib/xenbump/journal.sqlite3";
        pattern = "^700$";
      }
      {
        name = "no-token";
        requirement = "Neither the log nor the unit has the token.";
        command = ''
          { journalctl --unit=xenbump.service; systemctl show xenbump.service; } | grep -q demo-token || echo none
        '';
        pattern = "^none$";
      }
      {
        name = "hook";
        requirement = "A configuration that is wrong calls the failure hook, with the status.";
        command = ''
          echo nonsense > ${folder}/xenbump.toml
          systemctl start xenbump.service || true
          cat /run/xenbump-hook
        '';
        pattern = "^xenbump.service ended with 2$";
        seconds = 90.0;
      }
    ];
  };
}
