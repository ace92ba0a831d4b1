"""The first program of a guest that runs a command or a container's entry point."""

from __future__ import annotations

import stat
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenbump.errors import Refusal
from xenbump.verify import guest_init
from xenbump.verify.guest_init import Process
from xenbump.verify.guest_tree import Node, Tree, file


def tree() -> Tree:
    made = Tree("a tree")
    made.put("usr/bin/tool", file(b"#!", 0o755))
    made.put("usr/bin/data", file(b"", 0o644))
    made.put("proc", file(b""))
    return made


def test_an_init_is_put_into_a_tree() -> None:
    made = tree()
    guest_init.put(made, Process(("tool", "a b"), folder="/srv/x", uid=7, gid=8), b"busybox", "one", "LINE")
    for name in ("proc", "sys", "dev", "srv/x"):
        node = made.get(name)
        assert node is not None
        assert node.is_folder
    account = made.get("etc/passwd")
    assert account is not None
    assert account.data == b"u7:*:7:8::/:/bin/false\n"
    node, console, init = made.get("srv/x"), made.get("dev/console"), made.get(".xenbump/init")
    assert node is not None
    assert (node.uid, node.gid) == (7, 8)
    assert console is not None
    assert console.device == (5, 1)
    assert init is not None
    assert init.mode & 0o111
    assert b"-c 7:8 -x /usr/bin/tool -- 'a b' ) </dev/null\n" in init.data


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a:x:7:7::/:/bin/sh\n", b""),
        (b"a:x:70:7::/:/bin/sh", b"\nu7:*:7:8::/:/bin/false\n"),
        (b"\xff\n", b"u7:*:7:8::/:/bin/false\n"),
    ],
)
def test_a_user_that_the_image_does_not_know_gets_a_line(before: bytes, after: bytes) -> None:
    made = tree()
    made.put("usr/passwd", file(before, 0o600))
    made.put("etc/passwd", Node(stat.S_IFLNK | 0o777, data=b"../usr/passwd"))
    guest_init.put(made, Process(("tool",), uid=7, gid=8), b"busybox", "one", "LINE")
    node, link = made.get("usr/passwd"), made.get("etc/passwd")
    assert node is not None
    assert (node.data, stat.S_IMODE(node.mode)) == (before + after, 0o600)
    assert link is not None
    assert link.is_link


@pytest.mark.parametrize("words", [(), ("",), ("none",), ("/usr/bin/none",), ("data",), ("usr",), ("tool", "a\0b")])
def test_what_cannot_be_run(words: tuple[str, ...]) -> None:
    with pytest.raises(Refusal) as error:
        guest_init.put(tree(), Process(words), b"", "one", "LINE")
    assert error.value.code == "E-GUEST-ENTRY"


_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)


@settings(max_examples=25, deadline=None)
@given(words=st.lists(_WORDS, max_size=3), value=_WORDS)
def test_every_word_reaches_the_program_as_it_is(words: list[str], value: str) -> None:
    """With the host's own shell in place of busybox."""
    process = Process(("printf", "%s\\0", "begin", *words), (("A", value),))
    text = guest_init.script(process, "/usr/bin/printf", "a name", "LINE")
    lines = [line for line in text.split("\n") if not line.startswith(("#!", "b=", "$b "))]
    shell = "b=\n" + "\n".join(lines)
    done = subprocess.run(["sh", "-c", shell], capture_output=True, check=True)
    said, _, end = done.stdout.rpartition(b"\0")
    assert said.split(b"\0") == [word.encode() for word in ("begin", *words)]
    assert end == b"\nLINE exit=0\n"


def test_the_init_of_a_root_file_system() -> None:
    made = tree()
    assert guest_init.own_init(made) == ""
    made.put("sbin/init", file(b"#!", 0o755))
    assert guest_init.own_init(made) == "/sbin/init"
    made.put("init", file(b"#!", 0o755))
    assert guest_init.own_init(made) == "/init"
