"""The real Nix as the judge of Nix text.

`nix-instantiate --parse` stops at the first file that it refuses, and a process takes as long as reading some hundred
files. So `accepts` has one `nix repl` import all files: it parses with the same code and goes on after an error.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Makes undefined variables a matter of evaluation, not of parsing.
PREFIX = b"with { };\n"
BATCH = 2000
_ANSWER = re.compile(r'\x1b\[[0-9;]*m(\d+|"good")\x1b')


def batched(names: list[str]) -> list[list[str]]:
    """Return the names in lists of a few."""
    return [names[start : start + BATCH] for start in range(0, len(names), BATCH)]


def encoded(source: str) -> bytes:
    """Return the bytes of a source; a lone surrogate stands for a byte that is not UTF-8."""
    return source.encode("utf-8", "surrogateescape")


class Nix:
    """Runs Nix's programs in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        programs = [shutil.which(name) for name in ("nix-instantiate", "nix")]
        if None in programs:
            message = "nix is not installed"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        self._instantiate, self._nix = map(str, programs)
        self._folder = folder
        self._count = 0

    def _run(self, *arguments: str, text: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            arguments,
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder), "TMPDIR": str(self._folder)},
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=timeout,
        )

    def version(self) -> str:
        """Return the version of Nix as it says it."""
        return self._run(self._nix, "--version").stdout.split()[-1]

    def parses(self, *sources: str) -> subprocess.CompletedProcess[str]:
        """Run `nix-instantiate --parse` for some files; it stops at the first one that it refuses."""
        names = self._files([PREFIX + encoded(source) for source in sources])
        return self._run(self._instantiate, "--store", "dummy://", "--parse", *names)

    def printed(self, sources: list[str]) -> list[str]:
        """Return how Nix prints the syntax tree of each source, on one line each; all of them must parse."""
        result = self.parses(*sources)
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    def accepts(self, sources: list[str], prefix: bytes = PREFIX) -> list[bool]:
        """Say for each source, put behind the prefix, whether it parses."""
        # As functions they are parsed, but nothing in them is evaluated.
        names = self._files([b"_: " + prefix + encoded(source) for source in sources])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(chain.from_iterable(pool.map(self._imported, batched(names))))

    def _imported(self, names: list[str]) -> list[bool]:
        """Say for each file whether `import` parses it."""
        # After a file with an unexpected end the prompt waits for more; a parenthesis ends that with another error.
        lines = [f'builtins.seq (import ./{name}) "good"\n)\n{number}\n' for number, name in enumerate(names)]
        arguments = ("--store", "dummy://", "--experimental-features", "nix-command", "repl")
        answers = _ANSWER.findall(self._run(self._nix, *arguments, text="".join(lines)).stdout)
        verdicts: list[bool] = []
        good = False
        for answer in answers:
            if answer == '"good"':
                good = True
            else:
                assert int(answer) == len(verdicts)
                verdicts.append(good)
                good = False
        if len(verdicts) == len(names):
            return verdicts
        # Some damaged strings make Nix 2.8 read memory that is not its own.
        crashed, *others = names[len(verdicts) :]
        alone = self._run(self._instantiate, "--store", "dummy://", "--parse", crashed).returncode
        return [*verdicts, alone == 0, *self._imported(others)]

    def values(self, expressions: list[str]) -> list[object]:
        """Return the value of each expression."""
        name = self._folder / "values.nix"
        name.write_bytes(b"[\n" + b"\n".join(encoded(f"({each})") for each in expressions) + b"\n]")
        result = self._run(self._instantiate, "--store", "dummy://", "--eval", "--json", "--strict", str(name))
        assert result.returncode == 0, result.stderr
        values = json.loads(result.stdout)
        assert isinstance(values, list)
        return values

    def _files(self, contents: list[bytes]) -> list[str]:
        names = []
        for content in contents:
            self._count += 1
            names.append(f"{self._count}.nix")
            (self._folder / names[-1]).write_bytes(content)
        return names
