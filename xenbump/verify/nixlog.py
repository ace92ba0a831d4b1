"""What Nix writes with `--log-format internal-json`, as typed events; `nixstate.py` folds them.

Each line on stderr is `@nix ` and a JSON object with an `action`: `start` and `stop` of an activity, a `result` of one
(a line of a build's log, a phase, numbers), `msg`. The numbers of activities and results are those of Nix'
`src/libutil/logging.hh`; they and the names of the fields have been the same since Nix 2.4, and what a newer Nix adds
is passed over. Lines that are something else (of programs that Nix starts, of Nix before it has read its options) come
between them. Nothing here fails on any input.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

_LONGEST_LINE = 1 << 20
_PREFIX = b"@nix "
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]|$)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ERROR = re.compile(r"^[^\S\n]*error:", re.MULTILINE)
_STORE_NAME = re.compile(r"^[0-9a-z]{32}-")


class Activity(IntEnum):
    """The activities of Nix that are told apart here."""

    COPY_PATH = 100
    COPY_PATHS = 103
    BUILDS = 104
    BUILD = 105
    SUBSTITUTE = 108


class _Result(IntEnum):
    LINE = 101
    PHASE = 104
    PROGRESS = 105
    EXPECTED = 106
    POST_BUILD_LINE = 107


@dataclass(frozen=True, slots=True)
class Start:
    """An activity starts.

    Attributes:
        id: names it until it stops.
        kind: what it is, perhaps one of `Activity`.
        level: how important, 0 (errors) to 7.
        text: what Nix says about it; may be empty.
        derivation: of a build, the path of what is built.
        builder: of a build, the machine that it runs on; empty: this one.
    """

    id: int
    kind: int
    level: int = 0
    text: str = ""
    derivation: str = ""
    builder: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """An activity stops."""

    id: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an activity of this kind is: of builds and copies a number of them, of downloads bytes."""

    id: int
    kind: int
    done: int
    expected: int
    running: int
    failed: int


@dataclass(frozen=True, slots=True)
class Expected:
    """How many of a kind of activities are expected in all."""

    id: int
    kind: int
    count: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log of a build; the derivation's path is empty where the start of the build was not seen."""

    id: int
    derivation: str
    text: str


@dataclass(frozen=True, slots=True)
class Phase:
    """A build enters a phase."""

    id: int
    derivation: str
    name: str


@dataclass(frozen=True, slots=True)
class Message:
    """Nix says something.

    Attributes:
        level: 0 error, 1 warning, 2 and more information.
        text: all of it; an error comes with excerpts and perhaps a trace.
        error: of an error the message alone.
        place: of an error in Nix code, `file:line:column`.
    """

    level: int
    text: str
    error: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Plain:
    """A line that is not of the format."""

    text: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line of the format that says something not known here."""

    text: str


Event = Start | Stop | Progress | Expected | Line | Phase | Message | Plain | Unknown


def clean(text: str) -> str:
    """A text without terminal sequences, control characters (but tab and newline) and lone surrogates."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text)).encode("utf-8", "replace").decode()


def name_of(derivation: str) -> str:
    """The name of a derivation or a store path, without folder, digest and `.drv`."""
    return _STORE_NAME.sub("", derivation.rpartition("/")[2].removesuffix(".drv"))


class Reader:
    """Makes events of what Nix writes, as it comes, in pieces of any length."""

    def __init__(self) -> None:
        self._rest = b""
        self._started: dict[int, Start] = {}

    def feed(self, data: bytes) -> list[Event]:
        """The events of the lines that are complete by now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        return [event for line in lines for event in self._read(line)]

    def close(self) -> list[Event]:
        """The events of a last line without its end."""
        line, self._rest = self._rest, b""
        return self._read(line)

    def _read(self, line: bytes) -> list[Event]:
        if not line.strip():
            return []
        if line.startswith(_PREFIX):
            try:
                found = json.loads(line[len(_PREFIX) :])
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict):
                event = self._event(found)
                return [event or Unknown(_decoded(line))]
        return [Plain(_decoded(line))]

    def _event(self, found: dict[str, Any]) -> Event | None:
        """The event of one object; None when it is not known here."""
        action = found.get("action")
        if action == "msg":
            return _message(found)
        number = _whole(found.get("id"), -1)
        if number < 0:
            return None
        if action == "start":
            event = _start(number, found)
            self._started[number] = event
            return event
        if action == "stop":
            self._started.pop(number, None)
            return Stop(number)
        return self._result(number, found) if action == "result" else None

    def _result(self, number: int, found: dict[str, Any]) -> Event | None:
        kind, fields = _whole(found.get("type"), -1), _list(found.get("fields"))
        activity = self._started.get(number, Start(number, 0))
        match kind, fields:
            case ((_Result.LINE | _Result.POST_BUILD_LINE), [str(text), *_]):
                return Line(number, activity.derivation, _last_state(text))
            case _Result.PHASE, [str(name), *_]:
                return Phase(number, activity.derivation, clean(name))
            case _Result.PROGRESS, [_, _, _, _, *_]:
                return Progress(number, activity.kind, *(_whole(field) for field in fields[:4]))
            case _Result.EXPECTED, [_, _, *_]:
                return Expected(number, _whole(fields[0]), _whole(fields[1]))
        return None


def read(log: bytes) -> list[Event]:
    """All events of a log."""
    reader = Reader()
    return [*reader.feed(log), *reader.close()]


def shown(event: Event) -> str | None:
    """An event as a line or lines of a log for people; None for what is only of use while it runs."""
    match event:
        case Start(text=text) if text and event.kind in {Activity.BUILD, Activity.SUBSTITUTE, Activity.COPY_PATH}:
            return text
        case Line():
            return f"{name_of(event.derivation) or event.id}> {event.text}"
        case Phase():
            return f"{name_of(event.derivation) or event.id}: {event.name}"
        case Message(text=text) | Plain(text=text) | Unknown(text=text):
            return text
    return None


def _start(number: int, found: dict[str, Any]) -> Start:
    kind, fields = _whole(found.get("type")), _list(found.get("fields"))
    named = [_text(field) for field in fields[:2]] if kind == Activity.BUILD else []
    derivation, builder, *_ = (*named, "", "")
    return Start(number, kind, _whole(found.get("level")), _text(found.get("text")), derivation, builder)


def _message(found: dict[str, Any]) -> Message:
    level, text, error = _whole(found.get("level")), _text(found.get("msg")), _text(found.get("raw_msg"))
    if level != 0:
        return Message(level, text)
    if not error and text.startswith("error:"):
        error = _ERROR.split(text)[-1].strip()
    file, line, column = _text(found.get("file")), _whole(found.get("line")), _whole(found.get("column"))
    return Message(level, text, error.strip(), f"{file}:{line}:{column}" if error and file else "")


def _decoded(line: bytes) -> str:
    return clean(line.decode("utf-8", "replace"))


def _last_state(text: str) -> str:
    """A line of a build's log as a terminal shows it in the end: what stands behind the last carriage return."""
    return clean(text.rstrip("\r\n").rpartition("\r")[2]).replace("\n", " ")


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: object, default: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
