"""Guests that somebody brings: what each is started with, and by what it is believed.

A bundle is written by the engine and read inside the dom0 as JSON. A guest passes by a line that it printed, in the
words of whoever brought it; by the line with an exit status that an init of ours prints (`verify/guest_init.py`); or,
where nothing else was asked for, by going down of its own accord without a crash.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from . import values

if TYPE_CHECKING:
    from .values import Document

TYPES = ("pv", "pvh", "hvm")
BY_LINE, BY_STATUS, BY_END = "line", "status", "end"
MOST_GUESTS = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")
_NONCE = re.compile(r"[A-Za-z0-9]{16,128}")
_VIF = re.compile(r"[A-Za-z0-9_.:=,/-]{1,200}")
_LONGEST_EXTRA = 1800  # bytes; x86's kernels take 2048 on their command line


@dataclass(frozen=True)
class Guest:
    """One guest.

    Attributes:
        name: its domain's; letters, digits and `_.+-`, 40 at most.
        type: `pv`, `pvh` or `hvm`.
        kernel: a file of the dom0; empty: an HVM guest that starts from its disk.
        ramdisk: a file of the dom0; empty: none.
        disks: files of the dom0 with raw disks, the first one `xvda` (`hda` for an HVM guest); QEMU reads them.
        memory: MiB.
        vcpus: processors.
        vif: network interfaces in the words of xl-network-configuration(5), such as `bridge=xenbr0`.
        extra: the kernel's command line.
        autostart: whether it is started; else its file is only read and judged by `xl`.
        judged: BY_LINE, BY_STATUS or BY_END.
        expect: for BY_LINE the regular expression that one of its lines has to have.
        seconds: how long it may take; of guests that live beside each other, each that many times their number.
        device_model: the device model's path; empty: the one that the tools know.
    """

    name: str
    type: str = "pvh"
    kernel: str = ""
    ramdisk: str = ""
    disks: tuple[str, ...] = ()
    memory: int = 256
    vcpus: int = 1
    vif: tuple[str, ...] = ()
    extra: str = ""
    autostart: bool = True
    judged: str = BY_END
    expect: str = ""
    seconds: float = 120.0
    device_model: str = ""


@dataclass(frozen=True)
class Bundle:
    """Guests that are started in this order.

    Attributes:
        nonce: 16 to 128 letters and digits, new for each boot.
        guests: with names that differ.
        together: whether they live beside each other; else each is started when the one before it is judged, which on
            one emulated processor takes less time in all.
        heartbeat_seconds: how often a frame says that the dom0 still lives.
    """

    nonce: str
    guests: tuple[Guest, ...]
    together: bool = False
    heartbeat_seconds: float = 5.0

    @property
    def seconds(self) -> float:
        """How long all of it may take at most, without the dom0's own boot."""
        limits = [guest.seconds for guest in self.guests]
        return max(limits) * len(limits) if self.together else sum(limits)

    def to_json(self) -> str:
        """The bundle as the text of the file that the agent reads."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def token(nonce: str, name: str) -> str:
    """The line that an init of ours prints before the status, made of the nonce, which itself must not be seen."""
    return f"xenbump-guest-{name}-{hashlib.sha256(f'xenbump bundle {name} {nonce}'.encode()).hexdigest()[:20]}"


def status_line(nonce: str, name: str) -> re.Pattern[str]:
    """What finds that line among the guest's, with the exit status as its group."""
    return re.compile(rf"^\s*{re.escape(token(nonce, name))} exit=([0-9]{{1,3}})\s*$")


def from_json(data: str | bytes) -> Bundle:
    """The bundle out of a file's text.

    Raises:
        ValueError: it is no JSON or no bundle; the message says where.
    """
    try:
        source = values.document(json.loads(data), "the bundle")
    except RecursionError as error:
        raise ValueError("the bundle is nested too deeply") from error
    values.known(source, "the bundle", frozenset(one.name for one in fields(Bundle)))
    guests = tuple(_guest(values.document(one, "`guests`")) for one in values.items(source, "guests"))
    beat = values.number(source, "heartbeat_seconds", Bundle.heartbeat_seconds)
    together = values.truth(source, "together", default=Bundle.together)
    bundle = Bundle(values.text(source, "nonce"), guests, together, beat)
    check(bundle)
    return bundle


def _guest(source: Document) -> Guest:
    values.known(source, "a guest", frozenset(one.name for one in fields(Guest)))
    return Guest(
        name=values.text(source, "name"),
        type=values.text(source, "type", Guest.type),
        kernel=values.text(source, "kernel", Guest.kernel),
        ramdisk=values.text(source, "ramdisk", Guest.ramdisk),
        disks=values.texts(source, "disks", Guest.disks),
        memory=values.whole(source, "memory", Guest.memory),
        vcpus=values.whole(source, "vcpus", Guest.vcpus),
        vif=values.texts(source, "vif", Guest.vif),
        extra=values.text(source, "extra", Guest.extra),
        autostart=values.truth(source, "autostart", default=Guest.autostart),
        judged=values.text(source, "judged", Guest.judged),
        expect=values.text(source, "expect", Guest.expect),
        seconds=values.number(source, "seconds", Guest.seconds),
        device_model=values.text(source, "device_model", Guest.device_model),
    )


