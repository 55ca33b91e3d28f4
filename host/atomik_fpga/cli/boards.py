"""``atomik boards``: the boards that can be built, and what the last sweep made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .common import json_option, missing_extra, print_json, verbosity_options

if TYPE_CHECKING:
    from atomik_boards.board import Board
    from atomik_boards.sweep import Sweep

__all__ = ["boards"]


@click.command()
@json_option
@verbosity_options
def boards(as_json: bool) -> None:
    """List the boards that can be built, with their defaults.

    How fast their logic is, and how full their part, is of the last recorded sweep: place and
    route, of the version and the month that are named.
    """
    try:
        from atomik_boards.catalog import BOARDS
        from atomik_boards.sweep import load_sweep
    except ModuleNotFoundError as error:
        raise missing_extra("build", "`atomik boards`", error) from error
    sweep = load_sweep()
    if as_json:
        entries = [_values(board, sweep) for board in BOARDS.values()]
        print_json({"boards": entries, "sweep": {"version": sweep.version, "date": sweep.date}})
        return
    width = max(map(len, BOARDS))
    click.echo(f"{'board':<{width}}  {'part':<19}  {'table':<10}  {'baud':<18}  {'clock, MHz':<13}")
    for board in BOARDS.values():
        click.echo(f"{board.name:<{width}}  {_words(board, sweep)}")
    click.echo(f"Clock: needed, and reached by place and route; {sweep.version}, {sweep.date}.")


def _words(board: Board, sweep: Sweep) -> str:
    from atomik_boards.design import highest_baud

    table = f"{board.contexts} x {board.width}"
    baud = f"{board.default_baud} to {highest_baud(board)}"
    return f"{board.part:<19}  {table:<10}  {baud:<18}  {_result(board, sweep)}"


def _result(board: Board, sweep: Sweep) -> str:
    entry = sweep.boards.get(board.name)
    if entry is None:
        return "not in the sweep"
    if not entry.built:
        return "does not fit"
    fullest = max(entry.utilization.values(), key=lambda it: it["used"] / it["available"])
    share = fullest["used"] / fullest["available"]
    return f"{entry.wanted_hz / 1e6:g} / {entry.reached_hz / 1e6:.1f}, {share:.0%} full"


def _values(board: Board, sweep: Sweep) -> dict[str, Any]:
    from atomik_boards.board import UartPins
    from atomik_boards.design import highest_baud

    entry = sweep.boards.get(board.name)
    uart = board.uart
    pins = {"rx": uart.rx, "tx": uart.tx} if isinstance(uart, UartPins) else None
    return {
        "board": board.name,
        "title": board.title,
        "part": board.part,
        "idcode": None if board.idcode is None else f"{board.idcode:08x}",
        "clock_hz": board.clock_hz,
        "clocks": dict(board.clocks),
        "contexts": board.contexts,
        "width": board.width,
        "bridge": board.bridge,
        "default_baud": board.default_baud,
        "highest_baud": highest_baud(board),
        "uart": pins,
        "lamps": sorted(board.leds),
        "reset": board.reset is not None,
        "notes": list(board.notes),
        "sweep": None if entry is None else entry.as_dict(),
    }
