"""Tests of the flake, its modules and its NixOS tests, evaluated by a real Nix over small stand-ins for nixpkgs."""
