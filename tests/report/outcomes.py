"""The ways that the work on a package can end, for what is told of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from tests.publish import plans
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.outcomes import NeedsPatches, NewerRelease, Planned, Published, Stopped, Support, UpToDate, Written
from xenbump.package.rewrite import Edit
from xenbump.plan.model import Verdict
from xenbump.publish import message
from xenbump.publish.github import PullRequest
from xenbump.upstream.model import VerifiedRelease
from xenbump.upstream.support import Window

if TYPE_CHECKING:
    from xenbump.outcomes import Outcome

FILE = "pkgs/xen/package.nix"
PLAN = plans.full()
SUBJECT = replace(PLAN.subject, warnings=("line 3: odd",))
RELEASE = VerifiedRelease(
    version="4.20.3",
    tag="RELEASE-4.20.3",
    tag_object="1" * 40,
    commit=plans.COMMIT,
    signed_by="A" * 40,
    signed_at=1_767_225_600,
    source="https://example.org/xen.git",
)
BEFORE, AFTER = b'{\n  version = "4.20.2";\n  # the end\n}\n', b'{\n  version = "4.20.3";\n  # the end\n}\n'
EDITS = (Edit(FILE, BEFORE, AFTER),)
WORDS = message.write(PLAN, operator="octo-operator")
PULL = PullRequest(7, "https://example.org/7", WORDS.title, WORDS.body, "open", merged=False, draft=True, labels=("a",))
OPEN = (
    plans.decision(484, Verdict.NEEDS_PATCH),
    plans.decision(489, Verdict.CONFLICT, "XSA-489 names 4.20 in 2 lines"),
    plans.decision(481, Verdict.IN_RELEASE),
)
SECURITY = plans.security(480, 481)
SUPPORT = Support("4.20", Window(date(2025, 3, 5), date(2028, 3, 5), date(2030, 3, 5)), date(2026, 8, 20))
OUTCOMES: dict[str, Outcome] = {
    "up-to-date": UpToDate(SUBJECT, OPEN[1:]),
    "newer": NewerRelease(SUBJECT, RELEASE, OPEN, SUPPORT),
    "needs-patch": NeedsPatches(SUBJECT, OPEN[:2]),
    "planned": Planned(PLAN, EDITS),
    "security": Planned(SECURITY, EDITS),
    "tip": Planned(plans.tip(), EDITS),
    "dry-run": Planned(PLAN, EDITS, WORDS),
    "written": Written(PLAN, EDITS, ""),
    "committed": Written(PLAN, EDITS, "c" * 40),
    "published": Published(PLAN, EDITS, WORDS, "xenbump/xen-4.20", "c" * 40, PULL, "opened"),
    "refused": Stopped("xen", FILE, Refusal("E-DIRTY", "what\nthere is", where="here", remedy="do")),
    "usage": Stopped("xen", FILE, UsageError("E-BASE", "no base")),
    "failed": Stopped("xen", FILE, Failure("E-NETWORK", "no network", where="https://example.org")),
}
