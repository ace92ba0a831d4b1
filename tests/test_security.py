"""The program as a whole: no shell, what its programs are called with and get of the environment, what it leaves.

What ruff's rules S see already (`pyproject.toml` has all of them on but two) is looked for here too where a `noqa` or
one of the two could hide it.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import itertools
import os
import re
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import xenbump
from tests.support.worlds import Stage, shared, stage
from xenbump.demo import world as worlds
from xenbump.errors import UsageError
from xenbump.process import run
from xenbump.publish import git_identity
from xenbump.publish.git_calls import Repository, authorisation

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["shared", "stage"]

ROOT = Path(xenbump.__file__).parent

# --- what the program is made of -------------------------------------------------------------------------------------

CALLS = {
    **dict.fromkeys(("os.system", "os.popen", "os.startfile", "subprocess.getoutput"), "a shell"),
    **dict.fromkeys(("eval", "exec", "compile", "__import__"), "code made of text"),
    **dict.fromkeys(("tempfile.mktemp", "os.tempnam"), "a name of a temporary file that another may take"),
    "ssl._create_unverified_context": "TLS that is not verified",
    "yaml.load": "objects made of text",
}
MODULES = dict.fromkeys(("pickle", "marshal", "shelve", "dill", "cPickle", "yaml"), "objects made of text")
STARTS = dict.fromkeys(("subprocess", "multiprocessing", "pty"), "programs started past process.py")
SHELLS = frozenset({"sh", "bash", "/bin/sh", "/bin/bash", "dash", "zsh"})
HTTP = frozenset({"get", "post", "put", "patch", "delete", "head", "request"})
# The demo's key goes with its owner by a shell around it, with nothing but a path of its own as an argument. In a
# dom0, which is a machine of its own, `machine.py` is the one place that starts programs, and they are lines for `sh`.
# A PRAGMA of SQLite takes no values beside its text: it is the number of a migration, or the name of a table of ours.
KNOWN = {
    ("database.py", "SQL made of values"),
    ("dom0/machine.py", "a shell"),
    ("demo/signing.py", "a shell"),
    ("dom0/machine.py", "programs started past process.py"),
    ("process.py", "programs started past process.py"),
}


def name_of(node: ast.expr) -> str:
    """`os.path.join` of an expression that is names with dots; else the last of them."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = name_of(node.value)
        return f"{left}.{node.attr}" if left else node.attr
    return ""


