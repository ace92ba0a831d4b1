"""What all tests need."""

from __future__ import annotations

import signal

from hypothesis import settings

# How long an example takes depends on what else the machine does; nothing is proved by it.
settings.register_profile("xenbump", deadline=None)
settings.load_profile("xenbump")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background with interrupts ignored, and children inherit that; some tests are
    # about what an interrupt does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
