"""Tests of each shape of the package file."""
