"""`xenbump guest run`."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the types at run time
from typing import IO, TYPE_CHECKING, Annotated, Literal

import typer

from xenbump.cli import common
from xenbump.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xenbump.verify.guest_ready import Wanted
    from xenbump.verify.guest_run import Outcome
    from xenbump.verify.image import Image

_NAME_LETTERS = re.compile(r"[^A-Za-z0-9_.+-]+")
_LARGEST_LOG = 16 << 20
_OF_ONE = (
    *("kind", "kernel", "ramdisk", "memory", "vcpus", "vif", "extra", "disk", "command", "name", "expect", "seconds"),
)


def guest(
    context: typer.Context,
    action: Annotated[Literal["run"], typer.Argument(metavar="run", help="What is done.")],  # noqa: ARG001 - the one
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A root file system (folder or tar), a disk (ext4, raw or qcow2), a container image (an OCI layout or "
            "archive, or docker://REFERENCE).",
            show_default=False,
        ),
    ] = "",
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="FILE.toml", help="Run the guests that this file describes.", show_default=False
        ),
    ] = None,
    kind: Annotated[Literal["pv", "pvh", "hvm"], typer.Option("--type", help="How the guest is virtualised.")] = "pvh",
    kernel: Annotated[
        str,
        typer.Option("--kernel", metavar="FILE|dom0|own|none", help="A kernel; dom0's; that of its /boot; its disk's."),
    ] = "dom0",
    ramdisk: Annotated[
        str,
        typer.Option(
            "--ramdisk", metavar="FILE", help="An initial ramdisk, not one made of SOURCE.", show_default=False
        ),
    ] = "",
    memory: Annotated[
        int, typer.Option("--memory", metavar="MIB", help="Its memory; 0: what its files need.", min=0)
    ] = 0,
    vcpus: Annotated[int, typer.Option("--vcpus", metavar="N", help="Its processors.", min=1)] = 1,
    vif: Annotated[str, typer.Option("--vif", metavar="none|bridge=…", help="Its network interface.")] = "none",
    extra: Annotated[
        str, typer.Option("--extra", metavar="TEXT", help="More for its kernel's command line.", show_default=False)
    ] = "",
    disk: Annotated[
        bool, typer.Option("--disk", help="Hand SOURCE over as a disk and not as an initial ramdisk.")
    ] = False,
    command: Annotated[
        str,
        typer.Option(
            "--command", metavar="TEXT", help="Run this in it, not its init or entry point.", show_default=False
        ),
    ] = "",
    name: Annotated[str, typer.Option("--name", help="Its name; without it, SOURCE's.", show_default=False)] = "",
    expect: Annotated[
        str,
        typer.Option(
            "--expect",
            metavar="REGEX",
            help="It passes by a line that has this; without it, by its end.",
            show_default=False,
        ),
    ] = "",
    together: Annotated[
        bool,
        typer.Option("--together", help="Let the guests of --bundle live beside each other, not one after the other."),
    ] = False,
    seconds: Annotated[float, typer.Option("--seconds", metavar="N", help="How long it may take.", min=1)] = 120,
    xen: Annotated[str, typer.Option("--xen", metavar="X.Y", help="The release line of the dom0.")] = "4.20",
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="DIR", help="The dom0, made by `xenbump image`.", show_default=False),
    ] = None,
    hypervisor: Annotated[
        Path | None,
        typer.Option("--hypervisor", metavar="FILE", help="Boot this build of Xen instead.", show_default=False),
    ] = None,
    config: common.ConfigOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Run a guest from a file in a real dom0 in QEMU, and show what it says.

    SOURCE is only read. Exit status 30: a guest did not do what is expected.
    """  # fmt: skip
    from xenbump.verify import guest_file
    from xenbump.verify.guest_ready import Wanted

    options = common.frame(config, None, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    alone = not source and kernel not in {"dom0", "own", "none"}
    if (bundle is None) == (not source and not alone):
        raise UsageError("E-GUEST-BUNDLE", "either SOURCE, a kernel's file or --bundle says what is run")
    if bundle is not None:
        _only_for_one(context)
        wanted = guest_file.read(bundle)
    else:
        wanted = (
            Wanted(
                name=name or named(source or kernel),
                source=source,
                type=kind,
                kernel=kernel,
                ramdisk=ramdisk,
                disk=disk,
                command=words(command),
                memory=memory,
                vcpus=vcpus,
                vif=() if vif in {"", "none"} else (vif,),
                extra=extra,
                expect=expect,
                seconds=seconds,
            ),
        )
    made = _image(options, wanted, xen, image, hypervisor)
    outcome, engine, place = _run(options, wanted, made, together=together)
    if options.json:
        from xenbump.report import documents
        from xenbump.verify import guest_document

        sys.stdout.write(documents.encode(guest_document.document(outcome, engine, place)))
    else:
        sys.stdout.write("\n".join(lines(outcome, engine, place)) + "\n")
    sys.stdout.flush()
    raise typer.Exit(common.DONE if outcome.passed else common.REJECTED)


def _only_for_one(context: typer.Context) -> None:
    """Refuse what would be passed over: the file says of each guest what these options say of one."""
    for name in _OF_ONE:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            option = "--type" if name == "kind" else f"--{name}"
            raise UsageError("E-GUEST-BUNDLE", f"{option} is for SOURCE; with --bundle the file says it of each guest")


def named(source: str) -> str:
    """A guest's name out of its source's."""
    path = re.sub(r"^(oci|oci-archive|docker-archive|docker):", "", source)
    base = path.rstrip("/").rpartition("/")[2].partition(":")[0]
    stem = _NAME_LETTERS.sub("-", base.partition(".")[0]).strip("-_.+")
    return stem[:40] or "guest"


def words(text: str) -> tuple[str, ...]:
    """A command's words, as a shell would divide them.

    Raises:
        UsageError: E-GUEST-BUNDLE for a quote that is not closed.
    """
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError("E-GUEST-BUNDLE", f"--command cannot be divided into words: {error}") from error


def _image(
    options: common.Frame, wanted: tuple[Wanted, ...], xen: str, folder: Path | None, hypervisor: Path | None
) -> Image:
    from xenbump.verify import image as images

    cache = images.cache_folder(os.environ)
    if folder is None:
        model = any(one.needs_device_model for one in wanted)
        return images.from_debian(xen, cache, options.progress, hypervisor, device_model=model)
    loaded = images.load(folder)
    if hypervisor is None:
        return loaded
    cache.mkdir(parents=True, exist_ok=True)
    return images.with_hypervisor(loaded, hypervisor, cache)


def _run(
    options: common.Frame, wanted: tuple[Wanted, ...], image: Image, *, together: bool
) -> tuple[Outcome, str, Path]:
    """Prepare and run the guests: the outcome, the engine, the folder with the logs."""
    from xenbump.verify import guest_document, guest_ready, guest_run, logs, probe

    state = common.selected_config(options).state / "guest"
    accelerator = probe.probe(image.hypervisor)
    with guest_ready.workplace(state) as work:
        ready = guest_ready.prepare(wanted, image, work, options.progress, together=together)
        options.progress(
            f"booting a dom0 of Xen {image.manifest.xen} on QEMU {accelerator.version}, {accelerator.name}"
        )
        place = logs.fresh(state / "logs", "guest", datetime.now(UTC))
        with _told(options, place, [one.name for one in wanted]) as tell:
            outcome = guest_run.run(
                ready,
                image,
                accelerator=accelerator,
                console=guest_document.console(place),
                progress=options.progress,
                tell=tell,
            )
    return outcome, f"QEMU {accelerator.version}, {accelerator.name}", place


@contextlib.contextmanager
def _told(options: common.Frame, place: Path, names: list[str]) -> Iterator[Callable[[str, str], None]]:
    """A function that shows a guest's line and keeps it in the guest's log."""
    from xenbump.cli import actions
    from xenbump.verify import guest_document

    width = max(map(len, names), default=0)
    stream = sys.stderr if options.json else sys.stdout
    with contextlib.ExitStack() as stack:
        logs: dict[str, IO[str]] = {
            one: stack.enter_context(guest_document.log(place, one).open("w", encoding="utf-8")) for one in names
        }

        def tell(name: str, line: str) -> None:
            clean = "".join(letter if letter.isprintable() else "\ufffd" for letter in line.replace("\t", "    "))
            log = logs.get(name)
            if log is not None and log.tell() < _LARGEST_LOG:
                log.write(f"{clean}\n")
            if not options.quiet:
                stream.write(actions.unheard(f"{name:>{width}} │ {clean}") + "\n")
                stream.flush()

        yield tell


def lines(outcome: Outcome, engine: str, place: Path) -> list[str]:
    """What came out, for people."""
    from xenbump.verify.guest_document import name_of

    booted = outcome.booted
    checks = outcome.report.checks if outcome.report is not None else ()
    found = []
    for one in checks:
        found.append(f"{name_of(one.name)}: {one.result}: {one.reason} ({one.seconds:.1f} s)")
        found += [f"    {line}" for line in one.evidence] if one.result == "failed" else []
    if booted.kind != "off":
        found += [f"dom0: {booted.kind}: {booted.detail}", *(f"    {line}" for line in booted.tail[-12:])]
    found += [f"dom0 lacks {lack}" for lack in booted.lacks]
    version = booted.version or "that never said its version"
    return [*found, f"on Xen {version}, {engine}, {booted.seconds:.1f} s; logs in {place}"]
