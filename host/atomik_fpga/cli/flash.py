"""``atomik flash``: a bitstream into a board, and the board checked that comes back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..ports import MAX_BAUD
from .common import (
    CommandError,
    ExitCode,
    FiniteRange,
    Settings,
    json_option,
    print_json,
    settings_of,
    verbosity_options,
    working,
)

if TYPE_CHECKING:
    from atomik_boards.board import Board
    from atomik_boards.comeback import Comeback
    from atomik_boards.flash import Flashing

    from ..selftest import StepResult

__all__ = ["flash"]

_WAIT: Final = 10.0


@click.command()
@click.argument("board")
@click.option("--sram", "memory", flag_value="sram", help="Until power goes off.")
@click.option("--spi", "memory", flag_value="spi", help="For good: the memory it starts from.")
@click.option("--serial", metavar="SN", help="Serial number of the board's programmer.")
@click.option(
    "--from",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the build.  [default: build/BOARD]",
)
@click.option(
    "--port",
    metavar="URL",
    help="Where the board's UART is.  [default: the port that has its bridge]",
)
@click.option(
    "--baud",
    type=click.IntRange(min=1, max=MAX_BAUD),
    metavar="N",
    help="Line rate in bit/s.  [default: that of the build]",
)
@click.option("--cable", metavar="NAME", help="openFPGALoader's name of a JTAG cable of yours.")
@click.option(
    "--wait",
    type=FiniteRange(min=0, max=600),
    default=_WAIT,
    metavar="S",
    help="How long the board may take to come back.  [default: 10]",
)
@click.option("--dry-run", is_flag=True, help="Print the commands, and run none.")
@json_option
@verbosity_options
@click.pass_context
def flash(
    click_ctx: click.Context,
    board: str,
    memory: str | None,
    serial: str | None,
    folder: Path | None,
    port: str | None,
    baud: int | None,
    cable: str | None,
    wait: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write the bitstream of BOARD into it, and test the board that comes back.

    It takes what `atomik build BOARD` made. Without --sram or --spi it goes into the configuration
    memory of boards with JTAG, which power ends, and into the flash memory of the others. The part
    is asked for first where the board's programmer can tell. Then the board must answer at its
    serial port with the hash of this build, and pass a test of two seconds.

    --port is not taken from ATOMIK_PORT: that may be another board.
    """
    from atomik_boards.catalog import find_board
    from atomik_boards.errors import LoaderError, UnknownBoardError

    settings = settings_of(click_ctx)
    try:
        found = find_board(board)
    except UnknownBoardError as error:
        raise click.BadParameter(str(error), param_hint="BOARD") from error
    try:
        flashing = _prepare(settings, found, memory, serial, folder, port, cable, dry=dry_run)
        if dry_run:
            _print_commands(settings, flashing, as_json=as_json)
            return
        part = _write(settings, flashing)
    except LoaderError as error:
        raise CommandError(str(error), ExitCode.ENVIRONMENT) from error
    back = _come_back(settings, flashing, port, baud, wait)
    results = [] if back is None else _try_out(settings, flashing, back)
    passed = all(result.passed is not False for result in results)
    if as_json:
        print_json(_values(flashing, part, back, results, passed=passed))
    else:
        _report(flashing, part, back, results, passed=passed)
    if not passed:
        click_ctx.exit(ExitCode.DEVICE)


def _prepare(
    settings: Settings,
    board: Board,
    memory: str | None,
    serial: str | None,
    folder: Path | None,
    port: str | None,
    cable: str | None,
    *,
    dry: bool,
) -> Flashing:
    from atomik_boards.flash import prepare
    from atomik_boards.loaders import Memory

    with working(settings, f"looking for {board.title}"):
        return prepare(
            board,
            Path("build", board.name) if folder is None else folder,
            memory=None if memory is None else Memory(memory),
            serial=serial,
            port=port,
            cable=cable,
            dry=dry,
        )


