"""The services of dom0: xenstored, xenconsoled, and their systemd units where systemd is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .check import Check, failed, passed, refused, skipped
from .guests import device_model
from .machine import headed

if TYPE_CHECKING:
    from .check import Found
    from .job import Job
    from .machine import Machine

SECONDS = 15.0
STORES = ("oxenstored", "xenstored")
DISK_UNIT = "xen-qemu-dom0-disk-backend.service"
UNITS = (
    "xenstored.service",
    "xen-init-dom0.service",
    "xenconsoled.service",
    DISK_UNIT,
    "xen-watchdog.service",
    "xendomains.service",
)
_PROCESSES = "head -v -c 4096 /proc/[0-9]*/cmdline 2>/dev/null"
_SYSTEMD = "test -d /run/systemd/system"


def has_systemd(machine: Machine) -> bool:
    """Whether systemd is what runs the machine."""
    return machine.run(_SYSTEMD, timeout=SECONDS).ok


def processes(text: str, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Which of these programs run, with their command lines.

    The text is what `head -v` prints of the files `/proc/PID/cmdline`, in which NUL is between the words. A program
    may have been started through its dynamic loader, and then is not the first word; the words before it are the
    loader and its options.
    """
    found = []
    for line in _command_lines(text):
        words = line.split()
        loader = bool(words) and words[0].rpartition("/")[2].startswith("ld-")
        for word in words if loader else words[:1]:
            name = word.rpartition("/")[2]
            if name in names:
                found.append((name, line))
                break
    return tuple(found)


def _xenstored(machine: Machine, _job: Job) -> Found:
    result = machine.run(_PROCESSES, timeout=SECONDS)
    running = processes(result.output, STORES)
    if not running:
        return failed("neither oxenstored nor xenstored runs", *_xen_lines(result.output))
    # One that runs may still not answer; `domid` is asked relative to the domain that asks.
    answer = machine.run("xenstore-read domid", timeout=SECONDS)
    evidence = (*(line for _, line in running), f"xenstore-read domid: {answer.output.strip()}")
    names = sorted({name for name, _ in running})
    if len(names) > 1:
        return failed("oxenstored and xenstored both run", *evidence)
    if not answer.ok or answer.output.strip() != "0":
        return failed(f"{names[0]} runs and does not answer", *evidence)
    return passed(f"{names[0]} runs and answers", *evidence)


def _xenconsoled(machine: Machine, _job: Job) -> Found:
    result = machine.run(_PROCESSES, timeout=SECONDS)
    running = processes(result.output, ("xenconsoled",))
    if not running:
        return failed("xenconsoled does not run", *_xen_lines(result.output))
    return passed("xenconsoled runs", *(line for _, line in running))


def _xen_lines(text: str) -> tuple[str, ...]:
    return tuple(line for line in _command_lines(text) if "xen" in line)


def _command_lines(text: str) -> tuple[str, ...]:
    lines = (content.replace("\0", " ").strip() for content in headed(text).values())
    return tuple(line for line in lines if line)


def _units(machine: Machine, job: Job) -> Found:
    if not has_systemd(machine):
        return skipped("this dom0 is not run by systemd")
    command = f"systemctl show --property=Id,LoadState,ActiveState,SubState,Result {' '.join(UNITS)}"
    result = machine.run(command, timeout=SECONDS)
    if not result.ok:
        return refused("systemctl show", result)
    states = units(result.output)
    evidence = [f"{name}: {' '.join(state)}" for name, state in states.items()]
    bad = []
    for name in UNITS:
        load, active, *_ = states.get(name, ("not-found", "inactive"))
        if load == "not-found" and name == DISK_UNIT and not device_model(machine, job):
            evidence.append(f"{name}: needs a device model, and there is none")
        elif load != "loaded" or active != "active":
            bad.append(f"{name} is {active if load == 'loaded' else load or 'unknown'}")
    if bad:
        return failed("; ".join(bad), *evidence)
    return passed("all units are active", *evidence)


def units(text: str) -> dict[str, tuple[str, str, str, str]]:
    """LoadState, ActiveState, SubState and Result of each unit in what `systemctl show` prints, by the unit's name."""
    found = {}
    for block in text.split("\n\n"):
        pairs = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        if "Id" in pairs:
            names = ("LoadState", "ActiveState", "SubState", "Result")
            load, active, sub, result = (pairs.get(name, "") for name in names)
            found[pairs["Id"]] = load, active, sub, result
    return found


XENSTORED = Check("xenstored", "xenstored runs and answers.", _xenstored)
XENCONSOLED = Check("xenconsoled", "xenconsoled runs.", _xenconsoled)
UNITS_ACTIVE = Check("units", "The systemd units of Xen are active.", _units)
