"""Tests of `xenbump.nixlang`."""
