"""The pages for people against the program: command lines, configuration, links, anchors, and the list of commands.

`tests/cli/test_interface.py` compares docs/interface.md with `--help` in full; here, every page is held to what exists.
"""

from __future__ import annotations

import functools
import itertools
import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from markdown_it import MarkdownIt

from xenbump import config as configuration
from xenbump import nixlang
from xenbump.cli import app
from xenbump.dom0 import checks, checks_kernel
from xenbump.package import shapes
from xenbump.verify import guest_file
from xenbump.verify.evidence import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

# typer may carry a copy of its own of the library that parses command lines; the errors are those of the same copy.
UsageException: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = tuple(sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")]))
SHELL = {"sh", "bash", "shell"}
# Lines that are a shell's or a scheduler's, with a program's name somewhere in them.
STARTERS = {"ini", "cron"}
_SEPARATORS = {"|", "||", "&&", ";", "&", "(", ")", "$("}
_HELP = {"--help", "-h"}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
# What a page writes where a reader puts something of his own.
_OWN = re.compile(r"…|\bNAME\b|\bCODE\b|\bFILE\b|\bREV\b|\bVERSION\b|\bCOMMAND\b")


@dataclass(frozen=True, slots=True)
class Block:
    """A code block of a page: its language, its text, the line that it begins on."""

    page: Path
    language: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def tokens(page: Path) -> list[Any]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks, those in lists too."""
    for token in tokens(page):
        if token.type == "fence":
            words = token.info.split()
            yield Block(page, words[0] if words else "", token.content, token.map[0] + 1)


def inline(page: Path) -> Iterator[Any]:
    for token in tokens(page):
        yield from token.children or ()


@functools.cache
def program() -> Any:
    return typer.main.get_command(app.build())


def commands(block: Block) -> list[list[str]]:
    """What a block calls the program with: the words behind its name."""
    if block.language in SHELL:
        lines = block.text.replace("\\\n", " ").splitlines()
    elif block.language == "console":
        lines = [line[2:] for line in block.text.replace("\\\n", " ").splitlines() if line.startswith("$ ")]
    elif block.language in STARTERS:
        found = (re.search(r"\bxenbump [a-z].*", line) for line in block.text.splitlines() if not line.startswith("#"))
        lines = [match[0] for match in found if match is not None]
    else:
        return []
    return [words for line in lines for words in called(line)]


def called(line: str) -> Iterator[list[str]]:
    """The words behind the program's name in each simple command of a line."""
    # What a command substitution runs is a command, too, and quotes would hide it.
    inner = re.findall(r"\$\(([^()]*)\)", line)
    for part in (re.sub(r"\$\([^()]*\)", "there", line), *inner):
        lexer = shlex.shlex(part, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for separator, group in itertools.groupby(lexer, key=_SEPARATORS.__contains__):
            if separator:
                continue
            words = list(itertools.dropwhile(_ASSIGNMENT.match, group))
            if words[:2] == ["nix", "run"] and "--" in words:
                yield words[words.index("--") + 1 :]
            elif words and words[0].rpartition("/")[2] == "xenbump":
                yield [word for word in words[1:] if word != "$ARGUMENTS"]


def trouble(words: list[str], *, values: bool = True) -> str:
    """What is wrong with a command line; empty when the program takes it. Without `values`, by names alone."""
    group = program()
    name = words[0] if words else ""
    if name.startswith("-"):
        return "" if name in names(group) else f"there is no option {name}"
    if name not in group.commands:
        return "" if _OWN.fullmatch(name) else f"there is no command {name!r}"
    command = group.commands[name]
    options = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
    if absent := sorted(options - names(command)):
        return f"{name} has no option {', '.join(absent)}"
    if values and not options & _HELP and not _OWN.search(" ".join(words)):
        try:
            command.make_context(name, words[1:])
        except UsageException as error:
            return str(error) or "it is not taken"
    return ""


def names(command: Any) -> set[str]:
    """The options that a command has, short ones too."""
    return {name for parameter in command.params for name in parameter.opts} | _HELP


def slugs(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    found: list[str] = []
    parsed = tokens(page)
    for before, token in itertools.pairwise(parsed):
        if before.type == "heading_open":
            text = "".join(child.content for child in token.children if child.type in {"text", "code_inline"})
            slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return set(found)


def targets(page: Path) -> list[str]:
    """Where the links and pictures of a page lead to."""
    names = {"link_open": "href", "image": "src"}
    return [str(token.attrs[names[token.type]]) for token in inline(page) if token.type in names]


def broken(page: Path, target: str) -> str:
    """Why a relative link leads nowhere; empty when it does."""
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.exists() or not path.is_relative_to(ROOT):
        return f"{target}: there is no such file"
    if anchor and (path.suffix != ".md" or anchor not in slugs(path)):
        return f"{target}: there is no such heading"
    return ""


def excerpt() -> str:
    """The commands as the README lists them: what `--help` says of each, in its order."""
    width = max(map(len, program().commands)) + 2
    lines = []
    for name, command in program().commands.items():
        told = " ".join(command.help.split("\n\n")[0].split())
        lines += textwrap.wrap(told, 118, initial_indent=name.ljust(width), subsequent_indent=" " * width)
    return "\n".join(lines) + "\n"


def named(page: Path) -> str:
    """The text of a page's code spans."""
    return "\n".join(token.content for token in inline(page) if token.type == "code_inline")


IDS = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_line_of_a_block_is_one_that_the_program_takes(page: Path) -> None:
    wrong = [
        f"{block}: xenbump {shlex.join(words)}: {why}"
        for block in blocks(page)
        for words in commands(block)
        if (why := trouble(words))
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_and_option_in_a_sentence_exists(page: Path) -> None:
    wrong = []
    for token in inline(page):
        match = (
            re.match(r"xenbump (?P<command>\S+)(?P<rest>.*)", token.content) if token.type == "code_inline" else None
        )
        if match is None:
            continue
        options = re.findall(r"--[a-z][a-z-]*", match["rest"])
        if why := trouble([match["command"], *options], values=False):
            wrong.append(f"{token.content}: {why}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    relative = [target for target in targets(page) if not re.match(r"[a-z]+:", target)]
    assert [why for target in relative if (why := broken(page, target))] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_block_of_configuration_loads(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.language == "toml" and "[[guest]]" in block.text:
            path = tmp_path / "guests.toml"
            path.write_text(block.text, "utf-8")
            assert guest_file.read(path), str(block)
        elif block.language == "toml":
            path = tmp_path / configuration.FILE_NAME
            text = (
                block.text if "[[package]]" in block.text else f'{block.text}\n[[package]]\nname = "xen"\nfile = "x"\n'
            )
            path.write_text(text, "utf-8")
            assert configuration.load(path, {"HOME": str(tmp_path)}).packages, str(block)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_block_of_nix_is_nix(page: Path) -> None:
    for block in blocks(page):
        if block.language == "nix":
            assert nixlang.parse(block.text).root is not None, str(block)


def test_every_page_is_in_the_list_of_pages() -> None:
    listed = {target.partition("#")[0] for target in targets(DOCS / "README.md")}
    assert {page.name for page in DOCS.glob("*.md")} - listed == {"README.md"}


def test_the_readme_lists_the_commands_as_the_program_does() -> None:
    (block,) = [block for block in blocks(ROOT / "README.md") if block.text.startswith("check ")]
    assert block.text == excerpt()


def test_the_page_of_dom0_has_every_check_and_every_option_of_the_kernel() -> None:
    told = set(re.findall(r"[\w-]+", named(DOCS / "dom0.md")))
    assert {check.name for check in checks.CHECKS} - told == set()
    options = (
        *checks_kernel.DOM0_REQUIRED,
        *checks_kernel.DOM0_OPTIONAL,
        *checks_kernel.DOMU_REQUIRED,
        *checks_kernel.DOMU_OPTIONAL,
    )
    assert set(options) - told == set()


def test_the_pages_have_every_step_and_every_shape() -> None:
    assert {step.value for step in Step} - set(named(DOCS / "verification.md").split()) == set()
    keys = {shape.key for shape in shapes.SHAPES}
    for page in ("shapes.md", "interface.md"):
        assert keys - set(named(DOCS / page).split()) == set(), page


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("xenbump chekc", "there is no command"),
        ("xenbump check --to 4.20.4", "no option --to"),
        ("cd there && A=b /usr/bin/xenbump bump --wrong | cat", "no option --wrong"),
        ('cd "$(xenbump image --xin 4.20)"', "no option --xin"),
        ("nix run . -- plan --dif", "no option --dif"),
        ("xenbump --versoin", "no option --versoin"),
        # What is not among the values, or missing, is told in the words of the library.
        ("xenbump xsa nine", ""),
        ("xenbump image", ""),
        ("xenbump hash --fetcher gitlab RELEASE-4.20.4", ""),
    ],
)
def test_a_command_line_that_is_wrong_is_seen(line: str, why: str) -> None:
    (words,) = commands(Block(ROOT / "README.md", "sh", line, 1))
    assert trouble(words)
    assert why in trouble(words)


def test_a_command_line_that_is_right_has_nothing_wrong() -> None:
    text = "$ xenbump check --json -q\nxenbump nothing: an output\n$ xenbump explain CODE\n"
    found = commands(Block(ROOT / "README.md", "console", text, 1))
    assert found == [["check", "--json", "-q"], ["explain", "CODE"]]
    assert [trouble(words) for words in found] == ["", ""]


def test_a_link_that_leads_nowhere_is_seen() -> None:
    page = DOCS / "README.md"
    assert broken(page, "security.md#tokens") == ""
    assert broken(page, "#where-to-begin") == ""
    assert "no such file" in broken(page, "nothing.md")
    assert "no such file" in broken(page, "../../elsewhere")
    assert "no such heading" in broken(page, "security.md#nothing")
    assert "no such heading" in broken(page, "schemas#nothing")
