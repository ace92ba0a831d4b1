# The bot as a service: two timers, one for everything and one, more often, for advisories alone; a unit for each that
# may write its own state and nothing else; tokens by systemd's credentials.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    mkIf
    mkOption
    optional
    optionalAttrs
    optionalString
    types
    ;

  cfg = config.services.xenbump;
  toml = import ./toml.nix { inherit lib; };
  tomlType = (pkgs.formats.toml { }).type;

  packages = lib.mapAttrsToList (name: package: { inherit name; } // package) cfg.packages;
  file = pkgs.writeText "xenbump.toml" (toml.write (cfg.settings // { package = packages; }));

  verify = cfg.settings.verify or { };
  # Whether QEMU runs here.
  boots =
    (verify.engine or "qemu") == "qemu"
    && lib.any (step: lib.elem step (verify.steps or [ ])) [
      "dom0"
      "guests"
      "xtf"
    ];
  app = cfg.githubApp;
  secrets = lib.filterAttrs (_: path: path != null) {
    github-token = cfg.githubTokenFile;
    github-lookup-token = cfg.githubLookupTokenFile;
    github-app-key = if app == null then null else app.keyFile;
  };
  # The tokens are read by the shell: in the environment of the unit everybody could see them.
  exported =
    credential: variable:
    optionalString (secrets ? ${credential}) ''
      ${variable}=$(< "$CREDENTIALS_DIRECTORY/${credential}")
      export ${variable}
    '';

  command =
    arguments:
    lib.escapeShellArgs (
      [
        (lib.getExe cfg.package)
        "run"
        "--no-progress"
        "--config"
        "${file}"
      ]
      ++ arguments
      ++ optional cfg.dryRun "--dry-run"
      ++ cfg.extraArguments
    );

  hardening = import ./hardening.nix {
    inherit lib boots;
    inherit (cfg) kvm;
  };

  service = what: arguments: {
    description = "xenbump: ${what}";
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ];
    onFailure = optional (cfg.failureHook != null) "xenbump-failure.service";
    # A run that a rebuild of the system ends has to begin again.
    restartIfChanged = false;

    path = cfg.extraPackages;
    environment = {
      HOME = "%S/xenbump";
      XDG_CACHE_HOME = "%C/xenbump";
    }
    // optionalAttrs (cfg.author != null) {
      GIT_AUTHOR_NAME = cfg.author.name;
      GIT_AUTHOR_EMAIL = cfg.author.email;
      GIT_COMMITTER_NAME = cfg.author.name;
      GIT_COMMITTER_EMAIL = cfg.author.email;
    }
    // optionalAttrs (app != null) {
      XENBUMP_GITHUB_APP_ID = app.id;
      XENBUMP_GITHUB_APP_KEY_FILE = "%d/github-app-key";
      XENBUMP_GITHUB_APP_INSTALLATION = app.installation;
    }
    // cfg.environment;

    script = lib.concatStrings [
      (exported "github-token" "XENBUMP_GITHUB_TOKEN")
      (exported "github-lookup-token" "XENBUMP_GITHUB_LOOKUP_TOKEN")
      ''
        for pause in ${lib.escapeShellArgs (cfg.retryAfter ++ [ "" ])}; do
          status=0
          ${command arguments} || status=$?
          # 1: what may go away by itself. The rest is for a person to decide (20, 30) or to write (2).
          if [ "$status" -ne 1 ] || [ -z "$pause" ]; then
            exit "$status"
          fi
          sleep "$pause"
        done
      ''
    ];

    serviceConfig = hardening // {
      Type = "oneshot";
      # Both units are the same user, so that they can share what they keep.
      User = "xenbump";
      StateDirectory = "xenbump";
      StateDirectoryMode = "0700";
      CacheDirectory = "xenbump";
      CacheDirectoryMode = "0700";
      WorkingDirectory = "%S/xenbump";
      LoadCredential = lib.mapAttrsToList (name: path: "${name}:${path}") secrets;
      TimeoutStartSec = "12h";
    };
  };

  timer = unit: calendar: {
    description = "When ${unit} is started";
    wantedBy = [ "timers.target" ];
    timerConfig = {
      OnCalendar = calendar;
      Persistent = true;
      RandomizedDelaySec = cfg.randomizedDelay;
      Unit = unit;
    };
  };

  calendarType = types.nullOr (types.either types.str (types.listOf types.str));
  fileType = types.nullOr types.str;
