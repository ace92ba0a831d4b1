"""Any Xen, tried: a revision with a series of patches and options is built, booted and checked, and compared."""
