"""Source files of the Xen in miniature that have a flaw, without it and with it, and the patches between.

The texts are our own, as are the flaws. Each file but one is in every branch; `queue.c` is new in 4.21.
"""

from __future__ import annotations

import difflib

GRANT = "xen/common/grant.c"
EVENT = "xen/common/event.c"
TIMER = "xen/common/timer.c"
QUEUE = "xen/common/queue.c"


def grant_c(*, fixed: bool = False) -> str:
    """`GRANT`: the number behind the last one is handed out, too."""
    return (
        "/* Hands out numbers, each once. */\n"
        "#define GRANT_LIMIT 64u\n"
        "\n"
        "static unsigned int next;\n"
        "\n"
        "int grant(unsigned int *number)\n"
        "{\n"
        f"    if ( next {'>=' if fixed else '>'} GRANT_LIMIT )\n"
        "        return -1;\n"
        "\n"
        "    *number = next++;\n"
        "\n"
        "    return 0;\n"
        "}\n"
    )


def event_c(*, limit: int = 64, steps: int = 0) -> str:
    """`EVENT`: a port is used unchecked.

    Args:
        limit: the number of ports; branches differ in it.
        steps: how many of the two changes are made that repair it; the second one is to what the first one adds.
    """
    checked = "port && port < EVENT_LIMIT" if steps > 1 else "port < EVENT_LIMIT"
    helper = f"static int is_port(unsigned int port)\n{{\n    return {checked};\n}}\n\n" if steps else ""
    check = "    if ( !is_port(port) )\n        return -1;\n\n" if steps else ""
    return (
        "/* Ports at which one guest wakes another; port 0 is nobody's. */\n"
        f"#define EVENT_LIMIT {limit}u\n"
        "static unsigned char pending[EVENT_LIMIT];\n"
        "\n"
        f"{helper}"
        "int event_send(unsigned int port)\n"
        "{\n"
        f"{check}"
        "    pending[port] = 1;\n"
        "\n"
        "    return 0;\n"
        "}\n"
    )


def timer_c(*, fixed: bool = False) -> str:
    """`TIMER`: a deadline wraps around."""
    check = "    if ( ticks > ~0ul - now )\n        ticks = ~0ul - now;\n\n" if fixed else ""
    return (
        "/* The next deadline, in ticks since the start. */\n"
        "static unsigned long deadline;\n"
        "\n"
        "void timer_set(unsigned long now, unsigned long ticks)\n"
        "{\n"
        f"{check}"
        "    deadline = now + ticks;\n"
        "}\n"
    )


def queue_c(*, fixed: bool = False) -> str:
    """`QUEUE`: more waits in it than it has room for."""
    check = "    if ( used == QUEUE_LENGTH )\n        return -1;\n\n" if fixed else ""
    return (
        "/* What waits for its turn. */\n"
        "#define QUEUE_LENGTH 16u\n"
        "static unsigned int queue[QUEUE_LENGTH], used;\n"
        "\n"
        "int enqueue(unsigned int item)\n"
        "{\n"
        f"{check}"
        "    queue[used++] = item;\n"
        "\n"
        "    return 0;\n"
        "}\n"
    )


def patch(message: str, path: str, before: str, after: str) -> bytes:
    """A patch as advisories bring it.

    Args:
        message: of the commit.
        path: of the file in the tree.
        before: the file's text.
        after: the text that it is to have; another one than `before`.
    """
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
    subject, _, rest = message.partition("\n")
    return f"Subject: {subject}\n{rest}\n\ndiff --git a/{path} b/{path}\n{''.join(lines)}".encode()
