"""Write down which advisories were fixed before each release branch was cut: xenbump/upstream/fixed-before.json.

    python tools/fixed_before.py PATH-OF-A-FULL-XEN-REPOSITORY > xenbump/upstream/fixed-before.json

What is reachable from a commit never changes, so this can be written down for good. With it, the history that has to be
fetched to judge a tree of branch X.Y begins where the branch before was cut. Run it when a branch was cut; the test on
the real repository compares the file with the repository.
"""

from __future__ import annotations

import json
import subprocess
import sys

from xenbump.upstream.markers import fixes
from xenbump.upstream.release import branch_of, is_version, order

OLDEST = "4.12.0"


def git(repository: str, *arguments: str) -> str:
    """The output of git in the repository."""
    argv = ["git", "--git-dir", repository, *arguments]
    return subprocess.run(argv, check=True, capture_output=True).stdout.decode("utf-8", "replace")


def main(repository: str) -> None:
    """Print the file."""
    tags = git(repository, "tag", "--list", "RELEASE-*.0").split()
    versions = [tag.removeprefix("RELEASE-") for tag in tags]
    first = sorted((v for v in versions if is_version(v) and order(v) >= order(OLDEST)), key=order)
    entries = []
    for version in first:
        tag = f"RELEASE-{version}"
        point = git(repository, "merge-base", tag, "master").strip()
        log = git(repository, "log", "-z", "--format=%B", point)
        fixed = sorted(set().union(*map(fixes, log.split("\0"))))
        entries.append(
            {
                "branch": branch_of(version),
                "tag": tag,
                "tag_object": git(repository, "rev-parse", tag).strip(),
                "point": point,
                "cut": git(repository, "show", "--no-patch", "--format=%cI", point).strip(),
                "fixed": fixed,
            }
        )
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    sys.stdout.write(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
