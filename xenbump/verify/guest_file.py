"""The description of several guests in a TOML file: tables `[[guest]]`, with the keys of `guest_ready.Wanted`."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from xenbump.dom0 import values
from xenbump.errors import UsageError
from xenbump.verify.guest_ready import DOM0_KERNEL, NO_KERNEL, OWN_KERNEL, Wanted

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 1 << 20


def read(path: Path) -> tuple[Wanted, ...]:
    """The guests of a file; paths in it that are not absolute lie beside it.

    Raises:
        UsageError: E-GUEST-BUNDLE when it cannot be read, is no TOML, or has something unknown or of another type.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode()
        document = tomllib.loads(text)
        values.known(document, "the file", frozenset(["guest"]))
        tables = values.items(document, "guest")
        return tuple(_wanted(values.document(table, "`guest`"), path.parent) for table in tables)
    except OSError as error:
        raise UsageError("E-GUEST-BUNDLE", f"it cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise UsageError("E-GUEST-BUNDLE", str(error) or "it is nested too deeply", where=str(path)) from error


def _wanted(table: values.Document, base: Path) -> Wanted:
    values.known(table, "a guest", frozenset(field.name for field in fields(Wanted)))
    plain = Wanted(name="")
    kernel = values.text(table, "kernel", plain.kernel)
    return Wanted(
        name=values.text(table, "name"),
        source=_source(values.text(table, "source", plain.source), base),
        type=values.text(table, "type", plain.type),
        kernel=kernel if kernel in {DOM0_KERNEL, OWN_KERNEL, NO_KERNEL} else str(base / kernel),
        ramdisk=_source(values.text(table, "ramdisk", plain.ramdisk), base),
        disk=values.truth(table, "disk", default=plain.disk),
        command=values.texts(table, "command", plain.command),
        vif=values.texts(table, "vif", plain.vif),
        extra=values.text(table, "extra", plain.extra),
        autostart=values.truth(table, "autostart", default=plain.autostart),
        expect=values.text(table, "expect", plain.expect),
        **_numbers(table, plain),
    )


def _numbers(table: values.Document, plain: Wanted) -> dict[str, Any]:
    return {
        "memory": values.whole(table, "memory", plain.memory),
        "vcpus": values.whole(table, "vcpus", plain.vcpus),
        "seconds": values.number(table, "seconds", plain.seconds),
    }


def _source(text: str, base: Path) -> str:
    """A source with its path made whole; a reference stays."""
    if not text or text.startswith("docker://"):
        return text
    for prefix in ("oci-archive:", "oci:", "docker-archive:"):
        if text.startswith(prefix):
            return f"{prefix}{base / text.removeprefix(prefix)}"
    return str(base / text)
