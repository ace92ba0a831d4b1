"""From decisions on advisories and what a file lists to its new list of patches, each asked of the target's tree.

A listed patch goes when the tree has it, stays when it lacks it, and stops the plan when neither can be shown. Patches
come for the advisories whose fix the tree lacks. The whole series is put into the tree, in order, before anything is
written.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xenbump.errors import Refusal, XenbumpError
from xenbump.hashes import patch as hashing
from xenbump.hashes import sri
from xenbump.package import collection, patches
from xenbump.plan import series
from xenbump.plan.model import Addition, Drop, Patch, PatchChange, Verdict
from xenbump.upstream import commits, history, trial
from xenbump.upstream.advisory import ISSUE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from xenbump.journal import Run
    from xenbump.judge import Tree
    from xenbump.plan.model import Decision, Subject
    from xenbump.upstream.advisory import PatchFile
    from xenbump.xen import Xen


@dataclass(slots=True)
class _Work:
    """What is found out while the list is gone through.

    Attributes:
        drop: the patches that go.
        contents: of the patches that stay and are to be tried, by patch.
        names: of the advisories' patches that stay, as the advisory has them.
        anew: those that come again with another hash.
        warnings: what a reviewer should know.
    """

    drop: list[Drop] = field(default_factory=list)
    contents: dict[Patch, bytes] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    anew: list[Addition] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Assembly:
    """Puts the list of patches together, for one file and one tree.

    Args:
        xen: what upstream has.
        run: where results are remembered.
        tree: the tree of the target.
        version: the version that the file is to have, by which conditions are judged.
        local: gives the content of a file beside the package file; None where there is none.
        progress: told in a sentence what takes time.
    """

    def __init__(
        self,
        xen: Xen,
        run: Run,
        tree: Tree,
        version: str,
        *,
        local: Callable[[str], bytes | None],
        progress: Callable[[str], None],
    ) -> None:
        self._xen = xen
        self._run = run
        self._tree = tree
        self._version = version
        self._local = local
        self._progress = progress

    def change(self, subject: Subject, decisions: Mapping[int, Decision]) -> tuple[PatchChange, tuple[str, ...]]:
        """The change to a file's patches, and what a reviewer should know of it.

        Args:
            subject: what the file says.
            decisions: on the target's tree without any patches, by number; those on which a person has decided have no
                patches.

        Raises:
            Refusal: E-PATCH-CONFLICT where a patch neither is in the tree nor goes in, E-XSA-UNKNOWN and
                E-PATCH-CONDITION where a listed patch cannot be judged; a patch is not what was signed.
            Failure: something could not be had.
        """
        work = _Work()
        for patch in subject.patches:
            self._look_at(patch, decisions, work)
        add, parts = self._additions(subject, decisions, work)
        found = series.change(subject.patches, work.drop, [*add, *work.anew], parts)
        self._try(found, work)
        return found, tuple(work.warnings)

    def _look_at(self, patch: Patch, decisions: Mapping[int, Decision], work: _Work) -> None:
        """Decide what happens to a patch that the file lists."""
        if patch.condition is not None:
            holds = patch.condition.holds(self._version)
            if holds is None and patch.xsa is not None:
                raise Refusal(
                    "E-PATCH-CONDITION",
                    f"whether {_short(patch)} is applied depends on `{patch.condition.text}`, which is not evaluated",
                )
            if holds is None:
                work.warnings.append(f"{_short(patch)} was not tried: it depends on `{patch.condition.text}`")
            if not holds:
                return
        name = patches.advisory_file(patch.url) if patch.fetcher is not None else None
        if name is not None and patch.xsa is not None:
            self._advisory_patch(patch, name, decisions.get(patch.xsa), work)
        else:
            self._other_patch(patch, work)

    def _advisory_patch(self, patch: Patch, name: str, decision: Decision | None, work: _Work) -> None:
        if decision is None or decision.verdict in {Verdict.EMBARGOED, Verdict.UNUSED}:
            raise Refusal("E-XSA-UNKNOWN", f"the file lists {name}, and there is no public XSA-{patch.xsa}")
        if decision.verdict is Verdict.IN_RELEASE:
            work.drop.append(Drop(patch, decision.reason))
        elif decision.verdict is Verdict.OTHER_TREE:
            work.drop.append(Drop(patch, decision.reason))
            work.warnings.append(f"{name} was listed, and {decision.reason}")
        elif decision.verdict is Verdict.CONFLICT:
            work.warnings.append(f"{name} stays as it is: a person has decided on XSA-{patch.xsa}")
        elif decision.verdict is Verdict.OTHER_BRANCH:
            file = self._files(decision.xsa).get(name)
            work.warnings.append(f"{name} is listed, and {decision.reason}")
            self._by_tree(patch, None if file is None else self._xen.library.patch(file), work)
        elif name not in decision.patches:
            work.drop.append(
                Drop(patch, f"what XSA-{patch.xsa} needs on {self._tree.name} is {', '.join(decision.patches)}")
            )
        else:
            self._needed(patch, name, work)

    def _needed(self, patch: Patch, name: str, work: _Work) -> None:
        """A patch that the file lists and that the tree lacks: it stays, if it is the one that was signed."""
        content = self._xen.library.patch(self._files(patch.xsa or 0)[name])
        compute = hashing.FETCHERS.get(patch.fetcher or "")
        if patch.options or compute is None:
            work.warnings.append(f"the hash of {name} was not compared: its fetcher has {', '.join(patch.options)}")
        elif compute(content) != patch.hash:
            work.drop.append(
                Drop(patch, f"its hash is not that of the file which XSA-{patch.xsa} signs; it comes anew")
            )
            return
        work.names.add(name)
        work.contents[patch] = content

    def _other_patch(self, patch: Patch, work: _Work) -> None:
        commit = commits.commit_of(patch.url) if patch.fetcher is not None else None
        if commit is not None:
            self._commit_patch(patch, commit, work)
        elif patch.path is not None:
            content = self._local(patch.path)
            if content is None:
                raise Refusal(
                    "E-PATCH-CONFLICT",
                    f"the file lists {patch.path}, and there is no such file beside it",
                    remedy="add the file, or take it out of the list",
                )
            self._by_tree(patch, content, work)
        else:
            work.warnings.append(
                f"{_short(patch)} was not tried on {self._tree.name}: where it comes from is not known"
            )

    def _commit_patch(self, patch: Patch, commit: str, work: _Work) -> None:
        """A change of upstream: the tree's history knows whether it has it, and git what it is."""
        xen, tree = self._xen, self._tree
        listing = xen.listing()
        had = history.has_commit(
            xen.repository, listing, tree.commit, tree.ref, branch=tree.branch, memory=self._run, wanted=commit
        )
        if had is not None:
            how = "has it" if had == commit else f"has it as commit {had[:12]}"
            work.drop.append(Drop(patch, f"{tree.name} {how}"))
            return
        try:
            content = xen.repository.patch_of(commit, listing.source)
        except XenbumpError as error:
            work.warnings.append(f"{_short(patch)} was not tried on {tree.name}: {error}")
            return
        compute = hashing.FETCHERS.get(patch.fetcher or "")
        if compute is None or patch.options or compute(content) == patch.hash:
            self._by_tree(patch, content, work)
        elif sri.is_hash(patch.hash or ""):
            # Whoever wrote it may have had the patch from a server that shows it in another way.
            work.warnings.append(f"the hash of {_short(patch)} is not that of commit {commit[:12]} as git shows it")
            self._by_tree(patch, content, work)
        else:
            self._by_tree(patch, content, work)
            if work.contents.pop(patch, None) is not None:
                new = replace(patch, hash=compute(content))
                work.drop.append(Drop(patch, f"its hash is none; it comes anew with that of commit {commit[:12]}"))
                work.contents[new] = content
                work.anew.append(Addition(new, hashlib.sha256(content).hexdigest()))

    def _by_tree(self, patch: Patch, content: bytes | None, work: _Work) -> None:
        """Let the tree say whether it has a patch."""
        if content is None:
            work.warnings.append(f"{_short(patch)} was not tried on {self._tree.name}: it could not be had")
            return

        def ask() -> bool:
            with trial.on_tree(self._store(), self._tree.commit) as tried:
                # Where code repeats itself, a patch may fit one place with the change and another without it.
                return tried.comes_out([content]) is None and tried.goes_in([content]) is not None

        digest = hashlib.sha256(content).hexdigest()
        if self._run.step("", "has-patch", (self._tree.commit, digest), bool, ask):
            work.drop.append(Drop(patch, f"{self._tree.name} has it: it can be taken out of the tree cleanly"))
            if patch.path is not None:
                work.warnings.append(f"{patch.path} is not listed any more; the file itself stays")
        else:
            work.contents[patch] = content

    def _additions(
        self, subject: Subject, decisions: Mapping[int, Decision], work: _Work
    ) -> tuple[list[Addition], dict[int, Sequence[str]]]:
        naming = subject.naming
        fetcher = naming.fetcher if naming else series.fetcher_of(subject.patches)
        root = naming.root if naming else series.root_of(subject.patches, patches.advisory_files(subject.patches))
        found: list[Addition] = []
        parts: dict[int, Sequence[str]] = {}
        for number, decision in sorted(decisions.items()):
            if decision.verdict is not Verdict.NEEDS_PATCH:
                continue
            files = self._files(number)
            parts[number] = [root + name for name in decision.patches]
            for name in decision.patches:
                if name in work.names:
                    continue
                content = self._xen.library.patch(files[name])
                patch = Patch(
                    root + name,
                    number,
                    hashing.FETCHERS[fetcher](content),
                    fetcher,
                    name=collection.name_of(name) if naming else None,
                )
                work.contents[patch] = content
                issue = self._issue(number) if naming else ""
                found.append(Addition(patch, files[name].sha256, decision.title, issue, decision.cves))
        return found, parts

    def _try(self, found: PatchChange, work: _Work) -> None:
        """Put the whole series into the tree; a patch of the file's own choice may fit nearly, as a build takes it."""
        tried = [patch for patch in found.series if patch in work.contents]
        contents = [work.contents[patch] for patch in tried]
        own = [place for place, patch in enumerate(tried) if patch.xsa is None]
        if not contents:
            return

        def ask() -> tuple[int | None, bool]:
            self._progress(f"putting {len(contents)} patch(es) into {self._tree.name}, in order")
            with trial.on_tree(self._store(), self._tree.commit) as here:
                failed = here.goes_in(contents)
                if failed is None or not own:
                    return failed, False
                return here.goes_in(contents, fuzzy=own), True

        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        failed, nearly = self._run.step("", "series", (self._tree.commit, digests, own), tuple[int | None, bool], ask)
        if failed is not None:
            raise Refusal(
                "E-PATCH-CONFLICT",
                f"{_short(tried[failed])} does not apply to {self._tree.name} behind the {failed} before it,"
                " and the tree has not got it",
            )
        if nearly:
            work.warnings.append("a patch that stays fits the tree nearly, not to the letter; look at it")

    def _files(self, number: int) -> dict[str, PatchFile]:
        """The files of an advisory, by name."""
        text = self._xen.judge.text(number).text
        lines = text.advisory.lines if text is not None and text.advisory is not None else ()
        return {file.name: file for line in lines for file in line.files}

    def _issue(self, number: int) -> str:
        """What an advisory describes as the issue, signed like all of its text."""
        text = self._xen.judge.text(number).text
        advisory = None if text is None else text.advisory
        return "" if advisory is None else advisory.section(ISSUE) or ""

    def _store(self) -> Path:
        return self._xen.repository.with_tree(self._tree.commit, self._tree.ref, self._xen.listing().source)


def _short(patch: Patch) -> str:
    name = patches.advisory_file(patch.url)
    return name or patch.path or patch.url
