"""What the hypervisor and its tools say: version, capabilities, domains, memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .check import Check, failed, passed, refused, skipped

if TYPE_CHECKING:
    from .check import Found
    from .job import Job
    from .machine import Machine

SECONDS = 15.0
# The kernel asks the hypervisor itself, whatever tools there are.
_VERSION_FILES = "cd /sys/hypervisor/version && echo $(cat major).$(cat minor)$(cat extra)"
_LIBRARIES = "cat /proc/[0-9]*/maps 2>/dev/null | grep -o 'libxen[a-z]*[-.][-.so]*[0-9][0-9.]*' | sort -u"
# Only these libraries have Xen's own version; the others count their interfaces.
_MINOR = re.compile(r"libxen(?:ctrl|guest|light)[-.](?:so\.)?(4\.[0-9]+)")
_DOMAIN = re.compile(r"(?P<name>\S.*?)\s+(?P<id>[0-9]+)\s+(?P<memory>[0-9]+)\s+(?P<cpus>[0-9]+)\s+(?P<state>\S+)\s+\S+")
# Pages that Xen keeps of what dom0 was given.
_LESS_MIB = 16
_LESS_SHARE = 0.03
# What a guest takes besides its memory: page tables, grant frames, shadow or nested page tables.
_GUEST_OVERHEAD_MIB = 32


def fields(text: str) -> dict[str, str]:
    """The names and values of `xl info`: a line each, `name : value`; lines of another form are passed over."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs if re.fullmatch(r"[a-z0-9_]+", name.strip())}


def domains(text: str) -> tuple[tuple[str, int, int], ...]:
    """Name, number and memory in MiB of each domain in the table of `xl list`; other lines are passed over."""
    found = (_DOMAIN.fullmatch(line.strip()) for line in text.splitlines())
    return tuple((match["name"], int(match["id"]), int(match["memory"])) for match in found if match is not None)


def virtual(machine: Machine) -> frozenset[str]:
    """What the hypervisor can run (`pv`, `hvm`, `hap`, …), out of `virt_caps`; empty when `xl info` does not say."""
    return frozenset(fields(machine.run("xl info", timeout=SECONDS).output).get("virt_caps", "").split())


def _tools(machine: Machine, _job: Job) -> Found:
    result = machine.run("xl info", timeout=SECONDS)
    info = fields(result.output)
    answered = result.ok and "xen_version" in info
    if not answered and "Permission denied" not in result.output:
        return refused("xl info", result)
    libraries = machine.run(_LIBRARIES, timeout=SECONDS).lines
    minors = sorted({match[1] for line in libraries if (match := _MINOR.search(line))})
    if answered:
        minor = ".".join(info["xen_version"].split(".")[:2])
        if minors and minor not in minors:
            # `xl info` works all the same with some pairs; guests do not.
            return failed(f"tools of Xen {', '.join(minors)} run on a hypervisor of {minor}", *libraries[:4])
        return passed("`xl info` is answered", *result.lines[:8], *libraries[:4])
    hypervisor = machine.run(_VERSION_FILES, timeout=SECONDS).output.strip()
    whose = f"tools of Xen {', '.join(minors)}" if minors else "the tools"
    return failed(
        f"`xl info` is refused with `Permission denied`: {whose} do not fit the hypervisor, which calls itself "
        f"{hypervisor or 'nothing'}; both have to be of the same minor version",
        *result.lines,
        *libraries[:4],
    )


def _version(machine: Machine, job: Job) -> Found:
    result = machine.run("xl info", timeout=SECONDS)
    info = fields(result.output)
    parts = (info.get("xen_major"), info.get("xen_minor"), info.get("xen_extra"))
    evidence = [f"{name}: {value}" for name, value in info.items() if name.startswith("xen_")]
    if not result.ok or "xen_version" not in info:
        kernel = machine.run(_VERSION_FILES, timeout=SECONDS)
        if not kernel.ok or not kernel.output.strip():
            return refused("xl info", result)
        version = kernel.output.strip()
        evidence = [f"/sys/hypervisor/version: {version}", *result.lines[-4:]]
    else:
        version = info["xen_version"]
        whole = f"{parts[0]}.{parts[1]}{parts[2] or ''}"
        if whole != version:
            return failed(f"`xl info` contradicts itself: {version} as a whole, {whole} in its parts", *evidence)
    if version != job.version:
        return failed(f"the hypervisor calls itself {version}, and the package {job.version}", *evidence)
    return passed(f"the hypervisor calls itself {version}", *evidence)


def _alone(machine: Machine, _job: Job) -> Found:
    result = machine.run("xl list", timeout=SECONDS)
    if not result.ok:
        return refused("xl list", result)
    there = domains(result.output)
    if not there or there[0][:2] != ("Domain-0", 0):
        return failed("`xl list` does not begin with Domain-0", *result.lines)
    if len(there) > 1:
        return failed(f"there are other domains too: {', '.join(name for name, _, _ in there[1:])}", *result.lines)
    return passed("Domain-0 is the only domain", *result.lines)


def _control(machine: Machine, _job: Job) -> Found:
    result = machine.run("cat /proc/xen/capabilities", timeout=SECONDS)
    if not result.ok:
        return refused("cat /proc/xen/capabilities", result)
    if "control_d" not in result.output.split():
        return failed("/proc/xen/capabilities does not say control_d: this is no control domain", *result.lines)
    return passed("/proc/xen/capabilities says control_d", *result.lines)


def _memory(machine: Machine, job: Job) -> Found:
    if not job.memory:
        return skipped("dom0's memory is not capped in this boot")
    result = machine.run("xl list", timeout=SECONDS)
    sizes = [size for _, number, size in domains(result.output) if number == 0]
    if not result.ok or not sizes:
        return refused("xl list", result)
    least = job.memory - max(_LESS_MIB, int(job.memory * _LESS_SHARE))
    if not least <= sizes[0] <= job.memory:
        return failed(f"Domain-0 has {sizes[0]} MiB and was given {job.memory} MiB", *result.lines)
    return passed(f"Domain-0 has {sizes[0]} MiB of {job.memory} MiB", *result.lines)


def _free(machine: Machine, job: Job) -> Found:
    result = machine.run("xl info", timeout=SECONDS)
    info = fields(result.output)
    evidence = [f"{name}: {info[name]}" for name in ("total_memory", "free_memory") if name in info]
    if not result.ok or not info.get("free_memory", "").isdecimal():
        return refused("xl info", result)
    free = int(info["free_memory"])
    needed = job.guest_memory + _GUEST_OVERHEAD_MIB if job.guests else 0
    if free < needed:
        return failed(f"{free} MiB are free, and a guest of {job.guest_memory} MiB needs {needed} MiB", *evidence)
    return passed(f"{free} MiB are free", *evidence)


TOOLS = Check("tools", "The tools are of the hypervisor's minor version: `xl info` is answered.", _tools)
VERSION = Check("version", "`xl info` names the version that the package names.", _version)
ALONE = Check("alone", "`xl list` shows Domain-0 and no other domain.", _alone)
CONTROL = Check("control", "This is the control domain: /proc/xen/capabilities says control_d.", _control)
MEMORY = Check("memory", "Domain-0 has the memory that it was given.", _memory)
FREE = Check("free-memory", "Xen has memory left for a guest.", _free)
