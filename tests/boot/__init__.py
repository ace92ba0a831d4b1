"""Real boots: everything here starts QEMU. They are of one xdist group, so they run one after the other."""