def _print_commands(settings: Settings, flashing: Flashing, *, as_json: bool) -> None:
    commands = flashing.commands()
    if as_json:
        print_json({"board": flashing.board.name, "commands": commands})
        return
    for command in commands:
        click.echo(command)
    if flashing.program is None and flashing.plan.program in _program_names():
        settings.note(f"{flashing.plan.program} is not installed: see `atomik doctor flash`")


def _program_names() -> tuple[str, ...]:
    from atomik_boards.programs import PROGRAMS

    return tuple(PROGRAMS)


def _write(settings: Settings, flashing: Flashing) -> str:
    from atomik_boards.flash import write

    with working(settings, f"writing {flashing.board.title}") as show:
        return write(flashing, show)


def _come_back(
    settings: Settings, flashing: Flashing, port: str | None, baud: int | None, wait: float
) -> Comeback | None:
    """Return the board that answers with this build's hash; None if its UART is at pins alone."""
    from atomik_boards.comeback import check_build, wait_for_board

    if port is None and flashing.board.usb is None:
        return None
    with working(settings, "waiting for the board") as show:
        back = wait_for_board(
            flashing.board,
            flashing.manifest,
            flashing.device,
            port=port,
            baud=baud,
            seconds=wait,
            tell=show,
        )
        check_build(flashing.manifest, back)
        return back


def _try_out(settings: Settings, flashing: Flashing, back: Comeback) -> list[StepResult]:
    from atomik_boards.comeback import try_out

    with working(settings, "testing it for two seconds"):
        return try_out(back, int(flashing.manifest["build_id"], 16))


def _next(flashing: Flashing, back: Comeback | None) -> str:
    port = "URL" if back is None else back.port
    rate = (
        "" if back is None or back.baud == flashing.board.default_baud else f" --baud {back.baud}"
    )
    return f"atomik demo --port {port}{rate}"


def _values(
    flashing: Flashing,
    part: str,
    back: Comeback | None,
    results: list[StepResult],
    *,
    passed: bool,
) -> dict[str, Any]:
    return {
        "board": flashing.board.name,
        "memory": flashing.memory.value,
        "bitstream": str(flashing.bitstream),
        "commands": flashing.commands(),
        "programmer": None if flashing.device is None else str(flashing.device),
        "part": part or None,
        "build_id": flashing.manifest["build_id"],
        "port": None if back is None else back.port,
        "baud": None if back is None else back.baud,
        "steps": [result.as_dict() for result in results],
        "passed": passed if back is not None else None,
        "next": _next(flashing, back),
    }


def _report(
    flashing: Flashing,
    part: str,
    back: Comeback | None,
    results: list[StepResult],
    *,
    passed: bool,
) -> None:
    from .selftest import result_line

    board, kept = flashing.board, "until power goes off"
    if flashing.memory.value == "spi":
        kept = "in its flash memory"
    click.echo(f"{board.title} has {flashing.bitstream.name}, {kept}")
    rows = [("build", str(flashing.manifest["build_id"]))]
    if flashing.device is not None and flashing.device.product:
        rows.append(("through", str(flashing.device)))
    if part:
        rows.append(("part", f"{board.part}, which tells {part}"))
    if back is not None:
        rows.append(("port", f"{back.port}, {back.baud:,} baud"))
    for name, text in rows:
        click.echo(f"  {name:<10}{text}")
    if back is None:
        pins = flashing.manifest["uart"]
        click.echo(
            "Not tested: nothing tells which serial port it is at. Its UART is at "
            f"{pins['rx']} (rx, an adapter's TXD) and {pins['tx']} (tx, its RXD): name the port "
            "with --port."
        )
    for result in results:
        click.echo(result_line(result))
        for difference in result.differences:
            click.echo(f"             {difference}")
        if result.error is not None:
            click.echo(f"             {result.error}")
    if passed:
        click.echo(f"Next: {_next(flashing, back)}")
