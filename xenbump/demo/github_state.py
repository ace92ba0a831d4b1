"""What the GitHub stand-in remembers: users, tokens, Apps, repositories, labels, pull requests and comments.

The records are frozen and are replaced as a whole, so that whoever holds one sees a state that was true at one moment.
Which branches exist and where they point is not remembered here: every repository is handed a function that looks the
reference up, usually in a real git repository on disk.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xenbump.demo.github_issues import Issue

    RefResolver = Callable[[str], str | None]
    CommitCounter = Callable[[str, str], int]


@dataclass(frozen=True)
class User:
    """An account: `kind` is `User`, `Organization` or `Bot`; the login of a bot ends in `[bot]`."""

    id: int
    login: str
    kind: str = "User"


@dataclass(frozen=True)
class Token:
    """An access token: whose it is and what it may write.

    `permissions` is None for a classic token, which may do what its user may; for a fine-grained one it holds the names
    of the permissions that are granted for writing, such as `pull_requests`. One of an App's installation is `of_app`,
    and ends.
    """

    login: str
    permissions: frozenset[str] | None = None
    of_app: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True)
class App:
    """A GitHub App: its public key (PEM), and its one installation, on some repositories (`owner/name`, small letters).

    `permissions` holds what the installation is granted for writing.
    """

    id: int
    slug: str
    public_key: str
    installation: int
    repositories: frozenset[str]
    permissions: frozenset[str]

    @property
    def login(self) -> str:
        """The login of the account that acts for it."""
        return f"{self.slug}[bot]"


@dataclass(frozen=True)
class Team:
    """A team of an organization: its name in addresses, which is its name here."""

    id: int
    slug: str


@dataclass(frozen=True)
class Label:
    """A label of a repository; `color` is six hexadecimal digits without a `#`."""

    id: int
    name: str
    color: str
    description: str


@dataclass(frozen=True)
class Comment:
    """A comment in the conversation of a pull request."""

    id: int
    number: int
    author: str
    body: str
    created_at: datetime


@dataclass(frozen=True)
class End:
    """One end of a pull request: `owner/name` of a repository, a branch in it and the commit it was last seen at."""

    repository: str
    branch: str
    sha: str

    @property
    def owner(self) -> str:
        """The login before the slash."""
        return self.repository.partition("/")[0]

    @property
    def label(self) -> str:
        """The form `owner:branch` that GitHub shows and filters by."""
        return f"{self.owner}:{self.branch}"


@dataclass(frozen=True)
class PullRequest:
    """A pull request; `body` is None when none was given, `merge_commit` empty when it was not merged."""

    id: int
    number: int
    author: str
    title: str
    body: str | None
    head: End
    base: End
    draft: bool
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    maintainer_can_modify: bool = False
    labels: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    examined: bool = False
    merge_commit: str = ""
    merged_by: str = ""

    @property
    def state(self) -> str:
        """`open` or `closed`."""
        return "open" if self.closed_at is None else "closed"


def _one_commit(base: str, head: str) -> int:
    """Count commits between two commits without a repository: none between equals, else one."""
    return int(base != head)


@dataclass
class Repository:
    """A repository and what hangs on it.

    Attributes:
        resolve_ref: from a full reference such as `refs/heads/master` to a commit's hash, or None.
        count_commits: from the hashes of a base and a head to how many commits the head has that the base lacks.
        writers: logins with push access; the owner has it always.
        collaborators: further logins that can be asked for a review or assigned.
        teams: those that can be asked for a review, by their name in small letters.
        fork_of: `owner/name` of the repository that this one was forked from.
    """

    id: int
    owner: str
    name: str
    created_at: datetime
    default_branch: str
    resolve_ref: RefResolver
    count_commits: CommitCounter = _one_commit
    writers: frozenset[str] = frozenset()
    collaborators: frozenset[str] = frozenset()
    fork_of: str | None = None
    teams: dict[str, Team] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        """The form `owner/name`."""
        return f"{self.owner}/{self.name}"

    def next_number(self) -> int:
        """Return the number of the next pull request or issue; they share them."""
        return max((*self.pulls, *self.issues), default=0) + 1

    def branch(self, name: str) -> str | None:
        """Return the hash that a branch points to, or None."""
        return self.resolve_ref(f"refs/heads/{name}")

    def may_push(self, login: str | None) -> bool:
        """Tell whether a user has push access."""
        return login is not None and (login == self.owner or login in self.writers)

    def collaborates(self, login: str) -> bool:
        """Tell whether a user can be asked for a review or assigned."""
        return self.may_push(login) or login in self.collaborators

    def conversation(self, number: int) -> list[Comment]:
        """Return the comments of one pull request, oldest first."""
        return [comment for comment in self.comments if comment.number == number]


class State:
    """Everything the stand-in remembers; whoever changes it from more than one thread holds a lock."""

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        self.clock = clock if clock is not None else _now
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self.apps: dict[str, App] = {}
        self.repositories: dict[str, Repository] = {}
        self._ids = itertools.count(1001)

    def next_id(self) -> int:
        """Return a number that no record has yet."""
        return next(self._ids)

    def user(self, login: str, kind: str = "User") -> User:
        """Return the account with a login, made on first use."""
        if login not in self.users:
            self.users[login] = User(self.next_id(), login, kind)
        return self.users[login]

    def repository(self, full_name: str) -> Repository | None:
        """Find a repository by `owner/name`; as on GitHub, case makes no difference."""
        return self.repositories.get(full_name.lower())

    def add(self, repository: Repository) -> Repository:
        """Remember a repository and the accounts it names."""
        for login in sorted({repository.owner} | repository.writers | repository.collaborators):
            self.user(login)
        self.repositories[repository.full_name.lower()] = repository
        return repository

    def label(self, repository: Repository, name: str, color: str = "ededed", description: str = "") -> Label:
        """Return a repository's label, made on first use; as on GitHub, case makes no difference."""
        key = name.lower()
        if key not in repository.labels:
            repository.labels[key] = Label(self.next_id(), name, color, description)
        return repository.labels[key]

    def token(self, value: str) -> Token | None:
        """Find a token that is valid now."""
        token = self.tokens.get(value)
        ended = token is not None and token.expires_at is not None and token.expires_at <= self.clock()
        return None if ended else token

    def merge(self, repository: Repository, number: int, commit: str, login: str) -> PullRequest:
        """Merge a pull request; `commit` is what it became on the base branch. A `KeyError`: there is none."""
        pull, now = repository.pulls[number], self.clock()
        merged = replace(pull, merge_commit=commit, merged_by=login, closed_at=now, updated_at=now, draft=False)
        repository.pulls[number] = merged
        return merged

    def find_head(self, base: Repository, head: str, head_repo: str | None) -> tuple[Repository, str] | None:
        """Find the repository and the branch that the `head` of a new pull request means.

        `head` is `branch` (in the base repository itself) or `owner:branch`, where the owner has a fork of the base,
        is its owner, or owns what it was forked from; `head_repo` (a name or `owner/name`) decides between several.
        """
        owner, colon, branch = head.rpartition(":")
        if not colon:
            return base, branch
        network = {base.full_name.lower(), (base.fork_of or base.full_name).lower()}
        for repository in self.repositories.values():
            related = repository.full_name.lower() in network or (repository.fork_of or "").lower() in network
            named = head_repo is None or head_repo.lower() in (
                repository.name.lower(),
                repository.full_name.lower(),
            )
            if related and named and repository.owner.lower() == owner.lower():
                return repository, branch
        return None

    def known(self, logins: Iterable[str]) -> list[str]:
        """Return those of the logins that have an account, spelt as the account spells them."""
        spelt = {login.lower(): login for login in self.users}
        return [spelt[login.lower()] for login in logins if login.lower() in spelt]


def _now() -> datetime:
    """Return the present second; GitHub's times have no fractions."""
    return datetime.now(UTC).replace(microsecond=0)
