"""Tests of `xenbump.package.branches`."""
