"""Hostile servers and inputs against the whole program: each ends in bounded time and memory, in one sentence."""
