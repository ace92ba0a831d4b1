"""The files of the Xen in miniature: Xen's layout and the forms of its facts, with contents of our own.

What a bot reads is where Xen has it: the version in `xen/Makefile`, the components' revisions in `Config.mk` and
`tools/firmware/etherboot/Makefile`, the support windows in `SUPPORT.md`, and what `git archive` fills in
(`export-subst`, gitattributes(5)) in `.gitarchive-info`. The rest is there for hashing: names that git's order and the
order of a Nix archive put differently, programs, a symbolic link, an empty file, one without a newline at its end.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.demo import flaws

if TYPE_CHECKING:
    from collections.abc import Sequence

REGULAR = "100644"
EXECUTABLE = "100755"
SYMLINK = "120000"

_VERSION = re.compile(r"(\d+)\.(\d+)(\D.*)?")
# The first line whose releases have a SUPPORT.md, and the first one here that is still supported.
_FIRST_WITH_SUPPORT = 10
_FIRST_SUPPORTED = 20


@dataclass(frozen=True)
class File:
    """A file of a git tree: its bytes (of a symbolic link: where it points) and git's mode."""

    data: bytes
    mode: str = REGULAR

    @classmethod
    def text(cls, text: str, mode: str = REGULAR) -> File:
        """A file with that text in UTF-8."""
        return cls(text.encode(), mode)


@dataclass(frozen=True)
class Pins:
    """The revisions of the components: tag names, but commits for OVMF and iPXE."""

    qemu: str
    seabios: str
    ovmf: str
    minios: str
    ipxe: str


@dataclass(frozen=True)
class Support:
    """The dates in SUPPORT.md, as written there; the first form is that of a branch without a release."""

    initial: str = "n/a"
    supported: str = "TBD"
    security: str = "Unreleased - not yet security-supported"


