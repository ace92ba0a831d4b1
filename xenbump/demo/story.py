"""What happens in the demo: which releases there are, and which advisories, each for another verdict.

The numbers are in the range of real advisories; titles, texts and patches are our own, and the year of the CVE shows
that it is none. Where 4.20.3 and 4.20.4 stand:

- XSA-480 was fixed in 4.20.4, so its patch goes when the package moves there. 4.21 has the fix from `master`.
- XSA-482 is for Linux, XSA-483 for 4.21 and newer: neither concerns 4.20.
- XSA-484 was published after 4.20.4: its two patches come. There are others for 4.21, which fit there only.
- XSA-485 is a number that is still embargoed.
- XSA-486 is published while the demo runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.demo import flaws
from xenbump.demo.xen_project import DEFAULT, Fix, Release
from xenbump.demo.xen_tree import File

if TYPE_CHECKING:
    from xenbump.demo.xen_project import XenProject
    from xenbump.demo.xenbits import Shelf

# Where the package starts, and where it goes.
START = "4.20.3"
GOAL = "4.20.4"

_FIXED = 480
_LINUX = 482
_NEWER = 483
_MISSING = 484
_EMBARGOED = 485
# Of XSA-484, for `START` and `GOAL`.
MISSING_PATCHES = ("xsa484-4.20-1.patch", "xsa484-4.20-2.patch")
DROPPED = _FIXED
PUBLISHED_AT_NOON = 486

# The number of ports in 4.21; with another one, the patches for 4.20 do not fit.
_MORE_PORTS = 128

_GRANT_MESSAGE = "grant: stop at the limit, not behind it\n\nThis is XSA-480."
_MORE = {
    GOAL: Release(GOAL, fixes=(Fix(_GRANT_MESSAGE, {flaws.GRANT: File.text(flaws.grant_c(fixed=True))}),)),
    "4.21.0": Release(
        "4.21.0",
        files={
            flaws.EVENT: File.text(flaws.event_c(limit=_MORE_PORTS)),
            flaws.QUEUE: File.text(flaws.queue_c()),
        },
    ),
}
RELEASES = tuple(_MORE.get(release.version, release) for release in DEFAULT)


def grant_patch() -> bytes:
    """The patch of XSA-480: the diff of the commit that fixes it."""
    return flaws.patch(_GRANT_MESSAGE, flaws.GRANT, flaws.grant_c(), flaws.grant_c(fixed=True))


def publish(_: XenProject, shelf: Shelf) -> None:
    """Publish the advisories that there are when the demo begins."""
    shelf.add(
        _FIXED,
        [("xsa480.patch", "xen-unstable - Xen 4.20.x")],
        contents={"xsa480.patch": grant_patch()},
        public="2026-02-08 12:00",
        title="grants: one number too many",
        sections=_sections("The check for the last number is off by one.", "A guest can get a number without a grant."),
    )
    shelf.add(
        _LINUX,
        [("xsa482-linux.patch", "Linux")],
        contents={
            "xsa482-linux.patch": flaws.patch(
                "xen/demo: wait for the answer",
                "drivers/xen/demo.c",
                "void ask(void)\n{\n    send();\n}\n",
                "void ask(void)\n{\n    send();\n    wait();\n}\n",
            )
        },
        public="2026-03-03 12:00",
        title="Linux: an answer is used before it is there",
        sections=_sections("The demo driver does not wait.", "A backend can read old data of the frontend."),
    )
    shelf.add(
        _NEWER,
        [("xsa483.patch", "xen-unstable - Xen 4.21.x")],
        contents={
            "xsa483.patch": flaws.patch(
                "queue: see when it is full\n\nThis is XSA-483.",
                flaws.QUEUE,
                flaws.queue_c(),
                flaws.queue_c(fixed=True),
            )
        },
        public="2026-03-10 12:00",
        title="queues: more waits than there is room for",
        sections=_sections("The queue, new in 4.21, is not checked for room.", "A guest can crash the host."),
    )
    lines = (
        ("xsa484-?.patch", "xen-unstable - Xen 4.21.x", ("xsa484-1.patch", "xsa484-2.patch"), _MORE_PORTS),
        ("xsa484-4.20-?.patch", "Xen 4.20.x", MISSING_PATCHES, 64),
    )
    shelf.add(
        _MISSING,
        [(glob, text, names) for glob, text, names, _ in lines],
        contents={
            name: content
            for _, _, names, limit in lines
            for name, content in zip(names, _event_patches(limit), strict=True)
        },
        public="2026-03-17 12:00",
        title="event channels: a port is used unchecked",
        cves=("CVE-2097-48401",),
        sections=_sections("A guest names a port, and it is used as it is.", "A guest can write behind the ports."),
    )
    shelf.listed(_EMBARGOED, public_time="2097-01-14 12:00")


def publish_at_noon(shelf: Shelf) -> None:
    """Publish one more, which each release is without."""
    name = f"xsa{PUBLISHED_AT_NOON}.patch"
    message = "timer: let no deadline wrap around\n\nThis is XSA-486."
    shelf.add(
        PUBLISHED_AT_NOON,
        [(name, "xen-unstable - Xen 4.20.x")],
        contents={name: flaws.patch(message, flaws.TIMER, flaws.timer_c(), flaws.timer_c(fixed=True))},
        public="2026-03-24 12:00",
        title="timers: a deadline wraps around",
        sections=_sections("A deadline far ahead becomes one in the past.", "A guest can keep a processor busy."),
    )


def _event_patches(limit: int) -> tuple[bytes, ...]:
    """The two patches of XSA-484 for a branch with so many ports; the second one is on top of the first one."""
    states = [flaws.event_c(limit=limit, steps=steps) for steps in range(3)]
    return tuple(
        flaws.patch(f"{subject}\n\nThis is part of XSA-484.", flaws.EVENT, *pair)
        for subject, pair in (
            ("event: check a port before it is used", (states[0], states[1])),
            ("event: port 0 is nobody's", (states[1], states[2])),
        )
    )


def _sections(issue: str, impact: str) -> dict[str, str]:
    return {
        "ISSUE DESCRIPTION": issue,
        "IMPACT": impact,
        "VULNERABLE SYSTEMS": "Those for which there is a patch below.",
        "MITIGATION": "There is no known mitigation.",
    }
