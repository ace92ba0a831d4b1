"""The configuration: every key, every error with its line, and the environment."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import rich.pretty

from xenbump.config import Config, find, load, load_or_default
from xenbump.errors import UsageError
from xenbump.settings import PROJECT_KEY, PUBLIC_GIT, PUBLIC_MIRROR, Package

TOKEN = "github_pat_that_nobody_may_see"
SMALL = """\
[[package]]
name = "xen"
file = "pkgs/by-name/xe/xen/package.nix"
"""
EVERYTHING = """\
[upstream]
git = "https://xenbits.xenproject.org/git-http/xen.git"
mirrors = ["https://github.com/xen-project/xen"]
xsa = "https://xenbits.xen.org/xsa/"
keyring = ""
fingerprints = ["23E3222C145F4475FA8060A783FE14C957E82BD9"]

[[package]]
name = "xen"
file = "pkgs/by-name/xe/xen/package.nix"
attribute = "xen"
track = "branch"
strategy = "patches"
efi = "keep"

[verify]
steps = ["build", "outputs", "meta", "dom0", "xtf", "guests"]
flake = "."
nixpkgs = true
nix-options = ["--option", "cores", "2"]
xtf-baseline = ""

[github]
repository = "NixOS/nixpkgs"
fork = "me/nixpkgs"
base = "master"
remote = "origin"
draft = true
labels = { always = ["6.topic: xen-project"], security = ["1.severity: security"] }
operator = "me"

[state]
directory = ""
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose path has nothing that a test looks for."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def loaded(folder: Path, text: str, **env: str) -> Config:
    (folder / "xenbump.toml").write_text(text, "utf-8")
    return load(folder / "xenbump.toml", {"HOME": str(folder), **env})


