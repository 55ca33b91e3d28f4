"""Every board, built with its defaults: ``python -m benchmarks.boards [--json] [--only NAME] …``.

What was built before comes from the cache; its time is then that of the record, if it has one.
``--fresh`` builds everything anew. ``--record`` keeps each board as soon as it was built, and a
sweep that was interrupted goes on with ``--resume``: it leaves out the boards whose record is of
this design and these tools. ``--recorded`` says which rows are of another design. Boards whose part
holds no size of the device are listed without a target.
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
from atomik_boards.build import build_board, identify
from atomik_boards.catalog import BOARDS
from atomik_boards.design import highest_baud, plan_design
from atomik_boards.errors import FitError, TimingError, ToolMissingError
from atomik_boards.fit import find_lack
from atomik_boards.sweep import RECORD, Entry, Sweep, load_sweep
from atomik_boards.tools import find_tools, tool_versions
from atomik_fpga import __version__

from .fmax.document import with_tables
from .record import Record, machine, report

__all__ = ["main", "records", "table", "wiring_table"]

_RECORD = Path(atomik_boards.sweep.__file__).with_name(RECORD)
_PAGE = Path(__file__).parents[1] / "docs" / "boards.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 4 if a board that can hold the device failed."""
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
    parser.add_argument(
        "--resume", action="store_true", help="build only what the record has not, or not of this"
    )
    parser.add_argument("--recorded", action="store_true", help="build nothing, show the record")
    options = parser.parse_args(arguments)
    sweep = load_sweep()
    names = options.only or list(BOARDS)
    if options.recorded:
        stale = [name for name in names if name in sweep.boards and not _is_current(name, sweep)]
        if stale:
            print(f"Of another design than this one: {', '.join(stale)}", file=sys.stderr)
    else:
        able = [name for name in names if find_lack(BOARDS[name]) is None]
        try:
            versions = _versions(able)
        except ToolMissingError as error:
            parser.error(f"{error}. Or name the boards to build with --only")
        if options.resume:
            able = [name for name in able if not _is_recorded(name, sweep, versions)]
        sweep = _run(able, options, versions, sweep)
    return report("boards", records(sweep, names), as_json=options.json)


def records(sweep: Sweep, names: Sequence[str]) -> list[Record]:
    """Return the sweep as records: clocks, and the cells of parts in which no device fits."""
    made = []
    for name in names:
        board = BOARDS[name]
        entry = sweep.boards.get(name)
        lack = find_lack(board)
        if lack is not None:
            metric, kind = f"{name}_{lack.kind.replace(' ', '_')}", lack.kind
            small = {"part": board.part, "status": "too small", "smallest_device": lack.needed}
            made.append(Record(metric, lack.available, kind, "computed", "higher", small))
        elif entry is not None:
            made.append(_record(board, entry, sweep.tools))
    return made


def _record(board: Board, entry: Entry, tools: Mapping[str, str]) -> Record:
    used = {kind: f"{it['used']} of {it['available']}" for kind, it in entry.utilization.items()}
    conditions = {
        "part": board.part,
        "status": "built" if entry.built else "failed",
        "build_id": entry.build_id,
        "contexts": board.contexts,
        "width": board.width,
        "baud": board.default_baud,
        "seed": 1,
        "seconds": entry.seconds,
        **used,
        **({"problem": entry.problem} if entry.problem else {}),
        **tools,
    }
    return Record(
        f"{board.name}_clock",
        entry.reached_hz / 1e6,
        "MHz",
        "place-and-route",
        "higher",
        conditions,
        target=(entry.wanted_hz or plan_design(board).clock.hz) / 1e6,
    )


