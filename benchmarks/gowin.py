"""Core and 16 banks on the chip that the algebra was published for: ``python -m benchmarks.gowin``.

Its originator gives LUTs and clocks of a Tang Nano 9K, made with the vendor's tools. Here the same
part, speed grade and width go through the open tools, between registers, with three seeds. Two
flows are compared, not two measurements of one: the tools count, and model delays, each in its way.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from amaranth.back import rtlil

from atomik_boards.catalog import Family
from atomik_boards.run import run_steps
from atomik_boards.tools import Tool, find_tools, tool_versions
from atomik_hdl.banks import DeltaBanks
from atomik_hdl.core import DeltaCore

from .fmax.flow import read_report
from .fmax.harness import Harness
from .record import Record, report

__all__ = ["PUBLISHED", "main"]

PART = "GW1NR-LV9QN88PC6/I5"
_DIE = "GW1N-9C"
_WIDTH, _LANES = 64, 16
_SEEDS = (1, 2, 3)
#: Asked for of place and route, in MHz: more than twice what is published.
_WANTED_MHZ = 200
_TOP = "harness"

#: What the algebra's originator publishes: LUTs, and MHz.
PUBLISHED: Mapping[str, tuple[int, float]] = {"core": (477, 94.5), "banks": (1779, 66.0)}

#: Place and route wants a place for each pin, though no path that counts begins or ends in one.
_PINS = "".join(f'IO_LOC "{name}" {pin};\n' for name, pin in (("clk", 52), ("i", 3), ("o", 10)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 4 where a published figure is not reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gowin", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    tools = find_tools(Family.GOWIN)
    designs: Mapping[str, Any] = {
        "core": DeltaCore(_WIDTH),
        "banks": DeltaBanks(_WIDTH, _LANES, topology="chain"),
    }
    records = []
    for name, design in designs.items():
        with tempfile.TemporaryDirectory() as folder:
            luts, clocks = _run(Harness(design, lanes_per_word=6), Path(folder), tools)
        records += _records(name, luts, clocks, tool_versions(tools.values()))
    return report("gowin", records, as_json=options.json)


def _run(harness: Harness, folder: Path, tools: Mapping[str, Tool]) -> tuple[int, list[float]]:
    """Return the LUTs of the design without its harness, and the clock in MHz by seed."""
    source = rtlil.convert(harness, name=_TOP, emit_src=False)
    (folder / f"{_TOP}.il").write_text(source, encoding="utf-8", newline="\n")
    (folder / f"{_TOP}.cst").write_text(_PINS, encoding="utf-8", newline="\n")
    script = f"read_rtlil {_TOP}.il; synth_gowin -top {_TOP} -json {_TOP}.json"
    run_steps([("yosys", "-q", "-p", script)], tools, folder, _say)
    netlist = json.loads((folder / f"{_TOP}.json").read_text(encoding="utf-8"))
    cells = netlist["modules"][_TOP]["cells"].values()
    luts = sum(cell["type"].startswith(("LUT", "ALU")) for cell in cells) - harness.cost[0]
    clocks = []
    for seed in _SEEDS:
        result = folder / f"{seed}.json"
        command = ["nextpnr-himbaechel-gowin", "--quiet", "--device", PART]
        command += ["--vopt", f"family={_DIE}", "--vopt", f"cst={_TOP}.cst"]
        command += ["--json", f"{_TOP}.json", "--freq", str(_WANTED_MHZ), "--seed", str(seed)]
        command += ["--timing-allow-fail", "--report", result.name]
        run_steps([command], tools, folder, _say)
        reached = read_report(json.loads(result.read_text(encoding="utf-8")), _WANTED_MHZ, seed)
        clocks.append(reached.mhz)
    return luts, clocks


def _records(
    name: str, luts: int, clocks: Sequence[float], versions: Mapping[str, str]
) -> list[Record]:
    published_luts, published_mhz = PUBLISHED[name]
    conditions = {
        "device": PART,
        "width": _WIDTH,
        "seeds": len(clocks),
        "from": round(min(clocks), 1),
        "to": round(max(clocks), 1),
        "target": "published by the algebra's originator, of the vendor's tools",
        **versions,
    }
    mhz = median(clocks)
    made = [
        Record(
            f"{name}_luts", luts, "LUTs", "place-and-route", "lower", conditions, published_luts
        ),
        Record(f"{name}_clock", mhz, "MHz", "place-and-route", "higher", conditions, published_mhz),
    ]
    if name == "banks":
        rates = (_LANES * mhz, _LANES * published_mhz)
        made.append(
            Record(
                "banks_accumulates",
                rates[0],
                "M/s",
                "place-and-route",
                "higher",
                conditions,
                rates[1],
            )
        )
    return made


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
