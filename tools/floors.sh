#!/bin/sh
# Runs the tests with the lowest declared release of every run-time dependency, so that the floors
# in pyproject.toml are true. What the tests themselves need is of the newest release that fits: the
# locks play no part here. Arguments are passed on to pytest.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xenbump/dev}
folder=$CACHE/floors

# Made anew every time: this is run seldom, and an old environment would prove nothing.
rm -rf "$folder"
mkdir -p "$CACHE"
"$PYTHON" -m venv "$folder"

# A floor has to be a release that exists, so `name>=1.2` simply becomes `name==1.2`.
"$PYTHON" - >"$folder/floors.txt" <<'PYTHON'
import re, sys, tomllib

with open("pyproject.toml", "rb") as file:
    for dependency in tomllib.load(file)["project"]["dependencies"]:
        floor = re.fullmatch(r"([\w.-]+)\s*>=\s*([\w.]+)(,.*)?", dependency)
        if floor is None:
            sys.exit(f"floors: no lowest release can be read from {dependency!r}")
        print(f"{floor[1]}=={floor[2]}")
PYTHON
echo "floors: $(tr '\n' ' ' <"$folder/floors.txt")"
# pip tells which floors contradict each other only when it is not quiet.
if ! "$folder/bin/python" -m pip install --no-input --disable-pip-version-check \
    --constraint "$folder/floors.txt" -e '.[dev]' >"$folder/pip.log" 2>&1; then
    tail -n 20 "$folder/pip.log" >&2
    exit 1
fi
# An old release may use what a newer one below it has since deprecated; that is not the question.
"$folder/bin/python" -m pytest -W default::DeprecationWarning -n "${WORKERS:-2}" -o cache_dir="$CACHE/pytest" "$@"