def table(sweep: Sweep) -> str:
    """Return the table of the docs."""
    lines = [
        "| board | part | clock, MHz | reached, MHz | LUTs | block RAMs | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, board in BOARDS.items():
        entry = sweep.boards.get(name)
        lack = find_lack(board)
        if lack is not None:
            lines.append(f"| `{name}` | {board.part} | too small | | {lack} | | |")
            continue
        if entry is None:
            continue
        if not entry.built:
            lines.append(f"| `{name}` | {board.part} | failed | | | | |")
            continue
        logic, ram = _cells(board)
        lines.append(
            f"| `{name}` | {board.part} | {entry.wanted_hz / 1e6:g} | {entry.reached_hz / 1e6:.1f} "
            f"| {_used(entry, logic)} | {_used(entry, ram)} | {_time(entry)} |"
        )
    tools = ", ".join(f"{name} {version}" for name, version in sorted(sweep.tools.items()))
    lines += ["", f"atomik-fpga {sweep.version}, {sweep.date}; {tools}; {sweep.machine}."]
    older = [
        f"`{name}`" for name, entry in sweep.boards.items() if entry.built and not entry.build_id
    ]
    if older:
        lines.append(f"Of an earlier state of the gateware: {', '.join(older)}.")
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
        size = f"{board.contexts} x {board.width}" if find_lack(board) is None else "none fits"
        lamps = ", ".join(board.leds) or "none"
        reset = "button" if board.reset else "none"
        rates = f"{board.default_baud:,}, {highest_baud(board):,}"
        lines.append(
            f"| `{name}` | {board.title} | {clock} | {size} | {board.bridge} | {rates} | {pins} "
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


def _versions(names: Sequence[str]) -> dict[str, str]:
    """Return the versions of all that the builds of these boards depend on."""
    versions: dict[str, str] = {}
    for family in {BOARDS[name].family: None for name in names}:
        versions |= tool_versions(find_tools(family).values())
    return versions


def _is_same(sweep: Sweep, versions: Mapping[str, str]) -> bool:
    """Whether rows that are made now may stand beside those of ``sweep``."""
    agree = all(sweep.tools.get(package, it) == it for package, it in versions.items())
    return agree and (sweep.version, sweep.machine) == (__version__, machine())


def _is_recorded(name: str, sweep: Sweep, versions: Mapping[str, str]) -> bool:
    entry = sweep.boards.get(name)
    made = entry is not None and entry.built and _is_same(sweep, versions)
    return made and _is_current(name, sweep)


def _is_current(name: str, sweep: Sweep) -> bool:
    """Whether the row of a board is of the design that would be built now."""
    return sweep.boards[name].build_id == f"{identify(plan_design(BOARDS[name])):016x}"


def _run(
    names: Sequence[str], options: argparse.Namespace, versions: Mapping[str, str], before: Sweep
) -> Sweep:
    """Build the boards, and keep each result as soon as it is there.

    Rows of the record that other versions or another machine made are dropped: one line says of all
    rows what they were made with. Those of an earlier state of the gateware lose their build id.
    """
    kept = before if _is_same(before, versions) else replace(before, tools={}, boards={})
    if options.record:
        kept = replace(
            kept,
            boards={
                name: entry if _is_current(name, kept) else _older(entry)
                for name, entry in kept.boards.items()
            },
        )
    sweep = replace(
        kept,
        version=__version__,
        date=datetime.now(UTC).strftime("%Y-%m"),
        machine=machine(),
        tools={**kept.tools, **versions},
    )
    with tempfile.TemporaryDirectory() as folder:
        tasks = [(n, Path(folder, n), kept.boards.get(n), bool(options.fresh)) for n in names]
        for name, entry in _results(tasks, options.jobs):
            sweep = replace(sweep, boards={**sweep.boards, name: entry})
            print(f"{name}: {_said(entry)}", file=sys.stderr, flush=True)
            if options.record:
                _save(sweep)
    if options.record:
        _save(sweep)
    return sweep


def _older(entry: Entry) -> Entry:
    return replace(entry, build_id="")


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
    seconds = round(_processor_seconds() - began, 1)
    manifest = result.manifest
    (clock,) = manifest["clocks"].values()
    build_id: str = manifest["build_id"]
    if result.cached:
        seconds = before.seconds if before is not None and before.build_id == build_id else 0.0
    cells: Mapping[str, Mapping[str, int]] = manifest["utilization"]
    reached = (clock["wanted_hz"], clock["reached_hz"])
    return name, Entry(True, *reached, cells, seconds, "", build_id)


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
    _replace(_RECORD, json.dumps(values, indent=1) + "\n")
    tables = {"wiring": wiring_table(), "boards": table(sweep)}
    _replace(_PAGE, with_tables(_PAGE.read_text(encoding="utf-8"), tables))


def _replace(path: Path, text: str) -> None:
    """Write a file so that an interruption leaves the old one or the new one."""
    made = path.with_suffix(".new")
    made.write_text(text, encoding="utf-8", newline="\n")
    made.replace(path)


if __name__ == "__main__":
    sys.exit(main())
