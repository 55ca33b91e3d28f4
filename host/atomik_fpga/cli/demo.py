"""``atomik demo``: three acts on a board, every value checked."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from .acts import Stage, accounts, one_context, orders
from .common import (
    CommandError,
    ExitCode,
    json_option,
    port_options,
    print_json,
    require_port,
    settings_of,
    verbosity_options,
    working,
)
from .events import Event, load_events
from .report import Report

if TYPE_CHECKING:
    from ..connection import Connection
    from ..link.stats import LinkStats

__all__ = ["demo"]

_PORT: Final = "sim://"
_ACCOUNTS: Final = 16
#: How far Amaranth's simulator goes in the file unless told: the demo is to take seconds.
_SIMULATED_EVENTS: Final = 500
_ENGINES: Final = {
    "cxxrtl": "code compiled by CXXRTL",
    "amaranth": "Amaranth's simulator",
    "fresh": "this process",
}
#: Start bit, eight data bits, stop bit.
_BITS_PER_BYTE: Final = 10

_NEXT: Final = (
    ("atomik sim", "the same board for other programs; prints its port"),
    ("atomik ctx watch 0 --port URL", "a context of it, live"),
    ("python examples/two_accounts.py", "a script that runs with and without a board"),
    ("atomik build icebreaker", "a bitstream, its timing checked"),
    ("atomik demo --port URL", "this on a board"),
)


@click.command()
@port_options(default=_PORT)
@click.option(
    "--events",
    "wanted",
    type=click.IntRange(min=1),
    metavar="N",
    help="Account events to take.  [default: all 3,000; 500 on Amaranth's simulator]",
)
@click.option("--overwrite", is_flag=True, help="Do it though contexts of the board have a state.")
@json_option
@verbosity_options
@click.pass_context
def demo(
    click_ctx: click.Context,
    port: str,
    baud: int | None,
    wanted: int | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Run three acts on a board and check every value.

    One context, call by call; a file of account events, a context an account, compared with a plain
    fold; deltas in several orders. Then what went over the link. It runs on the simulated board
    unless --port names another one, where it takes the first 16 contexts and leaves them at 0.
    The exit code is 1 if any value is not the expected one.
    """
    from ..connection import connect
    from ..context import AtomikContext

    settings = settings_of(click_ctx)
    port = require_port(port)
    defaulted = click_ctx.get_parameter_source("port") is ParameterSource.DEFAULT
    if defaulted and os.environ.get("ATOMIK_PORT"):
        settings.note("note: the demo writes, so it uses ATOMIK_PORT only when told: --port URL")
    records = load_events()
    if wanted is not None and wanted > len(records):
        raise click.BadParameter(
            f"there are {len(records):,} events in the file, not {wanted:,}", param_hint="--events"
        )
    start = time.monotonic()
    with working(settings, f"opening {port}"):
        connection = connect(port, baud=baud)
    # What "auto" led to, from here on by its own name.
    port = connection.url
    with connection:
        report = Report(silent=as_json)
        width = connection.info.width
        new_context = partial(AtomikContext, width, port=port, baud=baud)
        stage = Stage(width, new_context, report, settings)
        contexts = min(_ACCOUNTS, connection.info.depth)
        if not overwrite:
            _refuse_to_clear(connection, contexts)
        engine = _engine(port)
        _introduce(report, port, connection, engine)
        one_context(stage)
        events = _choose(records, contexts, wanted, _haste(engine, connection), report)
        accounts(stage, events, contexts)
        orders(stage)
        connection.flush()
        stats = connection.stats
    pins = _pin_bits(port)
    _link(stats, pins, report)
    seconds = time.monotonic() - start
    _conclude(report, seconds)
    if as_json:
        print_json(
            {
                "port": port,
                "contexts": contexts,
                "width": width,
                "events": len(events),
                "checks": report.checks,
                "differences": report.differences,
                "link": stats.as_dict(),
                "pin_bits": pins,
                "seconds": round(seconds, 3),
            }
        )
    if report.differences:
        click_ctx.exit(ExitCode.DEVICE)


def _refuse_to_clear(connection: Connection, contexts: int) -> None:
    """Stop if one of the contexts that the demo takes holds something."""
    values = connection.read_many(0, contexts)
    held = [address for address, state in enumerate(values) if state]
    if held:
        raise CommandError(
            f"contexts {', '.join(map(str, held))} of the board have a state, which the demo would "
            "clear.\n        Say --overwrite if nobody needs it.",
            ExitCode.DEVICE,
        )


