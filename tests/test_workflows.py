"""The workflows of this repository: audited, and held to what xenbump really has."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import world
from tests.support.workflows import (
    FILES,
    PAGE,
    ROOT,
    WORKFLOWS,
    bash,
    fenced,
    jobs,
    options,
    read,
    script,
    steps,
    workflow,
)
from xenbump import config as configuration

PROGRAMS = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
# A call of xenbump at the beginning of a command: its first word and the rest of the line.
CALL = re.compile(r'^(?:[A-Z_]+=\S* )*(?:"?\S*/)?xenbump"? ("?\$?[A-Za-z]+"?)(.*)$', re.MULTILINE)
GH = """#!/bin/sh
case $2 in list) printf '%s' "$NUMBER" ;; *) printf '%s\\n' "$2" >>"$RECORD" ;; esac
"""


def zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("zizmor", path=PROGRAMS)
    assert program is not None, "zizmor is not installed (make ready)"
    told = ("--offline", "--no-config", "--no-progress", "--color=never", "--strict-collection", "--persona=pedantic")
    return subprocess.run(
        [program, *told, *map(str, paths)],
        env={"PATH": PROGRAMS, "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )


def actionlint(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Where it is not installed there is no result: its package fetches a program from GitHub, where ci.yml has it."""
    program = shutil.which("actionlint", path=PROGRAMS)
    if program is None and os.environ.get("GITHUB_ACTIONS") == "true":
        pytest.fail("actionlint is not installed")
    if program is None:
        pytest.skip("actionlint is not installed")
    return subprocess.run(
        [program, "-no-color", *map(str, paths)],
        cwd=ROOT,
        env={"PATH": PROGRAMS},
        capture_output=True,
        text=True,
        check=False,
    )


def test_zizmor_finds_nothing() -> None:
    done = zizmor(*FILES, ROOT / ".github" / "dependabot.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_finds_nothing() -> None:
    done = actionlint(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "audit"),
    [
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        (r"@[0-9a-f]{40} # v7\.0\.1", "@v7", "unpinned-uses"),
        (r"permissions: \{\}\n\n", "permissions: write-all\n\n", "excessive-permissions"),
        (r"run: nix flake check", "run: echo ${{ github.event.pull_request.title }} #", "template-injection"),
    ],
)
def test_zizmor_finds_what_must_not_come_in(old: str, new: str, audit: str, tmp_path: Path) -> None:
    text = workflow("ci").read_text("utf-8")
    bad = tmp_path / ".github" / "workflows" / "ci.yml"
    bad.parent.mkdir(parents=True)
    bad.write_text(re.sub(old, new, text, count=1), "utf-8")
    assert bad.read_text("utf-8") != text
    done = zizmor(bad)
    assert done.returncode != 0
    assert f"[{audit}]" in done.stdout


