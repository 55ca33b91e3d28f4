"""``atomik doctor``: what this machine has for each job, and how to get what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from .checks import JOBS, Check, Job, State
from .common import ExitCode, json_option, print_json, settings_of, verbosity_options, working

if TYPE_CHECKING:
    from atomik_boards.board import Board

__all__ = ["doctor"]

_COLOURS: Final = {State.OK: "green", State.MISSING: "red", State.NOTE: "yellow"}


@click.command()
@click.argument("job", required=False, type=click.Choice([job.value for job in Job]))
@click.option("--board", metavar="NAME", help="Look for what this board needs alone.")
@json_option
@verbosity_options
@click.pass_context
def doctor(click_ctx: click.Context, job: str | None, board: str | None, as_json: bool) -> None:
    """Tell what this machine has, what it lacks, and how to get that.

    It changes nothing, opens no port and no device, and needs no board. With a JOB it looks at what
    that needs, and the exit code is 3 if it can't run; without, at everything, and the exit code is
    3 if not even the commands can.
    """
    asked = None if job is None else Job(job)
    found = None if board is None else _find_board(board)
    with working(settings_of(click_ctx), "looking"):
        checks = [it for it in _look(asked, found) if asked is None or asked in it.jobs]
    stopped = [it for it in Job if any(check.stops(it) for check in checks)]
    if as_json:
        print_json(
            {
                "job": job,
                "can_run": {it.value: it not in stopped for it in Job if asked in (None, it)},
                "checks": [check.as_dict() for check in checks],
            }
        )
    else:
        _report(checks, asked, stopped)
    if (asked or Job.MODEL) in stopped:
        click_ctx.exit(ExitCode.ENVIRONMENT)


def _find_board(name: str) -> Board:
    from atomik_boards.catalog import find_board
    from atomik_boards.errors import UnknownBoardError

    try:
        return find_board(name)
    except UnknownBoardError as error:
        raise click.BadParameter(str(error), param_hint="--board") from error


def _look(job: Job | None, board: Board | None) -> list[Check]:
    """Look at all that a job could need."""
    from .checks.loaders import boards_by_usb, check_devices, check_loaders, check_rules
    from .checks.serialports import check_group, check_latency, check_ports
    from .checks.software import check_compiler, check_extras, check_python, check_tools

    checks = [*check_python(), *check_extras()]
    if job in (None, Job.SIM):
        checks.append(check_compiler())
    if job in (None, Job.SIM, Job.BUILD):
        checks += check_tools(board=board)
    if job in (None, Job.FLASH):
        checks += check_loaders(board)
    if job in (None, Job.FLASH, Job.PORT):
        known = boards_by_usb(board)
        checks += [*check_devices(known), *check_rules(known)]
        if job is not Job.FLASH:
            checks += [*check_ports(known), *check_group(), *check_latency(known)]
    return checks


def _report(checks: list[Check], asked: Job | None, stopped: list[Job]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark = click.style(f"{check.state.value:<8}", fg=_COLOURS[check.state])
        click.echo(f"{mark} {check.name:<{width}}  {check.text}")
        for line in check.fix if check.state is not State.OK else ():
            click.echo(f"{'':<9}{'':<{width}}  {line}")
    click.echo()
    for job in Job:
        if asked in (None, job):
            can = "can't run" if job in stopped else "can run"
            click.secho(f"{job.value:<14} {can:<10} {JOBS[job]}", bold=job is asked)
