"""How long it takes to read, edit and check a package file of 20 kB, and how that grows with the size of a file.

The work on 20 kB is measured against Nix, which only parses it (`nix-instantiate --parse`), and against Python's own
parser. How long Nix takes without its start is what 2 MB take longer than an empty file, by the size. All are measured
in the same run, turn and turn about, and the best of the rounds counts, so that the ratio says something on a busy
machine too. The growth is the time per character at 2 MB divided by the one at 20 kB, for files of several shapes.
Run it with `python bench/nixlang.py`; `--json FILE` hands the figures over.
"""

from __future__ import annotations

import ast
import gc
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from support.measured import Measured, main
from support.stopwatch import best, best_elapsed
from support.texts import patches, program

from xenbump.nixlang import Replacement, apply, bindings, body, parse, quote, removal, resolve, tokenize, walk
from xenbump.nixlang.find import ancestors
from xenbump.nixlang.tree import Identifier, List, Number, String

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.nixlang import Document

SMALL, LARGE = 20_000, 2_000_000
LIMIT_MS = 20.0
LIMIT_GROWTH = 2.0
# With the start of the program that is to be spared.
TARGET_STARTED = 1.0


def package(size: int) -> str:
    """Write a package file of about the size."""
    head = '{ lib, stdenv, fetchpatch }:\nstdenv.mkDerivation (finalAttrs: {\n  version = "1.0";\n  patches = [\n'
    return head + patches(size) + '  ];\n  flags = [ "A=${lib.getExe\' finalAttrs.version "b"}" ];\n})\n'


def patch_list(document: Document) -> List:
    """Find the list of patches."""
    return next(node for node in walk(document) if isinstance(node, List))


def edit(source: str) -> str:
    """Read a file, take every third patch out of its list, give every string in the others a new value, and check."""
    document = parse(source)
    node = patch_list(document)
    unwanted = node.elements[::3]
    edits = removal(document, node, unwanted)
    for element in set(node.elements).difference(unwanted):
        for part in walk(element):
            if isinstance(part, String) and (value := part.literal()) is not None:
                edits.append(Replacement(part.start, part.end, quote(value + "x")))
    text = apply(source, edits)
    assert len(patch_list(parse(text)).elements) == len(node.elements) - len(unwanted)
    return text


def look_up(source: str) -> None:
    """Read a file and look up every name in it, everything around it, and where it stands."""
    document = parse(source)
    for node in walk(document):
        if isinstance(node, Identifier):
            resolve(document, node)
            ancestors(document, node)
            document.where(node)


def remove_each(source: str) -> str:
    """Read a file and take every second element out of its list."""
    document = parse(source)
    node = patch_list(document)
    return apply(source, removal(document, node, node.elements[::2]))


def find(source: str) -> None:
    """Read a file, find an attribute by its path, and the value of every string."""
    document = parse(source)
    bindings(body(document), ["a", "b"])
    for node in walk(document):
        if isinstance(node, String):
            node.literal()
        if isinstance(node, Number):
            assert node.value == 1


