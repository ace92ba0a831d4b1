#!/bin/sh
# Sees to the programs that pip cannot install: tools/prepare.sh demo|test
#
# As root with apt-get it installs the missing ones. Otherwise it says in one line what is missing
# and what is left out for it, and the run goes on; only git and Python are indispensable. With
# CI=true anything missing is an error, so that no test is skipped there unseen.
set -eu
PYTHON=${PYTHON:-python3}
group=${1:?usage: tools/prepare.sh demo|test}

# program | first group that wants it | Debian packages | what is left out without it
# `test` wants all that `demo` wants; `python` stands for "$PYTHON" and what it has to be able to do.
table='git|demo|git|needed
python|demo|python3-venv|needed
gpgv|demo|gpgv|verifying signatures
gpg|demo|gnupg|signing the example release with a key of its own
nix-instantiate|test|nix-bin|having Nix parse the edited files
filterdiff|test|patchutils|comparing the reading of patches with patchutils
qemu-system-x86_64|test|qemu-system-x86|booting a real Xen
qemu-img|test|qemu-utils|making disks of guests
mkfs.ext4|test|e2fsprogs|making disks of guests
cpio|test|cpio|unpacking the archives of guests
skopeo|test|skopeo|reading what skopeo writes
zstd|test|zstd|unpacking the kernel that is booted
gcc|test|gcc libc6-dev|building a real Xen
make|test|make|building a real Xen
flex|test|flex|building a real Xen
bison|test|bison|building a real Xen
fish|test|fish|completing in fish
zsh|test|zsh|completing in zsh
groff|test|groff|rendering the man page
mandoc|test|mandoc|linting the man page
chromium|test|chromium|looking at the page of a report
shellcheck|test|shellcheck|linting the shell scripts'

# A Python of any origin will do; it is Debian that splits ensurepip off into python3-venv.
check_python() {
    "$PYTHON" -c 'import sys, venv
if sys.version_info < (3, 11): sys.exit(f"Python {sys.version} is older than 3.11")
import ensurepip'
}

has() {
    case $1 in
        python) check_python ;;
        # Debian lets gpg be installed without the agent that holds the secret keys.
        gpg) command -v gpg && command -v gpg-agent ;;
        # And the compiler without the C library's headers.
        gcc) echo '#include <stdio.h>' | gcc -x c -fsyntax-only - ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

look() {
    missing='' packages='' losses='' needed=''
    while IFS='|' read -r program first package loss; do
        if [ "$group" = demo ] && [ "$first" = test ]; then continue; fi
        if has "$program"; then continue; fi
        packages="$packages $package"
        if [ "$loss" = needed ]; then
            needed="$needed $program"
        else
            missing="$missing, $program"
            case $losses in *"$loss"*) ;; *) losses="$losses; $loss" ;; esac
        fi
    done <<TABLE
$table
TABLE
}

install() {
    echo "xenbump: installing$packages" >&2
    log=$(mktemp)
    for _ in 1 2; do
        # A failed update is no reason to stop: the lists at hand may do, and one source of many
        # may be away. $packages is split into words on purpose.
        # shellcheck disable=SC2086
        if {
            apt-get -q -o DPkg::Lock::Timeout=120 update || true
            DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
                install --no-install-recommends $packages
        } >"$log" 2>&1 </dev/null; then
            rm -f "$log"
            return
        fi
    done
    cat "$log" >&2
    rm -f "$log"
}

case $group in
    demo | test) ;;
    *) echo "usage: tools/prepare.sh demo|test" >&2 && exit 2 ;;
esac

look
if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    install
    look
fi
if [ -n "$missing" ]; then
    echo "xenbump: not here: ${missing#, } (Debian:$packages); left out: ${losses#; }" >&2
fi
if [ -n "$needed" ]; then
    echo "xenbump: cannot go on without${needed} (Debian:$packages)" >&2
    case $needed in
        *python*) echo "xenbump: tried $PYTHON: $(check_python 2>&1 | tail -n 1)" >&2 ;;
    esac
    exit 1
fi
if [ -n "$missing" ] && [ "${CI:-}" = true ]; then
    echo "xenbump: with CI=true nothing may be left out" >&2
    exit 1
fi
