# The bot: once a day for everything, and on the days of advisories every hour for them. The token is not in the store.
_: {
  boot.isContainer = true;
  nix.settings.experimental-features = [
    "nix-command"
    "flakes"
  ];

  services.xenbump = {
    enable = true;
    githubTokenFile = "/run/secrets/xenbump-github-token";
    author = {
      name = "my xen bot";
      email = "xen-bot@example.org";
    };
    settings = {
      github = {
        repository = "me/my-xen";
        base = "main";
        operator = "me";
      };
      verify.steps = [
        "build"
        "outputs"
        "meta"
      ];
    };
    packages.xen.file = "xen.nix";
    failureHook = ''
      echo "$MONITOR_UNIT ended with status $MONITOR_EXIT_STATUS" | wall
    '';
  };

  system.stateVersion = "26.05";
}
