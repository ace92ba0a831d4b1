"""Hashes computed from git objects, judged by the real git and Nix."""
