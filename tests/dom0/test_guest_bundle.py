"""Bundles of guests: what is read, what is refused, and what is written for `xl`."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dom0.support import NONCE
from xenbump.dom0.guest_bundle import (
    BY_LINE,
    Bundle,
    Guest,
    check,
    config,
    from_json,
    status_line,
    token,
    wrong,
)

PVH = Guest("one", kernel="/k", ramdisk="/r", extra="console=hvc0 rdinit=/init", vif=("bridge=xenbr0",))
HVM = Guest("two", "hvm", disks=("/a.disk", "/b.disk"), memory=512, vcpus=2, device_model="/dm")


def test_a_bundle_is_read_back() -> None:
    bundle = Bundle(NONCE, (PVH, HVM, Guest("three", kernel="/k", judged=BY_LINE, expect="^a+$")), together=True)
    assert from_json(bundle.to_json()) == bundle


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "a b"}, "a name is 1 to 40"),
        ({"name": "Domain-0"}, "dom0's own name"),
        ({"type": "xen"}, "no type of guest"),
        ({"kernel": ""}, "only an HVM guest"),
        ({"kernel": "", "type": "hvm", "ramdisk": ""}, "neither a kernel nor a disk"),
        ({"kernel": "", "type": "hvm", "disks": ("/d",)}, "a ramdisk and no kernel"),
        ({"memory": 4}, "4 MiB of memory"),
        ({"vcpus": 0}, "1 to 128 processors"),
        ({"seconds": 0}, "more than 0 seconds"),
        ({"vif": ('bridge=a", "b',)}, "no network interface"),
        ({"disks": ("/a,b",)}, "the path of a disk"),
        ({"extra": 'root="a"'}, "cannot be written"),
        ({"extra": "a\nb"}, "cannot be written"),
        ({"extra": "a" * 1801}, "longer than 1800 bytes"),
        ({"kernel": "/k\\"}, "cannot be written"),
        ({"judged": "luck"}, "by `luck`"),
        ({"judged": BY_LINE}, "a line to expect"),
        ({"expect": "a"}, "a line to expect"),
        ({"judged": BY_LINE, "expect": "("}, "no regular expression"),
    ],
)
def test_what_is_no_guest(changes: dict[str, object], why: str) -> None:
    assert wrong(PVH) == ""
    guest = dataclasses.replace(PVH, **changes)  # type: ignore[arg-type]
    assert why in wrong(guest)
    with pytest.raises(ValueError, match=re.escape(why)):
        config(guest)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"nonce": "short"}, "`nonce`"),
        ({"guests": []}, "1 to 32 guests"),
        ({"guests": [{"name": "a", "kernel": "/k"}] * 2}, "two guests are called `a`"),
        ({"guests": [{"name": "a", "kernel": "/k", "vcpu": 2}]}, "`vcpu` is not known"),
        ({"guests": [{"name": "a", "kernel": "/k", "memory": "1"}]}, "`memory`"),
        ({"heartbeat_seconds": 0}, "`heartbeat_seconds`"),
        ({"more": 1}, "`more`"),
    ],
)
def test_what_is_no_bundle(changes: dict[str, object], why: str) -> None:
    document = {**json.loads(Bundle(NONCE, (PVH,)).to_json()), **changes}
    with pytest.raises(ValueError, match=re.escape(why)):
        from_json(json.dumps(document))
    with pytest.raises(ValueError, match="nested too deeply"):
        from_json("[" * 100_000)


def test_what_a_pvh_guest_is_started_with() -> None:
    lines = config(PVH).splitlines()
    assert lines[:5] == [
        'name = "one"',
        'type = "pvh"',
        'kernel = "/k"',
        'ramdisk = "/r"',
        'cmdline = "console=hvc0 rdinit=/init"',
    ]
    assert 'vif = ["bridge=xenbr0"]' in lines
    assert "disk = []" in lines
    assert 'on_crash = "destroy"' in lines
    assert 'tsc_mode = "native"' in lines
    assert "tsc_mode" not in config(dataclasses.replace(PVH, type="pv"))


def test_what_an_hvm_guest_is_started_from() -> None:
    text = config(HVM, "/run/serial")
    assert (
        'disk = ["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=/a.disk", '
        '"format=raw,vdev=hdb,access=rw,backendtype=qdisk,target=/b.disk"]'
    ) in text
    for line in ('serial = "file:/run/serial"', 'boot = "c"', 'device_model_override = "/dm"', "vcpus = 2"):
        assert line in text.splitlines()
    assert "kernel" not in text
    assert "cmdline" not in text


def test_the_line_of_a_guest_has_the_nonce_and_does_not_show_it() -> None:
    line = token(NONCE, "one")
    assert NONCE not in line
    assert line != token(NONCE, "two") != token(NONCE + "0", "two")
    found = status_line(NONCE, "one").search(f"{line} exit=7\r")
    assert found is not None
    assert found[1] == "7"
    assert status_line(NONCE, "one").search(f"echo {line} exit=0") is None


_TEXTS = st.text(max_size=20)


@settings(max_examples=40, deadline=None)
@given(name=_TEXTS, extra=_TEXTS, vif=_TEXTS, disk=_TEXTS)
def test_no_text_of_a_guest_becomes_more_than_a_value(name: str, extra: str, vif: str, disk: str) -> None:
    guest = dataclasses.replace(PVH, name=name, extra=extra, vif=(vif,), disks=(f"/{disk}",))
    if wrong(guest):
        return
    check(Bundle(NONCE, (guest,)))
    for line in config(guest).splitlines():
        assert re.fullmatch(r'[a-z_]+ = (\d+|"[^"\\\']*"|\[("[^"\\\']*"(, )?)*\])', line), line
