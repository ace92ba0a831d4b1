"""What was built is verified: the build, its outputs, and a real boot, for which `image.py` and `qemu.py` are there."""
