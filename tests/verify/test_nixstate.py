"""The fold of Nix' log, and a failure in the lines that matter."""

from __future__ import annotations

import time

import pytest

from tests.verify.nix_logs import NAMES, after, build, cause, events, written
from xenbump.verify import nixlog
from xenbump.verify.nixlog import Activity, Line, Plain, Start
from xenbump.verify.nixstate import Count, Mismatch, Problem


def test_the_recorded_logs_are_there() -> None:
    assert {"success", "failure", "mismatch", "evaluation", "two", "interrupted"} <= set(NAMES)


def test_success() -> None:
    found = events("success")
    started = [event for event in found if isinstance(event, Start) and event.kind == Activity.BUILD]
    assert [nixlog.name_of(event.derivation) for event in started] == ["good-1", "behind-1"]
    state = after(found)
    assert state.builds == Count(done=2, expected=2)
    assert (state.running, state.problems, state.cause(), state.current) == ((), (), None, None)
    lines = [(nixlog.name_of(event.derivation), event.text) for event in found if isinstance(event, Line)]
    assert lines == [("good-1", "made"), ("behind-1", "after it")]


def test_what_a_renderer_shows_meanwhile() -> None:
    found = events("failure")
    number = next(i for i, event in enumerate(found) if isinstance(event, Line) and event.text.endswith("file7.o"))
    state = after(found[: number + 1])
    assert state.builds == Count(done=0, expected=1, running=1)
    assert state.current is not None
    assert nixlog.name_of(state.current.derivation) == "failing-1"
    assert state.current.phase == "buildPhase"
    assert state.current.lines[-1] == "CC  file7.o"


def test_the_build_heard_of_last_is_the_current_one() -> None:
    second = written(action="start", id=8, type=105, fields=["/nix/store/b.drv", "", 1, 1])
    state = after(build(second, written(action="result", id=7, type=101, fields=["x"])))
    assert [one.id for one in state.running] == [8, 7]


def test_a_failing_build() -> None:
    problem = cause("failure")
    assert nixlog.name_of(problem.derivation) == "failing-1"
    assert problem.message == f"builder for '{problem.derivation}' failed with exit code 2"
    assert len(problem.lines) == 30
    assert problem.lines[0] == "CC  file33.o"
    assert problem.lines[-2:] == ("file61.c:7:1: error: unknown type name 'u128'", "make: *** [all] Error 2")
    assert after(events("failure")).builds.failed == 1


def test_a_hash_mismatch() -> None:
    problem = cause("mismatch")
    assert problem.mismatch == Mismatch(
        problem.derivation,
        "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "sha256-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=",
    )
    assert nixlog.name_of(problem.derivation) == "mismatch-1"
    assert problem.message == f"hash mismatch in fixed-output derivation '{problem.derivation}'"


@pytest.mark.parametrize("name", ["evaluation", "trace"])
def test_an_error_in_nix_code(name: str) -> None:
    problem = cause(name)
    assert problem.message == "attribute 'nothing' missing"
    assert problem.place.endswith("/flake.nix:50:40")
    assert not problem.derivation


def test_a_thrown_error_and_a_wrong_option() -> None:
    assert cause("thrown") == Problem("this package is broken on purpose")
    assert cause("option") == Problem("unrecognised flag '--builder'")


def test_two_that_fail_and_what_needs_them() -> None:
    state = after(events("two"))
    failed = {nixlog.name_of(problem.derivation): problem for problem in state.problems}
    assert set(failed) == {"failing-1", "other-1", "both-1"}
    assert failed["other-1"].lines == ("no rule to make target",)
    assert failed["both-1"].consequence
    assert cause("two") == next(problem for problem in state.problems if not problem.consequence)
    assert not cause("dependency").consequence


def test_an_output_that_was_not_made() -> None:
    problem = cause("missing")
    assert problem.lines == ("makes nothing",)
    assert "failed to produce output path for output 'out'" in problem.message


def test_an_interrupted_one() -> None:
    state = after(events("interrupted"))
    assert state.interrupted
    assert state.cause() == Problem("interrupted by the user", interrupted=True)
    assert not after(events("failure")).interrupted


def test_errors_as_other_releases_of_nix_word_them() -> None:
    drv = "/nix/store/" + "a" * 32 + "-xen-4.20.3.drv"
    for message, expected in (
        (f"builder for '{drv}' failed with exit code 2;\n last 10 log lines:\n > x\n For full logs, run …", None),
        (f"Cannot build '{drv}'.\nReason: builder failed with exit code 2.\nOutput paths:\n  /nix/store/x", None),
        (
            f"hash mismatch in fixed-output derivation '{drv}':\n likely URL: http://x\n specified: A\n got: B",
            ("A", "B"),
        ),
    ):
        line = written(action="result", id=7, type=101, fields=["its log"])
        problem = after(build(line, written(action="msg", level=0, msg="error: …", raw_msg=message))).cause()
        assert problem is not None
        assert (problem.derivation, problem.lines, problem.consequence) == (drv, ("its log",), False)
        assert "exit code 2" in problem.message or expected
        assert "\n" not in problem.message
        assert (problem.mismatch and (problem.mismatch.specified, problem.mismatch.got)) == expected
    later = f"Cannot build '{drv}'.\nReason: 1 dependency failed."
    assert after(build(written(action="msg", level=0, msg="", raw_msg=later))).problems[0].consequence


def test_an_error_without_its_bare_form() -> None:
    text = "\x1b[31;1merror:\x1b[0m\n  … while calling x\n\n  error: attribute 'y' missing"
    problem = after(nixlog.read(written(action="msg", level=0, msg=text))).cause()
    assert problem == Problem("attribute 'y' missing")
    assert after([Plain("error: cannot open connection")]).cause() == Problem("cannot open connection")
    assert after(nixlog.read(written(action="msg", level=0, msg="(use '--show-trace' …)"))).cause() is None
    assert after(nixlog.read(written(action="msg", level=1, msg="error: not one", raw_msg="x"))).cause() is None


@pytest.mark.parametrize("piece", ["/", "dependency ", "hash mismatch in fixed-output derivation '/", "failed "])
def test_an_error_that_repeats_itself_takes_no_time(piece: str) -> None:
    began = time.process_time()
    problem = after([Plain("error: " + piece * 10_000)]).cause()
    assert problem is not None
    assert (problem.derivation, problem.mismatch, problem.consequence) == ("", None, False)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("error", "derivation"),
    [
        ("builder for '/nix/store/a.drv' failed", "/nix/store/a.drv"),
        ("a /b/c.drv.d and /d/e.drv!", "/d/e.drv"),
        ("/b/a.drv/c.drv-x", "/b/a.drv"),
        ("of '/.drv' and /a.drv", "/a.drv"),
        ("no derivation in /a/b", ""),
    ],
)
def test_the_derivation_that_an_error_names(error: str, derivation: str) -> None:
    problem = after([Plain(f"error: {error}")]).cause()
    assert problem is not None
    assert problem.derivation == derivation
