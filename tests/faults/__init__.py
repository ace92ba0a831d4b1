"""Faults put into whole runs: after every effect, and in its place."""
