"""Asks which locked packages have known faults: `python tools/known_faults.py [--service osv|pypi] [FILE]...`.

It ends with 0 where the service answered for each package and knows no fault, with 1 where it knows one, and with 2
where it did not answer or does not know a package. pip-audit itself ends with 1 for the last two alike, and passes over
a package that the service does not know unless it is strict.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOUND, NOT_AUDITED = 1, 2
# pip-audit gives up on a service by itself; this is for one that answers without end.
LONGEST = 900


def audit(files: list[Path], service: str) -> dict[str, Any] | None:
    """Give pip-audit's report on these locks (its JSON), or nothing where it could make none; what it says is shown."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        told = ["--strict", "--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
        told += [f"--vulnerability-service={service}", f"--output={report}"]
        for file in files:
            told += ["--requirement", str(file)]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pip_audit", *told], capture_output=True, text=True, check=False, timeout=LONGEST
            )
        except subprocess.TimeoutExpired:
            print(f"audit: no end after {LONGEST} s", file=sys.stderr)
            return None
        said = done.stderr.strip().splitlines()
        if done.returncode not in {0, FOUND} or not report.is_file():
            print(*said[-1:], sep="\n", file=sys.stderr)
            return None
        found: dict[str, Any] = json.loads(report.read_text("utf-8"))
        return found


def verdict(report: dict[str, Any] | None, service: str) -> tuple[int, list[str]]:
    """Read a report of pip-audit; the exit status and the lines that say why."""
    if report is None or not report["dependencies"]:
        return NOT_AUDITED, [f"audit: NOT AUDITED: {service} gave no answer for every package. This is no pass."]
    skipped = [one for one in report["dependencies"] if "skip_reason" in one]
    if skipped:
        lines = [f"audit: {one['name']}: {one['skip_reason']}" for one in skipped]
        return NOT_AUDITED, [*lines, "audit: NOT AUDITED: packages were left out. This is no pass."]
    bad = [one for one in report["dependencies"] if one["vulns"]]
    if bad:
        lines = [_line(one, fault) for one in bad for fault in one["vulns"]]
        return FOUND, lines
    names = {one["name"] for one in report["dependencies"]}
    return 0, [f"audit: {len(names)} packages, no fault known to {service}"]


def _line(package: dict[str, Any], fault: dict[str, Any]) -> str:
    mended = ", ".join(fault["fix_versions"]) or "no release"
    return f"audit: {package['name']} {package['version']}: {fault['id']}, mended in {mended}"


def main() -> int:
    """Audit the files named on the command line, or all locks."""
    parser = argparse.ArgumentParser(description="Ask which locked packages have known faults.")
    parser.add_argument("files", nargs="*", type=Path, default=sorted((ROOT / "requirements").glob("*.txt")))
    parser.add_argument("--service", choices=("osv", "pypi"), default="osv")
    told = parser.parse_args()
    status, lines = verdict(audit(told.files, told.service), told.service)
    print(*lines, sep="\n", file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())
