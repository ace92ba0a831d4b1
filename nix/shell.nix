# What it takes to work on xenbump: `make` makes the Python environment itself.
{
  actionlint,
  git,
  gnumake,
  gnupg,
  mkShell,
  nixfmt-tree,
  python3,
  qemu,
  shellcheck,
  zizmor,
}:

mkShell {
  packages = [
    actionlint
    git
    gnumake
    gnupg
    nixfmt-tree
    python3
    qemu
    shellcheck
    zizmor
  ];
}
