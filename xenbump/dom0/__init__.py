"""What runs and is checked inside a booted dom0.

This folder needs Python's standard library and nothing else, and imports nothing from outside itself: it is copied,
under the name `dom0`, into the initrd of a dom0 image, and the test driver of a NixOS VM test imports it.
"""
