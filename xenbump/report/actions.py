"""What a job on GitHub Actions is told: outputs for later steps, annotations, and a summary for people.

The forms are GitHub's: workflow commands and environment files, docs.github.com/actions/reference/workflow-commands.
Text from outside cannot end a value, start a command, or be more than text in the summary.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.outcomes import (
    NeedsPatches,
    NewerRelease,
    Outcome,
    Packaged,
    Planned,
    Published,
    Rejected,
    Stopped,
    Tried,
    UpToDate,
    Verified,
    Written,
)
from xenbump.publish import summary
from xenbump.publish.markup import cell, clipped, plain
from xenbump.report import verification

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xenbump.errors import XenbumpError
    from xenbump.plan.model import Plan

_LONGEST = 400
_SUMMARY_BYTES = 900_000  # GitHub takes a mebibyte from a step


def outputs(outcomes: Sequence[Outcome], status: int) -> str:
    """The lines for the file that `GITHUB_OUTPUT` names, one `name=value` each.

    `status` is the exit status; `changed` whether a file, branch or pull request was changed; `pull-requests` the
    addresses of the pull requests that stand, with spaces between them; `packages` a JSON list with an object of
    `name`, `outcome`, `version`, `pull-request` (number or null), `url`, `action` and `code` for each package.
    """
    entries = [_entry(one) for one in outcomes]
    changed = any(one["outcome"] == "written" or one["action"] in {"opened", "updated"} for one in entries)
    urls = [str(one["url"]) for one in entries if one["url"]]
    lines = {
        "status": str(status),
        "changed": "true" if changed else "false",
        "pull-requests": " ".join(plain(url).replace(" ", "") for url in urls),
        # JSON writes a line break as an escape: the value stays one line.
        "packages": json.dumps(entries, sort_keys=True),
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def _entry(outcome: Outcome) -> dict[str, str | int | None]:
    entry: dict[str, str | int | None] = {
        "name": name_of(outcome), "outcome": _word(outcome), "version": _version(outcome),
        "pull-request": None, "url": "", "action": "", "code": "",
    }  # fmt: skip
    if isinstance(outcome, Published):
        entry |= {"pull-request": outcome.pull.number, "url": outcome.pull.url, "action": outcome.action}
    if isinstance(outcome, Tried):
        entry |= {"action": outcome.action}
    if isinstance(outcome, Stopped):
        entry["code"] = outcome.error.code
    return entry


def name_of(outcome: Outcome) -> str:
    """The configured name of the package."""
    if isinstance(outcome, Stopped | Tried):
        return outcome.package
    subject = outcome.plan.subject if isinstance(outcome, Planned | Written | Published | Rejected) else outcome.subject
    return subject.name


_WORDS: dict[type, str] = {
    UpToDate: "up-to-date",
    NewerRelease: "newer-release",
    NeedsPatches: "needs-patch",
    Planned: "planned",
    Written: "written",
    Published: "published",
    Rejected: "rejected",
}


def _word(outcome: Outcome) -> str:
    """How it ended, in the words of the JSON documents."""
    if isinstance(outcome, Stopped):
        return "refused" if isinstance(outcome.error, Refusal) else "failed"
    if isinstance(outcome, Tried):
        return "new-candidate" if outcome.is_new else "candidate" if outcome.tag else "up-to-date"
    if isinstance(outcome, Verified):
        whole = "passed" if outcome.evidence.complete else "incomplete"
        return "rejected" if outcome.evidence.failed else whole
    return _WORDS[type(outcome)]


def _version(outcome: Outcome) -> str:
    match outcome:
        case Stopped():
            return ""
        case Tried(tag=tag):
            return tag
        case UpToDate(subject) | NeedsPatches(subject) | Verified(subject):
            return subject.version
        case NewerRelease(release=release):
            return release.version
        case _:
            return outcome.plan.target.version


def commands(outcomes: Iterable[Outcome]) -> list[str]:
    """The workflow commands that show on a run's page what a person should see: errors, rejections, warnings, news."""
    return [line for one in outcomes for line in _commands(one)]


