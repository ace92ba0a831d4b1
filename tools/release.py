"""Looks whether a tag may become a release, with git and gpg: `python tools/release.py TAG --keys FILE`.

It may where the tag is a signed one, by a key of that file and of no other; names the version that the program has;
stands on a commit of the main branch, the one that is checked out; and the changelog has that version with its day.
Otherwise the status is 1 and a line says what is amiss. With `--notes FILE` the text of the release is written there:
what the changelog says, and how the files are verified. Nothing but the standard library is needed, so this runs before
anything is installed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORKFLOW = ".github/workflows/release.yml"
_VERSION = re.compile(r'^__version__ = "(?P<version>\d+\.\d+\.\d+)"$', re.MULTILINE)


def section(changelog: str, version: str) -> str:
    """What the changelog says of a version, without its heading; ends the program where the version has no day."""
    heading = rf"^## {re.escape(version)} \((?P<day>[^)]*)\)\n(?P<text>.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        sys.exit(f"release: CHANGELOG.md has no heading '## {version} (DAY)'")
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", found["day"]) is None:
        sys.exit(f"release: CHANGELOG.md has {found['day']!r} where the day of {version} belongs")
    text = found["text"].strip()
    if not text:
        sys.exit(f"release: CHANGELOG.md says nothing of {version}")
    return text


def notes(said: str, tag: str, commit: str, repository: str) -> str:
    """The text of a release: what the changelog says of it, and how whoever takes a file of it verifies that file."""
    return f"""{said}

## Verifying

The commit is `{commit}`; whoever uses the action pins it by that.

```sh
sha256sum --check --ignore-missing SHA256SUMS
gh attestation verify FILE --repo {repository} \\
  --signer-workflow {repository}/{WORKFLOW} --source-ref refs/tags/{tag} --source-digest {commit}
```
"""


def git(root: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run git in a repository."""
    return subprocess.run(
        ["git", "-C", str(root), *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def check_signature(root: Path, tag: str, keys: Path) -> None:
    """End the program where the tag is not one that a key of this file signed."""
    name = f"refs/tags/{tag}"
    if git(root, "cat-file", "-t", name).stdout.strip() != "tag":
        sys.exit(f"release: {tag} is no tag with a signature")
    # A keyring of its own: no key that the machine has besides counts.
    with tempfile.TemporaryDirectory(prefix="keys") as home:
        Path(home).chmod(0o700)
        told = {**os.environ, "GNUPGHOME": home}
        gpg = ["gpg", "--batch", "--quiet", "--no-autostart", "--import", str(keys)]
        if subprocess.run(gpg, env=told, capture_output=True, check=False).returncode != 0:
            sys.exit("release: the keys of releases cannot be read; they are OpenPGP keys, armoured")
        plain = ("-c", "gpg.program=gpg", "-c", "gpg.format=openpgp")
        done = git(root, *plain, "verify-tag", "--raw", name, env=told)
        # A good signature of a key that has expired or was revoked has another word here.
        if done.returncode != 0 or "[GNUPG:] GOODSIG " not in done.stderr:
            sys.exit(f"release: {tag} is not signed by a key of releases")
    inside = git(root, "cat-file", "tag", name).stdout.split("\n\n", 1)[0].splitlines()
    # The signature is on the name inside, and a reference can be renamed.
    if f"tag {tag}" not in inside:
        sys.exit(f"release: the tag behind {tag} was signed under another name")


def check(root: Path, tag: str, keys: Path, branch: str) -> tuple[str, str]:
    """Give what the changelog says of the tag's version, and the commit; ends where the tag may not become one."""
    match = _VERSION.search((root / "xenbump" / "__init__.py").read_text("utf-8"))
    version = match["version"] if match else "?"
    if tag != f"v{version}":
        sys.exit(f"release: the tag is {tag} and the program's version is {version}")
    said = section((root / "CHANGELOG.md").read_text("utf-8"), version)
    check_signature(root, tag, keys)
    commit = git(root, "rev-parse", f"refs/tags/{tag}^{{commit}}").stdout.strip()
    if commit != git(root, "rev-parse", "HEAD").stdout.strip():
        sys.exit(f"release: {tag} is not the commit that is checked out")
    if git(root, "merge-base", "--is-ancestor", commit, branch).returncode != 0:
        sys.exit(f"release: {tag} is not on {branch}")
    return said, commit


def main() -> None:
    """Look at the tag that is named on the command line."""
    parser = argparse.ArgumentParser(description="Look whether a tag may become a release.")
    parser.add_argument("tag")
    parser.add_argument("--keys", type=Path, required=True)
    parser.add_argument("--branch", default="refs/remotes/origin/main")
    parser.add_argument("--notes", type=Path)
    parser.add_argument("--repository", default="OWNER/NAME")
    told = parser.parse_args()
    said, commit = check(ROOT, told.tag, told.keys, told.branch)
    if told.notes:
        told.notes.write_text(notes(said, told.tag, commit, told.repository), "utf-8")
    print(f"release: {told.tag} may become one")


if __name__ == "__main__":
    main()
