"""Tests of reading and rewriting the package file: every shape, every refusal, the file on disk."""
