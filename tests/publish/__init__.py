"""Tests of the publication: words, branch and push with the real git, GitHub by its stand-in."""
