"""Every board, built with its defaults: ``python -m benchmarks.boards [--json] [--only NAME] …``.

What was built before comes from the cache, so a sweep that was interrupted goes on where it was;
its time is then that of the record, if it has one. ``--fresh`` builds everything anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import atomik_boards.sweep
from atomik_boards.board import HFOSC, Board, Family, UartPins
from atomik_boards.build import build_board
from atomik_boards.catalog import BOARDS
from atomik_boards.design import highest_baud
from atomik_boards.errors import FitError, TimingError
from atomik_boards.sweep import RECORD, Entry, Sweep, load_sweep
from atomik_boards.tools import find_tools, tool_versions
from atomik_fpga import __version__

from .fmax.document import with_tables
from .record import Record, machine, report

__all__ = ["main", "records", "table", "wiring_table"]

_RECORD = Path(atomik_boards.sweep.__file__).with_name(RECORD)
_PAGE = Path(__file__).parents[1] / "docs" / "boards.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 4 if a board is too small, or a clock too slow."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.boards", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=BOARDS, help="only this board; repeat"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="boards at once (2)")
    parser.add_argument(
        "--record", action="store_true", help="keep the result, and write the table of the docs"
    )
    parser.add_argument("--fresh", action="store_true", help="take nothing from the cache")
    parser.add_argument("--recorded", action="store_true", help="run nothing, show the record")
    options = parser.parse_args(arguments)
    sweep = load_sweep()
    names = options.only or list(BOARDS)
    if not options.recorded:
        fresh = _run(names, options.jobs, sweep, record=options.record, fresh=options.fresh)
        sweep = (
            fresh if options.record else replace(fresh, boards={n: fresh.boards[n] for n in names})
        )
    return report("boards", records(sweep, names), as_json=options.json)


def records(sweep: Sweep, names: Sequence[str]) -> list[Record]:
    """Return the sweep as records: clocks, and of boards that are too small what they lack."""
    made = []
    for name in names:
        entry = sweep.boards.get(name)
        if entry is None:
            continue
        board = BOARDS[name]
        conditions = {
            "part": board.part,
            "contexts": board.contexts,
            "width": board.width,
            "baud": board.default_baud,
            "seed": 1,
            "seconds": entry.seconds,
            **{
                kind: f"{it['used']} of {it['available']}" for kind, it in entry.utilization.items()
            },
            **({"problem": entry.problem} if entry.problem else {}),
            **sweep.tools,
        }
        made.append(
            Record(
                f"{name}_clock",
                entry.reached_hz / 1e6,
                "MHz",
                "place-and-route",
                "higher",
                conditions,
                target=(entry.wanted_hz or board.clock_hz) / 1e6,
            )
        )
    return made


def table(sweep: Sweep) -> str:
    """Return the table of the docs."""
    lines = [
        "| board | part | clock, MHz | reached, MHz | LUTs | block RAMs | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, board in BOARDS.items():
        entry = sweep.boards.get(name)
        if entry is None:
            continue
        if not entry.built:
            lines.append(f"| `{name}` | {board.part} | {entry.outcome} | | | | |")
            continue
        logic, ram = _cells(board)
        lines.append(
            f"| `{name}` | {board.part} | {entry.wanted_hz / 1e6:g} | {entry.reached_hz / 1e6:.1f} "
            f"| {_used(entry, logic)} | {_used(entry, ram)} | {_time(entry)} |"
        )
    tools = ", ".join(f"{name} {version}" for name, version in sorted(sweep.tools.items()))
    lines += ["", f"atomik-fpga {sweep.version}, {sweep.date}; {tools}; {sweep.machine}."]
    return "\n".join(lines) + "\n"


def wiring_table() -> str:
    """Return the table of what the boards have, which the catalog says."""
    lines = [
        "| board | | clock, MHz | contexts | bridge | baud, highest | UART | lamps | reset |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, board in BOARDS.items():
        clock = f"{board.clock_hz / 1e6:g}" + (" inside" if board.clock == HFOSC else "")
        uart = board.uart
        pins = f"rx `{uart.rx}`, tx `{uart.tx}`" if isinstance(uart, UartPins) else "its own"
        lamps = ", ".join(board.leds) or "none"
        reset = "button" if board.reset else "none"
        lines.append(
            f"| `{name}` | {board.title} | {clock} | {board.contexts} x {board.width} "
            f"| {board.bridge} | {board.default_baud:,}, {highest_baud(board):,} | {pins} "
            f"| {lamps} | {reset} |"
        )
    return "\n".join(lines) + "\n"


def _cells(board: Board) -> tuple[str, str]:
    if board.family is Family.ICE40:
        return "ICESTORM_LC", "ICESTORM_RAM"
    if board.family is Family.GOWIN:
        return "LUT4", "BSRAM"
    return "TRELLIS_COMB", "DP16KD"


def _time(entry: Entry) -> str:
    return f"{entry.seconds:.0f}" if entry.seconds else "cached"


def _used(entry: Entry, kind: str) -> str:
    cells = entry.utilization[kind]
    share = cells["used"] / cells["available"]
    return f"{cells['used']:,} of {cells['available']:,}, {share:.0%}"


def _run(names: Sequence[str], jobs: int, sweep: Sweep, *, record: bool, fresh: bool) -> Sweep:
    """Build the boards, and keep each result as soon as it is there."""
    versions: dict[str, str] = {}
    for family in {BOARDS[name].family: None for name in names}:
        versions |= tool_versions(find_tools(family).values())
    sweep = replace(
        sweep,
        version=__version__,
        date=datetime.now(UTC).strftime("%Y-%m"),
        machine=machine(),
        tools=versions,
    )
    boards = dict(sweep.boards)
    with tempfile.TemporaryDirectory() as folder:
        tasks = [(name, Path(folder, name), sweep.boards.get(name), fresh) for name in names]
        for name, entry in _results(tasks, jobs):
            boards[name] = entry
            print(f"{name}: {_said(entry)}", file=sys.stderr, flush=True)
            if record:
                _save(replace(sweep, boards=boards))
    return replace(sweep, boards={name: boards[name] for name in BOARDS if name in boards})


_Task = tuple[str, Path, Entry | None, bool]


def _results(tasks: Sequence[_Task], jobs: int) -> Iterator[tuple[str, Entry]]:
    """Yield each board with its entry, in processes of their own if there are several at once."""
    if jobs == 1:
        yield from map(_build, tasks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(_build, task) for task in tasks]):
            yield future.result()


def _build(task: _Task) -> tuple[str, Entry]:
    """Build a board; one that came from the cache keeps the time of when it was built."""
    name, folder, before, fresh = task
    began = _processor_seconds()
    try:
        result = build_board(name, out=folder, cached=not fresh)
    except (FitError, TimingError) as error:
        return name, Entry(False, 0, 0, {}, 0.0, str(error).splitlines()[0])
    (clock,) = result.manifest["clocks"].values()
    utilization: Mapping[str, Mapping[str, int]] = result.manifest["utilization"]
    seconds = round(_processor_seconds() - began, 1)
    if result.cached:
        seconds = before.seconds if before is not None else 0.0
    return name, Entry(True, clock["wanted_hz"], clock["reached_hz"], utilization, seconds, "")


def _processor_seconds() -> float:
    """Return the time that processors spent on this process, and on the tools that it ran."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _said(entry: Entry) -> str:
    if not entry.built:
        return f"NOT BUILT: {entry.problem}"
    time = f"{entry.seconds:.0f} s" if entry.seconds else "from the cache"
    return f"{entry.reached_hz / 1e6:.1f} MHz of {entry.wanted_hz / 1e6:g}, {time}"


def _save(sweep: Sweep) -> None:
    boards = {name: asdict(sweep.boards[name]) for name in BOARDS if name in sweep.boards}
    values = {**asdict(sweep), "boards": boards}
    _RECORD.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8", newline="\n")
    page = with_tables(
        _PAGE.read_text(encoding="utf-8"), {"wiring": wiring_table(), "boards": table(sweep)}
    )
    _PAGE.write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
