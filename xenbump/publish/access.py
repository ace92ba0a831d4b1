"""What requests to GitHub are authorised by: a token for writing, one for looking up, or a GitHub App.

No value of this module shows a token or a key: not by `repr`, and not as a local variable of a frame that an error of
ours passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import UsageError
from xenbump.publish.github_app import Installations

if TYPE_CHECKING:
    from xenbump.config import Config


@dataclass(frozen=True, repr=False)
class Access:
    """The tokens of one repository's requests; made by `Access.of`, or by hand with a token alone.

    Attributes:
        token: writes, and looks up where there is no other; empty where an App does.
        lookup: only looks up; empty: what writes does that, too.
        app: the GitHub App that writes instead of a token's owner; None: none.
        repository: `owner/name`: whose installation of the App it is.
    """

    token: str = ""
    lookup: str = ""
    app: Installations | None = None
    repository: str = ""

    def __post_init__(self) -> None:
        if not self.token and self.app is None:
            raise UsageError(
                "E-TOKEN-MISSING",
                f"a pull request in {self.repository or 'a repository'} needs a token",
                remedy="set XENBUMP_GITHUB_TOKEN (or GITHUB_TOKEN), or XENBUMP_GITHUB_APP_ID and _KEY_FILE",
            )
        for value in (self.token, self.lookup):
            _refuse_other_characters(value)

    def __repr__(self) -> str:
        return f"Access({self.repository!r}, by {'an App' if self.app is not None else 'a token'})"

    @classmethod
    def of(cls, config: Config) -> Access:
        """What the configuration has; an App comes before a token, since it was named for this purpose.

        Raises:
            UsageError: E-TOKEN-MISSING where there is nothing to write by, E-TOKEN-FORM.
        """
        app = None
        if config.app is not None:
            app = Installations(config.github_url, config.app)
        return cls(config.token if app is None else "", config.lookup_token, app, config.github.repository)

    def read(self) -> str:
        """The token for a request that only looks something up, good for the next few minutes.

        Raises:
            UsageError, Refusal, Failure: as `write`.
        """
        return self.lookup or self.write()

    def write(self, repository: str = "") -> str:
        """The token for a request that writes, good for the next few minutes.

        Args:
            repository: `owner/name` where it is not that of the pull request: a fork can have an installation of its
                own of the App. A token is the same everywhere.

        Raises:
            UsageError: E-APP-KEY, E-APP-INSTALLATION, E-TOKEN-REJECTED, E-TOKEN-RIGHTS: the App is not accepted.
            Refusal: E-REDIRECT, E-GITHUB-INVALID.
            Failure: E-GITHUB, E-GITHUB-LIMIT, E-NETWORK: there is no token for the App this time.
        """
        if self.app is None:
            return self.token
        return self.app.token(repository or self.repository)


def _refuse_other_characters(value: str) -> None:
    """A token is printable ASCII without spaces; the libraries below would show what they cannot send."""
    if not all("!" <= character <= "~" for character in value):
        raise UsageError(
            "E-TOKEN-FORM",
            "the GitHub token has a character that no token has (a space, a line break, a letter with an accent)",
            remedy="set XENBUMP_GITHUB_TOKEN (or the one for look-ups) anew, without quotes or a line break in it",
        )