in
{
  options.services.xenbump = {
    enable = lib.mkEnableOption "xenbump, which opens pull requests for new releases and advisories of Xen";
    package = lib.mkPackageOption pkgs "xenbump" { };

    settings = mkOption {
      type = tomlType;
      default = { };
      example = {
        github = {
          repository = "NixOS/nixpkgs";
          fork = "me/nixpkgs";
          operator = "me";
        };
      };
      description = ''
        What is written into `xenbump.toml`, but for the packages. The tables are described in xenbump's
        `docs/interface.md`. No token belongs here: the file is readable by everybody.
      '';
    };

    packages = mkOption {
      type = types.attrsOf tomlType;
      default = { };
      example = {
        xen = {
          file = "pkgs/by-name/xe/xen/package.nix";
          track = "latest";
        };
      };
      description = ''
        The package files, by name: what stands in the `[[package]]` of each. `file` is named from the root of
        the repository.
      '';
    };

    calendar = mkOption {
      type = calendarType;
      default = "*-*-* 05:17:00";
      description = "When everything is looked at (systemd.time(7)); null: only when the unit is started by hand.";
    };

    securityCalendar = mkOption {
      type = calendarType;
      default = "Tue,Wed *-*-* *:37:00";
      description = ''
        When advisories alone are looked at, on the version that is packaged (systemd.time(7)); null: never.
        Xen's advisories are published on Tuesdays as a rule.
      '';
    };

    randomizedDelay = mkOption {
      type = types.str;
      default = "10min";
      description = "By how much a start is put off at most, so that not everybody asks at the same second.";
    };

    retryAfter = mkOption {
      type = types.listOf types.str;
      default = [
        "5m"
        "15m"
        "45m"
      ];
      description = ''
        The pauses (sleep(1)) after which a run is tried again that failed by what may go away by itself, such as the
        network. systemd does not do it, since its limit of starts would count those of the timer, too.
      '';
    };

    dryRun = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to stop before anything leaves the machine, with diff and pull request in the log.";
    };

    extraArguments = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "--verbose" ];
      description = "More arguments of `xenbump run`.";
    };

    extraPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages whose programs stand before those that xenbump brings along.";
    };

    environment = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example.https_proxy = "http://proxy.example:3128";
      description = "More of the units' environment. No secret belongs here.";
    };

    author = mkOption {
      type = types.nullOr (
        types.submodule {
          options = {
            name = mkOption {
              type = types.str;
              description = "The name that commits have.";
            };
            email = mkOption {
              type = types.str;
              description = "The address that commits have.";
            };
          };
        }
      );
      default = null;
      description = "Whose name stands on the commits; only where `settings.github.write` is `api` GitHub knows it.";
    };

    githubTokenFile = mkOption {
      type = fileType;
      default = null;
      example = "/run/secrets/xenbump-token";
      description = "The file with the token that pushes and opens pull requests; systemd reads it, as root.";
    };

    githubLookupTokenFile = mkOption {
      type = fileType;
      default = null;
      description = "The file with a token for what only reads; null: the other one.";
    };

    githubApp = mkOption {
      type = types.nullOr (
        types.submodule {
          options = {
            id = mkOption {
              type = types.str;
              description = "The number of the App.";
            };
            keyFile = mkOption {
              type = types.str;
              description = "The file with the App's private key (PEM).";
            };
            installation = mkOption {
              type = types.str;
              default = "";
              description = "The number of its installation; empty: that of the repository.";
            };
          };
        }
      );
      default = null;
      description = "A GitHub App that acts, instead of a token's owner.";
    };

    kvm = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the units may use /dev/kvm, for a verification that boots a dom0 here.";
    };

    failureHook = mkOption {
      type = types.nullOr types.lines;
      default = null;
      example = ''
        echo "$MONITOR_UNIT: $MONITOR_SERVICE_RESULT, status $MONITOR_EXIT_STATUS" | mail -s xenbump root
      '';
      description = ''
        Shell commands for when a run has failed and is not tried again by itself: a person has to decide, the
        configuration is wrong, or the fault has lasted. systemd's `$MONITOR_…` variables say what happened.
      '';
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.packages != { };
        message = "services.xenbump.packages is empty: there is nothing to keep current.";
      }
      {
        assertion = !(cfg.settings ? package);
        message = "The packages belong into services.xenbump.packages, not into services.xenbump.settings.";
      }
      {
        assertion = app == null || cfg.githubTokenFile == null;
        message = "services.xenbump: a GitHub App or a token acts, not both.";
      }
    ]
    ++ lib.mapAttrsToList (name: package: {
      assertion = package ? file;
      message = "services.xenbump.packages.${name}.file is not set.";
    }) cfg.packages
    ++ lib.mapAttrsToList (name: path: {
      assertion = !(lib.hasPrefix builtins.storeDir path);
      message = "services.xenbump: the file of the credential ${name} is in the Nix store, which everybody can read.";
    }) secrets;

    # There is no checkout of the user's here, and no image to boot.
    services.xenbump.settings = {
      github.write = lib.mkDefault "clone";
      verify.steps = lib.mkDefault [
        "build"
        "outputs"
        "meta"
      ];
    };

    environment.systemPackages = [ cfg.package ];
    environment.etc."xenbump.toml".source = file;

    systemd.services = {
      xenbump = service "new releases and advisories of Xen" [ ];
    }
    // optionalAttrs (cfg.securityCalendar != null) {
      xenbump-security = service "new advisories of Xen" [ "--security-only" ];
    }
    // optionalAttrs (cfg.failureHook != null) {
      xenbump-failure = {
        description = "xenbump: telling of a run that failed";
        script = cfg.failureHook;
        serviceConfig.Type = "oneshot";
      };
    };

    systemd.timers =
      optionalAttrs (cfg.calendar != null) { xenbump = timer "xenbump.service" cfg.calendar; }
      // optionalAttrs (cfg.securityCalendar != null) {
        xenbump-security = timer "xenbump-security.service" cfg.securityCalendar;
      };
  };
}
