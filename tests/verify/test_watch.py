"""What a console says: real lines of Xen, Linux and the image's init, in pieces of any size."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.verify.watch import Watch

GOOD = b"""\
(XEN) Xen version 4.20.5-pre (Debian 4.20.4+63-g7abfd2bce2-0+deb13u1) (pkg-xen-devel@lists.alioth.debian.org)\r
[   10.292957] Run /init as init process\r
xenbump: init\r
[   10.873970] xen:xen_evtchn: Event-channel device installed\r
Done setting up Dom0\r
xenbump: ready\r
<xb m 0 0 1 3 QUJD AAAAAAAAAAAAAAAA>\r
xenbump: job ended with 0\r
[   13.019453] reboot: Power down\r
(XEN) Preparing system for ACPI S5 state.\r
(XEN) Disabling non-boot CPUs ...\r
(XEN) Entering ACPI S5 state.\r
"""
XEN_PANIC = b"""\
(XEN) ****************************************
(XEN) Panic on CPU 0:
(XEN) Could not construct domain 0
(XEN) ****************************************
(XEN)
(XEN) Reboot in five seconds...
"""
LINUX_PANIC = b"""\
[   10.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)
[   10.2] CPU: 0 UID: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.117+deb13-amd64 #1  Debian 6.12.117-1
(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.
"""


def watched(*pieces: bytes) -> Watch:
    watch = Watch(100.0)
    for number, piece in enumerate(pieces, 1):
        watch.feed(piece, 100.0 + number)
    return watch


def test_a_good_boot() -> None:
    head, tail = GOOD[:-400], GOOD[-400:]
    watch = watched(head, tail)
    assert watch.version == "4.20.5-pre"
    assert watch.ready in {101.0, 102.0}
    assert (watch.off, watch.reboot, watch.panic, watch.panicked) == (True, False, "", None)
    assert (watch.status, watch.lacks, watch.heard) == (0, [], 102.0)
    assert watch.tail[-1] == "(XEN) Entering ACPI S5 state."
    assert len(watch.tail) == 11


@given(st.lists(st.integers(0, len(GOOD)), max_size=8))
def test_the_pieces_do_not_matter(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(GOOD)]
    pieces = [GOOD[start:end] for start, end in pairwise(places)]
    watch, whole = watched(*pieces), watched(GOOD)
    assert (watch.version, watch.off, watch.status, watch.tail) == (whole.version, True, 0, whole.tail)
    assert watch.ready is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (XEN_PANIC, "Could not construct domain 0"),
        (XEN_PANIC.replace(b"(XEN)", b"(XEN) [2026-11-21 17:00:00.123]"), "Could not construct domain 0"),
        (LINUX_PANIC, "Linux: VFS: Unable to mount root fs on unknown-block(0,0)"),
        (b"(XEN) Panic on CPU 1:\n", "Xen gave no reason"),
        (LINUX_PANIC + XEN_PANIC, "Linux: VFS: Unable to mount root fs on unknown-block(0,0)"),
    ],
)
def test_panics(text: bytes, why: str) -> None:
    watch = watched(text)
    assert (watch.panic, watch.panicked, watch.ready) == (why, 101.0, None)


@pytest.mark.parametrize(
    "line",
    [
        b"(XEN) Hardware Dom0 shutdown: rebooting machine",
        b"(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.",
        b"[    9.1] reboot: Restarting system",
    ],
)
def test_a_machine_that_starts_again(line: bytes) -> None:
    assert watched(line + b"\n").reboot


def test_what_the_init_misses() -> None:
    watch = watched(b"xenbump: lacks xenstored: the image has none\nnot xenbump: lacks x\nxenbump: lacks \n")
    assert watch.lacks == ["xenstored: the image has none"]
    many = watched(b"".join(b"xenbump: lacks part %d\n" % number for number in range(500)))
    assert len(many.lacks) == 20


@pytest.mark.parametrize(
    "line",
    [
        b"say xenbump: ready",
        b"xenbump: ready now",
        b"Entering ACPI S5",
        b"xenbump: job ended with x",
        b"Panic on CPU 0:",
    ],
)
def test_lines_that_only_look_alike(line: bytes) -> None:
    watch = watched(line + b"\n")
    assert (watch.ready, watch.off, watch.status, watch.panicked) == (None, False, None, None)


def test_no_byte_is_no_sign_of_life() -> None:
    watch = watched(b"x", b"", b"")
    assert watch.heard == 101.0
    assert watch.tail == ("x",)


def test_colours_and_what_cannot_be_printed() -> None:
    watch = watched(b"\x1b[1;31mxenbump: ready\x1b[0m\r\n\xff\x07bell\n")
    assert watch.ready == 101.0
    assert watch.tail == ("xenbump: ready", "\ufffd\ufffdbell")


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_anything_may_be_said(pieces: list[bytes]) -> None:
    watch = watched(*pieces)
    assert all(line.isprintable() and line for line in watch.tail)


def test_a_line_without_end_does_not_grow() -> None:
    watch = watched(*[b"x" * 3000] * 50)
    assert len(watch._line) <= 4096
    assert len(watch.tail) <= 41
