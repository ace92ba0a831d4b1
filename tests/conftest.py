"""What all tests need."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background with interrupts ignored, and children inherit that; some tests are
    # about what an interrupt does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
