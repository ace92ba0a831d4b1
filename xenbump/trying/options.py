"""The hypervisor's configuration: the default one of the tree with options changed, each of which must have taken.

Kconfig leaves out without a word what it does not know and what depends on something that is off (the kernel's
Documentation/kbuild/kconfig-language.rst). So every option is looked for in what came out.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xenbump import durable
from xenbump.errors import Failure, Refusal
from xenbump.trying import making, series

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from xenbump.trying.model import Prepared

CONFIG: Final = "xen/.config"
_NOTE = "xenbump-config"
_SECONDS = 300.0
_NAME = re.compile(r"(?:CONFIG_)?(?P<name>[A-Z0-9_]+)", re.IGNORECASE)
_VALUE = re.compile(r"[^\x00-\x1f\x7f]{0,500}")
_SET = re.compile(r"^CONFIG_(?P<name>\w+)=(?P<value>.*)$", re.MULTILINE)
_ENTRY = re.compile(r"^\s*(?:menu)?config\s+(?P<name>\w+)\s*$")
_DEPENDS = re.compile(r"^\s+depends on\s+(?P<what>.+?)\s*$")
_TYPE = re.compile(r"^\s+(?:def_)?(?P<type>bool|tristate|string|hex|int)\b(?P<rest>.*)$")
_BLOCK = re.compile(r"^(?P<what>if|endif|menu|endmenu)\b(?P<rest>.*)$")
_SHOWN = re.compile(r"^\s+(?:visible if|depends on)\s+(?P<what>.+?)\s*$")
_OTHER = re.compile(r"^(?:choice|endchoice|source|comment|mainmenu)\b")
_PROMPT_IF = re.compile(r"\"\s+if\s+(?P<what>.+?)\s*$")
_OPTION_FILES: Final = ("xen/**/Kconfig*", "xen/Kconfig*", "xen/arch/x86/configs", "xen/tools/kconfig", "xen/Makefile")
_SOURCES: Final = ("xen/Kconfig*", "xen/*/Kconfig*", "xen/arch/x86/**/Kconfig*", "xen/common/**/Kconfig*",
                   "xen/drivers/**/Kconfig*", "xen/xsm/**/Kconfig*")  # fmt: skip


@dataclass(slots=True)
class Known:
    """What Kconfig files say of an option: its type, and what it and its prompt depend on."""

    type: str = ""
    depends: list[str] = field(default_factory=list)


def parsed(text: str) -> tuple[str, str]:
    """An option as it is given on a command line, `DEBUG=y` or `CONFIG_DEBUG=y`, as name and value.

    Raises:
        Refusal: E-TRY-CONFIG when it is none.
    """
    name, sign, value = text.partition("=")
    match = _NAME.fullmatch(name.strip())
    if match is None or not sign or not value.strip() or _VALUE.fullmatch(value) is None:
        raise Refusal("E-TRY-CONFIG", "an option is given as NAME=VALUE, such as DEBUG=y or NR_CPUS=8", where=text)
    return match["name"].upper(), value.strip()


def configured(
    prepared: Prepared, log: Path, progress: Callable[[str], None] = lambda _: None, *, limit: float = _SECONDS
) -> bool:
    """Write the configuration of the hypervisor, where the options or what they rest on have changed since.

    Args:
        prepared: the tree, and the options in its trial.
        log: the file that all that is said is added to.
        progress: told what is done.
        limit: seconds for each of its steps.

    Returns:
        Whether it was written; it is there in any case.

    Raises:
        Refusal: E-TRY-CONFIG: an option that does not exist or did not take, with the reason.
        Failure: E-TRY-BUILD when the tree's Kconfig itself fails; E-PROGRAM-MISSING, also for one that make starts;
            E-STATE, E-DISK.
    """
    with making.explained(prepared.folder):
        return _configured(prepared, log, progress, limit)


def _configured(prepared: Prepared, log: Path, progress: Callable[[str], None], limit: float) -> bool:
    folder = prepared.folder
    options = dict(prepared.trial.options)
    note, target = folder / ".git" / _NOTE, folder / CONFIG
    state = _state(folder, options)
    if target.is_file() and note.is_file() and note.read_text() == f"{state} {_digest(target)}":
        return False
    known = read(folder)
    _check(options, known)
    note.unlink(missing_ok=True)
    progress("configuring the hypervisor")
    before = target.read_text() if target.is_file() else None
    _make(folder, "defconfig", log, limit)
    if options:
        target.write_text(with_options(target.read_text(), options, known))
        _make(folder, "olddefconfig", log, limit)
        try:
            _taken(target.read_text(), options, known)
        except Refusal:
            # What is there must be one that make may go on with.
            if before is not None:
                target.write_text(before)
            raise
    durable.put(note, f"{state} {_digest(target)}".encode(), sync=False)
    return True


def values(prepared: Prepared) -> dict[str, str]:
    """The options of a trial by name, with the values as a `.config` has them: strings in quotes.

    Args:
        prepared: the tree, and the options in its trial.

    Raises:
        Refusal: E-TRY-CONFIG: an option that the tree has not.
    """
    options, known = dict(prepared.trial.options), read(prepared.folder)
    _check(options, known)
    return {name: _written(value, known.get(name)) for name, value in options.items()}


def with_options(text: str, options: Mapping[str, str], known: Mapping[str, Known]) -> str:
    """A `.config` with options changed; those that it had before are gone."""
    names = "|".join(map(re.escape, options))
    kept = re.sub(rf"^(?:CONFIG_(?:{names})=.*|# CONFIG_(?:{names}) is not set)\n?", "", text, flags=re.MULTILINE)
    lines = [_line(name, value, known.get(name)) for name, value in options.items()]
    return "\n".join([kept.rstrip("\n"), *lines, ""])


def _line(name: str, value: str, known: Known | None) -> str:
    return f"# CONFIG_{name} is not set" if value == "n" else f"CONFIG_{name}={_written(value, known)}"


def _written(value: str, known: Known | None) -> str:
    """A value as it stands in a `.config`."""
    if value != "n" and known is not None and known.type == "string" and not value.startswith('"'):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value


def read(folder: Path) -> dict[str, Known]:
    """What the Kconfig files of a tree say of each option; enough for a message, not all of their language."""
    found: dict[str, Known] = {}
    for path in sorted({path for pattern in _SOURCES for path in folder.glob(pattern) if path.is_file()}):
        _read(path.read_text(errors="replace"), found)
    return found


def _read(text: str, found: dict[str, Known]) -> None:
    current: Known | None = None
    # One for each `if` and each `menu` that is open: a menu may depend on something, or be shown only with it.
    conditions: list[str] = []
    in_menu = False
    for line in text.replace("\\\n", " ").splitlines():
        entry, block, shown = _ENTRY.match(line), _BLOCK.match(line), _SHOWN.match(line)
        if entry:
            current, in_menu = found.setdefault(entry["name"], Known()), False
            current.depends += [one for one in conditions if one and one not in current.depends]
        elif block:
            current, in_menu = None, block["what"] == "menu"
            if block["what"] in {"if", "menu"}:
                conditions.append("" if in_menu else block["rest"].strip())
            elif conditions:
                conditions.pop()
        elif in_menu and shown:
            conditions[-1] = " && ".join(filter(None, (conditions[-1], shown["what"])))
        elif _OTHER.match(line):
            current, in_menu = None, False
        elif current is not None:
            _attribute(line, current)


def _attribute(line: str, current: Known) -> None:
    depends, kind = _DEPENDS.match(line), _TYPE.match(line)
    if depends:
        current.depends.append(depends["what"])
    elif kind:
        current.type = current.type or kind["type"]
        prompt = _PROMPT_IF.search(kind["rest"])
        if prompt:
            current.depends.append(prompt["what"])


def _check(options: Mapping[str, str], known: Mapping[str, Known]) -> None:
    """Refuse options that no Kconfig file has."""
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3)
            hint = f"; there is {', '.join(near)}" if near else ""
            raise Refusal("E-TRY-CONFIG", f"this tree has no such option{hint}", where=f"CONFIG_{name}")


def _taken(text: str, options: Mapping[str, str], known: Mapping[str, Known]) -> None:
    """Refuse options that Kconfig did not take."""
    values = {match["name"]: match["value"] for match in _SET.finditer(text)}
    for name, wanted in options.items():
        found = values.get(name, "n")
        if found not in {_written(wanted, known.get(name)), wanted} and not _same_number(found, wanted):
            raise Refusal(
                "E-TRY-CONFIG",
                f"it was to be {wanted} and is {found}: {_why(name, values, known)}",
                where=f"CONFIG_{name}",
            )


def _same_number(one: str, other: str) -> bool:
    try:
        return int(one, 0) == int(other, 0)
    except ValueError:
        return False


def _why(name: str, values: Mapping[str, str], known: Mapping[str, Known]) -> str:
    depends = known[name].depends if name in known else []
    if not depends:
        return "the value is out of its range, or another option selects it"
    said = " && ".join(f"({one})" if "||" in one and len(depends) > 1 else one for one in depends)
    words = dict.fromkeys(word for word in re.findall(r"\b[A-Z][A-Z0-9_]+\b", said) if values.get(word, "n") == "n")
    off = f", of which {', '.join(words)} {'is' if len(words) == 1 else 'are'} n" if words else ""
    return f"it depends on {said}{off}"


def _make(folder: Path, target: str, log: Path, limit: float) -> None:
    made = making.run(["make", "-C", "xen", target], folder, log, limit=limit, extra=making.fixed())
    if made.status != 0:
        missing = making.lacks(made)
        if missing:
            remedy = f"install {' '.join(missing)}"
            raise Failure("E-PROGRAM-MISSING", f"the hypervisor cannot be configured: {made.reason}", remedy=remedy)
        raise Failure("E-TRY-BUILD", f"`make -C xen {target}` failed: {made.reason}", where=str(log))


def _state(folder: Path, options: Mapping[str, str]) -> str:
    """What a configuration is made of, hashed: all of Kconfig in the tree, the compiler, the options."""
    listed = series.git_in(folder, "ls-files", "-s", "-z", "--", *(f":(glob){one}" for one in _patterns()))
    said: Sequence[str] = [making.compiler(), *(f"{name}={value}" for name, value in sorted(options.items()))]
    return hashlib.sha256(listed.stdout + "\n".join(said).encode()).hexdigest()


def _patterns() -> list[str]:
    return [one if "*" in one or one.endswith("Makefile") else f"{one}/**" for one in _OPTION_FILES]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
