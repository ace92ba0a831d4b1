"""Completion for bash, zsh and fish, from the program's commands: it starts no Python when a key is pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commands import Command, Option

_HEAD = "Made by tools/man.py from the program."
# The name of each package in the nearest xenbump.toml; the same in all three shells.
_PACKAGES = """\
sed -n '/^\\[\\[package\\]\\]/,/^\\[[^[]/s/^ *name *= *"\\([^"]*\\)".*/\\1/p'"""


def bash(program: Command, each: tuple[Command, ...]) -> str:
    """The completion of bash; it needs nothing of the package bash-completion."""
    values: dict[str, str] = {}
    for one in (program, *each):
        for option in one.options:
            for name in option.names:
                if option.metavar:
                    values[f"{one.name} {name}"] = _bash_value(option)
    names = " ".join(one.name for one in each)
    cases = [f"        '{key}') {value} ;;" for key, value in sorted(values.items())]
    options = [f"        {one.name}) options='{_words(one)}' ;;" for one in each]
    return "\n".join([
        f"# {_HEAD}",
        "_xenbump_packages() {",
        "    local folder=$PWD",
        "    while [[ ! -f $folder/xenbump.toml && -n $folder ]]; do folder=${folder%/*}; done",
        f'    {_PACKAGES} "$folder/xenbump.toml" 2>/dev/null',
        "}",
        "",
        "_xenbump() {",
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=xenbump options i",
        "    COMPREPLY=()",
        "    for ((i = 1; i < COMP_CWORD; i++)); do",
        "        [[ ${COMP_WORDS[i]} != -* ]] && command=${COMP_WORDS[i]} && break",
        "    done",
        '    case "$command $before" in',
        *cases,
        "    esac",
        "    case $command in",
        f"        xenbump) options='{names} {_words(program)}' ;;",
        *options,
        "    esac",
        "    if [[ $command != xenbump && $word != -* ]]; then",
        "        options=''",
        "    elif [[ $command = xenbump && $word != -* ]]; then",
        f"        options='{names}'",
        "    fi",
        '    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")',
        "}",
        "",
        "complete -F _xenbump xenbump",
        "",
    ])  # fmt: skip


def _bash_value(option: Option) -> str:
    if option.choices:
        wanted = f"-W '{' '.join(option.choices)}'"
    elif option.takes_file:
        wanted = "-f"
    elif "--package" in option.names:
        wanted = '-W "$(_xenbump_packages)"'
    else:
        return "return"
    return f'mapfile -t COMPREPLY < <(compgen {wanted} -- "$word"); compopt -o filenames 2>/dev/null; return'


def _words(one: Command) -> str:
    return " ".join(name for option in one.options for name in option.names)


def zsh(program: Command, each: tuple[Command, ...]) -> str:
    """The completion of zsh: a function that is loaded by its name, `_xenbump`."""
    lines = [
        "#compdef xenbump",
        f"# {_HEAD}",
        "_xenbump_packages() {",
        "    local folder=$PWD",
        "    local -a found",
        "    while [[ ! -f $folder/xenbump.toml && -n $folder ]]; do folder=${folder%/*}; done",
        f'    found=(${{(f)"$({_PACKAGES} "$folder/xenbump.toml" 2>/dev/null)"}})',
        "    compadd -a found",
        "}",
        "",
        "_xenbump() {",
        "    local context state state_descr line",
        "    local -a commands",
        "    typeset -A opt_args",
        "    commands=(",
        *(f"        {_quoted(f'{one.name}:{one.summary}')}" for one in each),
        "    )",
        "    _arguments -C \\",
        *(f"        {_zsh_option(option)} \\" for option in program.options),
        "        '1:command:->command' '*::argument:->argument'",
        "    case $state in",
        "        command) _describe command commands ;;",
        "        argument)",
        "            case $line[1] in",
    ]
    for one in each:
        words = [_zsh_option(option) for option in one.options]
        words += [_quoted(f"{number}:{_colons(name)}: ") for number, (name, _) in enumerate(one.arguments, start=1)]
        lines.append(f"                {one.name}) _arguments \\")
        lines += [f"                    {word} \\" for word in words[:-1]]
        lines.append(f"                    {words[-1]} ;;")
    return "\n".join([*lines, "            esac ;;", "    esac", "}", "", '_xenbump "$@"', ""])


def _zsh_option(option: Option) -> str:
    text = f"[{_bracketed(option.help)}]"
    if option.metavar:
        action = "_files" if option.takes_file else ""
        action = "_xenbump_packages" if "--package" in option.names else action
        action = f"({' '.join(option.choices)})" if option.choices else action
        text += f":{_colons(option.metavar)}:{action or ' '}"
    if len(option.names) == 1:
        return _quoted(("*" if option.repeatable else "") + option.names[0] + text)
    return f"{_quoted('(' + ' '.join(option.names) + ')')}{{{','.join(option.names)}}}{_quoted(text)}"


def _bracketed(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def _colons(text: str) -> str:
    return text.replace(":", "\\:")


def fish(program: Command, each: tuple[Command, ...]) -> str:
    """The completion of fish."""
    lines = [
        f"# {_HEAD}",
        "function __xenbump_packages",
        "    set -l folder $PWD",
        '    while test -n "$folder"; and not test -f "$folder/xenbump.toml"',
        "        set folder (string replace -r '/[^/]*$' '' -- $folder)",
        "    end",
        f'    {_PACKAGES} "$folder/xenbump.toml" 2>/dev/null',
        "end",
        "",
        "complete -c xenbump -f",
    ]
    lines += [f"complete -c xenbump -n __fish_use_subcommand -a {one.name} -d {_fished(one.summary)}" for one in each]
    lines += [f"complete -c xenbump -n __fish_use_subcommand{_fish_option(option)}" for option in program.options]
    for one in each:
        lines += [
            f"complete -c xenbump -n '__fish_seen_subcommand_from {one.name}'{_fish_option(option)}"
            for option in one.options
        ]
    return "\n".join([*lines, ""])


def _fish_option(option: Option) -> str:
    words = "".join(
        f" -l {name.removeprefix('--')}" if name.startswith("--") else f" -s {name.removeprefix('-')}"
        for name in option.names
    )
    if option.choices:
        words += f" -x -a {_fished(' '.join(option.choices))}"
    elif option.takes_file:
        words += " -r -F"
    elif "--package" in option.names:
        words += " -x -a '(__xenbump_packages)'"
    elif option.metavar:
        words += " -x"
    return f"{words} -d {_fished(option.help)}"


def _fished(text: str) -> str:
    """A word in quotes, of which fish wants quotes and backslashes escaped."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted(text: str) -> str:
    """A word in quotes for a shell like sh."""
    return "'" + text.replace("'", "'\\''") + "'"
