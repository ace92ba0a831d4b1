"""Verification on this machine: Nix, images, and the reading of what they say."""