def refused(folder: Path, text: str, **env: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        loaded(folder, text, **env)
    assert caught.value.exit_status == 2
    return caught.value


def test_every_key_of_the_interface(folder: Path) -> None:
    config = loaded(folder, EVERYTHING)
    assert config.packages == (Package("xen", "pkgs/by-name/xe/xen/package.nix", "xen"),)
    assert config.upstream.fingerprints == (PROJECT_KEY,)
    assert config.upstream.addresses(config.folder) == (PUBLIC_GIT, PUBLIC_MIRROR)
    assert config.verify.steps == ("build", "outputs", "meta", "dom0", "xtf", "guests")
    assert config.verify.nixpkgs
    assert config.verify.nix_options == ("--option", "cores", "2")
    assert (config.github.repository, config.github.fork, config.github.operator) == (
        "NixOS/nixpkgs",
        "me/nixpkgs",
        "me",
    )
    assert config.github.labels.always == ("6.topic: xen-project",)
    assert config.github.labels.security == ("1.severity: security",)
    assert config.file_of(config.packages[0]) == folder / "pkgs/by-name/xe/xen/package.nix"


def test_the_example_of_the_interface_page(folder: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "interface.md").read_text("utf-8")
    example = page.split("```toml\n", 1)[1].split("```", 1)[0]
    assert loaded(folder, example).packages[0].name == "xen"


def test_the_defaults(folder: Path) -> None:
    config = loaded(folder, SMALL)
    assert config.upstream.git == PUBLIC_GIT
    assert config.upstream.addresses(folder) == (PUBLIC_GIT, PUBLIC_MIRROR)
    assert config.upstream.fingerprints == (PROJECT_KEY,)
    assert config.packages[0].track == "branch"
    assert (config.github.base, config.github.draft) == ("master", True)
    assert (config.github_url, config.token) == ("https://api.github.com", "")
    assert config.path == folder / "xenbump.toml"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (SMALL + "colour = 1\n", 4, "colour"),
        ("[upstream]\ngti = 'x'\n" + SMALL, 2, "gti"),
        ("[upstraem]\n" + SMALL, 1, "upstraem"),
        (SMALL + "[github]\nlabels = { allways = [] }\n", 5, "allways"),
        (SMALL + "[verify]\nnix_options = []\n", 5, "nix_options"),
        ("[[package]]\nname = 'x'\n", 1, "`file`"),
        (SMALL + "[[package]]\nfile = 'x'\n", 4, "`name`"),
        (SMALL.replace('"xen"', "3"), 2, "package[0].name: expected `str`, got `int`"),
        (SMALL + "efi = 'no'\n", 4, "efi"),
        (SMALL + "[verify]\nengine = 'nixos'\n", 5, "the engine needs the attribute of its test"),
        (SMALL + "[verify]\naccelerator = 'hvf'\n", 5, "accelerator"),
        (SMALL + "[github]\nwrite = 'ftp'\n", 5, "write"),
        (SMALL + "[github]\nreviewers = [\n  'me',\n  'a/b/c',\n]\n", 5, "'a/b/c' is neither"),
        (SMALL + "retire = 'now'\n", 4, "retire"),
        (SMALL + "strategy = 'other'\n", 4, "strategy"),
        (SMALL + "decided = { xsa480 = 'why' }\n", 4, "the number of an advisory"),
        (SMALL + "decided = { 480 = '' }\n", 4, "the number of an advisory"),
        (SMALL + "track = 'newest'\n", 4, "track"),
        (SMALL + "track = '4.20.3'\n", 4, "track"),
        (SMALL + "track = '04.20'\n", 4, "track"),
        (SMALL + "\n[[package]]\nname = 'xen'\nfile = 'x'\n", 6, "two packages 'xen'"),
        (SMALL + "\n[[package]]\nname = '-x'\nfile = 'x'\n", 6, "'-x' is not a name"),
        (SMALL.replace('"xen"', '""'), 2, "'' is not a name"),
        (SMALL.replace('"xen"', '"a b"'), 2, "'a b' is not a name"),
        (SMALL + "[upstream]\nmirrors = 'x'\n", 5, "mirrors: expected `array"),
        (SMALL + "[upstream]\nmirrors = [\n  1,\n]\n", 5, "mirrors"),
        (SMALL + "[upstream]\nfingerprints = [1]\n", 5, "fingerprints"),
        (SMALL + "[verify]\nsteps = ['biuld']\n", 5, "biuld"),
        (SMALL + "[github]\ndraft = 'yes'\n", 5, "draft"),
        (SMALL + "[github]\nrepository = 'nixpkgs'\n", 5, "owner/name"),
        (SMALL + "[github]\nfork = 'a/b/c'\n", 5, "owner/name"),
        (SMALL + "[github]\nrepository = 'https://github.com/NixOS/nixpkgs'\n", 5, "owner/name"),
        (SMALL + "[state]\ndirectory = 1\n", 5, "directory"),
        (SMALL.replace("pkgs", "\\u0000"), 3, "package[0].file: it has a NUL character"),
        (SMALL + "[upstream]\nmirrors = ['a', \"b\\u0000\"]\n", 5, "NUL"),
    ],
)
def test_an_error_names_its_line(text: str, line: int, what: str, folder: Path) -> None:
    error = refused(folder, text)
    assert (error.code, error.where) == ("E-CONFIG", f"{folder / 'xenbump.toml'}, line {line}")
    assert what in error.what


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SMALL + "[upstream]\ngit = '--upload-pack=x'\n", 5),
        (SMALL + "[upstream]\ngit = 'ext::sh -c x'\n", 5),
        (SMALL + "[upstream]\ngit = ''\n", 5),
        (SMALL + "[upstream]\ngit = 'x'\nmirrors = ['https://me:secret@example.org/']\n", 6),
        (SMALL + "[upstream]\nmirrors = ['http://[::1/']\n", 5),
    ],
)
def test_an_address_is_judged_with_its_line(text: str, line: int, folder: Path) -> None:
    error = refused(folder, text)
    assert (error.code, error.where) == ("E-GIT-ADDRESS", f"{folder / 'xenbump.toml'}, line {line}")
    assert "secret" not in str(error)


