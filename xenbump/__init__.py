"""xenbump: from a signed Xen release or advisory to a reviewed pull request, with proof."""

__version__ = "0.1.0"
