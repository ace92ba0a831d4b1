"""The Nix file of the Xen package: read into one model whatever its shape, rewritten without touching another byte."""
