"""What is said of questions before anything is built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.trying import fake_tree
from xenbump.errors import Refusal
from xenbump.trying.model import Trial
from xenbump.trying.setting import Setting, checked, left_out

if TYPE_CHECKING:
    from pathlib import Path


def test_what_cannot_be_tried_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    repository = fake_tree.repository(tmp_path / "xen")
    setting = Setting(str(repository), tmp_path / "state", tmp_path)
    good = Trial("4.22.0-rc3")
    checked([good, Trial("staging")], setting, print)
    for bad, code in (
        (Trial("4.22.0-rc9"), "E-TRY-REV"),
        (Trial("RELEASE-4.16.0"), "E-TRY-REV"),
        (Trial("staging", (tmp_path / "none.patch",)), "E-TRY-PATCH"),
    ):
        with pytest.raises(Refusal, match=code):
            checked([good, bad], setting, print)
    assert not setting.folder.exists()


def test_changes_that_are_in_no_commit_are_told_to_who_may_mean_them(tmp_path: Path) -> None:
    repository = fake_tree.repository(tmp_path / "xen")
    setting = Setting(str(repository), tmp_path / "state", tmp_path)
    (repository / "note").write_text("what git does not know")
    assert left_out(Trial("HEAD"), setting) == ""
    (repository / "xen" / "setup.c").write_text("changed")
    index = (repository / ".git" / "index").read_bytes()
    for rev in ("HEAD", "staging"):
        assert "not tried" in left_out(Trial(rev), setting)
    for rev in ("staging~1", "4.22.0-rc3", "none", "--help"):
        assert left_out(Trial(rev), setting) == ""
    assert (repository / ".git" / "index").read_bytes() == index
    assert left_out(Trial("HEAD"), replace(setting, repository="https://example.org/xen.git")) == ""
