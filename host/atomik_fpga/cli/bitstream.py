"""``atomik build``: a bitstream, its timing checked."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..cache import CacheError
from .common import (
    CommandError,
    ExitCode,
    FiniteRange,
    Settings,
    json_option,
    missing_extra,
    print_json,
    settings_of,
    verbosity_options,
    working,
)

if TYPE_CHECKING:
    from atomik_boards.build import BuildResult

__all__ = ["build"]

#: Options that would mean something else, or nothing, for each board.
_OF_ONE_BOARD = ("freq", "baud", "contexts", "width", "lanes", "clock", "rx", "tx")

#: What can become of a board with --all.
_BUILT, _TOO_SMALL, _FAILED = "built", "too small", "failed"


@click.command()
@click.argument("board", required=False)
@click.option("--all", "everything", is_flag=True, help="Every board, each with its defaults.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for bitstream, report and manifest; with --all for those of the boards.  "
    "[default: build/BOARD]",
)
@click.option(
    "--freq", type=FiniteRange(min=0, min_open=True), metavar="F", help="Fabric clock in MHz."
)
@click.option("--baud", type=click.IntRange(min=1), metavar="N", help="Line rate in bit/s.")
@click.option("--contexts", type=click.IntRange(min=1), metavar="N", help="Contexts in the table.")
@click.option("--width", type=click.IntRange(min=1), metavar="N", help="Bits a context.")
@click.option(
    "--lanes", type=click.IntRange(min=1), metavar="N", help="Lanes of banks, for ECP5 boards."
)
@click.option("--rx", metavar="PIN", help="Where the UART listens, as pmod_0:3 or A9.")
@click.option("--tx", metavar="PIN", help="Where the UART talks.")
@click.option("--clock", metavar="NAME", help="Another clock of the board; see `atomik boards`.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of place and route.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Try N seeds and keep the fastest.  [default: 1]",
)
@click.option(
    "--toolchain",
    type=click.Choice(("packages", "native")),
    default="packages",
    help="Tools from the Python packages, or those on PATH.  [default: packages]",
)
@click.option("--no-cache", is_flag=True, help="Make everything anew, and keep nothing.")
@json_option
@verbosity_options
@click.pass_context
def build(
    click_ctx: click.Context,
    /,
    board: str | None,
    everything: bool,
    freq: float | None,
    no_cache: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Build the bitstream of BOARD, such as icebreaker or ulx3s-25f.

    The build fails, with exit code 2, unless the design fits, and every clock was constrained as
    intended and met. What is not given is the board's default; `atomik boards` lists them. The
    first build on a machine also compiles the tools. Beside the bitstream are report.html, for
    people, and manifest.json. With --all, a board whose part can hold no size of the device is
    listed as too small, and is no failure.

    A tool whose environment variable holds an absolute path is that one: YOSYS, NEXTPNR_ICE40,
    NEXTPNR_ECP5, ICEPACK, ECPPACK, and for Gowin's part NEXTPNR_HIMBAECHEL_GOWIN, GOWIN_PACK.
    """
    settings = settings_of(click_ctx)
    options |= {"freq": None if freq is None else round(freq * 1e6), "cached": not no_cache}
    if everything:
        given = [name for name in _OF_ONE_BOARD if options[name] is not None]
        if board is not None or given:
            raise click.UsageError("--all builds each board with its own defaults")
        _build_all(settings, options, as_json)
        return
    if board is None:
        raise click.UsageError("Name a board, or say --all; `atomik boards` lists them")
    result = _build_one(settings, board, options)
    for note in result.manifest["notes"]:
        settings.note(f"note: {note}")
    if as_json:
        print_json(_values(result))
    else:
        _report(result)


def _build_one(settings: Settings, board: str, options: dict[str, Any]) -> BuildResult:
    with working(settings, f"building {board}") as progress:
        try:
            from amaranth.hdl import UnusedElaboratable

            from atomik_boards.build import build_board
            from atomik_boards.errors import BuildError, ToolMissingError, UnknownBoardError

            # A pin that is taken ends the elaboration; of what was made by then the error says all.
            warnings.simplefilter("ignore", UnusedElaboratable)
            return build_board(board, progress=progress, **options)
        except ModuleNotFoundError as error:
            raise missing_extra("build", "`atomik build`", error) from error
        except UnknownBoardError as error:
            raise click.BadParameter(str(error), param_hint="BOARD") from error
        except (ToolMissingError, CacheError) as error:
            raise CommandError(str(error), ExitCode.ENVIRONMENT) from error
        except BuildError as error:
            raise CommandError(str(error), ExitCode.BUILD) from error


