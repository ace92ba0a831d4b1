"""GitHub Apps in the stand-in: the installation on a repository, and tokens for it, asked for with the App's own claim.

As docs.github.com/rest/apps describes it. The claim is a JSON web token, signed with the App's private key (RS256),
that names the App as its issuer and lives for ten minutes at most.
"""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import jwt

from xenbump.demo.github_call import ApiError, Call, Operations, Reply
from xenbump.demo.github_state import Token

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.demo.github_state import App, State

    Routes = list[tuple[str, str, Callable[[Call], Reply], str]]

_FOR_APPS = re.compile(r"/app/.*|/repos/[^/]+/[^/]+/installation")
_LIFE = timedelta(hours=1)
# Ten minutes ahead, and a minute back for a clock that is late.
_LONGEST_SECONDS = 660


def routes(state: State, api: str, html: str) -> Routes:
    """The routes of these operations, as `github_operations.Api` has them; the arguments are those of `Operations`."""
    apps = _Apps(state, api, html)
    return [
        ("GET", "/repos/{owner}/{repo}/installation", apps.installation, "apps/apps"),
        ("POST", "/app/installations/{number}/access_tokens", apps.grant, "apps/apps"),
    ]


def is_for_apps(path: str) -> bool:
    """Whether an operation is one that an App asks for in its own name."""
    return _FOR_APPS.fullmatch(path) is not None


class _Apps(Operations):
    """The operations; the arguments are those of `Operations`."""

    def installation(self, call: Call) -> Reply:
        app, repository = self._claimant(call), self.find(call)
        if repository.full_name.lower() not in app.repositories:
            raise ApiError(404, "Not Found")
        return Reply(200, self._written(app))

    def grant(self, call: Call) -> Reply:
        app = self._claimant(call)
        if app.installation != int(call.arguments["number"]):
            raise ApiError(404, "Not Found")
        value = f"ghs_{self.state.next_id():036d}"
        ends = self.state.clock() + _LIFE
        self.state.tokens[value] = Token(app.login, app.permissions, of_app=True, expires_at=ends)
        granted = {
            "token": value,
            "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": _permissions(app),
            "repository_selection": "selected",
        }
        return Reply(201, granted)

    def _claimant(self, call: Call) -> App:
        """Find the App whose claim a request carries; refuse a claim that is wrong, late or signed by another key."""
        _, _, claim = call.request.headers.get("authorization", "").partition(" ")
        try:
            issuer = str(jwt.decode(claim, options={"verify_signature": False}).get("iss"))
            app = self.state.apps[issuer]
            facts = jwt.decode(claim, app.public_key, algorithms=["RS256"], options={"require": ["exp", "iat", "iss"]})
        except (jwt.PyJWTError, KeyError) as error:
            raise ApiError(401, "A JSON web token could not be decoded") from error
        if facts["exp"] - facts["iat"] > _LONGEST_SECONDS or facts["iat"] > time.time() + 1:
            raise ApiError(401, "'Expiration time' claim ('exp') is too far in the future")
        return app

    def _written(self, app: App) -> dict[str, object]:
        """Write an installation."""
        owner = min(app.repositories).partition("/")[0]
        spelt = self.state.known([owner])[0]
        moment = self.state.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        html = f"{self.html}/settings/installations/{app.installation}"
        return {
            "id": app.installation,
            "account": self.write.user(spelt),
            "access_tokens_url": f"{self.root}/app/installations/{app.installation}/access_tokens",
            "repositories_url": f"{self.root}/installation/repositories",
            "html_url": html,
            "app_id": app.id,
            "app_slug": app.slug,
            "target_id": self.state.user(spelt).id,
            "target_type": "Organization",
            "permissions": _permissions(app),
            "events": [],
            "created_at": moment,
            "updated_at": moment,
            "single_file_name": None,
            "repository_selection": "selected",
            "suspended_at": None,
            "suspended_by": None,
        }


def _permissions(app: App) -> dict[str, str]:
    return {"metadata": "read", **dict.fromkeys(sorted(app.permissions), "write")}
