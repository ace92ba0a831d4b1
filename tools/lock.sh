#!/bin/sh
# Renews the locks of what is installed for development: tools/lock.sh [OPTION OF uv]...
#
# Each file in requirements/ has all that one environment gets, with the hashes of every file of a release, for all
# Pythons and systems at once. Without options all is taken anew; `--upgrade-package NAME` renews one package and keeps
# the rest. A release has to be a week old, so that a bad one has time to be found before it is here.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xenbump/dev}

# uv is what makes the locks and nothing else needs it, so it is in none of them.
UV=${UV:-$(command -v uv || true)}
if [ -z "$UV" ]; then
    mkdir -p "$CACHE"
    "$PYTHON" -m venv "$CACHE/uv"
    "$CACHE/uv/bin/python" -m pip install -qq --no-input --disable-pip-version-check 'uv==0.13.*'
    UV=$CACHE/uv/bin/uv
fi
if [ $# = 0 ]; then set -- --upgrade; fi

# What builds xenbump itself is installed before it, so that pip fetches nothing for that behind the lock's back;
# hatchling asks for `editables` where it builds for `pip install -e`.
backend() {
    "$PYTHON" -c 'import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], "editables>=0.3", sep="\n")'
}

# compile NAME [OPTION]...: without the machine's settings, so without its registries. What the file has already is
# preferred to what is newer.
compile() {
    file=requirements/$1.txt
    shift
    backend | "$UV" --no-config pip compile --quiet --universal --generate-hashes --no-header --exclude-newer '7 days' \
        --no-emit-index-url --no-emit-find-links --output-file "$file" pyproject.toml - "$@"
}

# All together first, so that an environment has the release of a package that another one has.
all=requirements/all.txt
trap 'rm -f "$all"' EXIT
cat requirements/*.txt >"$all.new"
mv "$all.new" "$all"
compile all --all-extras "$@"
for name in run dev bench supply; do
    cp "$all" "requirements/$name.txt"
    case $name in
        run) compile run ;;
        bench) compile bench --extra dev --extra bench ;;
        *) compile "$name" --extra "$name" ;;
    esac
    echo "lock: requirements/$name.txt has $(grep -c '==' "requirements/$name.txt") packages"
done
