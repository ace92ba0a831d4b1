"""Stand-ins for what lies outside: a Xen Project in miniature, its signing key, and the server that serves it.

`xenbump demo` shows the whole walk with them, without a network; the tests use the same ones.
"""
