"""`xenbump.toml` and the environment, read into one frozen value. The keys are described in `docs/interface.md`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from xenbump.errors import UsageError
from xenbump.settings import CANDIDATE, File, GitHub, Package, Upstream, Verify, Watch, expanded
from xenbump.toml_lines import line_of
from xenbump.upstream.git import LOOPBACK, check_address
from xenbump.upstream.release import is_branch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_NAME = "xenbump.toml"
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
_REVIEWER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9._-]+)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
# msgspec ends a message with the place in a path of its own: `… - at `$.package[0].file``.
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
# tomllib takes quadratic time for a dotted key, and minutes for one of 100 kB.
_LONG_KEY = re.compile(r"""(?<![A-Za-z0-9_'"-])(?:[A-Za-z0-9_'"-]++[ \t]*+\.[ \t]*+){50}""")
_UNKNOWN_KEY = re.compile(r"unknown field `(?P<key>[^`]+)`")


class App(msgspec.Struct, frozen=True):
    """A GitHub App that acts: its number, its private key (PEM), its installation (empty: that of the repository)."""

    id: str
    key: str
    installation: str = ""

    def __repr__(self) -> str:
        return f"App(id={self.id!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What rich shows; msgspec's own would show the key."""
        return [("id", self.id)]


class Config(msgspec.Struct, frozen=True):
    """The configuration in force.

    Attributes:
        path: the file; relative paths in it start from its folder.
        packages: the configured packages.
        upstream, verify, github, watch: the tables of those names.
        state: the folder of journal and cache.
        github_url: the root of GitHub's API.
        token: the GitHub token; empty when there is none. Not shown by `repr`.
        lookup_token: the one for what only reads; empty: the other one.
        app: the GitHub App that acts instead of a token's owner; None: none.
    """

    path: Path
    packages: tuple[Package, ...]
    upstream: Upstream
    verify: Verify
    github: GitHub
    state: Path
    github_url: str
    token: str
    lookup_token: str = ""
    app: App | None = None
    watch: Watch = Watch()

    def __repr__(self) -> str:
        return f"Config(path={str(self.path)!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What rich shows, in a traceback with local variables too; msgspec's own would show the token."""
        return [("path", str(self.path))]

    @property
    def folder(self) -> Path:
        """The folder of the file."""
        return self.path.parent

    def file_of(self, package: Package) -> Path:
        """The path of a package's file."""
        return self.folder / package.file

    def selected(self, names: tuple[str, ...]) -> tuple[Package, ...]:
        """The packages of these names, in the order of the file; all of them when no name is given.

        Raises:
            UsageError: E-PACKAGE-NAME for a name that is not configured.
        """
        known = [package.name for package in self.packages]
        for name in names:
            if name not in known:
                raise UsageError(
                    "E-PACKAGE-NAME",
                    f"no package {name!r} is configured; there is {', '.join(known)}",
                    where=str(self.path),
                )
        return tuple(package for package in self.packages if not names or package.name in names)


def find(start: Path) -> Path:
    """The configuration file in `start` or the nearest folder above.

    Raises:
        UsageError: E-CONFIG-MISSING.
    """
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise UsageError(
        "E-CONFIG-MISSING",
        f"there is no {FILE_NAME} here or in a folder above",
        where=str(start),
        remedy="write one (docs/interface.md) or name it with --config",
    )


def load(path: Path | None, env: Mapping[str, str] | None = None) -> Config:
    """Read the configuration.

    Args:
        path: the file; None: `XENBUMP_CONFIG`, else the nearest `xenbump.toml` from the current folder upwards.
        env: the environment; None: that of this process.

    Raises:
        UsageError: E-CONFIG-MISSING, E-CONFIG (with the line), E-KEYRING, E-GIT-ADDRESS.
    """
    env = os.environ if env is None else env
    if path is None:
        named = env.get("XENBUMP_CONFIG", "")
        path = Path(named) if named else find(Path.cwd())
    path = path.absolute()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise UsageError("E-CONFIG-MISSING", "there is no such file", where=str(path)) from error
    except OSError as error:
        raise UsageError("E-CONFIG", f"it cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise UsageError("E-CONFIG", f"it is not UTF-8 (byte {error.start})", where=str(path)) from error
    file = _decode(text, path)
    _check(file, text, path)
    return _configured(file, path, env)


def load_or_default(path: Path | None, env: Mapping[str, str] | None = None) -> Config:
    """As `load`, but with the defaults and no package where no file is named and none is found."""
    try:
        return load(path, env)
    except UsageError as error:
        env = os.environ if env is None else env
        if error.code != "E-CONFIG-MISSING" or path is not None or env.get("XENBUMP_CONFIG"):
            raise
    return _configured(File(), Path.cwd() / FILE_NAME, env)


def _configured(file: File, path: Path, env: Mapping[str, str]) -> Config:
    return Config(
        path=path,
        packages=file.package,
        upstream=file.upstream,
        verify=file.verify,
        github=file.github,
        state=_state_folder(file.state.directory, path.parent, env),
        github_url=_github_url(env.get("XENBUMP_GITHUB_URL", "")),
        token=(env.get("XENBUMP_GITHUB_TOKEN") or env.get("GITHUB_TOKEN") or "").strip(),
        lookup_token=env.get("XENBUMP_GITHUB_LOOKUP_TOKEN", "").strip(),
        app=_app(env),
        watch=file.watch,
    )


def _app(env: Mapping[str, str]) -> App | None:
    """The GitHub App that the environment names, its key read from the file."""
    number, file = env.get("XENBUMP_GITHUB_APP_ID", ""), env.get("XENBUMP_GITHUB_APP_KEY_FILE", "")
    if not number and not file:
        return None
    if not (number and file):
        raise UsageError("E-CONFIG", "XENBUMP_GITHUB_APP_ID and XENBUMP_GITHUB_APP_KEY_FILE go together")
    try:
        key = Path(file).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "E-CONFIG", "the App's key (XENBUMP_GITHUB_APP_KEY_FILE) cannot be read", where=file
        ) from error
    if "PRIVATE KEY-----" not in key:
        raise UsageError(
            "E-CONFIG", "the App's key (XENBUMP_GITHUB_APP_KEY_FILE) is not a private key in PEM", where=file
        )
    return App(number, key, env.get("XENBUMP_GITHUB_APP_INSTALLATION", ""))


def _decode(text: str, path: Path) -> File:
    long = _LONG_KEY.search(text)
    if long is not None:
        line = text.count("\n", 0, long.start()) + 1
        raise UsageError("E-CONFIG", "a name has more than 50 parts", where=f"{path}, line {line}")
    try:
        return msgspec.toml.decode(text, type=File)
    except msgspec.ValidationError as error:
        match = _PLACE.fullmatch(str(error))
        what, place = (str(error), "") if match is None else (match["what"], match["path"] or "")
        unknown = _UNKNOWN_KEY.search(what)
        keys = place + (f".{unknown['key']}" if unknown else "")
        raise _wrong(what, keys, text, path) from error
    except msgspec.DecodeError as error:
        # tomllib names line and column itself.
        raise UsageError("E-CONFIG", f"it is not TOML: {error}", where=str(path)) from error
    except RecursionError as error:
        raise UsageError("E-CONFIG", "it is nested too deeply", where=str(path)) from error
    except ValueError as error:
        # What TOML allows and Python does not: a number of more than 4300 digits.
        raise UsageError("E-CONFIG", f"it has a value that cannot be read: {error}", where=str(path)) from error


def _wrong(what: str, keys: str, text: str, path: Path) -> UsageError:
    name = keys.lstrip(".")
    return UsageError(
        "E-CONFIG", f"{name}: {what[:1].lower() + what[1:]}" if name else what, where=_place(keys, text, path)
    )


def _place(keys: str, text: str, path: Path) -> str:
    line = line_of(text, keys)
    return f"{path}, line {line}" if line else str(path)


def _check(file: File, text: str, path: Path) -> None:
    """What types alone cannot say."""
    # No path, address or name can have it, and Python's own complaint would come late and without the line.
    for keys, value in _strings(msgspec.to_builtins(file), ""):
        if "\0" in value:
            raise _wrong("it has a NUL character", keys, text, path)
    if not file.package:
        raise UsageError("E-CONFIG", "no [[package]] is configured", where=str(path))
    check_address(file.upstream.git, _place(".upstream.git", text, path))
    _check_xsa_root(file.upstream.xsa, _place(".upstream.xsa", text, path))
    for mirror in file.upstream.mirrors or ():
        check_address(mirror, _place(".upstream.mirrors", text, path))
    for name, address in file.upstream.components.items():
        check_address(address, _place(f".upstream.components.{name}", text, path))
    _check_packages(file.package, text, path)
    _check_github(file.github, text, path)
    if file.verify.engine == "nixos" and not file.verify.nixos_test:
        raise _wrong("the engine needs the attribute of its test: nixos-test", ".verify.engine", text, path)
    if file.watch.hook and not file.watch.hook[0]:
        raise _wrong("the first is the program, and it is empty", ".watch.hook", text, path)
    if file.watch.hook_seconds < 1:
        raise _wrong("it is at least 1", ".watch.hook-seconds", text, path)


def _check_github(github: GitHub, text: str, path: Path) -> None:
    for key, value in (("repository", github.repository), ("fork", github.fork)):
        if value and not _REPOSITORY.fullmatch(value):
            raise _wrong(f'{value!r} is not of the form "owner/name"', f".github.{key}", text, path)
    for number, name in enumerate(github.reviewers):
        if not _REVIEWER.fullmatch(name):
            what = f'{name!r} is neither "login" nor "organisation/team"'
            raise _wrong(what, f".github.reviewers[{number}]", text, path)
    if github.git:
        check_address(github.git, _place(".github.git", text, path))


def _check_packages(packages: tuple[Package, ...], text: str, path: Path) -> None:
    names = [package.name for package in packages]
    for number, package in enumerate(packages):
        for key, fits, what in (
            ("name", _NAME.fullmatch(package.name), f"{package.name!r} is not a name"),
            ("name", package.name not in names[:number], f"there are two packages {package.name!r}"),
            (
                "track",
                package.track in {"branch", "latest", CANDIDATE} or is_branch(package.track),
                'it is "branch", "latest", "candidate" or a branch such as "4.20"',
            ),
            (
                "decided",
                all(re.fullmatch(r"[1-9]\d{0,4}", key, re.ASCII) and why for key, why in package.decided.items()),
                "each key is the number of an advisory, each value the reason",
            ),
        ):
            if not fits:
                raise _wrong(what, f".package[{number}].{key}", text, path)


def _strings(value: Any, keys: str) -> Iterator[tuple[str, str]]:
    """All strings in a decoded value, with their places as `line_of` takes them."""
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, f"{keys}.{key}")
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from _strings(inner, f"{keys}[{number}]")


def _check_xsa_root(root: str, where: str) -> None:
    """Only https, http on this machine, `file:` and paths: what comes over plain http could be anything."""
    try:
        parts = urlsplit(root)
    except ValueError:
        raise UsageError("E-XSA-ROOT", f"{root!r} is no address", where=where) from None
    local = "://" not in root or parts.scheme == "file"
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not root or not (local or loopback or parts.scheme == "https") or parts.query or parts.username:
        raise UsageError("E-XSA-ROOT", f"{root!r} is not https, a file: address or a path", where=where)


def _state_folder(configured: str, folder: Path, env: Mapping[str, str]) -> Path:
    if env.get("XENBUMP_STATE_DIR"):
        return Path(env["XENBUMP_STATE_DIR"]).absolute()
    if configured:
        return (folder / expanded(configured)).absolute()
    if env.get("STATE_DIRECTORY"):
        # systemd gives several folders with colons between them; the first is ours.
        return Path(env["STATE_DIRECTORY"].split(":")[0])
    base = env.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "xenbump"


def _github_url(given: str) -> str:
    url = (given or "https://api.github.com").rstrip("/")
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise UsageError("E-CONFIG", "XENBUMP_GITHUB_URL must be https, or http on this machine", where=url)
    return url
