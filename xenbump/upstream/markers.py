"""How a commit of Xen says that it fixes an advisory: by the sentence "This is [part of] [CVE-… /] XSA-N".

Only a whole sentence that says nothing else counts, alone on its lines: a message that mentions an advisory elsewhere
(a follow-up, a reference, a regression of its fix) is no fix of it. The wordings are those of all commits up to 4.22;
there is no specification of them.
"""

from __future__ import annotations

import re

# A sentence with several CVEs may run over two lines; the full stop is sometimes missing.
_SENTENCES = tuple(
    # Possessive: to give blanks back from the sentence to what follows it would take quadratic time.
    re.compile(rf"^This is (?P<rest>{lines})\.?[ \t]*$", re.MULTILINE)
    for lines in (r"[^.\n]++", r"[^.\n]++\n[^.\n]++")
)
_ADVISORY = re.compile(r"\bXSA-(?P<number>\d{1,5})\b", re.ASCII)
_WORDS = re.compile(
    r"\bXSA-\d{1,5}\b|\bCVE-\d{4}-(?:\d{4,}|x{4,})\b|\bpart of\b|\bthe fix to\b"
    r"|\ba security (?:issue|problem|vulnerability)\b|\band\b|[/,+\s]",
    re.ASCII,
)


def fixes(message: str) -> frozenset[int]:
    """The numbers of the advisories that a commit with this message says it fixes, wholly or in part."""
    found: set[int] = set()
    for form in _SENTENCES:
        for sentence in form.finditer(message):
            rest = sentence["rest"]
            if not _WORDS.sub("", rest):
                found.update(int(advisory["number"]) for advisory in _ADVISORY.finditer(rest))
    return frozenset(found)
