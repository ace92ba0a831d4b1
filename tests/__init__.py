"""The tests of xenbump, in the order of its rooms."""
