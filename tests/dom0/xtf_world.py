"""A framework to run: descriptions and configurations, a runner that keeps to XTF's protocol, and an `xl`.

What each test does is said in `behaviour.json`: a result that its guest prints, `DIES` (the guest says nothing more),
`HANGS` (until its guest is destroyed), `STUCK` (for ever), `RUNNER` (the runner fails), `GONE` (it ends with no word).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.dom0.baseline import split
from xenbump.dom0.xtf_output import STATUSES

if TYPE_CHECKING:
    from pathlib import Path

RUNNER = """\
import json, os, sys, time
os.chdir(os.path.dirname(os.path.abspath(sys.argv[0])))
world = json.load(open("behaviour.json"))
names = sys.argv[3:]
assert sys.argv[1:3] == ["-m", "logfile"]
def say(*words):
    print(*words, flush=True)
with open("starts", "a") as file:
    file.write(" ".join(names) + "\\n")
found = {}
for name in names:
    does = world["tests"][name]
    if does == "UNABLE":
        found[name] = "SKIP"
        continue
    say("Using logfile '/var/log/xen/console/guest-%s.log'" % name)
    config = os.path.join("tests", name.partition("~")[0].split("-", 2)[2], name + ".cfg")
    say("Executing 'xl create -F %s'" % config)
    say(open(config).read())
    say("--- Xen Test Framework ---")
    if does in ("HANGS", "STUCK"):
        while does == "STUCK" or not os.path.exists("destroyed-" + name):
            time.sleep(0.01)
        does = "DIES"
    if does == "RUNNER":
        print("Error: Failed to run test", file=sys.stderr)
        sys.exit(1)
    if does == "GONE":
        sys.exit(7)
    if does == "DIES":
        say("\\u00e9 ******* PANIC")
        found[name] = "CRASH"
    else:
        say("Error: what a guest says" if does == "ERROR" else "fine")
        say("Test result: " + does)
        say()
        found[name] = does
say("Combined test results:")
for name in names:
    if name != world.get("forgets"):
        say("{0:<40} {1}".format(name, found[name]))
status = {"SUCCESS": 0, "SKIP": 3, "ERROR": 4, "FAILURE": 5, "CRASH": 6}
sys.exit(world.get("status", max(status[result] for result in found.values())))
"""


@dataclass(frozen=True)
class World:
    """Where things are: the framework, the folder in which it is run, and a folder with `xl` for PATH."""

    framework: Path
    run: Path
    programs: Path

    @property
    def starts(self) -> list[list[str]]:
        """The tests of each start of the runner."""
        return [line.split() for line in (self.framework / "starts").read_text().splitlines()]


def make(folder: Path, tests: dict[str, str], **more: object) -> World:
    """A framework whose tests, by their full names, do these things."""
    assert set(tests.values()) <= {*STATUSES, "DIES", "HANGS", "STUCK", "RUNNER", "GONE", "UNABLE"}
    world = World(folder / "xtf", folder / "run", folder / "bin")
    environments: dict[str, set[str]] = {}
    variations: dict[str, set[str]] = {}
    for full in tests:
        environment, short, variation = split(full)
        environments.setdefault(short, set()).add(environment)
        variations.setdefault(short, set()).update({variation} - {""})
        place = world.framework / "tests" / short
        place.mkdir(parents=True, exist_ok=True)
        hvm = environment.startswith("hvm")
        binary = f"/build/elsewhere/tests/{short}/{full.partition('~')[0]}"
        kind = (
            f'type="hvm"\nbuilder="hvm" # old\nfirmware_override="{binary}"' if hvm else f'type="pv"\nkernel="{binary}"'
        )
        (place / f"{full}.cfg").write_text(f'name="{full}"\nvcpus=1\n{kind}\nmemory=128\n')
        info = {"name": short, "category": "xsa", "environments": sorted(environments[short])}
        info["variations"] = sorted(variations[short])
        (place / "info.json").write_text(json.dumps(info))
    # The runner goes to the folder in which it is called: what it needs there is linked to what is here.
    runner = RUNNER.replace('"behaviour.json"', repr(str(world.framework / "behaviour.json")))
    runner = runner.replace('"starts"', repr(str(world.framework / "starts")))
    (world.framework / "xtf-runner").write_text(runner)
    (world.framework / "behaviour.json").write_text(json.dumps({"tests": tests, **more}))
    world.programs.mkdir()
    xl = world.programs / "xl"
    xl.write_text(f'#!/bin/sh\n[ "$1" = destroy ] && : > {world.run}/destroyed-"$2"\n')
    xl.chmod(0o755)
    return world
