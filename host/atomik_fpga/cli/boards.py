"""``atomik boards``: the boards that can be built, and what the last sweep made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from .common import json_option, missing_extra, print_json, verbosity_options

if TYPE_CHECKING:
    from atomik_boards.board import Board
    from atomik_boards.design import ClockPlan
    from atomik_boards.sweep import Sweep

__all__ = ["boards"]

#: What place and route calls the cells that a design runs out of.
_LOGIC = ("ICESTORM_LC", "TRELLIS_COMB", "LUT4")
_RAM = ("ICESTORM_RAM", "DP16KD", "BSRAM")


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
        from atomik_boards.design import highest_baud, plan_design
        from atomik_boards.fit import find_lack
        from atomik_boards.sweep import load_sweep
    except ModuleNotFoundError as error:
        raise missing_extra("build", "`atomik boards`", error) from error
    sweep = load_sweep()
    if as_json:
        entries = [
            {
                **_values(board, sweep),
                "highest_baud": highest_baud(board),
                **_clock(plan_design(board).clock),
            }
            for board in BOARDS.values()
        ]
        print_json({"boards": entries, "sweep": {"version": sweep.version, "date": sweep.date}})
        return
    rows = [("board", "part", "table", "baud", "clock, MHz", "logic", "RAM")]
    lacks = {lack for lack in map(find_lack, BOARDS.values()) if lack is not None}
    for board in BOARDS.values():
        table = f"{board.contexts} x {board.width}" if find_lack(board) is None else "none fits"
        baud = f"{board.default_baud} to {highest_baud(board)}"
        rows.append((board.name, board.part, table, baud, *_result(board, sweep)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
    for lack in sorted(lacks, key=str):
        click.echo(f"Too small: the smallest device needs {lack}.")
    click.echo(f"Clock: needed, and reached by place and route; {sweep.version}, {sweep.date}.")


def _clock(clock: ClockPlan) -> dict[str, Any]:
    return {"fabric_hz": clock.hz, "pll": clock.pll is not None}


def _result(board: Board, sweep: Sweep) -> tuple[str, str, str]:
    """Return what the sweep made of a board: its clock, and the parts of its cells in use."""
    from atomik_boards.fit import find_lack

    if find_lack(board) is not None:
        return "too small", "", ""
    entry = sweep.boards.get(board.name)
    if entry is None:
        return "not in the sweep", "", ""
    if not entry.built:
        return "not built", "", ""
    logic, ram = (
        next((it for kind, it in entry.utilization.items() if kind in kinds), None)
        for kinds in (_LOGIC, _RAM)
    )
    clock = f"{entry.wanted_hz / 1e6:g} / {entry.reached_hz / 1e6:.1f}"
    return clock, _share(logic), _share(ram)


def _share(cells: Mapping[str, int] | None) -> str:
    return "" if cells is None else f"{cells['used'] / cells['available']:.0%}"


def _values(board: Board, sweep: Sweep) -> dict[str, Any]:
    from atomik_boards.board import UartPins
    from atomik_boards.fit import find_lack

    lack = find_lack(board)
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
        "contexts": board.contexts if lack is None else None,
        "width": board.width if lack is None else None,
        "too_small": None if lack is None else lack.as_dict(),
        "bridge": board.bridge,
        "default_baud": board.default_baud,
        "uart": pins,
        "lamps": sorted(board.leds),
        "reset": board.reset is not None,
        "notes": list(board.notes),
        "sweep": None if entry is None else entry.as_dict(),
    }