def test_actionlint_finds_an_output_that_is_none(tmp_path: Path) -> None:
    bad = tmp_path / "ci.yml"
    bad.write_text(workflow("ci").read_text("utf-8").replace("needs.flake.outputs.checks", "needs.flake.outputs.none"))
    done = actionlint(bad)
    assert done.returncode == 1
    assert '"none"' in done.stdout


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing_in_the_scripts(tmp_path: Path) -> None:
    found = [
        step["run"] for path in FILES for step in steps(path) if step.get("shell", "bash") == "bash" and "run" in step
    ]
    for number, text in enumerate(found):
        (tmp_path / f"{number:02}.sh").write_text(f"#!/bin/bash\n{text}", "utf-8")
    assert len(found) > len(FILES)
    done = subprocess.run(["shellcheck", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_action_is_pinned_by_commit_with_its_version_and_always_the_same() -> None:
    pins: dict[str, set[str]] = {}
    for path in FILES:
        text = path.read_text("utf-8")
        used = re.findall(r"^ *(?:- )?uses: (.*)$", text, re.MULTILINE)
        assert len(used) == sum("uses" in step for step in steps(path))
        for line in used:
            if line.split()[0] == "./":
                continue
            match = re.fullmatch(r"([\w-]+/[\w-]+)(?:/[\w-]+)?@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line)
            assert match is not None, f"{path.name}: {line}"
            pins.setdefault(match[1], set()).add(match[2])
    assert all(len(commits) == 1 for commits in pins.values()), pins
    assert pins


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_grants_nothing_as_a_whole_and_each_job_says_what_and_for_how_long(path: Path) -> None:
    data = read(path)
    assert data["permissions"] == {}
    # YAML 1.1 takes the key `on` for a boolean.
    triggers = data[True]
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers)
    for name, job in data["jobs"].items():
        assert "permissions" in job, name
        assert 0 < job["timeout-minutes"] <= 360, name
        assert re.fullmatch(r"ubuntu-\d\d\.04", job["runs-on"]), name
        assert "concurrency" in data or "concurrency" in job, name


def test_a_checkout_leaves_no_token_behind() -> None:
    checkouts = [step for path in WORKFLOWS for step in steps(path) if "actions/checkout@" in step.get("uses", "")]
    assert len(checkouts) >= len(WORKFLOWS)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_only_the_jobs_that_write_may_write() -> None:
    found = {
        f"{path.stem}.{name}": sorted(what for what, how in job["permissions"].items() if how == "write")
        for path in WORKFLOWS
        for name, job in jobs(path).items()
    }
    assert {name: what for name, what in found.items() if what} == {
        "bump.bump": ["contents", "pull-requests"],
        "bump.failures": ["issues"],
        "nightly.failures": ["issues"],
        "pages.deploy": ["id-token", "pages"],
        "release.attest": ["attestations", "id-token"],
        "release.publish": ["contents"],
        "release.upload": ["id-token"],
        "supply.failures": ["issues"],
    }


def test_no_script_has_an_expression_in_it() -> None:
    for path in FILES:
        for step in steps(path):
            assert "${{" not in step.get("run", ""), f"{path.name}: {step.get('name')}"


def test_every_call_of_xenbump_is_one_that_it_takes() -> None:
    texts = [step.get("run", "") for path in WORKFLOWS for step in steps(path)]
    units = "\n".join(re.findall(r"^ExecStart=(.*)$", fenced("ini"), re.MULTILINE))
    crontab = re.sub(r"^[*0-9, ]+ ", "", fenced("cron"), flags=re.MULTILINE)
    texts += [fenced("sh"), units, crontab]
    calls = [call for text in texts for call in CALL.findall(text.replace("\\\n", " "))]
    assert len(calls) >= 5
    for command, rest in calls:
        assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) <= options(command), f"xenbump {command}{rest}"


def test_every_variable_of_xenbump_is_one_that_it_reads() -> None:
    page = (ROOT / "docs" / "interface.md").read_text("utf-8")
    known = set(re.findall(r"`(XENBUMP_[A-Z_]+)`", page))
    texts = [PAGE, *(path.read_text("utf-8") for path in FILES)]
    used = {name for text in texts for name in re.findall(r"(?<![.`])\bXENBUMP_[A-Z_]+\b", text)}
    assert {"XENBUMP_STATE_DIR", "XENBUMP_GITHUB_APP_KEY_FILE"} <= used
    assert used <= known


def test_the_configuration_on_the_page_is_one(tmp_path: Path) -> None:
    path = tmp_path / "xenbump.toml"
    path.write_text('[[package]]\nname = "xen"\nfile = "xen.nix"\n' + fenced("toml"), "utf-8")
    verify = configuration.load(path, {"HOME": str(tmp_path)}).verify
    assert verify.nix_options[0::2] == ("--builders", "--max-jobs")
    assert verify.nix_options[1].split()[-1].split(",") == ["kvm", "nixos-test", "big-parallel"]


def read_matrix(tmp_path: Path, package: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script(workflow("bump"), "Read xenbump.toml")],
        cwd=ROOT,
        env={"PACKAGE": package, "GITHUB_OUTPUT": str(tmp_path / "output")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_matrix_has_every_package_with_the_test_of_its_branch(tmp_path: Path) -> None:
    done = read_matrix(tmp_path, "")
    assert done.returncode == 0, done.stderr
    name, _, value = (tmp_path / "output").read_text("utf-8").rstrip("\n").partition("=")
    found = json.loads(value)
    packages = configuration.load(ROOT / "xenbump.toml", {"HOME": str(tmp_path)}).packages
    assert name == "matrix"
    assert [one["package"] for one in found] == [package.name for package in packages]
    tests = {one["package"]: one["test"] for one in found}
    assert tests["xen"] == "checks.x86_64-linux.dom0"
    assert tests["xen-4.20"] == "checks.x86_64-linux.dom0-xen-4-20"
    # That is how the tests are named there.
    named = (ROOT / "nixos-tests" / "default.nix").read_text("utf-8")
    assert 'name = "dom0-${lib.replaceStrings [ "_" ] [ "-" ] attribute}";' in named


def test_by_hand_there_can_be_one_package_and_no_unknown_one(tmp_path: Path) -> None:
    assert read_matrix(tmp_path, "xen-4.21").returncode == 0
    assert (tmp_path / "output").read_text("utf-8").count('"package"') == 1
    done = read_matrix(tmp_path, "xen-3.4")
    assert done.returncode == 1
    assert "no package of that name" in done.stderr


def test_the_configuration_that_bump_writes_is_the_repositorys_with_a_repository_and_a_test(tmp_path: Path) -> None:
    shutil.copy(ROOT / "xenbump.toml", tmp_path)
    given = {"GITHUB_REPOSITORY": "some-body/xen.bump", "TEST": "checks.x86_64-linux.dom0-xen-4-20"}
    done = bash(script(workflow("bump"), "Write the configuration"), tmp_path, given)
    assert done.returncode == 0, done.stderr
    before = configuration.load(tmp_path / "xenbump.toml", {"HOME": str(tmp_path)})
    after = configuration.load(tmp_path / "xenbump-actions.toml", {"HOME": str(tmp_path)})
    assert (after.github.repository, after.verify.engine) == ("some-body/xen.bump", "nixos")
    assert after.verify.nixos_test == "checks.x86_64-linux.dom0-xen-4-20"
    assert (after.packages, after.github.base) == (before.packages, before.github.base)


def test_security_runs_are_those_of_their_schedule() -> None:
    crons = [one["cron"] for one in read(workflow("bump"))[True]["schedule"]]
    (run,) = (step["with"] for step in steps(workflow("bump")) if step.get("uses") == "./")
    assert len(crons) == 2
    hourly = crons[1]
    assert re.fullmatch(r"\d+ \* \* \* 2,3", hourly)
    assert f"github.event.schedule == '{hourly}'" in run["security-only"]
    (told,) = (step["env"]["KIND"] for step in steps(workflow("bump")) if "KIND" in step.get("env", {}))
    assert f"github.event.schedule == '{hourly}'" in told


@pytest.mark.parametrize(
    ("number", "failed", "passed", "does"),
    [
        ("", "true", "false", ["create"]),
        ("7", "true", "false", []),
        ("7", "false", "true", ["close"]),
        ("7", "false", "false", []),
        ("", "false", "true", []),
    ],
)
def test_one_issue_stands_while_a_schedule_fails(
    number: str, failed: str, passed: str, does: list[str], tmp_path: Path
) -> None:
    program = tmp_path / "gh"
    program.write_text(GH, "utf-8")
    program.chmod(0o755)
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    given = {"NUMBER": number, "FAILED": failed, "PASSED": passed, "RECORD": str(tmp_path / "record"), "KIND": "daily"}
    done = bash(
        script(workflow("bump"), "Open or close the issue"),
        ROOT,
        dict.fromkeys(names, "x") | given | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    record = tmp_path / "record"
    assert (record.read_text("utf-8").split() if record.exists() else []) == does


@pytest.mark.parametrize("name", ["bump", "nightly", "supply"])
def test_a_schedule_that_fails_is_told_of_by_every_job_that_can_fail(name: str) -> None:
    found = jobs(workflow(name))
    assert set(found["failures"]["needs"]) == set(found) - {"failures"}
    assert "github.event_name == 'schedule'" in found["failures"]["if"]
    assert "always()" in found["failures"]["if"]


def test_each_schedule_of_the_nightly_tests_has_its_own_jobs() -> None:
    crons = [one["cron"] for one in read(workflow("nightly"))[True]["schedule"]]
    compared = {
        name: re.findall(r"github\.event\.schedule != '([^']+)'", job["if"])
        for name, job in jobs(workflow("nightly")).items()
        if name != "failures"
    }
    assert sorted({cron for each in compared.values() for cron in each}) == sorted(crons)
    assert all(len(each) == 1 for each in compared.values()), compared


def test_every_scenario_and_every_part_of_the_faults_has_its_night() -> None:
    told = [one["arguments"].split() for one in jobs(workflow("nightly"))["faults"]["strategy"]["matrix"]["include"]]
    scenarios = [arguments[arguments.index("--scenario") + 1] for arguments in told if "--scenario" in arguments]
    assert sorted(scenarios) == sorted(world.SCENARIOS)
    parts = {(*arguments[:4],) if "--scenario" in arguments else (*arguments,) for arguments in told}
    assert parts == {("--part", "kills", "--part", "disk"), ("--part", "table")}


def test_every_target_that_a_workflow_makes_is_one() -> None:
    phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    targets = {target for line in phony for target in line.split()}
    calls = [
        line.split()
        for path in WORKFLOWS
        for step in steps(path)
        for line in re.findall(r"^ *make (.*)$", step.get("run", ""), re.MULTILINE)
    ]
    made = {word for call in calls for word in call if re.fullmatch(r"[a-z]+", word)}
    assert {"audit", "bench", "dist", "faults", "floors", "fuzz", "sbom"} <= made <= targets


def test_what_is_released_was_built_attested_and_uploaded_before_by_jobs_that_hold_no_token_to_write() -> None:
    found = jobs(workflow("release"))
    assert set(read(workflow("release"))[True]) == {"push"}
    assert read(workflow("release"))[True]["push"] == {"tags": ["v*"]}
    assert found["attest"]["needs"] == "build"
    assert set(found["upload"]["needs"]) == {"build", "attest"}
    assert set(found["publish"]["needs"]) == {"build", "attest", "upload"}
    assert all(how == "read" for how in found["build"]["permissions"].values())
    # Where there is a right to write, nothing of the repository runs: no checkout, no make, no script.
    for name in ("attest", "upload", "publish"):
        texts = [step.get("uses", "") + step.get("run", "") for step in found[name]["steps"]]
        assert not [text for text in texts if re.search(r"checkout@|\bmake\b|tools/|pip install", text)], name


def test_what_is_not_signed_for_a_release_stops_it_before_anything_is_built() -> None:
    names = [step.get("name") for step in jobs(workflow("release"))["build"]["steps"]]
    order = [
        names.index(f"Look whether {what}") for what in ("the tag may become a release", "ci.yml passed on this commit")
    ]
    assert order == sorted(order)
    assert max(order) < names.index("Build twice, compare, and write the bill of materials")


def test_the_checksums_of_a_release_are_of_all_its_files(tmp_path: Path) -> None:
    """The scripts of two jobs, one after the other, with what lies between them as the artifacts bring it."""
    (tmp_path / "dist").mkdir()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for name in ("xenbump-1.2.3.tar.gz", "xenbump-1.2.3-py3-none-any.whl", "xenbump.cdx.json"):
        (tmp_path / "dist" / name).write_text(name, "utf-8")
    (temporary / "notes.md").write_text("notes\n", "utf-8")
    given = {"RUNNER_TEMP": str(temporary), "GITHUB_REF_NAME": "v1.2.3", "GITHUB_REPOSITORY": "some-body/xenbump"}
    done = bash(script(workflow("release"), "Write the checksums"), tmp_path, given)
    assert done.returncode == 0, done.stderr

    after = tmp_path / "after"
    after.mkdir()
    (tmp_path / "dist").rename(after / "packages")
    (temporary / "documents").rename(after / "documents")
    program = tmp_path / "gh"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >"$RECORD"\n', "utf-8")
    program.chmod(0o755)
    given |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RECORD": str(tmp_path / "record")}
    done = bash(script(workflow("release"), "Make the release"), after, given)
    assert done.returncode == 0, done.stderr
    record = (tmp_path / "record").read_text("utf-8").splitlines()
    assert record[:3] == ["release", "create", "v1.2.3"]
    assert "--verify-tag" in record
    assert [one for one in record if one.startswith("files/")] == [
        "files/SHA256SUMS",
        "files/xenbump-1.2.3-py3-none-any.whl",
        "files/xenbump-1.2.3.cdx.json",
        "files/xenbump-1.2.3.tar.gz",
    ]

    (after / "packages" / "xenbump-1.2.3.tar.gz").write_text("another", "utf-8")
    shutil.rmtree(after / "files")
    assert bash(script(workflow("release"), "Make the release"), after, given).returncode != 0
