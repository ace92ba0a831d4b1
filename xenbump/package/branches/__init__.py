"""The folder of branches: each branch of Xen with a package file of its own, beside the others.

`folder.py` says what is there, `listing.py` how a branch comes into the files that list them, `retiring.py` how one
goes or is marked; `entries.py` and `lines.py` find and place what such a file has for a branch. All paths start from
the folder of one branch's package file, as those of `Beside` do.
"""

from xenbump.package.branches.folder import definitions, latest_of, not_one_latest, siblings
from xenbump.package.branches.listing import listed
from xenbump.package.branches.retiring import retire

__all__ = ["definitions", "latest_of", "listed", "not_one_latest", "retire", "siblings"]
