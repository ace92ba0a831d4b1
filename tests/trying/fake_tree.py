"""A repository with the outline of Xen's tree: the same targets and places, and next to nothing to compile."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

from xenbump import process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MAKEFILE = """
export XEN_VERSION = {major}
export XEN_SUBVERSION = {minor}
export XEN_EXTRAVERSION ?= {extra}$(XEN_VENDORVERSION)
build: xen
defconfig:
	cp arch/x86/configs/x86_64_defconfig .config
olddefconfig:
	grep -q '^CONFIG_EXPERT=y' .config || sed -i /CONFIG_NEEDY=/d .config
xen: setup.o banner
	printf '\\177ELF\\001\\001' >xen
	cat setup.o banner >>xen
	cp setup.o xen-syms
setup.o: setup.c .config
	@echo '  CC      setup.o'
	gcc -c -o setup.o setup.c
banner: FORCE
	echo "$(XEN_BUILD_DATE) $(XEN_WHOAMI)@$(XEN_BUILD_HOST) `git rev-parse HEAD`" >banner.new
	cmp -s banner.new banner || cp banner.new banner
.PHONY: FORCE
"""
_KCONFIG = """
mainmenu "Xen"
config EXPERT
	bool "Configure EXPERT features"
config DEBUG
	bool "Developer Checks"
	default y
if EXPERT
config NEEDY
	bool "Something for experts"
	depends on DEBUG
endif
config CMDLINE
	string "Built-in command line"
config NR_CPUS
	int "Maximum number of CPUs"
	range 1 4095
"""
_SETUP = """
int lines(void);
int lines(void)
{
    return 1;
}

/* a */
/* b */
/* c */
/* d */
/* e */

int last(void);
int last(void)
{
    return 2;
}

#ifdef BROKEN
#error broken
#endif
"""
_TOOL = "all: {names}\n{names}: ../hello.c\n\t{recipe}\n"
_LINK = "gcc -o $@ ../hello.c -L../libs/own -lown $(APPEND_LDFLAGS)"
# One is like the other, and compilers take their time.
_COPY = "cp ../libs/light/libxl-save-helper $@"
_CONFIGURE = """#!/bin/sh
if [ -e lacks ]; then echo "configure: error: `cat lacks`" >&2; exit 1; fi
echo configured >>config/Tools.mk
"""


def files(*, major: int = 4, minor: int = 22, extra: str = ".0-rc3") -> dict[str, str]:
    """The files of a tree."""
    tools = {
        "xenstored": "xenstored", "xs-clients": "xenstore xenstore-control", "helpers": "xen-init-dom0", "xl": "xl",
    }  # fmt: skip
    makefile = _MAKEFILE.format(major=major, minor=minor, extra=extra)
    return {
        "xen/Makefile": makefile,
        "xen/Kconfig": _KCONFIG,
        "xen/setup.c": _SETUP,
        "xen/arch/x86/configs/x86_64_defconfig": "CONFIG_DEBUG=y\nCONFIG_NR_CPUS=16\n# CONFIG_EXPERT is not set\n",
        "xen/include/public/version.h": "#define VERSION 1\n",
        ".gitignore": "*.o\n*.so\nxen/xen\nxen/xen-syms\nxen/banner*\nxen/.config\nconfig/Tools.mk\n",
        "configure": _CONFIGURE,
        "config/StdGNU.mk": "CC = gcc\n",
        "tools/hello.c": "int own(void);\nint main(void) { return own(); }\n",
        "tools/include/Makefile": "all:\n",
        "tools/libs/Makefile": (
            "all: own/libown.so light/libxl-save-helper\n"
            "own/libown.so: own/own.c\n\tgcc -shared -fPIC -Wl,-soname,libown.so -o $@ $< $(APPEND_LDFLAGS)\n"
            "light/libxl-save-helper: own/libown.so\n\tgcc -o $@ ../hello.c -Lown -lown $(APPEND_LDFLAGS)\n"
        ),
        "tools/libs/own/own.c": "int own(void) { return 0; }\n",
        "tools/libs/light/README": "\n",
        "tools/console/Makefile": _TOOL.format(names="daemon/xenconsoled client/xenconsole", recipe=_COPY),
        "tools/console/daemon/README": "\n",
        "tools/console/client/README": "\n",
        **{
            f"tools/{folder}/Makefile": _TOOL.format(names=names, recipe=_LINK if folder == "xl" else _COPY)
            for folder, names in tools.items()
        },
    }


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git as a person with a name and no settings."""
    who = {
        f"GIT_{role}_{what}": said
        for role in ("AUTHOR", "COMMITTER")
        for what, said in (("NAME", "A Tester"), ("EMAIL", "tester@example.org"), ("DATE", "@1700000000 +0000"))
    }
    settings = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    return process.run(["git", *arguments], cwd=folder, env=who | settings, stdin=stdin).stdout.decode().strip()


def write(folder: Path, content: Mapping[str, str]) -> None:
    """Write files below a folder."""
    for name, text in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)


def commit(folder: Path, message: str, content: Mapping[str, str]) -> str:
    """Commit files; the commit's identifier."""
    write(folder, content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path) -> Path:
    """A repository: `RELEASE-4.16.0`, `4.22.0-rc3` and three commits more on the branch `staging`.

    The first of the three changes one source file, the second the tools, the third does not build.
    """
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--template=", "--initial-branch=staging")
    commit(folder, "An old one", files(minor=16, extra=".0"))
    git(folder, "tag", "-m", "old", "RELEASE-4.16.0")
    commit(folder, "A candidate", files())
    git(folder, "tag", "-m", "candidate", "4.22.0-rc3")
    commit(folder, "x86: return three", {"xen/setup.c": _SETUP.replace("return 1", "return 3")})
    commit(folder, "tools: change", {"tools/hello.c": "int own(void);\nint main(void) { return 2 * own(); }\n"})
    commit(folder, "x86: break the build", {"xen/setup.c": _SETUP.replace("return 1", "return x")})
    return folder


def mail(folder: Path, base: str, content: Mapping[str, str], subject: str = "x86: a change") -> str:
    """A patch as `git format-patch` makes it, against a revision; the repository stays where it is."""
    here = git(folder, "symbolic-ref", "--short", "HEAD")
    git(folder, "checkout", "--quiet", "--detach", base)
    commit(folder, subject, content)
    text = git(folder, "format-patch", "-1", "--stdout", "--no-signature")
    git(folder, "checkout", "--quiet", here)
    return textwrap.dedent(text) + "\n"


SETUP = _SETUP
