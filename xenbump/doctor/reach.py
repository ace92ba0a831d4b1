"""Whether upstream's repository and xenbits answer, and what the clocks of servers say of ours."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from xenbump import wire
from xenbump.doctor.model import Probe, lack, ok, skipped
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.upstream import git, release
from xenbump.upstream.xenbits import INDEX

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.config import Config
    from xenbump.doctor.model import Check

_ADDRESS_SECONDS = 20.0
_HTTP_SECONDS = 15.0
_FINE = 200
# A GitHub App's token must be made within a minute of GitHub's time; the times of embargoes are told in minutes.
_CLOCK_SECONDS = 60.0
_CLOCK_WRONG_SECONDS = 600.0

_UPSTREAM_COSTS = "no release can be found, so `check`, `plan`, `bump`, `pr` and `run` fail"
_XSA_COSTS = "no advisory can be judged, so `check`, `plan`, `bump`, `pr`, `run` and `audit` fail"
_CLOCK_COSTS = "embargoes end too early or too late, tokens of a GitHub App are refused, and so are good signatures"


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer: status, where it leads, and how far its clock is ahead of ours, in seconds; None: unknown."""

    status: int
    to: str
    ahead: float | None


def probes(config: Config, address: Callable[[str], Answer] | None = None) -> tuple[Probe, ...]:
    """The checks of upstream and of the clock.

    Args:
        config: where Xen is published, and where GitHub is.
        address: asks a server over HTTP; None: `ask`.
    """
    asked = address or ask
    git_addresses = config.upstream.addresses(config.folder)
    root = config.upstream.xsa
    # What GitHub answers to anybody, and counts for nobody.
    answering = (f"{root.rstrip('/')}/{INDEX}", f"{config.github_url}/rate_limit")
    clocks = [one for one in answering if one.startswith(("http:", "https:"))]
    return (
        Probe(
            "upstream", partial(_upstream, git_addresses), _ADDRESS_SECONDS * len(git_addresses) + 5, _UPSTREAM_COSTS
        ),
        Probe("xenbits", partial(_xenbits, root, config.folder, asked), 2 * _HTTP_SECONDS + 5, _XSA_COSTS),
        Probe("clock", partial(_clock, clocks, asked), 4 * _HTTP_SECONDS + 5, _CLOCK_COSTS, grave=False),
    )


def ask(url: str) -> Answer:
    """Ask a server for an address; of the answer only the head is read.

    Raises:
        Failure: E-NETWORK.
    """
    failed = ""
    try:
        with requests.Session() as session:
            session.trust_env = urlsplit(url).hostname not in git.LOOPBACK
            session.auth = lambda request: request  # left to itself, requests adds what a `.netrc` has for the host
            session.mount(f"{urlsplit(url).scheme}://", wire.Adapter(seconds=_HTTP_SECONDS))
            with session.get(url, timeout=_HTTP_SECONDS, allow_redirects=False, stream=True) as reply:
                ahead = None
                try:
                    date = parsedate_to_datetime(reply.headers.get("Date", "")).timestamp()
                    ahead = date - time.time()
                except ValueError:
                    pass
                return Answer(reply.status_code, reply.headers.get("Location", ""), ahead)
    except requests.RequestException as error:
        failed = type(error).__name__
    raise Failure("E-NETWORK", f"the server cannot be reached ({failed})", where=url)


def _upstream(addresses: tuple[str, ...]) -> Check:
    troubles: list[XenbumpError] = []
    for address in addresses:
        try:
            found = _releases(address)
        except (Failure, Refusal) as error:
            troubles.append(error)
            continue
        if not troubles:
            return ok("upstream", f"{found} releases at {address}")
        costs = f"{address} stands in for it: fewer sources, and a mirror can lag behind"
        return lack("upstream", str(troubles[0]), costs, _mending(addresses[0]))
    return lack("upstream", str(troubles[0]), _UPSTREAM_COSTS, _mending(addresses[0]), broken=True)


def _releases(address: str) -> int:
    """How many releases a repository lists."""
    done = git.call(
        ["ls-remote", "--", address, "refs/tags/*"], address=address, timeout=_ADDRESS_SECONDS
    )  # fmt: skip
    refs = release.parse_refs(done.stdout.decode("utf-8", "replace"), address)
    found = len(release.releases(refs))
    if not found:
        raise Failure("E-GIT-LISTING", "the repository lists no release", where=address)
    return found


def _mending(address: str) -> str:
    return f"git ls-remote {address}"


def _xenbits(root: str, folder: Path, asked: Callable[[str], Answer]) -> Check:
    if not root.startswith(("http:", "https:")):
        path = Path(url2pathname(urlsplit(root).path)) if root.startswith("file:") else folder / root
        if (path / INDEX).is_file():
            return ok("xenbits", f"a copy at {path}")
        return lack("xenbits", f"there is no {INDEX} in {path}", _XSA_COSTS, "set [upstream] xsa", broken=True)
    url = f"{root.rstrip('/')}/{INDEX}"
    answer = asked(url)
    if answer.status != _FINE:
        to = f" and sends us to {answer.to}" if answer.to else ""
        what = f"{url} answers {answer.status}{to}"
        return lack("xenbits", what, _XSA_COSTS, f"curl -sI {url}", broken=True)
    return ok("xenbits", f"{root} answers")


def _clock(urls: list[str], asked: Callable[[str], Answer]) -> Check:
    """What the first server that tells the time says of ours; a single one may be wrong itself, so two are asked."""
    found: dict[str, float] = {}
    for url in urls:
        try:
            ahead = asked(url).ahead
        except Failure:
            continue
        if ahead is not None:
            found[urlsplit(url).netloc] = ahead
    if not found:
        return skipped("clock", "no server told the time")
    host, least = min(found.items(), key=lambda one: abs(one[1]))
    if abs(least) <= _CLOCK_SECONDS:
        return ok("clock", f"within {max(1, round(abs(least)))} s of {host}")
    what = f"it is {abs(least):.0f} s {'behind' if least > 0 else 'ahead of'} {host}"
    return lack("clock", what, _CLOCK_COSTS, "timedatectl set-ntp true", broken=abs(least) > _CLOCK_WRONG_SECONDS)
