"""Nix and the parser give the same verdict on a text, but for the known differences.

`XENBUMP_NIX_EXAMPLES` sets how many texts each test makes, `XENBUMP_NIX_SEED` which ones; `XENBUMP_NIX_CORPUS` names
folders (as PATH does) whose Nix files are compared too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.nixlang.damage import combined, disturb, mutate, soup
from tests.nixlang.differences import KNOWN, Difference, Outcome, is_known, outcome
from tests.nixlang.expressions import Expressions
from tests.nixlang.nix import PREFIX, Nix
from tests.nixlang.support import FIXTURES, seeded
from xenbump.nixlang import Document

if TYPE_CHECKING:
    from random import Random

EXAMPLES = int(os.environ.get("XENBUMP_NIX_EXAMPLES", "400"))
SEED = int(os.environ.get("XENBUMP_NIX_SEED", "0"))

EDGES = (
    *("a/b//c", "./p//q${x}", "./p//${x}", "./p///${x}", "./p//q//r${x}", "./p/${x}//q///r", "./p${x}/", "./${x}"),
    *("~/", "~/${x}", "~/p//${x}", "~//p", "/${x}", "//${x}", "a//${x}", "./p/", "./p/*c*/", ".../p", "--/p", "1/2"),
    *("./p${x}${y}z~/q", "[ ./p~/q ]", "<a/>", "<a/b>", "<a//b>", "a <b> c", "a<b", "rec:x", "x:'", "{a?b:c}:d"),
    *("1.", "1.e3", "00.5", "0.5", ".5.5", "1.2.3", "9223372036854775808", "1.e999", "1.e-999", "-1.e3", "1e3"),
    *("a ? b ? c", "a ? b.c ? d", "a == b == c", "a < b == c", "a < b < c", "!a ? b", "- - a", "a - -b", "!!a"),
    *("f let { body = 1; }", "f let a = 1; in a", "1 + if a then b else c", "f x: x", "[ x: x ]", "a or b", "or: 1"),
    *("{ or }: 1", "{ inherit or; }", "{ a, }: 1", "{ , }: 1", "{ ..., }: 1", "{ a ... }: 1", "{ }@a: 1", "a@b: 1"),
    *("{ a.b = 1; a = { c = 2; }; }", "{ a = ({ b = 1; }); a.c = 2; }", "{ ${a} = 1; ${a} = 2; }", "or"),
    *("{ a = 1; a.b = 2; }", "{ a = rec { b = 1; }; a.b = 2; }", '{ inherit "a" ${"b"}; }', '{ inherit "${a}"; }'),
    *("let ${a} = 1; in 1", 'let ${"a"} = 1; in 1', "let a.${b} = 1; in 1", '{ ${"a"} = 1; a = 2; }'),
    *("{ ${''a''} = 1; a = 2; }", "{ ${x:y} = 1; a = 2; }", "{ ${a:b} = 1; ${''a:b''} = 2; }", "a: a@{ }: 1"),
    *('"$"', '"$${"', r'"\$${a}"', "''$''", "''''$''", "'''''", "''''''", "''$'''''", r"''''\''", r"''\''", '"a\rb"'),
    *("\f", "/**/", "/**/1", "1/***/", "1/* */ */", "1 # \r2", "a.1", 'a.b."c".${d}', "a.''b''", "{ ''a'' = 1; }"),
)
# What can follow on many characters that a path may have.
ENDS = (
    "a",
    "a/b",
    "a/ b",
    "a:b",
    "a: b",
    "a'",
    "a'/b",
    "1 ",
    "a/${b}",
    "a${b}",
    "a//b",
    "a->b",
    "a...",
    "a~/b",
    "a<b>",
)


@pytest.fixture
def nix(tmp_path: Path) -> Nix:
    return Nix(tmp_path)


@pytest.fixture
def random() -> Random:
    return seeded(SEED)


def judged(source: str) -> Outcome:
    return outcome(PREFIX.decode() + source)


def compare(nix: Nix, sources: list[str], *, good: float, bad: float) -> None:
    """Compare the verdicts; at least these shares of the sources must be accepted and refused."""
    verdicts = nix.accepts(sources)
    assert verdicts.count(True) >= good * len(sources)
    assert verdicts.count(False) >= bad * len(sources)
    differing = []
    for source, verdict in zip(sources, verdicts, strict=True):
        made = judged(source)
        if isinstance(made, Document) is not verdict and not is_known(made):
            differing.append((source, "Nix accepts it" if verdict else "Nix refuses it"))
    assert differing == []


def valid(random: Random, count: int) -> list[str]:
    return [Expressions(random).expression(random.choice((2, 3, 4))) for _ in range(count)]


def test_valid_expressions(nix: Nix, random: Random) -> None:
    compare(nix, valid(random, EXAMPLES), good=1, bad=0)


def test_pieces(nix: Nix, random: Random) -> None:
    compare(nix, [soup(random) for _ in range(EXAMPLES)], good=0.04, bad=0.5)


def test_damaged_characters(nix: Nix, random: Random) -> None:
    texts = [*FIXTURES.values(), *valid(random, 40)]
    compare(nix, [mutate(random, random.choice(texts)) for _ in range(EXAMPLES)], good=0.2, bad=0.2)


def test_damaged_tokens(nix: Nix, random: Random) -> None:
    texts = [*FIXTURES.values(), *valid(random, 40)]
    compare(nix, [disturb(random, random.choice(texts)) for _ in range(EXAMPLES)], good=0.2, bad=0.2)


def test_awkward_fragments_in_awkward_places(nix: Nix, random: Random) -> None:
    sources = combined()
    compare(nix, random.sample(sources, min(len(sources), 5 * EXAMPLES)), good=0.3, bad=0.3)


def test_edges(nix: Nix) -> None:
    compare(nix, list(EDGES), good=0.3, bad=0.3)


def test_whole_files(nix: Nix) -> None:
    texts = list(FIXTURES.values())
    changed = [text.replace("\n", end) for text in texts for end in ("\r\n", "\r", "\n\t", "\n\n", " # c\n", "/**/\n")]
    compare(nix, texts + changed + [text.rstrip() for text in texts], good=0.9, bad=0)
    cut = [text[:end] for text in texts for end in range(0, len(text), max(1, len(text) // 15))]
    compare(nix, cut, good=0, bad=0.9)


def test_deep_and_long_texts(nix: Nix) -> None:
    depths = (1, 10, 40, 90)
    pairs = ("()", "[]", '"${}"', "''${}''", "{a=;}", "(x:)", "./a${}", "let{a=;}")
    nested = [
        pair[:cut] * depth + "1" + pair[cut:] * depth
        for pair in pairs
        for cut in range(1, len(pair))
        for depth in depths
    ]
    chains = [
        "a+",
        "a//",
        "!",
        "-",
        "- ",
        "x: ",
        "a ",
        "let a=1; in ",
        "if a then b else ",
        "a.b or ",
        "with a; ",
        "a->",
    ]
    # Nix 2.8 itself gives up at 10000 symbols that wait for what completes them.
    long = [chain * count + "1" for chain in chains for count in (1, 2, 1000)]
    huge = ["/*" + "*" * 9000 + "/1", '"' + "$" * 9001 + '"', "''" + "'$" * 4001 + "''", "[" + " a" * 9000 + "]"]
    runs = [f"{'a.-+_1'[:length] * 40}{end}" for length in range(2, 7) for end in ENDS]
    compare(nix, nested + long + huge + runs, good=0.2, bad=0.2)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.example[:20].replace("\0", "NUL"))
def test_known_difference(known: Difference, nix: Nix) -> None:
    made = judged(known.example)
    assert isinstance(made, Document) is known.accepted
    assert known.applies(made)
    assert nix.accepts([known.example]) == [not known.accepted], "this is no difference any more; take it off the list"


@pytest.mark.parametrize("source", ["1", "{ a |> b }: 1", "{ a.b = 1; a = { c = 2; }; }", "[ 1", "{ a.b.c = 1; }"])
def test_no_known_difference_explains_anything_else(source: str) -> None:
    assert not is_known(judged(source))


def test_the_import_of_a_file_has_the_verdict_of_nix_instantiate(nix: Nix, random: Random) -> None:
    sources = random.sample(EDGES, 12)
    assert nix.accepts(sources) == [nix.parses(source).returncode == 0 for source in sources]


def test_a_crash_of_nix_spoils_no_other_verdict(nix: Nix, monkeypatch: pytest.MonkeyPatch) -> None:
    run = nix._run
    crashed: list[bool] = []

    def dying(*arguments: str, text: str = "") -> object:
        if text and not crashed:
            crashed.append(True)
            text = text[: text.index("2.nix") + 3]
        return run(*arguments, text=text)

    monkeypatch.setattr(nix, "_run", dying)
    assert nix.accepts(["1", "2", "(", "3", ")"]) == [True, True, False, True, False]
    assert crashed


def test_corpus(nix: Nix) -> None:
    folders = os.environ.get("XENBUMP_NIX_CORPUS")
    if not folders:
        pytest.skip("XENBUMP_NIX_CORPUS names no folder")
    files = [path for folder in folders.split(os.pathsep) for path in sorted(Path(folder).rglob("*.nix"))]
    assert files
    compare(nix, [path.read_bytes().decode("utf-8", "surrogateescape") for path in files], good=0.5, bad=0)
