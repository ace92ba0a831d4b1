"""Against the real Xen repository, where XENBUMP_REAL_XEN names it."""
