"""``atomik selftest``: every part of a device, compared with plain integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from .common import (
    CommandError,
    ExitCode,
    FiniteRange,
    Settings,
    json_option,
    port_options,
    print_json,
    require_port,
    settings_of,
    verbosity_options,
    working,
)

if TYPE_CHECKING:
    from ..connection import Connection
    from ..selftest import Held, StepResult, Sweep

__all__ = ["result_line", "selftest"]

_SECONDS: Final = 5.0
#: Contexts that are named where some hold something.
_NAMED: Final = 8
_MARKS: Final = {True: ("ok", "green"), False: ("FAILED", "red"), None: ("-", "yellow")}


@click.command()
@port_options()
@click.option(
    "--seconds",
    type=FiniteRange(min=0, max=86_400),
    default=_SECONDS,
    metavar="S",
    help="How long random ops go on.  [default: 5]",
)
@click.option("--seed", type=int, default=1, metavar="N", help="Of all that is random.")
@click.option(
    "--baud-sweep", is_flag=True, help="Also find how far the rate of the line may be off."
)
@click.option("--overwrite", is_flag=True, help="Do it though contexts of the board have a state.")
@click.option("--restore", is_flag=True, help="Give contexts back at the end what they held.")
@json_option
@verbosity_options
@click.pass_context
def selftest(
    click_ctx: click.Context,
    port: str | None,
    baud: int | None,
    seconds: float,
    seed: int,
    baud_sweep: bool,
    overwrite: bool,
    restore: bool,
    as_json: bool,
) -> None:
    """Test every part of a board, and compare each value with plain integers.

    It clears all contexts, so it refuses a board whose contexts hold something unless --overwrite
    or --restore says what is to become of that. The exit code is 1 if anything is not as it should
    be. What had to be sent again on the line was repaired: that is counted, and fails nothing.
    """
    from ..connection import connect
    from ..selftest import can_sweep, sweep_baud

    url = require_port(port)
    if overwrite and restore:
        raise click.UsageError("--overwrite and --restore exclude each other")
    if baud_sweep and not can_sweep(url):
        raise click.BadParameter(
            f"the rate of the line behind {url} is not this machine's to choose",
            param_hint="--baud-sweep",
        )
    settings = settings_of(click_ctx)
    with working(settings, f"opening {url}"):
        connection = connect(url, baud=baud)
    # What "auto" led to, from here on by its own name.
    url = connection.url
    with connection:
        held = _look(settings, connection, overwrite=overwrite, restore=restore)
        info = connection.info
        if not as_json:
            click.echo(f"{info.depth:,} contexts of {info.width} bits at {url}")
        results = _run(settings, connection, held, seconds, seed, as_json)
    sweep: Sweep | None = None
    if baud_sweep and results[-1].error is None:
        with working(settings, "trying rates of the line") as show:
            sweep = sweep_baud(url, info.baud, show)
        with connect(url, baud=baud) as again:
            _leave(again, held)
    passed = all(result.passed is not False for result in results)
    passed = passed and (sweep is None or bool(sweep.clean))
    if as_json:
        values = {
            "port": url,
            "passed": passed,
            "seed": seed,
            "steps": [result.as_dict() for result in results],
            "sweep": None if sweep is None else _sweep_values(sweep),
            "restored": len(held) if restore else 0,
        }
        print_json(values)
    else:
        _conclude(results, sweep, held if restore else {}, passed=passed)
    if not passed:
        click_ctx.exit(ExitCode.DEVICE)


def _look(settings: Settings, connection: Connection, *, overwrite: bool, restore: bool) -> Held:
    """Return what contexts hold and are to get back; stop if nobody said what to do with it."""
    from ..selftest import find_held

    with working(settings, "looking at all contexts"):
        held = find_held(connection)
    if held and not (overwrite or restore):
        named = ", ".join(str(address) for address in list(held)[:_NAMED])
        more = f" and {len(held) - _NAMED:,} more" if len(held) > _NAMED else ""
        raise CommandError(
            f"contexts {named}{more} of the board hold something, which the self-test would "
            "clear.\n        Say --restore to have it put back at the end, or --overwrite if "
            "nobody needs it.",
            ExitCode.DEVICE,
        )
    return held if restore else {}


def _run(
    settings: Settings,
    connection: Connection,
    held: Held,
    seconds: float,
    seed: int,
    as_json: bool,
) -> list[StepResult]:
    """Run all steps, a line each; contexts get back what they held, whatever happens."""
    from ..selftest import STEPS, run_selftest

    results: list[StepResult] = []
    steps = run_selftest(connection, seconds=seconds, seed=seed)
    try:
        for step in STEPS:
            with working(settings, step.name):
                result = next(steps, None)
            if result is None:
                break
            results.append(result)
            if not as_json:
                _show(result)
    finally:
        if connection.error is None:
            _leave(connection, held)
    return results


def _leave(connection: Connection, held: Held) -> None:
    """Leave all contexts at 0, or with what they held."""
    from ..selftest import put_back

    put_back(connection, held)


def result_line(result: StepResult) -> str:
    """Return what came of a step, in a line with colour."""
    mark, colour = _MARKS[result.passed]
    if result.passed is None:
        text = "not on this device"
    else:
        text = f"{result.checks:>9,} values {result.seconds:>7.2f} s"
    return f"   {click.style(f'{mark:<6}', fg=colour)}  {result.name:<24}{text}"


def _show(result: StepResult) -> None:
    click.echo(result_line(result))
    for name, value in (result.figures or {}).items():
        shown = f"{value:,}" if isinstance(value, int | float) else value
        click.echo(f"             {name:<28}{shown:>16}")
    for difference in result.differences:
        click.echo(f"             {difference}")
    if result.wrong > len(result.differences):
        click.echo(f"             and {result.wrong - len(result.differences):,} more")
    if result.error is not None:
        click.echo(f"             {result.error}")


def _sweep_values(sweep: Sweep) -> dict[str, Any]:
    clean = sweep.clean
    return {
        "lowest_clean": clean[0].baud if clean else None,
        "highest_clean": clean[-1].baud if clean else None,
        "rates": [
            {"baud": it.baud, "percent": it.percent, "clean": it.clean, "why": it.why}
            for it in sweep.rates
        ],
    }


def _conclude(
    results: list[StepResult], sweep: Sweep | None, restored: Held, *, passed: bool
) -> None:
    if sweep is not None:
        clean = sweep.clean
        mark, colour = _MARKS[bool(clean)]
        text = "at no rate that was tried"
        if clean:
            low, high = clean[0], clean[-1]
            text = (
                f"from {low.baud:,} ({low.percent:+.1f} %) to {high.baud:,} baud "
                f"({high.percent:+.1f} %)"
            )
        click.echo(f"   {click.style(f'{mark:<6}', fg=colour)}  {'clean line':<24}{text}")
    checks = sum(result.checks for result in results)
    wrong = sum(result.wrong for result in results)
    click.secho(
        f"{checks:,} values compared, {wrong or 'no'} difference{'s' * (wrong > 1)}: "
        f"{'passed' if passed else 'FAILED'}",
        bold=True,
    )
    left = f"{len(restored):,} hold again what they held" if restored else "all are 0"
    click.echo(f"Contexts: {left}.")
