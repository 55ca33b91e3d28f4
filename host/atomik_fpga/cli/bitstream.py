"""``atomik build``: a bitstream, its timing checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .common import (
    CommandError,
    ExitCode,
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


@click.command()
@click.argument("board")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for bitstream, report and manifest.  [default: build/BOARD]",
)
@click.option(
    "--freq", type=click.FloatRange(min=0, min_open=True), metavar="F", help="Fabric clock in MHz."
)
@click.option("--baud", type=click.IntRange(min=1), metavar="N", help="Line rate in bit/s.")
@click.option("--contexts", type=click.IntRange(min=1), metavar="N", help="Contexts in the table.")
@click.option("--width", type=click.IntRange(min=1), metavar="N", help="Bits a context.")
@click.option(
    "--lanes", type=click.IntRange(min=1), metavar="N", help="Lanes of banks, for ECP5 boards."
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of place and route.")
@json_option
@verbosity_options
@click.pass_context
def build(
    click_ctx: click.Context,
    board: str,
    out: Path | None,
    freq: float | None,
    baud: int | None,
    contexts: int | None,
    width: int | None,
    lanes: int | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Build the bitstream of BOARD, such as icebreaker or ulx3s-25f.

    The build fails, with exit code 2, unless every clock was constrained as intended and met. What
    is not given is the board's default. The first build on a machine also compiles the tools.
    """
    settings = settings_of(click_ctx)
    with working(settings, f"building {board}") as progress:
        try:
            from atomik_boards.build import build_board
            from atomik_boards.errors import BuildError, ToolMissingError, UnknownBoardError

            result = build_board(
                board,
                out=out,
                freq=None if freq is None else round(freq * 1e6),
                baud=baud,
                contexts=contexts,
                width=width,
                seed=seed,
                lanes=lanes,
                progress=progress,
            )
        except ModuleNotFoundError as error:
            raise missing_extra("build", "`atomik build`", error) from error
        except UnknownBoardError as error:
            raise click.BadParameter(str(error), param_hint="BOARD") from error
        except ToolMissingError as error:
            raise CommandError(str(error), ExitCode.ENVIRONMENT) from error
        except BuildError as error:
            raise CommandError(str(error), ExitCode.BUILD) from error
    if as_json:
        print_json(
            {
                **result.manifest,
                "bitstream": str(result.bitstream),
                "folder": str(result.folder),
            }
        )
    else:
        _report(result)


def _report(result: BuildResult) -> None:
    """Write what was built, and how far its clocks could go."""
    manifest = result.manifest
    click.echo(f"{result.bitstream}")
    rows = [
        ("board", f"{manifest['board']}, {manifest['part']}"),
        ("table", f"{manifest['contexts']:,} contexts of {manifest['width']} bits"),
        ("banks", f"{manifest['lanes']:,} lanes" if manifest["lanes"] else "none"),
        *(
            (
                f"clock {name}",
                f"{clock['wanted_hz'] / 1e6:.2f} MHz wanted, "
                f"{clock['reached_hz'] / 1e6:.2f} MHz reached (place and route, "
                f"seed {manifest['seed']})",
            )
            for name, clock in manifest["clocks"].items()
        ),
        ("line", f"{manifest['baud']:,} baud, {manifest['baud_error']:+.2%} off"),
        *(
            (cell, f"{figures['used']:,} of {figures['available']:,}")
            for cell, figures in manifest["utilization"].items()
        ),
        ("build id", manifest["build_id"]),
        ("sha256", manifest["sha256"]),
    ]
    for name, text in rows:
        click.echo(f"  {name:<20}{text}")
