r"""Nix text that is likely to be wrong, and text that looks wrong and is not.

`mutate` damages characters and `disturb` tokens of a valid text; `combined` puts fragments that are awkward for a lexer
or a parser into places that are; `soup` throws pieces together.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from xenbump.nixlang import Kind, tokenize

if TYPE_CHECKING:
    from random import Random

# Pieces that make the lexer decide something when they meet.
SOUP = (
    *("a", "b'", "_x-1", "or", "if", "then", "else", "let", "in", "rec", "inherit", "with", "assert", "__curPos"),
    *("1", ".5", "1.", "1e3", "007", "./p", "../", "a/b", "~/h", "/", "//", "./", "<n/x>", "<", ">", "http://x", "x:y"),
    *("{", "}", "${", "(", ")", "[", "]", '"', "''", "'", "'''", "''$", "''\\", "\\", "$", "$$", "\\${"),
    *(" ", "\n", "\r\n", "\r", "\t", "# c\n", "/* c */", "/**/", "/*", "*/", "é", "😀"),
    *("=", "==", "!=", "!", "<=", ">=", "&&", "||", "->", "-", "+", "++", "*", "?", ":", "@", ",", ";", ".", "..."),
)
# What can stand between two tokens, or looks as if it could.
GAPS = (
    *("", " ", "\n", "\r\n", "\r", "\t", "\f", "\v", "\N{NO-BREAK SPACE}", "/**/", "/* * **/", "/** d */", "/***/"),
    *("# c\n", "# c\r", "#\r\n", "#", "/*", "/*/", "*/", "/* /* */", "# \udcff\n", "/*\udcff*/", "\ufeff", "\\\n"),
)
FRAGMENTS = (
    *("a", "or", "rec", "if", "__curPos", "a'", "a-", "_", "-1", "- 1", "!a", "-a.b", "...", "..", ".", "@", ""),
    *("1.", ".5", "0.5", "00.5", "1.5e3", "1.e-3", "1e3", "1.5e", "9223372036854775807", "9223372036854775808"),
    *("1.e999", "1.e-999", "0.e-999", "007", "1.2.3", "1a", "1.a", "4.9e-324", "2.2250738585072014e-308"),
    *("./p", "./p/", "a/b", "a/b/", "a//b", "/", "/a", "~", "~/", "~/x", "~a/x", "../..", ".../a", "a/.", "/.", "./."),
    *("./${x}", "./${x}/", "./${x}/y", "./${x}y${z}", "a/${x}//y", "a/b${x}/ c", "~/${x}", "/${x}", "${x}/y", "./"),
    *("<n>", "<n/x>", "<n/>", "< n>", "<n//x>", "<a.b-c+d_e>", "<${x}>", "a<b>c", "x:y", "x:", "http://a?b=c&d#e"),
    *("a:b", "a+b:c", "a_b:c", "x:'", "1:a", '"a"', '""', '"${x}"', '"$${x}"', r'"\${x}"', r'"\$${x}"', '"$"', '"$$"'),
    *(r'"\\"', '"\\', r'"\"', '"a\nb"', '"a\r\nb"', '"${', '"${x', '"${"${x}"}"', '"${{a=1;}}"', '"${}"', '"\udcff"'),
    *("''a''", "''''", "'''", "'''''", "''''''", "''$''", "''$${x}''", "''''${x}''", r"''''\${x}''", r"''\''", "''"),
    *("''${x}''", "''${''${x}''}''", "''$", "''\n  a\n''", "''\r\n a''", "''''\\", "''' ''", "''a'b''", "''''$''"),
    *("{ }", "{ or }", "{ a }", "{ a, }", "{ a, b ? 1, ... }", "{ a, a }", "{ ... }", "{ ..., a }", "{ , a }"),
    *("{ a = 1; }", "{ a.b = 1; a.c = 2; }", "{ a = 1; a.b = 2; }", "{ a = { b = 1; }; a.c = 2; }", "{ a = 1 }"),
    *("{ a = { b = 1; }; a = { b = 2; }; }", "{ a.b.c = 1; a = { b.d = 2; }; }", "{ a.b = { c = 1; }; a.b.c = 2; }"),
    *("{ a.b = { c = 1; }; a.b.d = 2; }", "{ a = rec { }; a.b = 1; }", "{ a.b = 1; a = rec { }; }", "{ or = 1; }"),
    *("{ a = x: { }; a.b = 1; }", "{ a = { inherit b; }; a.b = 1; }", "{ inherit a; a = 1; }", "{ ${a}.b = 1; }"),
    *("{ a.${b} = 1; a.${b} = 2; }", '{ ${"a"} = 1; a.b = 2; }', '{ "a" = 1; a = 2; }', '{ "${"a"}" = 1; a = 2; }'),
    *("{ inherit (a) b; inherit b; }", "{ inherit; }", "{ inherit (a); }", "{ inherit a.b; }", "{ inherit ${a}; }"),
    *('{ inherit (x) "a"; }', '{ inherit "a${b}"; }', "{ inherit or; }", "rec { }", "rec{a=b;}", "rec a", "let { }"),
    *("let { body = 1; }", "let in 1", "let a = 1; in a", "let a.b = 1; a.c = 2; in a", "let inherit (a) b; in b"),
    *(
        "let ${a} = 1; in 1",
        "let a = 1; a = 2; in 1",
        "let a.${b} = 1; in 1",
        "a.b",
        "a.b or c",
        "a.b or c.d",
        "a or b",
    ),
    *(
        "a.b or x: y",
        "a.${b}",
        'a."b"',
        'a."${b}".c',
        "a.or",
        "a.b or or",
        "a.",
        ".a",
        "a .b",
        "a. b",
        "a.1",
        "a.''b''",
    ),
    *("a ? b", "a ? b.c", "a ? b ? c", 'a ? "b"', "a ? ${b}", "a ? b.${c}", "a ? 1", "!a ? b", "-a ? b", "a ? or"),
    *("a == b", "a == b == c", "a < b", "a < b < c", "a <= b != c", "a -> b -> c", "a ++ b", "a // b", "a && b || c"),
    *("a +b", "a + -b", "a - -b", "a--b", "a -b", "a+b", "a/ b", "a /b", "a * !b + c", "! ! a", "!!a", "+a", "a ! b"),
    *("a |> b", "a <| b", "a | b", "a & b", "a = b", "a => b", "x: y", "x : y", "x: x: x", "x@{ }: 1", "{ }@x: 1"),
    *(
        "x@{ x }: 1",
        "{ x }@x: 1",
        "x@y: 1",
        "{ }: 1",
        "{ a }: 1",
        "{ a, ... }: 1",
        "{ a, }: 1",
        "{ ..., }: 1",
        "x @ {}:1",
    ),
    *(
        "{ a ? { b, ... }: b }: a",
        "{ a ? a, b ? a }: 1",
        "{a?b:c}:d",
        "{ a, a }: 1",
        "if a then b else c",
        "if a then b",
    ),
    *("if a then if b then c else d else e", "assert a; b", "with a; b", "with a; with b; c", "assert a; assert b; c"),
    *(
        "(a)",
        "( )",
        "(a",
        "a)",
        "[ ]",
        "[ a b ]",
        "[ a.b c ]",
        "[ -1 ]",
        "[ x: y ]",
        "[ a + b ]",
        "[",
        "]",
        "[ a or b ]",
    ),
    *("f x: x", "f (x: x)", "f let { }", "f rec { }", "f { } [ ]", "f ./a /b", "f if a then b else c", "f -1", "f !a"),
)
# `»` stands for the fragment.
PLACES = (
    *("»", "(»)", "[ » ]", "[»]", "f »", "» x", "f»", "»x", "{ a = »; }", "{ a=»;}", "{ » = 1; }", "{ ».b = 1; }"),
    *(
        "{ a.» = 1; }",
        "{ inherit »; }",
        "{ inherit (») a; }",
        "{ inherit (a) »; }",
        "{ » }",
        "{ » }: 1",
        "{ a ? » }: 1",
    ),
    *(
        "»: 1",
        "x: »",
        "x@ »",
        "{ }@»: 1",
        '"${»}"',
        '"a${»}b"',
        "''${»}''",
        "''\n  a ${»} b\n''",
        "./${»}",
        "./a${»}/b",
    ),
    *(
        "a.${»}",
        "{ ${»} = 1; }",
        "a.»",
        "».a",
        "» . a",
        "a.b or »",
        "» or a",
        "a ? »",
        "» ? a",
        "-»",
        "!»",
        "- »",
        "» - 1",
    ),
    *("1 + »", "» + 1", "»+1", "a == »", "» == a", "» -> a", "a // »", "a//»", "»//a", "» ++ a", "a/»", "»/a", "a:»"),
    *("let » in 1", "let a = »; in a", "let { » }", "let { body = »; }", "let » = 1; in 1", "with »; 1", "with a; »"),
    *(
        "assert »; 1",
        "if » then 1 else 2",
        "if 1 then » else 2",
        "if 1 then 2 else »",
        "rec { » }",
        "rec »",
        "inherit »",
    ),
    *(
        "» # c",
        "»/* c */",
        "/* c */»",
        "# c\n»",
        "# c\r»",
        "»\r",
        "»\n",
        "»;",
        "»}",
        '»"',
        "»''",
        '"»"',
        "''»''",
        "<»>",
    ),
)


def mutate(random: Random, source: str) -> str:
    """Damage a text in one or two places: drop, double, swap or insert something."""
    for _ in range(random.choice((1, 1, 2))):
        at = random.randrange(len(source) + 1)
        to = min(len(source), at + random.choice((0, 1, 1, 2, 5)))
        source = source[:at] + random.choice(("", "", source[at:to] * 2, random.choice(SOUP))) + source[to:]
    return source


def disturb(random: Random, source: str) -> str:
    """Change one to three tokens of a valid text, or what stands between them."""
    tokens = tokenize(source)
    texts = [token.text for token in tokens]
    gaps = [index for index, token in enumerate(tokens) if token.kind is Kind.WHITESPACE]
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(texts))
        other = random.randrange(len(texts))
        match random.randrange(8):
            case 0:
                texts[at] = ""
            case 1:
                texts[at] *= 2
            case 2:
                texts[at], texts[other] = texts[other], texts[at]
            case 3:
                texts[at] = random.choice(SOUP)
            case 4:
                texts[at] += random.choice(SOUP + GAPS)
            case 5:
                texts[at] = random.choice(FRAGMENTS)
            case 6:
                texts[random.choice(gaps or [at])] = random.choice(GAPS)
            case _:
                texts[random.choice(gaps or [at])] += random.choice(GAPS)
    text = "".join(texts)
    return text if random.random() < 0.9 else text[: random.randrange(len(text) + 1)]


def soup(random: Random) -> str:
    """Return a few pieces in a row."""
    return "".join(random.choices(SOUP, k=random.randrange(1, 7)))


def combined() -> list[str]:
    """Return every fragment in every place."""
    return [place.replace("»", fragment) for place, fragment in product(PLACES, FRAGMENTS)]
