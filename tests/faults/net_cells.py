"""The cells of the network: four servers, the first request to each and later ones, and what befalls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.net_gate import NOISE, NetFault, answered, damaged_gzip, other_body, page

if TYPE_CHECKING:
    from collections.abc import Iterator

# A redirect to where the same would be had: it must not be followed all the same.
_MOVED = ("Location", "{other}{path}")
FAULTS: dict[str, NetFault] = {
    "refused": NetFault("refused"),
    "reset": NetFault("reset"),
    "reset after the work is done": NetFault("reset", done=True),
    "reset in the middle": NetFault("reset-half"),
    "silence": NetFault("silent"),
    "silence in the middle": NetFault("silent-half"),
    "half a reply": NetFault("half"),
    "no HTTP": NetFault("noise"),
    "400": answered(400),
    "401": answered(401, ("WWW-Authenticate", 'Basic realm="x"')),
    "403": answered(403),
    "404": answered(404),
    "429": answered(429, ("Retry-After", "1")),
    "500": answered(500),
    "502": answered(502),
    "502 after the work is done": answered(502, done=True),
    "503": answered(503, ("Retry-After", "1")),
    "redirect, 302": answered(302, _MOVED),
    "redirect, 307": answered(307, _MOVED),
    "a page with status 200": page(),
    "noise as the body": NOISE,
    "an empty body": other_body(b""),
    "an object as the body": other_body(b'{"unexpected": [1, {"a": null}]}'),
    "a list as the body": other_body(b'[[1], "x", null]'),
    "damaged gzip": damaged_gzip(),
    "slow": NetFault("slow"),
}
_AT_ADDRESS = {"TLS that nobody vouches for": "E-TLS", "a name that nobody knows": "E-NETWORK"}
_STATUS = {
    "xenbits": {"404": "E-XSA-MISSING"},
    "github": {
        "400": "E-GITHUB",
        "401": "E-TOKEN-REJECTED",
        "403": "E-TOKEN-RIGHTS",
        "404": "E-GITHUB-NOT-FOUND",
        "429": "E-GITHUB-LIMIT",
        "500": "E-GITHUB",
        "502": "E-GITHUB",
        "503": "E-GITHUB",
    },
    "xen": {"401": "E-GIT-ACCESS", "403": "E-GIT-ACCESS", "404": "E-GIT-REPOSITORY"},
}
_STATUS["packages"] = _STATUS["xen"]
_KINDS = {
    "refused": {"E-NETWORK"},
    "reset": {"E-NETWORK", "E-TRUNCATED"},
    "reset-half": {"E-NETWORK", "E-TRUNCATED"},
    "silent": {"E-NETWORK"},
    "silent-half": {"E-NETWORK", "E-TRUNCATED"},
    "half": {"E-NETWORK", "E-TRUNCATED"},
    "noise": {"E-NETWORK", "E-TRUNCATED", "E-GIT"},
    "slow": {""},
}


@dataclass(frozen=True)
class NetCell:
    """One fault at one request.

    Attributes:
        what: the fault, as the table names it.
        server: the gate.
        place: which request, as the table names it.
        request: an expression that finds it, by a match in method and path.
        fault: what befalls it; None: the server's address is what is wrong.
        lasting: all requests after it fare the same.
        codes: of which one must be told; the empty one where the run may go on to its end.
        start: which caches there are at the beginning.
        command: of the program.
        warns: where the run goes on with less, what must then be said.
        nth: which of the requests that the expression finds.
        usual: whether it is in the sample.
    """

    what: str
    server: str
    place: str
    request: str
    fault: NetFault | None
    codes: frozenset[str]
    lasting: bool = True
    start: str = "warm"
    command: tuple[str, ...] = ("run",)
    warns: str = ""
    nth: int = 1
    usual: bool = False

    @property
    def where(self) -> str:
        """Server and request."""
        return f"{self.server}: {self.place}{'' if self.lasting else ', once'}"


@dataclass(frozen=True)
class _Place:
    """A request that faults are ordered for: what it is called, what finds it, and where the run begins."""

    server: str
    name: str
    request: str
    start: str = "warm"
    # What reads the body and finds it wanting.
    body: frozenset[str] = frozenset()
    writes: bool = False
    nth: int = 1


_GIT_BODY = frozenset({"E-TRUNCATED", "E-GIT", "E-GIT-DUMB", "E-GIT-LISTING", "E-GIT-REPOSITORY"})
_PLACES = (
    _Place("xenbits", "index", "xsa.json", "git", body=frozenset({"E-XSA-INDEX"})),
    _Place("xenbits", "advisory", "advisory-480", "git", body=frozenset({"E-SIGNATURE-BAD"})),
    _Place("xenbits", "patch", "xsa480.patch", "git", body=frozenset({"E-PATCH-SHA256"})),
    _Place("xen", "first", "", "cold", body=_GIT_BODY),
    _Place("xen", "a tag", "POST", "cold", body=_GIT_BODY, nth=3),
    _Place("xen", "a tree", "POST", "cold", body=_GIT_BODY, nth=5),
    _Place("packages", "first", "", body=_GIT_BODY),
    _Place("packages", "before the push", r"service=git-receive-pack", body=_GIT_BODY),
    _Place("packages", "push", r"POST .*git-receive-pack", body=_GIT_BODY, writes=True),
    _Place("github", "search of pull requests", "GET .*/pulls", body=frozenset({"E-GITHUB"})),
    _Place("github", "opening", "POST .*/pulls", body=frozenset({"E-GITHUB"}), writes=True),
    _Place("github", "label", "POST .*/labels", body=frozenset({"E-GITHUB"}), writes=True),
)
_ONCE = ("reset", "reset after the work is done", "half a reply", "502 after the work is done", "503")
# What the same lines of the program deal with wherever it happens.
_FIRST_ALONE = frozenset(
    {"400", "401", "502", "503", "redirect, 307", "a list as the body", "an object as the body", "slow", "no HTTP"}
)
_FIRST = frozenset({"index", "first", "search of pull requests"})
# Server, request, fault, and whether it lasts: one of each kind of trouble that a run can be in.
_USUAL: frozenset[tuple[str, str, str, bool]] = frozenset(
    {
        ("xenbits", "index", "noise as the body", True),
        ("xenbits", "patch", "half a reply", False),
        ("xen", "first", "redirect, 302", True),
        ("xen", "a tree", "half a reply", True),
        ("packages", "push", "reset after the work is done", True),
        ("packages", "before the push", "403", True),
        ("github", "search of pull requests", "a page with status 200", True),
        ("github", "opening", "502 after the work is done", False),
    }
)


def _cells() -> Iterator[NetCell]:
    for place in _PLACES:
        for what, fault in FAULTS.items():
            if (place.writes or not fault.done) and (place.name in _FIRST or what not in _FIRST_ALONE):
                yield _cell(place, what, fault, lasting=True)
        for what in _ONCE:
            if place.writes or not FAULTS[what].done:
                yield _cell(place, what, FAULTS[what], lasting=False)
        if place.name in _FIRST:
            for what, code in _AT_ADDRESS.items():
                yield _cell(place, what, None, lasting=True, codes=frozenset({code}))


def _cell(
    place: _Place, what: str, fault: NetFault | None, *, lasting: bool, codes: frozenset[str] | None = None
) -> NetCell:
    usual = (place.server, place.name, what, lasting) in _USUAL
    if codes is None:
        codes = frozenset() if fault is None else _codes(place, what, fault)
        # What befalls one request alone is got over where a request is tried again.
        codes |= frozenset() if lasting else frozenset({""})
    # A label that is refused is asked of people, in the body; it is not tried again.
    refused = place.name == "label" and what in {"403", "404"}
    if refused:
        codes |= {""}
    return NetCell(
        what,
        place.server,
        place.name,
        place.request,
        fault,
        codes,
        lasting,
        place.start,
        nth=place.nth,
        warns="Labels wanted" if refused else "",
        usual=usual,
    )


def _codes(place: _Place, what: str, fault: NetFault) -> frozenset[str]:
    """The codes that fit."""
    if fault.kind in _KINDS:
        return frozenset(_KINDS[fault.kind])
    if what.startswith("redirect"):
        return frozenset({"E-REDIRECT"})
    if what == "damaged gzip":
        return place.body | {"E-NETWORK", "E-TRUNCATED"}
    if fault.kind == "body" or fault.status == 200:
        return place.body
    return frozenset({_STATUS[place.server].get(what[:3], "E-HTTP-STATUS")})


NETWORK: tuple[NetCell, ...] = tuple(_cells())
