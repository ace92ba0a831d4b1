"""A service or timer that a module defines, as the text of the unit that NixOS makes of it (nixos/lib/systemd-lib)."""

from __future__ import annotations

from typing import Any

# What NixOS takes apart from the sections, and the section and name that it has there.
_UNIT = {
    "description": "Description",
    "wants": "Wants",
    "after": "After",
    "onFailure": "OnFailure",
}
_ELSEWHERE = {"script", "environment", "path", "restartIfChanged", "serviceConfig", "timerConfig", "wantedBy", *_UNIT}


def service(definition: dict[str, Any], start: str) -> str:
    """The text of a service whose script has been written to `start`."""
    _known(definition)
    environment = sorted(definition.get("environment", {}).items())
    lines = [f'Environment="{name}={value}"' for name, value in environment]
    lines += [*_settings(definition["serviceConfig"]), f"ExecStart={start}"]
    return _text(definition, "Service", lines)


def timer(definition: dict[str, Any]) -> str:
    """The text of a timer."""
    _known(definition)
    return _text(definition, "Timer", _settings(definition["timerConfig"]))


def _known(definition: dict[str, Any]) -> None:
    assert set(definition) <= _ELSEWHERE, set(definition) - _ELSEWHERE


def _text(definition: dict[str, Any], section: str, lines: list[str]) -> str:
    unit = _settings({name: definition[key] for key, name in _UNIT.items() if key in definition})
    install = [f"WantedBy={name}" for name in definition.get("wantedBy", ())]
    parts = {"Unit": unit, section: lines, "Install": install}
    return "\n".join(f"[{name}]\n" + "\n".join(found) + "\n" for name, found in parts.items() if found)


def _settings(settings: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in settings.items():
        for one in value if isinstance(value, list) else [value]:
            text = str(one).lower() if isinstance(one, bool) else str(one)
            lines.append(f"{name}={text}")
    return lines