def _commands(outcome: Outcome) -> list[str]:
    match outcome:
        case Stopped(package, _, stopped):
            return [failure(stopped, package)]
        case Rejected(plan, _, evidence) | Verified(plan, evidence) if evidence.failed:
            bad = [one for one in evidence.steps if one.result == "failed"]
            told = "; ".join(f"{one.step.value}: {one.reason}" for one in bad)
            return [_command("error", told, title=f"{name_of(outcome)}: verification failed")]
        case Published(plan, pull=pull, action=action) if action != "unchanged":
            warned = [_command("warning", text, title=name_of(outcome)) for text in plan.warnings]
            said = f"{summary.change(plan)}: {pull.url}"
            return [*warned, _command("notice", said, title=f"{name_of(outcome)}: pull request {pull.number} {action}")]
        case Tried(action=action, url=url) if action and action != "unchanged":
            said = f"{outcome.title}: {url}"
            return [_command("notice", said, title=f"{outcome.package}: issue {outcome.number} {action}")]
        case Planned(plan) | Written(plan):
            return [_command("warning", text, title=name_of(outcome)) for text in plan.warnings]
    return []


def failure(stopped: XenbumpError, package: str = "xenbump") -> str:
    """The workflow command for an error."""
    what = str(stopped) + (f"\n{stopped.remedy}" if stopped.remedy else "")
    return _command("error", what, title=f"{package}: {stopped.code}")


def _command(name: str, text: str, *, title: str) -> str:
    flat = "\n".join(plain(line) for line in clipped(text, 10 * _LONGEST).splitlines())
    data = flat.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    head = plain(clipped(title, _LONGEST)).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{name} title={head}::{data}"


def page(outcomes: Sequence[Outcome], command: str) -> str:
    """The summary of a run, in Markdown, for the file that `GITHUB_STEP_SUMMARY` names; under 900 kB."""
    rows = ["| package | outcome | what |", "| --- | --- | --- |"]
    rows += [f"| {cell(name_of(one))} | {_word(one)} | {_what(one)} |" for one in outcomes]
    text = f"### xenbump {command}\n\n" + "\n".join(rows) + "\n"
    for one in outcomes:
        evidence = None if not isinstance(one, Published | Rejected | Verified) else one.evidence
        if evidence is not None:
            more = f"\n#### {cell(name_of(one))}\n\n{verification.markdown(evidence)}"
            if len((text + more).encode()) < _SUMMARY_BYTES:
                text += more
    return text


def _what(outcome: Outcome) -> str:
    if isinstance(outcome, Tried):
        issue = f": [issue {outcome.number}]({_address(outcome.url)}) {outcome.action}" if outcome.number else ""
        return f"{cell(' '.join(filter(None, (outcome.tag, outcome.result))))}{issue}" if outcome.tag else ""
    return _packaged(outcome)


def _packaged(outcome: Packaged) -> str:
    match outcome:
        case Stopped(error=stopped):
            return f"{stopped.code}: {cell(clipped(str(stopped), _LONGEST))}"
        case Published(plan, pull=pull, action=action):
            return f"{_change(plan)}: [pull request {pull.number}]({_address(pull.url)}) {action}"
        case Planned(plan) | Written(plan) | Rejected(plan):
            return _change(plan)
        case NewerRelease(subject, release):
            return cell(f"{subject.version} -> {release.version}")
        case NeedsPatches(_, decisions):
            return f"{len(decisions)} open: {summary.advisories(one.xsa for one in decisions)}"
        case UpToDate(subject) | Verified(subject):
            return cell(subject.version)


def _change(plan: Plan) -> str:
    return cell(summary.change(plan))


def _address(url: str) -> str:
    """An address that cannot end the link that it stands in."""
    kept = plain(url).replace(" ", "%20").replace("(", "%28").replace(")", "%29")
    return kept.replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")