def _build_all(settings: Settings, options: dict[str, Any], as_json: bool) -> None:
    """Build every board that can hold the device, go on after one that fails, fail if one did."""
    try:
        from atomik_boards.catalog import BOARDS
        from atomik_boards.fit import find_lack
    except ModuleNotFoundError as error:
        raise missing_extra("build", "`atomik build`", error) from error
    folder: Path = options.pop("out") or Path("build")
    results: list[dict[str, Any]] = []
    for name, board in BOARDS.items():
        settings.note(f"{name}:")
        lack = find_lack(board)
        if lack is not None:
            values = {"problem": f"the smallest device needs {lack}", **lack.as_dict()}
            results.append({"board": name, "status": _TOO_SMALL, **values})
        else:
            try:
                result = _build_one(settings, name, {**options, "out": folder / name})
            except CommandError as error:
                # What the first board misses, all do; a later one may be of a family of its own.
                if error.code is not ExitCode.BUILD and not results:
                    raise
                results.append({"board": name, "status": _FAILED, "problem": error.message})
            else:
                results.append({**_values(result), "status": _BUILT})
        if not as_json:
            click.echo(_line(results[-1]))
    names = {
        status: [result["board"] for result in results if result["status"] == status]
        for status in (_BUILT, _TOO_SMALL, _FAILED)
    }
    if as_json:
        print_json({"boards": results})
    else:
        click.echo(", ".join(f"{len(boards)} {status}" for status, boards in names.items()))
    failed = names[_FAILED]
    if failed:
        raise CommandError(f"not built: {', '.join(failed)}", ExitCode.BUILD)


def _values(result: BuildResult) -> dict[str, Any]:
    return {
        **result.manifest,
        "bitstream": str(result.bitstream),
        "folder": str(result.folder),
        "report": str(result.report),
        "seconds": round(result.seconds, 1),
    }


def _line(result: dict[str, Any]) -> str:
    """Return one board's result in one line."""
    if result["status"] != _BUILT:
        verdict = "FAILED" if result["status"] == _FAILED else _TOO_SMALL
        return f"{result['board']:<22}{verdict}: {result['problem'].splitlines()[0]}"
    (clock,) = result["clocks"].values()
    return (
        f"{result['board']:<22}{clock['reached_hz'] / 1e6:.1f} MHz of "
        f"{clock['wanted_hz'] / 1e6:g} wanted, {result['seconds']:.0f} s"
    )


def _report(result: BuildResult) -> None:
    """Write what was built, and how far its clocks could go."""
    manifest = result.manifest
    click.echo(f"{result.bitstream}")
    rows: list[tuple[str, str]] = [
        ("board", f"{manifest['title']} ({manifest['board']}), {manifest['part']}"),
        ("table", f"{manifest['contexts']:,} contexts of {manifest['width']} bits"),
        ("banks", f"{manifest['lanes']:,} lanes" if manifest["lanes"] else "none"),
        *((f"clock {name}", _clock(clock)) for name, clock in manifest["clocks"].items()),
        ("seed", f"{manifest['seed']} (place and route)"),
        ("line", f"{manifest['baud']:,} baud, {manifest['baud_error']:+.2%} off"),
        ("pins", f"rx {manifest['uart']['rx']}, tx {manifest['uart']['tx']}"),
        *(
            (cell, _bar(figures["used"], figures["available"]))
            for cell, figures in manifest["utilization"].items()
        ),
        ("build id", manifest["build_id"]),
        ("sha256", manifest["sha256"]),
        ("report", str(result.report)),
    ]
    for name, text in rows:
        click.echo(f"  {name:<20}{text}")
    place: list[str] = []
    if result.folder != Path("build", manifest["board"]).absolute():
        place = ["--from", str(result.folder)]
    click.echo(f"Next: {shlex.join(['atomik', 'flash', manifest['board'], *place])}")


def _clock(clock: dict[str, int]) -> str:
    wanted, reached = clock["wanted_hz"], clock["reached_hz"]
    return (
        f"{wanted / 1e6:.2f} MHz wanted, {reached / 1e6:.2f} MHz reached, "
        f"{reached / wanted - 1:+.0%}"
    )


def _bar(used: int, available: int) -> str:
    filled = -(-20 * used // available)
    return f"[{'#' * filled:<20}] {used:,} of {available:,}"
