"""The calls of a file, gathered."""

from __future__ import annotations

import time

from xenbump.nixlang import parse
from xenbump.package.nodes import calls


def test_a_function_of_several_arguments_is_there_once_for_each_of_them() -> None:
    found = calls(parse("f (g x) ((h) a b)"))
    assert [(made.name, len(made.arguments)) for made in found] == [("f", 2), ("f", 1), ("g", 1), ("h", 2), ("h", 1)]


def test_many_arguments_take_no_time() -> None:
    began = time.process_time()
    found = calls(parse("(f x) " + "a " * 10_000))
    assert [len(made.arguments) for made in found] == [10_001, *range(20, 0, -1)]
    assert time.process_time() - began < 2