def numbers(version: str) -> tuple[int, int, str]:
    """`4.20.5-pre` as (4, 20, ".5-pre").

    Raises:
        ValueError: when it does not begin with two numbers.
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        raise ValueError(f"not a Xen version: {version}")
    return int(found[1]), int(found[2]), found[3] or ""


def usual_pins(version: str) -> Pins:
    """What a release pins when nobody says otherwise: as in Xen, the pins do not follow every point release."""
    major, minor, rest = numbers(version)
    line = f"{major}.{minor}"
    point = 0 if rest.startswith((".0", "-")) else 1
    return Pins(
        qemu=f"qemu-xen-{line}.{point}",
        seabios="rel-1.16.3",
        ovmf=hashlib.sha256(f"ovmf for {line}".encode()).hexdigest()[:40],
        minios=f"xen-RELEASE-{line}.0",
        ipxe=hashlib.sha256(f"ipxe for {line}".encode()).hexdigest()[:40],
    )


def support_at_tag(version: str) -> Support:
    """The windows as a release announces them: short ones, over in 2026. Who reads them from the tag errs."""
    _, minor, rest = numbers(version)
    if not re.fullmatch(r"\.\d+", rest):
        return Support()
    return Support("2025-01-15", "2025-07-15", "2026-01-15" if minor >= _FIRST_SUPPORTED else "2025-12-15")


def support_at_tip(line: str) -> Support:
    """The windows as they were extended later on the stable branch; open for 4.20 and later, however late it is."""
    _, minor, _ = numbers(line)
    if minor < _FIRST_SUPPORTED:
        return Support("2025-01-15", "2025-07-15", "2025-12-15")
    return Support("2025-01-15", "2097-01-15", "2099-01-15")


def version_files(version: str, pins: Pins, support: Support) -> dict[str, File]:
    """The files that say which version this is, what it is built with and how long it is supported."""
    major, minor, extra = numbers(version)
    files = {
        "xen/Makefile": _xen_makefile(major, minor, extra),
        "Config.mk": _config_mk(pins),
        "tools/firmware/etherboot/Makefile": _etherboot_makefile(pins),
    }
    if minor >= _FIRST_WITH_SUPPORT:
        files["SUPPORT.md"] = _support_md(f"{major}.{minor}", support)
    return files


def changelog(changes: Sequence[str]) -> dict[str, File]:
    """The files that tell what changed since the beginning, so that no two commits have the same files."""
    return {
        "CHANGELOG.md": File.text("# What changed\n\n" + "".join(f"- {change}\n" for change in changes)),
        "xen/common/changes.c": File.text(
            "const char *const changes[] = {\n" + "".join(f'    "{change}",\n' for change in changes) + "};\n"
        ),
    }


def sources() -> dict[str, File]:
    """All the other files, as they are at the beginning."""
    return {
        ".gitarchive-info": File.text("Changeset: $Format:%H$\nCommit date: $Format:%cD$\n"),
        ".gitattributes": File.text(".gitarchive-info export-subst\n"),
        "Makefile": File.text("SUBDIRS := xen tools\n\nall:\n\tfor dir in $(SUBDIRS); do $(MAKE) -C $$dir; done\n"),
        "README": File.text("A hypervisor in miniature: the demo of xenbump releases it. It runs nothing.\n"),
        "configure": File.text('#!/bin/sh\necho "nothing to configure"\n', EXECUTABLE),
        "tools/configure": File.text('#!/bin/sh\nexec ../configure "$@"\n', EXECUTABLE),
        "tools/link-to-configure": File(b"configure", SYMLINK),
        "tools/no-newline-at-the-end": File(b"the end"),
        # git sorts the folder `grant` as `grant/`: grant-notes, grant.c, grant/, grant0. A Nix archive: grant first.
        "xen/common/grant-notes": File.text("Grants are numbered from 0.\n"),
        flaws.GRANT: File.text(flaws.grant_c()),
        "xen/common/grant/table.c": File.text("unsigned int grants[GRANT_LIMIT];\n"),
        "xen/common/grant/empty.h": File(b""),
        "xen/common/grant0": File.text("reserved\n"),
        flaws.EVENT: File.text(flaws.event_c()),
        flaws.TIMER: File.text(flaws.timer_c()),
        "xen/Z-before-common": File.text("upper case sorts before lower case\n"),
    }


def _xen_makefile(major: int, minor: int, extra: str) -> File:
    return File.text(
        "# The version is set here and nowhere else.\n"
        f"export XEN_VERSION       = {major}\n"
        f"export XEN_SUBVERSION    = {minor}\n"
        f"export XEN_EXTRAVERSION ?= {extra}$(XEN_VENDORVERSION)\n"
        "export XEN_FULLVERSION   = $(XEN_VERSION).$(XEN_SUBVERSION)$(XEN_EXTRAVERSION)\n"
        "\n"
        "all:\n"
        "\t@echo Xen $(XEN_FULLVERSION)\n"
    )


def _config_mk(pins: Pins) -> File:
    """As in Xen, two names are also set higher up, from older names that nobody sets: the last assignment counts."""
    site = "https://xenbits.example/git-http"
    return File.text(
        "# Names of earlier times, for those who still set them.\n"
        "ifneq (,$(SEABIOS_UPSTREAM_TAG))\n"
        "SEABIOS_UPSTREAM_REVISION ?= $(SEABIOS_UPSTREAM_TAG)\n"
        "endif\n"
        "ifneq (,$(QEMU_UPSTREAM_TAG))\n"
        "QEMU_UPSTREAM_REVISION ?= $(QEMU_UPSTREAM_TAG)\n"
        "endif\n"
        "\n"
        f"OVMF_UPSTREAM_URL ?= {site}/ovmf.git\n"
        f"OVMF_UPSTREAM_REVISION ?= {pins.ovmf}\n"
        "\n"
        f"QEMU_UPSTREAM_URL ?= {site}/qemu-xen.git\n"
        f"QEMU_UPSTREAM_REVISION ?= {pins.qemu}\n"
        "\n"
        f"MINIOS_UPSTREAM_URL ?= {site}/mini-os.git\n"
        f"MINIOS_UPSTREAM_REVISION ?= {pins.minios}\n"
        "\n"
        f"SEABIOS_UPSTREAM_URL ?= {site}/seabios.git\n"
        f"SEABIOS_UPSTREAM_REVISION ?= {pins.seabios}\n"
    )


def _etherboot_makefile(pins: Pins) -> File:
    return File.text(
        "XEN_ROOT = $(CURDIR)/../../..\n"
        "\n"
        "IPXE_GIT_URL ?= https://ipxe.example/ipxe.git\n"
        f"IPXE_GIT_TAG := {pins.ipxe}\n"
        "\n"
        "all:\n"
        "\t@echo iPXE $(IPXE_GIT_TAG)\n"
    )


def _support_md(line: str, support: Support) -> File:
    return File.text(
        "% How long this branch is supported\n"
        "\n"
        "# Release Support\n"
        "\n"
        f"    Xen-Version: {line}\n"
        f"    Initial-Release: {support.initial}\n"
        f"    Supported-Until: {support.supported}\n"
        f"    Security-Support-Until: {support.security}\n"
        "\n"
        "# Feature Support\n"
        "\n"
        "## Demonstrations\n"
        "\n"
        "    Status: Supported\n"
    )
