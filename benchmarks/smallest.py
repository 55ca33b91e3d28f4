"""What the smallest device is made of, on iCE40: ``python -m benchmarks.smallest [--json]``.

2 contexts of 8 bits with one reply slot, on the iCEstick: no size of the device takes less, and
the parts of 1,280 logic cells have not enough for it. The netlist is synthesised as a build does
it; each of its logic cells is counted for the module that its name, which the tools keep, begins
with. Logic that synthesis merges over the border of two modules counts for one of them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from atomik_boards.build import build_files
from atomik_boards.catalog import find_board
from atomik_boards.design import plan_design
from atomik_boards.fit import SMALLEST, list_logic_cells
from atomik_boards.run import run_steps
from atomik_boards.tools import find_tools, tool_versions

from .record import Record, run

__all__ = ["count_modules", "main", "synthesise"]

_BOARD = "icestick"
_CONTEXTS, _WIDTH = 2, 8
_TOP = "top"

#: What a logic cell counts for, by the beginning of its name; the first that fits.
_MODULES = {
    "device.link.receiver.": "link_receiver",
    "device.link.executor.": "link_executor",
    "device.link.sender.": "link_sender",
    "device.receiver.": "uart",
    "device.transmitter.": "uart",
    "device.table.": "table",
    "device.arbiter.": "table",
}
#: The rest: reset, lamps and what joins the parts.
_REST = "board"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run("smallest", "What the smallest device is made of, on iCE40.", _measure, arguments)


def synthesise() -> dict[str, Any]:
    """Return the netlist of the smallest device, as yosys wrote it."""
    board = replace(find_board(_BOARD), reply_slots=1)
    _, files = build_files(plan_design(board, contexts=_CONTEXTS, width=_WIDTH))
    with tempfile.TemporaryDirectory() as folder:
        for name in (f"{_TOP}.il", f"{_TOP}.ys"):
            Path(folder, name).write_text(files[name], encoding="utf-8", newline="\n")
        command = ("yosys", "-q", f"{_TOP}.ys")
        run_steps([command], find_tools(board.family), Path(folder), _say)
        text = Path(folder, f"{_TOP}.json").read_text(encoding="utf-8")
    netlist: dict[str, Any] = json.loads(text)
    return netlist


def count_modules(netlist: Mapping[str, Any]) -> dict[str, int]:
    """Return the logic cells by module, the largest first."""
    counts = Counter(map(_module, list_logic_cells(netlist)))
    return dict(counts.most_common())


def _module(cell: str) -> str:
    return next((name for begin, name in _MODULES.items() if cell.startswith(begin)), _REST)


def _measure() -> list[Record]:
    tools = find_tools(find_board(_BOARD).family)
    yosys = tool_versions([tools["yosys"]])
    conditions = {"contexts": _CONTEXTS, "width": _WIDTH, "reply_slots": 1, **yosys}
    counts = count_modules(synthesise())
    whole = {**conditions, "fit_gate": SMALLEST}
    records = [Record("all", sum(counts.values()), "logic cells", "computed", "lower", whole)]
    for name, cells in counts.items():
        records.append(Record(name, cells, "logic cells", "computed", "lower", conditions))
    return records


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
