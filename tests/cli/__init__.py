"""Tests of the program as its users start it."""
