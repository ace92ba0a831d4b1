"""Any Xen, tried: sources, builds, boots and verdicts."""