@pytest.mark.parametrize("text", ["[[package]\n", SMALL + "name = 'twice'\n", SMALL + "x =\n", "\ufeff" + SMALL, "\0"])
def test_what_is_not_toml_says_where(text: str, folder: Path) -> None:
    error = refused(folder, text)
    assert (error.code, error.where) == ("E-CONFIG", str(folder / "xenbump.toml"))
    assert "line " in error.what


@pytest.mark.parametrize("text", ["", "# nothing\n", "[github]\n", "package = []\n"])
def test_a_file_without_a_package(text: str, folder: Path) -> None:
    assert refused(folder, text).what == "no [[package]] is configured"


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    for path, code in ((folder / "none.toml", "E-CONFIG-MISSING"), (folder, "E-CONFIG")):
        with pytest.raises(UsageError) as caught:
            load(path, {})
        assert (caught.value.code, caught.value.where) == (code, str(path))
    (folder / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(UsageError, match="byte 8") as caught:
        load(folder / "latin.toml", {})
    assert caught.value.code == "E-CONFIG"


def test_the_file_is_looked_for_upwards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(folder, SMALL)
    (folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(folder / "a" / "b")
    assert load(None, {}).path == folder / "xenbump.toml"
    (folder / "a" / "xenbump.toml").write_text(SMALL)
    assert load(None, {}).path == folder / "a" / "xenbump.toml"
    (folder / "a" / "b" / "xenbump.toml").mkdir()  # a folder of that name is none
    assert find(folder / "a" / "b") == folder / "a" / "xenbump.toml"


def test_the_environment_can_name_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.toml").write_text(SMALL)
    monkeypatch.chdir(folder)
    assert load(None, {"XENBUMP_CONFIG": "other.toml"}).path == folder / "other.toml"
    loaded(folder, SMALL)
    assert load(Path("xenbump.toml"), {"XENBUMP_CONFIG": "other.toml"}).path == folder / "xenbump.toml"
    assert load(None, {"XENBUMP_CONFIG": ""}).path == folder / "xenbump.toml"
    monkeypatch.setenv("XENBUMP_CONFIG", "other.toml")
    assert load(None).path == folder / "other.toml"


def test_the_defaults_stand_in_only_where_no_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("XENBUMP_CONFIG", raising=False)
    config = load_or_default(None, {"XENBUMP_STATE_DIR": "state"})
    assert (config.packages, config.folder, config.state) == ((), folder, folder / "state")
    assert load_or_default(None).upstream.git == PUBLIC_GIT
    for path, env in ((Path("none.toml"), {}), (None, {"XENBUMP_CONFIG": "none.toml"})):
        with pytest.raises(UsageError) as caught:
            load_or_default(path, env)
        assert caught.value.code == "E-CONFIG-MISSING"
    (folder / "xenbump.toml").write_text("[[package]]\n")
    with pytest.raises(UsageError) as caught:
        load_or_default(None, {})
    assert caught.value.code == "E-CONFIG"


@pytest.mark.parametrize(
    ("git", "mirrors", "expected"),
    [
        (PUBLIC_GIT, None, (PUBLIC_GIT, PUBLIC_MIRROR)),
        (PUBLIC_GIT, [], (PUBLIC_GIT,)),
        ("https://example.org/xen.git", None, ("https://example.org/xen.git",)),
        ("https://example.org/x", ["./y", "/z"], ("https://example.org/x", "{folder}/y", "/z")),
        ("xen.git", ["../xen.git", "~/xen.git"], ("{folder}/xen.git", "{folder}/../xen.git", "{home}/xen.git")),
        ("git@example.org:xen", ["example.org:/srv/xen"], ("git@example.org:xen", "example.org:/srv/xen")),
        ("file:///srv/xen", ["~no-such-user-here/x"], ("file:///srv/xen", "{folder}/~no-such-user-here/x")),
    ],
)
def test_the_addresses_of_the_repository(
    git: str, mirrors: list[str] | None, expected: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/of-mine")
    listed = "" if mirrors is None else f"mirrors = {mirrors}\n"
    config = loaded(folder, f"{SMALL}[upstream]\ngit = '{git}'\n{listed}")
    places = {"folder": folder, "home": "/home/of-mine"}
    assert config.upstream.addresses(config.folder) == tuple(address.format(**places) for address in expected)


@pytest.mark.parametrize(
    ("env", "configured", "expected"),
    [
        ({"XENBUMP_STATE_DIR": "/a", "STATE_DIRECTORY": "/b", "XDG_STATE_HOME": "/c"}, "d", "/a"),
        ({"STATE_DIRECTORY": "/b", "XDG_STATE_HOME": "/c"}, "d", "{folder}/d"),
        ({"STATE_DIRECTORY": "/b"}, "/d", "/d"),
        ({"STATE_DIRECTORY": "/b"}, "~/d", "/home/of-mine/d"),
        ({"STATE_DIRECTORY": "/b:/bb", "XDG_STATE_HOME": "/c"}, "", "/b"),
        ({"XDG_STATE_HOME": "/c"}, "", "/c/xenbump"),
        ({}, "", "/home/of-mine/.local/state/xenbump"),
        (
            {"XENBUMP_STATE_DIR": "", "STATE_DIRECTORY": "", "XDG_STATE_HOME": ""},
            "",
            "/home/of-mine/.local/state/xenbump",
        ),
    ],
)
def test_the_state_folder(
    env: dict[str, str], configured: str, expected: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/of-mine")
    config = loaded(folder, f"{SMALL}[state]\ndirectory = '{configured}'\n", **env)
    assert config.state == Path(expected.format(folder=folder))


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("", "https://api.github.com"),
        ("https://github.example.org/api/v3/", "https://github.example.org/api/v3"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_the_address_of_github(given: str, url: str, folder: Path) -> None:
    assert loaded(folder, SMALL, XENBUMP_GITHUB_URL=given).github_url == url


@pytest.mark.parametrize(
    "given",
    ["http://github.example.org", "http://127.0.0.1.example.org", "ftp://x", "api.github.com", "https", "http://[::1"],
)
def test_a_token_does_not_travel_in_the_clear(given: str, folder: Path) -> None:
    error = refused(folder, SMALL, XENBUMP_GITHUB_URL=given)
    assert (error.code, error.where) == ("E-CONFIG", given)


@pytest.mark.parametrize(
    ("env", "token"),
    [
        ({"XENBUMP_GITHUB_TOKEN": "a", "GITHUB_TOKEN": "b"}, "a"),
        ({"GITHUB_TOKEN": "b"}, "b"),
        ({"XENBUMP_GITHUB_TOKEN": "", "GITHUB_TOKEN": "b"}, "b"),
        ({"XENBUMP_GITHUB_TOKEN": " a\n"}, "a"),
        ({}, ""),
    ],
)
def test_the_token_comes_from_the_environment(env: dict[str, str], token: str, folder: Path) -> None:
    assert loaded(folder, SMALL, **env).token == token


def test_the_token_is_not_shown(folder: Path) -> None:
    config = loaded(folder, EVERYTHING, XENBUMP_GITHUB_TOKEN=TOKEN)
    assert config.token == TOKEN
    shown = [repr(config), str(config), f"{config}", rich.pretty.pretty_repr(config), repr((config,))]
    assert [text for text in shown if TOKEN in text] == []
    assert all("xenbump.toml" in text for text in shown)
    error = refused(folder, "", XENBUMP_GITHUB_TOKEN=TOKEN)
    assert TOKEN not in str(error) + repr(error)


def test_a_github_app_comes_from_the_environment(folder: Path) -> None:
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{TOKEN}\n-----END RSA PRIVATE KEY-----\n"
    (folder / "app.pem").write_text(key)
    env = {"XENBUMP_GITHUB_APP_ID": "7", "XENBUMP_GITHUB_APP_KEY_FILE": str(folder / "app.pem")}
    config = loaded(folder, SMALL, **env, XENBUMP_GITHUB_APP_INSTALLATION="9", XENBUMP_GITHUB_LOOKUP_TOKEN=f" {TOKEN} ")
    assert config.app is not None
    assert (config.app.id, config.app.key, config.app.installation) == ("7", key, "9")
    assert (config.token, config.lookup_token) == ("", TOKEN)
    shown = [repr(config), repr(config.app), rich.pretty.pretty_repr(config), rich.pretty.pretty_repr(config.app)]
    assert [text for text in shown if TOKEN in text] == []
    assert loaded(folder, SMALL).app is None


@pytest.mark.parametrize(
    ("env", "what"),
    [
        ({"XENBUMP_GITHUB_APP_ID": "7"}, "go together"),
        ({"XENBUMP_GITHUB_APP_KEY_FILE": "{folder}/app.pem"}, "go together"),
        ({"XENBUMP_GITHUB_APP_ID": "7", "XENBUMP_GITHUB_APP_KEY_FILE": "{folder}/none"}, "cannot be read"),
        ({"XENBUMP_GITHUB_APP_ID": "7", "XENBUMP_GITHUB_APP_KEY_FILE": "{folder}"}, "cannot be read"),
        ({"XENBUMP_GITHUB_APP_ID": "7", "XENBUMP_GITHUB_APP_KEY_FILE": "{folder}/app.pem"}, "not a private key"),
    ],
)
def test_a_github_app_that_is_none(env: dict[str, str], what: str, folder: Path) -> None:
    (folder / "app.pem").write_text(TOKEN)
    error = refused(folder, SMALL, **{name: value.format(folder=folder) for name, value in env.items()})
    assert (error.code, what in error.what, TOKEN in str(error)) == ("E-CONFIG", True, False)


def test_a_configuration_does_not_change(folder: Path) -> None:
    config = loaded(folder, EVERYTHING)
    for value, name in ((config, "token"), (config.upstream, "git"), (config.packages[0], "file")):
        with pytest.raises(AttributeError):
            setattr(value, name, "x")


def test_packages_are_chosen_by_name(folder: Path) -> None:
    config = loaded(folder, "".join(f"[[package]]\nname = '{name}'\nfile = '{name}.nix'\n" for name in "abc"))
    assert [package.name for package in config.selected(())] == ["a", "b", "c"]
    assert [package.name for package in config.selected(("c", "a", "c"))] == ["a", "c"]
    with pytest.raises(UsageError, match="no package 'd' is configured; there is a, b, c") as caught:
        config.selected(("a", "d"))
    assert caught.value.code == "E-PACKAGE-NAME"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "{ a = " * 2000, "nested too deeply"),
        ("a = " + "1" * 5000, "it has a value that cannot be read"),
        (f"{'a.' * 50_000}b = 1", "a name has more than 50 parts"),
        (f"[{'a . ' * 50_000}b]", "a name has more than 50 parts"),
    ],
)
def test_what_python_cannot_read_is_refused_at_once(folder: Path, text: str, what: str) -> None:
    began = time.process_time()
    error = refused(folder, f"[[package]]\nname = 'a'\nfile = 'b'\n{text}\n")
    assert (error.code, what in error.what) == ("E-CONFIG", True)
    assert time.process_time() - began < 1


def test_an_address_of_advisories_that_is_none_is_refused(folder: Path) -> None:
    error = refused(folder, "[[package]]\nname = 'a'\nfile = 'b'\n[upstream]\nxsa = 'https://['\n")
    assert error.code == "E-XSA-ROOT"
    assert error.where.endswith("line 5")
