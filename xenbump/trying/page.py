"""A report as one page that can be sent along: no network, no other file, no script.

Its style is that of `xenbump report`, with a few lines more, and is allowed by its digest; nothing else is (Content
Security Policy, level 3, section 6.6). What came from outside is escaped by the template.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from xenbump.trying import mail, report, words

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from xenbump.trying.report import Told

_STYLES: Final = ("report.css", "trial.css")


def page(told: Told) -> str:
    """The page."""
    environment = _environment()
    style = "\n".join(_source(environment, name) for name in _STYLES)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    verdict = told.verdict
    return environment.get_template("trial.html.j2").render(
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=_markup(style),
        told=told,
        verdict=verdict,
        name=words.name(verdict),
        bad=verdict.failed is not None,
        worse=told.comparison is not None and bool(told.comparison.worse),
        command=textwrap.dedent("\n".join(mail.command(told.repeat))),
        failures=report.failures(verdict),
        report=report,
        words=words,
    )


def _source(environment: Environment, name: str) -> str:
    """A style as it lies beside its template; the line break at its end belongs to the page."""
    loader: Any = environment.loader
    source: str = loader.get_source(environment, name)[0]
    return source.strip()


def _markup(text: str) -> Markup:
    from markupsafe import Markup  # noqa: PLC0415 - as in `_environment`

    return Markup(text)  # noqa: S704 - our own files


def _tidy(value: Any) -> Any:
    """What is filled in: text on one line without characters that could turn it round; lines of a log as they are."""
    return report.cleaned(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache
def _environment() -> Environment:
    # Imported here: what writes no page does not need it.
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined  # noqa: PLC0415
    from markupsafe import escape  # noqa: PLC0415

    made = Environment(
        loader=ChoiceLoader([PackageLoader("xenbump.trying"), PackageLoader("xenbump.report")]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_tidy,
    )
    made.filters["lines"] = lambda given: escape("\n".join(given))
    made.filters["kept"] = escape
    return made