def _introduce(report: Report, port: str, connection: Connection, engine: str | None) -> None:
    info = connection.info
    report.line(f"{info.depth} contexts of {info.width} bits at {port}")
    report.line(
        f"protocol {info.major}.{info.minor}, {info.baud:,} baud, {info.clock_hz / 1e6:g} MHz clock"
    )
    if engine is not None:
        report.line(
            f"simulated: {_ENGINES[engine]} runs the gateware, and every byte goes over its"
        )
        report.line("rx and tx pins; the seconds are this machine's, not a board's")


def _engine(port: str) -> str | None:
    """Return what runs the gateware of a simulated board of this process; None of any other one."""
    if not _simulated(port):
        return None
    from atomik_sim import find_board

    try:
        return find_board(port).engine_name
    except LookupError:
        # A board of its own for each opening has no name to find it by.
        return "fresh"


def _haste(engine: str | None, connection: Connection) -> str:
    """Return why not to take all events by default; nothing if there is no reason."""
    if engine == "amaranth":
        return "Amaranth's simulator is slow"
    if engine is None and not connection.info.build_id:
        return "no build id, so maybe `atomik sim`, which is slow"
    return ""


def _choose(
    events: Sequence[Event], contexts: int, wanted: int | None, haste: str, report: Report
) -> Sequence[Event]:
    """Return the events that the second act takes, and say which they are.

    Fewer by default if there is a reason for ``haste``.
    """
    default = _SIMULATED_EVENTS if haste else len(events)
    count = default if wanted is None else wanted
    chosen = [event for event in events[:count] if event.account < contexts]
    report.title(f"2. {len(chosen):,} account events into {contexts} contexts, one an account")
    report.line("balance changes from old to new: accum(old ^ new); a reversal: rollback(delta)")
    if count < len(events):
        report.line(f"the first {count:,} of {len(events):,} records of the file")
    if count < len(events) and wanted is None:
        report.line(f"{haste}; --events {len(events)} takes them all")
    if contexts < _ACCOUNTS:
        report.line(f"without the events of the accounts from {contexts} on, which have no context")
    return chosen


def _link(stats: LinkStats, pins: tuple[int, int] | None, report: Report) -> None:
    """Show what went over the link, and hold it against the bits on the pins."""
    report.title("4. The link")
    rows: list[tuple[str, int, int | None]] = [
        ("ops, each executed exactly once", stats.ops, None),
        ("frames sent, received", stats.frames_sent, stats.frames_received),
        ("frames sent again, replies damaged", stats.retransmissions, stats.damaged),
        ("bytes sent, received", stats.bytes_sent, stats.bytes_received),
    ]
    if pins is not None:
        rows.append(("bits on the rx pin, on the tx pin", *pins))
        report.at_least("bits on rx", pins[0], _BITS_PER_BYTE * stats.bytes_sent)
        report.at_least("bits on tx", pins[1], _BITS_PER_BYTE * stats.bytes_received)
    for name, first, second in rows:
        report.line(f"{name:<34}{first:>12,}" + ("" if second is None else f"{second:>12,}"))
    round_trip = "round trip, smoothed" if pins is None else "round trip in simulated time"
    report.line(f"{round_trip:<34}{stats.round_trip * 1e3:>12,.3f} ms")


def _pin_bits(port: str) -> tuple[int, int] | None:
    """Return the bits on rx and tx of a simulated board of this process; None of any other one."""
    if not _simulated(port):
        return None
    from atomik_sim import find_board

    try:
        status = find_board(port).status
    except LookupError:
        # A board of its own for each opening is gone with its port.
        return None
    return status.bits_to_device, status.bits_from_device


def _conclude(report: Report, seconds: float) -> None:
    differences = len(report.differences)
    report.title(
        f"{report.checks:,} values compared, "
        f"{differences or 'no'} difference{'s' * (differences > 1)}, "
        f"{seconds:.1f} s"
    )
    if not differences:
        report.line("Next:")
        for command, what in _NEXT:
            report.line(f"  {command:<34}{what}")


def _simulated(port: str) -> bool:
    return port.startswith("sim:")