def check(bundle: Bundle) -> None:
    """Look at what types do not say.

    Raises:
        ValueError: something is out of its range, in one sentence.
    """
    if not _NONCE.fullmatch(bundle.nonce):
        raise ValueError("`nonce`: 16 to 128 letters and digits were expected")
    if not 0 < len(bundle.guests) <= MOST_GUESTS:
        raise ValueError(f"a bundle has 1 to {MOST_GUESTS} guests, not {len(bundle.guests)}")
    if bundle.heartbeat_seconds <= 0:
        raise ValueError("`heartbeat_seconds`: more than 0 seconds were expected")
    names = [guest.name for guest in bundle.guests]
    for guest in bundle.guests:
        if names.count(guest.name) > 1:
            raise ValueError(f"two guests are called `{guest.name[:40]}`")
        why = wrong(guest)
        if why:
            raise ValueError(f"`{guest.name[:40]}`: {why}")


def wrong(guest: Guest) -> str:
    """Why this cannot be a guest; empty where it can."""
    if not _NAME.fullmatch(guest.name):
        return "a name is 1 to 40 letters, digits and `_.+-`, and begins with a letter or digit"
    if guest.name == "Domain-0":
        return "that is dom0's own name"
    if guest.type not in TYPES:
        return f"`{guest.type[:20]}` is no type of guest; there are {', '.join(TYPES)}"
    return _wrong_numbers(guest) or _wrong_start(guest) or _wrong_words(guest) or _wrong_judgement(guest)


def _wrong_numbers(guest: Guest) -> str:
    if not 8 <= guest.memory <= 1 << 20:  # noqa: PLR2004 - MiB: less than any kernel takes, more than any machine has
        return f"{guest.memory} MiB of memory make no guest"
    if not 1 <= guest.vcpus <= 128:  # noqa: PLR2004 - what xl.cfg(5) allows an HVM guest
        return f"a guest has 1 to 128 processors, not {guest.vcpus}"
    return "" if guest.seconds > 0 else "more than 0 seconds were expected"


def _wrong_start(guest: Guest) -> str:
    if not guest.kernel and guest.type != "hvm":
        return "only an HVM guest can start without a kernel, from its disk"
    if not guest.kernel and not guest.disks:
        return "it has neither a kernel nor a disk"
    if guest.ramdisk and not guest.kernel:
        return "it has a ramdisk and no kernel"
    return ""


def _wrong_words(guest: Guest) -> str:
    for vif in guest.vif:
        if not _VIF.fullmatch(vif):
            return f"`{vif[:40]}` describes no network interface"
    for disk in guest.disks:
        # A comma would end the value in the words of xl-disk-configuration(5).
        if "," in disk or not disk.startswith("/"):
            return f"`{disk[:60]}` cannot be the path of a disk"
    if len(guest.extra.encode()) > _LONGEST_EXTRA:
        return f"its command line is longer than {_LONGEST_EXTRA} bytes"
    for value in (guest.kernel, guest.ramdisk, guest.extra, guest.device_model, *guest.disks):
        if not value.isprintable() or any(letter in value for letter in "\"'\\"):
            return f"`{value[:60]}` cannot be written into a guest's file"
    return ""


def _wrong_judgement(guest: Guest) -> str:
    if guest.judged not in {BY_LINE, BY_STATUS, BY_END}:
        return f"nothing is known of judging a guest by `{guest.judged[:20]}`"
    if (guest.judged == BY_LINE) != bool(guest.expect):
        return "a line to expect goes with judging by a line, and only with it"
    try:
        re.compile(guest.expect)
    except (re.error, OverflowError, RecursionError) as error:
        return f"`{guest.expect[:60]}` is no regular expression: {error}"
    return ""


def config(guest: Guest, serial: str = "") -> str:
    """The text of a guest's file for `xl create` (xl.cfg(5)).

    Args:
        guest: what it is.
        serial: for an HVM guest, the file of the dom0 that its serial line is written to; empty: it has none.

    Raises:
        ValueError: `wrong` has something to say of it.
    """
    why = wrong(guest)
    if why:
        raise ValueError(why)
    named = {
        "name": guest.name,
        "type": guest.type,
        "kernel": guest.kernel,
        "ramdisk": guest.ramdisk,
        "cmdline": guest.extra if guest.kernel else "",
        "device_model_override": guest.device_model if guest.type == "hvm" or guest.disks else "",
    }
    lines = [f'{key} = "{value}"' for key, value in named.items() if value]
    lines += [f"memory = {guest.memory}", f"vcpus = {guest.vcpus}"]
    first = "hd" if guest.type == "hvm" else "xvd"
    disks = [
        f"format=raw,vdev={first}{chr(ord('a') + number)},access=rw,backendtype=qdisk,target={disk}"
        for number, disk in enumerate(guest.disks)
    ]
    lines += [f"vif = {_list(guest.vif)}", f"disk = {_list(disks)}"]
    lines += [f'on_{event} = "destroy"' for event in ("poweroff", "reboot", "watchdog", "crash")]
    if guest.type != "pv":
        # As in guests.config: without it, under QEMU's TCG, Linux waits for ever for its clock.
        lines.append('tsc_mode = "native"')
    if guest.type == "hvm":
        lines += ['vga = "none"', "vnc = 0", "sdl = 0", "usb = 0", "xen_platform_pci = 1"]
        lines += [f'serial = "file:{serial}"'] if serial else []
        lines += ['boot = "c"'] if not guest.kernel else []
    return "\n".join(lines) + "\n"


def _list(texts: tuple[str, ...] | list[str]) -> str:
    return f"[{', '.join(f'{chr(34)}{text}{chr(34)}' for text in texts)}]"


def to_document(guest: Guest) -> dict[str, Any]:
    """The guest as a JSON object."""
    return asdict(guest)
