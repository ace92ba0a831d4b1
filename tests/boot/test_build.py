"""Xen's real source is built by Nix, and the package of it is looked at.

Beside the boots, not among them: it is the long part of the chain, and takes both processors. Nix lets two who want the
same wait for one build.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.boot.chain import NEW

if TYPE_CHECKING:
    from tests.boot.chain import Chain

pytestmark = pytest.mark.xdist_group("build")


def test_a_release_is_built_and_has_what_it_promises(chain: Chain) -> None:
    assert chain.call("bump").returncode == 0
    done = chain.call("verify", "--json", "--only", "build,outputs,meta", "--markdown", "table.md")
    (entry,) = json.loads(done.stdout)["packages"]
    assert [(step["step"], step["result"]) for step in entry["steps"]] == [
        ("build", "passed"),
        ("outputs", "passed"),
        ("meta", "passed"),
    ], (entry, done.stderr)
    assert (done.returncode, entry["version"]) == (0, NEW)
    checks = {check["name"]: check for step in entry["steps"] for check in step["checks"]}
    for name, file in (("multiboot", f"boot/xen-{NEW}"), ("efi", f"boot/xen-{NEW}.efi")):
        assert checks[name]["result"] == "passed"
        assert f"/{file}: " in checks[name]["evidence"][0]
    assert "| build | passed" in (chain.world.checkout / "table.md").read_text()


def test_a_hash_that_is_not_of_the_release_is_found(chain: Chain) -> None:
    """Nix fetches the source itself: what was written by hand is not taken for what was computed."""
    chain.put_back()
    head, mark, digest = chain.package.read_text().partition("sha256-")
    wrong = ("B" if digest[0] == "A" else "A") + digest[1:]
    chain.package.write_text(head + mark + wrong)
    done = chain.call("verify", "--json", "--only", "build")
    (entry,) = json.loads(done.stdout)["packages"]
    assert (done.returncode, entry["outcome"]) == (30, "rejected"), done.stderr
    reason = entry["steps"][0]["reason"]
    assert f"as was computed here for the source of Xen; the package has sha256-{wrong[:44]}" in reason
