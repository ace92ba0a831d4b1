#!/bin/sh
# Makes or renews a virtual environment with xenbump in it: tools/venv.sh FOLDER run|dev|bench|supply
#
# What is in it is what requirements/ has under that name, each file by its hash; tools/lock.sh makes those lists.
#
# The stamp in the folder tells what it was made from and is written last, so an interrupted run
# leaves none. When it does not match, the folder is made anew: nothing is left over in it then.
set -eu
cd "$(dirname "$0")/.."
folder=$1
lock=requirements/$2.txt
PYTHON=${PYTHON:-python3}
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xenbump/dev}

# First line: the interpreter under any active virtual environment, which may be the one about to
# be removed. Second line: the stamp. It names the absolute place because an environment that was
# moved or copied with the checkout still points to the old one; and only the tables that pip
# reads, so that a change of a linter's settings costs nothing.
facts=$("$PYTHON" - "$folder" "$lock" <<'PYTHON'
import hashlib, json, os, sys, tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
tables = [project["build-system"], project["project"], project.get("tool", {}).get("hatch")]
with open(sys.argv[2], "rb") as file:
    lock = hashlib.file_digest(file, "sha256").hexdigest()
made_of = [os.path.abspath(sys.argv[1]), lock, sys.version, sys.base_prefix, tables]
print(getattr(sys, "_base_executable", sys.executable))
print(hashlib.sha256(json.dumps(made_of, default=str).encode()).hexdigest())
PYTHON
)
python=${facts%%
*}
stamp=${facts##*
}

fresh() {
    [ -x "$folder/bin/python" ] && [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ]
}

if fresh; then exit 0; fi

# Of two runs at once the second waits for the first and then finds its work done.
mkdir -p "$CACHE"
if command -v flock >/dev/null; then
    exec 9>"$CACHE/venv.lock"
    flock -n 9 || { echo "xenbump: waiting for another run to finish installing" >&2 && flock 9; }
    if fresh; then exit 0; fi
fi

echo "xenbump: making $folder (the first run takes a minute or so)" >&2
# The stamp goes first: a removal cut short must not leave it standing.
rm -f "$folder/stamp"
rm -rf "$folder"
"$python" -m venv "$folder"
# The folder ignores itself, whatever it is called.
echo '*' >"$folder/.gitignore"
# Twice quiet: errors are shown, and warnings about the machine's list of registries are not.
set -- -m pip install -qq --no-input --disable-pip-version-check --no-deps
# A release without a wheel would be built, with tools that no hash is asked for. On a system that has no wheels for
# something, `PIP_ONLY_BINARY= make` does that all the same.
export PIP_ONLY_BINARY="${PIP_ONLY_BINARY-:all:}"
"$folder/bin/python" "$@" --require-hashes -r "$lock"
# Of xenbump itself there is no hash; what builds it is in the list.
"$folder/bin/python" "$@" --no-build-isolation -e .
echo "$stamp" >"$folder/stamp"
