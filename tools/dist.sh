#!/bin/sh
# Builds sdist and wheel of the commit that is checked out, twice, and fails where the two are not the same byte for
# byte: tools/dist.sh [FOLDER]
#
# What is built is the commit and never the work tree, so nothing that lies about gets in. The second build has another
# folder, umask, time zone, locale and order of hashes, and its wheel is made from the sdist: so whoever has the sdist
# gets the same wheel. The compressor counts too: the same Python and zlib are needed to get these bytes again.
set -eu
cd "$(dirname "$0")/.."
to=${1:-dist}
python=$PWD/.venv-supply/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
    echo "dist: what is changed here and not committed is left out" >&2
fi
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

mkdir -p "$work/one/tree" "$work/two/a longer name/tree"
for tree in "$work/one/tree" "$work/two/a longer name/tree"; do git archive HEAD | tar -x -C "$tree"; done

(
    umask 022
    cd "$work/one/tree" &&
        PYTHONHASHSEED=1 TZ=UTC LC_ALL=C "$python" -m hatchling build -d "$work/one/dist" >"$work/log" 2>&1
) || { cat "$work/log" >&2 && exit 1; }
(
    umask 077
    export PYTHONHASHSEED=2 TZ=Asia/Tokyo LC_ALL=C.UTF-8
    cd "$work/two/a longer name/tree" &&
        "$python" -m hatchling build -t sdist -d "$work/two/dist" &&
        mkdir "$work/two/unpacked" &&
        tar -x -z -C "$work/two/unpacked" -f "$work"/two/dist/*.tar.gz &&
        cd "$work"/two/unpacked/* &&
        "$python" -m hatchling build -t wheel -d "$work/two/dist"
) >"$work/log" 2>&1 || { cat "$work/log" >&2 && exit 1; }

if ! diff -r "$work/one/dist" "$work/two/dist" >&2; then
    echo "dist: two builds of one commit are not the same" >&2
    exit 1
fi
rm -rf "$to"
mkdir -p "$to"
cp "$work"/one/dist/* "$to"
echo "dist: built twice, the same:"
(cd "$to" && sha256sum -- *)