def of(unit: str, around: str = "@") -> Callable[[int], str]:
    """Return what writes a text of a size: a unit many times, in the place of an `@`."""
    return lambda size: around.replace("@", unit * (size // len(unit)))


def numbered(unit: str, around: str) -> Callable[[int], str]:
    """Return what writes the same with numbers in the units."""
    return lambda size: around.replace("@", "".join(unit.format(number) for number in range(size // len(unit))))


SHAPES: dict[str, tuple[Callable[[int], str], Callable[[str], object]]] = {
    "patches, edited": (package, edit),
    "names, looked up": (package, look_up),
    "bindings, looked up": (numbered("attribute_{0} = attribute_{0};\n", "rec { @ }"), look_up),
    "arguments, looked up": (numbered("argument_{0} ? argument_1, ", "{ @... }: 1"), look_up),
    "a set in parts": (of("first.second = { }; first = { third = { }; };\n", "{ @ }"), find),
    "names, removed": (of("    name_of_something # comment\n", "[\n@]"), remove_each),
    "deep lists": (of("[ " * 90 + "name_of_something " * 90 + "] " * 90, "[ @ ]"), find),
    "one long comment": (of("comment * ", "/* @ */ 1"), find),
    "short comments": (of("# comment\n", "@ 1"), find),
    "one long string": (of("text $ ", '"@"'), find),
    "one indented string": (of("    text $ ' \n", "''\n@''"), find),
    "interpolations": (of("text between ${something} ", '"@"'), find),
    "a chain of names": (of("name_of_something.", "@a"), find),
    "a sum without spaces": (of("name_of_something+", "@1"), find),
    "a function's arguments": (of("name_of_something ", "f @"), find),
    "one path": (of("folder/", "./@a"), find),
    "functions of functions": (of("name_of_something: ", "@1"), find),
}


def measure() -> list[Measured]:
    """Measure and print."""
    nix, python = package(SMALL), program(SMALL)
    lexed, read, whole, compiled = best(
        40, lambda: tokenize(nix), lambda: parse(nix), lambda: edit(nix), lambda: ast.parse(python)
    )
    count = len(patch_list(parse(nix)).elements)
    print(f"nix: {len(nix)} characters, {count} patches, {len(tokenize(nix))} tokens; python: {len(python)} characters")
    print(f"tokenize                  {lexed:8.2f} ms")
    print(f"parse                     {read:8.2f} ms")
    print(f"parse, find, edit, check  {whole:8.2f} ms (limit {LIMIT_MS:.0f} ms)")
    print(f"ast.parse                 {compiled:8.2f} ms")
    figures = [
        Measured("Read, edit and check 20 kB of Nix", "", whole, LIMIT_MS, unit="ms"),
        Measured("Read, edit and check 20 kB of Nix", "Python's own parser on as much Python", whole / compiled, None),
        *upstream(nix),
    ]
    worst = max(growth(name) for name in SHAPES)
    name = f"A character's time at {LARGE // 1_000_000} MB, worst of {len(SHAPES)} forms of text"
    return [*figures, Measured(name, f"at {SMALL // 1000} kB", worst, LIMIT_GROWTH)]


def upstream(source: str) -> list[Measured]:
    """Measure and print what Nix takes, with its start and without; nothing where there is no Nix."""
    if shutil.which("nix-instantiate") is None:
        print("nix-instantiate is not installed, so there is nothing to compare with")
        return []
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.nix" for name in ("nothing", "file", "large")}
        files["nothing"].write_text("1\n")
        files["file"].write_text(source)
        files["large"].write_text(package(LARGE))
        edited, empty, whole, large = best_elapsed(
            8,
            lambda: edit(source),
            *(lambda path=path: parsed(path) for path in files.values()),
        )
        without = (large - empty) * len(source) / files["large"].stat().st_size
    print(f"nix-instantiate --parse   {whole * 1000:8.2f} ms   (of nothing {empty * 1000:.2f} ms)")
    print(f"the parser alone          {without * 1000:8.2f} ms   (by {LARGE // 1_000_000} MB)")
    return [
        Measured(
            "Read, edit and check 20 kB of Nix",
            "`nix-instantiate --parse`, its start included",
            edited / whole,
            TARGET_STARTED,
        ),
        Measured("Read, edit and check 20 kB of Nix", "its parser alone, in C++", edited / without, None),
    ]


def parsed(path: Path) -> None:
    """Let Nix parse a file."""
    subprocess.run(["nix-instantiate", "--parse", str(path)], check=True, stdout=subprocess.DEVNULL)


def growth(name: str) -> float:
    """Measure and print how much more a character takes in a large file than in a small one."""
    write, work = SHAPES[name]
    small, large = write(SMALL), write(LARGE)
    # As timeit does: how much the collector has to do depends on what else the process has in memory.
    gc.disable()
    (short,) = best(8, lambda: work(small))
    (long,) = best(1 if short > 1 else 5, lambda: work(large))
    gc.enable()
    ratio = long / len(large) / (short / len(small))
    print(f"{name:<24} {short:8.2f} ms {long:8.0f} ms   growth {ratio:.2f}")
    return ratio


if __name__ == "__main__":
    sys.exit(main(measure))
