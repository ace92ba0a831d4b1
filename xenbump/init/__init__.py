"""A first `xenbump.toml`: the package files of Xen in a checkout, and where pull requests go."""
