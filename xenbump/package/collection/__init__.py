"""A collection of patches that the package files of several branches name patches from: `patches.nix`.

It is a file whose value is a set, by itself or as what a function of packages gives, such as
`{ lib, fetchpatch }: let xsaPatch = { id, … }: fetchpatch { … }; in { XSA_462 = xsaPatch { id = "462"; … }; }`. An
entry is a call of such a helper or of a fetcher, or a list of them.

`finding.py` finds the collection of a package file, `reading.py` and `helper.py` read it, `writing.py` gives it what a
plan wants of it, in the style of `entry_style.py`. All paths start from the folder of the package file, as those of
`Beside` do.
"""

from xenbump.package.collection.finding import Used, content_of, find, imported, imported_by
from xenbump.package.collection.reading import Collection, name_of, read
from xenbump.package.collection.writing import edited

__all__ = ["Collection", "Used", "content_of", "edited", "find", "imported", "imported_by", "name_of", "read"]
