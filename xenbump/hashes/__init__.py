"""Fixed-output hashes as nixpkgs' fetchers want them, computed from git objects and bytes.

Everything here is pure: what is read comes in through `objects.Objects`, nothing is checked out, and Nix is not needed.
"""