def is_typing(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and name_of(node.test).endswith("TYPE_CHECKING")


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree, without what only a type checker reads."""
    left = [tree]
    while left:
        node = left.pop()
        yield node
        left += [one for one in ast.iter_child_nodes(node) if not (isinstance(one, ast.stmt) and is_typing(one))]


def is_made(text: ast.expr) -> bool:
    """Whether a text is put together, out of more than literals and constants (names in capitals)."""
    if isinstance(text, ast.JoinedStr):
        parts = [part.value for part in text.values if isinstance(part, ast.FormattedValue)]
        return not all(isinstance(part, ast.Name) and part.id.isupper() for part in parts)
    return isinstance(text, ast.BinOp) or (isinstance(text, ast.Call) and "format" in name_of(text.func))


def of_a_call(node: ast.Call) -> Iterator[str]:
    name = name_of(node.func)
    if name in CALLS:
        yield CALLS[name]
    if re.fullmatch(r"os\.(spawn|exec|posix_spawn)\w*", name):
        yield "programs started past process.py"
    for keyword in node.keywords:
        given = keyword.value.value if isinstance(keyword.value, ast.Constant) else ...
        if keyword.arg == "shell" and given is not False:
            yield "a shell"
        if keyword.arg == "verify" and given is False:
            yield "TLS that is not verified"
    method = name.rpartition(".")[2]
    if method in {"execute", "executemany", "executescript"} and node.args and is_made(node.args[0]):
        yield "SQL made of values"
    yield from of_a_request(node, name)


def of_a_request(node: ast.Call, name: str) -> Iterator[str]:
    owner, _, method = name.rpartition(".")
    if method in HTTP and owner in {"requests", "session", "self._session"}:
        named = {keyword.arg for keyword in node.keywords}
        if "timeout" not in named:
            yield "a request without a time limit"
        if "allow_redirects" not in named:
            yield "a request that follows redirects"


def doubtful(text: str) -> set[str]:
    """What the text of a module has that the product must not have."""
    found: set[str] = set()
    for node in running(ast.parse(text)):
        if isinstance(node, ast.Call):
            found.update(of_a_call(node))
        elif isinstance(node, ast.Assert):
            found.add("a check that `python -O` leaves out")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            roots = {name.partition(".")[0] for name in names}
            found.update(what for module, what in (MODULES | STARTS).items() if module in roots)
        elif isinstance(node, ast.List | ast.Tuple):
            words = [one.value if isinstance(one, ast.Constant) else None for one in node.elts]
            if any(a in SHELLS and b == "-c" for a, b in itertools.pairwise(words)):
                found.add("a shell")
        elif isinstance(node, ast.Attribute) and node.attr in {"CERT_NONE", "verify_mode", "check_hostname"}:
            found.add("TLS that is not verified")
    return found


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("os.system('x')", "a shell"),
        ("subprocess.run('x', shell=True)", "a shell"),
        ("run(['bash', '-c', text])", "a shell"),
        ("import subprocess", "programs started past process.py"),
        ("def f():\n    from multiprocessing import Process", "programs started past process.py"),
        ("os.execvp('x', [])", "programs started past process.py"),
        ("eval(text)", "code made of text"),
        ("import pickle", "objects made of text"),
        ("tempfile.mktemp()", "a name of a temporary file that another may take"),
        ("requests.get(url, timeout=3, allow_redirects=False, verify=False)", "TLS that is not verified"),
        ("context.verify_mode = ssl.CERT_NONE", "TLS that is not verified"),
        ("assert text", "a check that `python -O` leaves out"),
        ("requests.get(url, allow_redirects=False)", "a request without a time limit"),
        ("self._session.get(url, timeout=3)", "a request that follows redirects"),
        ("db.execute(f'SELECT {x}')", "SQL made of values"),
        ("db.execute('SELECT %s' % x)", "SQL made of values"),
        ("db.execute('SELECT {}'.format(x))", "SQL made of values"),
    ],
)
def test_what_is_looked_for_is_found(text: str, what: str) -> None:
    assert doubtful(text) == {what}


def test_what_is_right_is_not_found() -> None:
    text = "if TYPE_CHECKING:\n    import subprocess\nrun(['git', '-c', x])\ndb.execute(f'SELECT {_NAMES}', (x,))\n"
    assert doubtful(f"{text}requests.get(url, timeout=3, allow_redirects=False)\n") == set()


def test_the_program_has_nothing_of_it() -> None:
    seen = {
        (str(path.relative_to(ROOT)), what) for path in ROOT.rglob("*.py") for what in doubtful(path.read_text("utf-8"))
    }
    assert seen == KNOWN


# --- the programs that it calls --------------------------------------------------------------------------------------

RECORDER = """#!/bin/sh
{ printf '%s\\0' NAME "$@"; } > FOLDER/$$.argv
cat /proc/$$/environ > FOLDER/$$.env
ulimit -c > FOLDER/$$.core
umask > FOLDER/$$.mask
exec REAL "$@"
"""
RECORDED = ("git", "gpgv", "nix", "nix-instantiate", "nix-store", "ssh", "qemu-system-x86_64")
SECRETS = {
    "GITHUB_TOKEN": "a-secret-of-the-job",
    "GH_TOKEN": "a-secret-of-gh",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-a-cloud",
    "ACTIONS_RUNTIME_TOKEN": "a-secret-of-the-runner",
    "SOME_PASSWORD": "a-secret-of-somebody",
}
LEADING_ASTRAY = {
    "LD_LIBRARY_PATH": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONSTARTUP": "/nowhere",
    "PERL5LIB": "/nowhere",
    "BASH_ENV": "/nowhere",
    "ENV": "/nowhere",
    "IFS": "/",
    "GIT_DIR": "/nowhere",
    "GIT_WORK_TREE": "/nowhere",
    "GIT_INDEX_FILE": "/nowhere",
    "GIT_EXTERNAL_DIFF": "/nowhere",
    "GIT_SSL_NO_VERIFY": "1",
    "GIT_TRACE_CURL": "/nowhere/trace",
    "GIT_PAGER": "/nowhere",
    "GIT_EDITOR": "/nowhere",
}
# Besides these only what begins with GIT_ and is set by us, which is looked at by its value.
GIVEN = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LC_ALL", "LANGUAGE", "PWD", "OLDPWD", "_", "no_proxy",
    "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "NIX_SSL_CERT_FILE",
    "CURL_CA_BUNDLE", "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "NO_PROXY",
    "ALL_PROXY", "SYSTEMROOT",
})  # fmt: skip
HEXADECIMAL = r"[0-9a-f]{40}(\^\{(tree|commit)\})?"
REF = r"[+]?refs/[\w./*-]+"
# What stands before `--`, or without one: names of ours, what cannot begin with a dash by its form, and the name of a
# remote, which git itself takes none for that begins with one.
PLAIN = re.compile(
    rf"{HEXADECIMAL}|{REF}(\^\{{commit\}}|:{REF})?|{HEXADECIMAL}:{REF}|patch-\d+|-|1|origin|HEAD|blob|commit|tree"
    rf"|GIT_(AUTHOR|COMMITTER)_IDENT"
)
# Options that take the next word for their value.
TAKING = frozenset(
    {"-C", "-c", "-p", "-F", "--homedir", "--keyring", "--status-fd", "--output", "--option", "--expr", "--store"}
)
TAKING_TWO = frozenset({"--option"})


@dataclass(frozen=True)
class Called:
    """One call of a program."""

    argv: tuple[str, ...]
    env: dict[str, str]
    core: str
    mask: str

    @property
    def words(self) -> list[str]:
        """What is neither option nor the value of one, nor behind `--`; the subcommand is the first."""
        found, rest = [], iter(self.argv[1:])
        for word in rest:
            if word == "--":
                break
            if word in TAKING:
                for _ in range(2 if word in TAKING_TWO else 1):
                    next(rest, None)
            elif word == "-" or not word.startswith("-"):
                found.append(word)
        return found


@pytest.fixture(scope="module")
def calls(shared: Stage, tmp_path_factory: pytest.TempPathFactory) -> list[Called]:
    """All calls of programs in some runs with an environment that is full of secrets and of traps."""
    shared.reset()
    shutil.rmtree(shared.world.folder / "state", ignore_errors=True)
    folder = tmp_path_factory.mktemp("calls")
    programs = folder / "programs"
    programs.mkdir()
    for name in RECORDED:
        real = shutil.which(name)
        if real is not None:
            script = RECORDER.replace("NAME", name).replace("FOLDER", str(folder)).replace("REAL", real)
            (programs / name).write_text(script)
            (programs / name).chmod(0o755)
    before = os.umask(0)
    try:
        for command in (("run",), ("bump",)):
            env = {**SECRETS, **LEADING_ASTRAY, "PATH": f"{programs}:{os.environ['PATH']}"}
            # Not forked: the fork server has the mask that it was started with.
            done = shared.execute(*command, **env)
            assert done.returncode == 0, done.stderr
    finally:
        os.umask(before)
    found = []
    for path in sorted(folder.glob("*.argv")):
        told = path.with_suffix(".env").read_bytes().decode("utf-8", "replace").split("\0")
        words = tuple(path.read_text().split("\0")[:-1])
        facts = (path.with_suffix(kind).read_text().strip() for kind in (".core", ".mask"))
        found.append(Called(words, dict(one.partition("=")[::2] for one in told if one), *facts))
    return found


def test_values_from_outside_stand_behind_dashes_or_at_their_option(calls: list[Called]) -> None:
    names = {one.argv[0] for one in calls}
    assert {"git", "gpgv"} <= names
    subcommands = {one.words[0] for one in calls if one.argv[0] == "git"}
    assert {"fetch", "ls-remote", "push", "apply", "cat-file", "commit-tree", "init", "status"} <= subcommands
    for one in calls:
        words = one.words[1:] if one.argv[0] in {"git", "nix"} else one.words
        if one.argv[0] == "git" and one.words[0] == "init":
            (folder,) = words
            assert folder.startswith("/")
            continue
        assert [word for word in words if not PLAIN.fullmatch(word)] == [], one.argv


def test_programs_get_nothing_of_the_environment_but_what_is_on_the_list(calls: list[Called]) -> None:
    given = base64.b64encode(f"x-access-token:{worlds.TOKEN}".encode()).decode()
    authorised = set()
    for one in calls:
        told = "\0".join(one.env.values()) + "\0".join(one.argv)
        assert not any(secret in told for secret in (*SECRETS.values(), worlds.TOKEN, "/nowhere")), one.argv
        others = {name for name in one.env if name not in GIVEN and not name.startswith(("GIT_", "NIX_"))}
        assert not others, one.argv
        assert not {"GIT_SSL_NO_VERIFY", "GIT_WORK_TREE", "GIT_EXTERNAL_DIFF", "GIT_TRACE_CURL"} & one.env.keys()
        if given in told:
            authorised.add(one.words[0])
            assert given not in "\0".join(one.argv)
    assert authorised == {"push", "ls-remote"}


def test_no_call_leaves_a_picture_of_the_memory_or_files_that_all_may_change(calls: list[Called]) -> None:
    assert {(one.core, one.mask) for one in calls} == {("0", "0002")}


def test_what_is_made_is_not_for_all_to_change(calls: list[Called], shared: Stage) -> None:
    assert calls
    state = shared.world.folder / "state"
    loose = [path for path in state.rglob("*") if not path.is_symlink() and path.stat().st_mode & stat.S_IWOTH]
    assert loose == []
    assert sum(path.is_file() for path in state.rglob("*")) > 5


def test_the_program_s_own_limits() -> None:
    """In a process of its own: the mask and the limit are those of a whole process."""
    code = "import os, resource; from xenbump.cli.main import _keep_private; os.umask(MASK); _keep_private()"
    code += "; print(oct(os.umask(0)), resource.getrlimit(resource.RLIMIT_CORE)[0])"
    for mask, becomes in (("0", "0o2"), ("0o022", "0o22"), ("0o077", "0o77")):
        done = run([sys.executable, "-c", code.replace("MASK", mask)], cwd=ROOT.parent)
        assert done.stdout.decode().split() == [becomes, "0"]


# --- git in the checkout of a person ---------------------------------------------------------------------------------


def test_the_person_s_git_has_their_configuration_and_not_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {
        "GIT_AUTHOR_NAME": "A", "GIT_COMMITTER_EMAIL": "a@localhost", "GIT_CONFIG_GLOBAL": "/x", "GNUPGHOME": "/x",
        "GIT_SSH_COMMAND": "ssh -x", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b", "XDG_CONFIG_HOME": "/x",
    }  # fmt: skip
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in {**kept, **SECRETS, **LEADING_ASTRAY, "XENBUMP_GITHUB_TOKEN": "x", "GIT_TRACE": "1"}.items():
        monkeypatch.setenv(name, value)
    assert git_identity.persons_environment() == kept


def test_while_git_has_a_token_no_hook_runs_and_no_proxy_reads_it() -> None:
    def settings(url: str, secret: str) -> dict[str, str]:
        env = authorisation(url, secret)
        return {env[f"GIT_CONFIG_KEY_{n}"]: env[f"GIT_CONFIG_VALUE_{n}"] for n in range(int(env["GIT_CONFIG_COUNT"]))}

    far, near = settings("https://example.org/x", "t"), settings("http://127.0.0.1:8080/x", "t")
    assert (far["core.hooksPath"], far["http.followRedirects"]) == (os.devnull, "false")
    assert near["http.http://127.0.0.1:8080/.proxy"] == ""
    assert not any(name.endswith("proxy") for name in far)
    for url, secret in (("http://example.org/x", "t"), ("git@example.org:x", "t"), ("https://example.org/x", "")):
        assert not any("extraHeader" in name or "hooksPath" in name for name in settings(url, secret))


def test_git_sends_nothing_of_the_loopback_interface_to_a_proxy(stage: Stage) -> None:
    """The stand-in of GitHub's git answers, though a proxy is set that nobody answers at."""
    url = stage.world.git.url("packages.git")
    env = {"http_proxy": "http://127.0.0.1:9", "GIT_TERMINAL_PROMPT": "0"}
    asked = ["git", "ls-remote", "--", url, "refs/heads/master"]
    assert run(asked, env={**env, "no_proxy": ""}, check=False).status != 0
    done = run(asked, env={**env, "no_proxy": "", **authorisation(url, worlds.TOKEN)}, check=False)
    assert b"refs/heads/master" in done.stdout, done.stderr


def test_a_remote_that_git_would_take_for_an_option_is_refused(stage: Stage, tmp_path: Path) -> None:
    name = f"--upload-pack=touch {tmp_path}/trace;"
    with contextlib.closing(Repository(stage.world.checkout)) as checkout:
        with pytest.raises(UsageError) as caught:
            checkout._talk("ls-remote", name, remote=name)
        assert checkout._talk("ls-remote", "origin", remote="origin", token=worlds.TOKEN)
    assert caught.value.code == "E-REMOTE"
    assert not (tmp_path / "trace").exists()
