"""The files around a package file, as they are to be and as another folder sees them."""

from __future__ import annotations

from tests.package.folders import Files
from xenbump.package.beside import ALONE, Elsewhere, Overlay

FILES = Files({"xen/4.20/default.nix": "a", "xen/4.20/x.patch": "b", "xen/4.19/default.nix": "c", "xen/all.nix": "d"})


def test_alone_there_is_nothing() -> None:
    assert (ALONE.read("default.nix"), ALONE.names(".")) == (None, ())


def test_what_is_to_be() -> None:
    view = Overlay(
        FILES,
        {"default.nix": b"new", "../4.21/default.nix": b"e", "../4.19/default.nix": None, "./new/deep/x": b"f"},
    )
    assert [view.read(name) for name in ("default.nix", "../4.20/x.patch", "../4.21/default.nix")] == [
        b"new",
        b"b",
        b"e",
    ]
    assert view.read("../4.19/default.nix") is None
    assert view.names("..") == ("4.20", "4.21", "all.nix")
    assert view.names(".") == ("default.nix", "new", "x.patch")
    assert view.names("../4.21") == ("default.nix",)
    assert view.names("../4.19") == ()
    assert view.names("new") == ("deep",)


def test_another_folder_sees_the_same() -> None:
    view = Elsewhere(FILES, "../4.19")
    assert (view.read("default.nix"), view.read("../all.nix"), view.names("..")) == (
        b"c",
        b"d",
        ("4.19", "4.20", "all.nix"),
    )
