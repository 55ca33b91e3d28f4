"""From a harness to what place and route reached, with everything kept in the cache."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.back import rtlil

from atomik_boards.catalog import Family
from atomik_boards.errors import TimingError
from atomik_boards.run import run_steps
from atomik_boards.tools import Tool, find_tools
from atomik_fpga.cache import Cache, content_key

from .devices import Device
from .harness import Harness

__all__ = ["Cells", "Netlist", "Placement", "place", "read_report", "synthesise"]

_TOP = "harness"
_SOURCE = "harness.il"
_NETLIST = "harness.json"
_CELLS = "cells.json"
_REPORT = "report.json"

#: Of nextpnr's constraint: it counts in whole picoseconds.
_TOLERANCE = 2e-3

#: What nextpnr is told, beside device, netlist and seed: pins may go anywhere, as no path that
#: counts begins or ends in one, and the clock that was asked for need not be reached.
_OPTIONS = {
    Family.ICE40: ("--pcf-allow-unconstrained",),
    Family.ECP5: ("--lpf-allow-unconstrained",),
}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cells:
    """What a netlist is made of.

    Attributes
    ----------
    luts : int
        Look-up tables; a carry cell of the ECP5 counts as the two that it takes.
    registers : int
    rams : int
        Block RAMs.
    lut_rams : int
        ECP5: cells of RAM made of LUTs.
    """

    luts: int
    registers: int
    rams: int
    lut_rams: int


@dataclass(frozen=True, slots=True)
class Netlist:
    """A synthesised harness.

    Attributes
    ----------
    key : str
        Differs when the design, or what made the netlist, does.
    path : Path
        For nextpnr.
    cells : Cells
        Of the design without its harness.
    harness : tuple of int
        LUTs and registers of the harness.
    """

    key: str
    path: Path
    cells: Cells
    harness: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Placement:
    """What one run of place and route reached.

    Attributes
    ----------
    seed : int
    mhz : float
        Highest clock of the logic.
    utilisation : mapping of str to tuple
        Used and available cells of the device, harness included, by nextpnr's name of the kind.
    critical_path : tuple of str
        One line a step: nanoseconds, kind, from where to where.
    """

    seed: int
    mhz: float
    utilisation: Mapping[str, tuple[int, int]]
    critical_path: tuple[str, ...]


def synthesise(harness: Harness, family: Family, progress: Progress) -> Netlist:
    """Return the netlist of ``harness``, from the cache if the same was made before.

    Raises
    ------
    ToolMissingError, BuildError
        If a tool is not installed, or fails.
    CacheError
        If the cache can't be used.
    """
    tools = find_tools(family)
    source = rtlil.convert(harness, name=_TOP, emit_src=False)
    script = f"read_rtlil {_SOURCE}; synth_{family.value} -top {_TOP} -json {_NETLIST}"
    key = content_key("netlist", source, script, tools["yosys"].version)

    def make(folder: Path) -> None:
        (folder / _SOURCE).write_text(source, encoding="utf-8", newline="\n")
        _run(("yosys", "-q", "-p", script), tools, folder, progress)
        (folder / _SOURCE).unlink()
        counts = _count(folder / _NETLIST)
        (folder / _CELLS).write_text(json.dumps(counts), encoding="utf-8")

    entry = Cache("fmax").get(key, make)
    counts = json.loads((entry / _CELLS).read_text(encoding="utf-8"))
    return Netlist(key, entry / _NETLIST, _design_cells(counts, harness), harness.cost)


def place(netlist: Netlist, device: Device, seed: int, progress: Progress) -> Placement:
    """Return what place and route of ``netlist`` reaches, from the cache if it ran before.

    Raises
    ------
    TimingError
        Unless the report has one clock, with the constraint that was asked for.
    ToolMissingError, BuildError
        If a tool is not installed, or fails: for one, because the design does not fit.
    CacheError
        If the cache can't be used.
    """
    tools = find_tools(device.family)
    name = f"nextpnr-{device.family.value}"
    options = [*device.options, *_OPTIONS[device.family], "--freq", str(device.wanted_mhz)]
    options += ["--seed", str(seed), "--timing-allow-fail", "--report", _REPORT, "--quiet"]
    key = content_key("placement", netlist.key, *options, tools[name].version)

    def make(folder: Path) -> None:
        # The tools' runtime does not let them see every folder; the one they run in they do.
        shutil.copyfile(netlist.path, folder / _NETLIST)
        _run((name, "--json", _NETLIST, *options), tools, folder, progress)
        (folder / _NETLIST).unlink()

    entry = Cache("fmax").get(key, make)
    report = json.loads((entry / _REPORT).read_text(encoding="utf-8"))
    return read_report(report, device.wanted_mhz, seed)


def read_report(report: Mapping[str, Any], wanted_mhz: float, seed: int) -> Placement:
    """Return what nextpnr's report says.

    Raises
    ------
    TimingError
        Unless it has one clock, constrained to ``wanted_mhz``.
    """
    clocks = report["fmax"]
    if len(clocks) != 1:
        raise TimingError(f"The timing report has the clocks {sorted(clocks)}, not one")
    ((clock, figures),) = clocks.items()
    if abs(figures["constraint"] - wanted_mhz) > _TOLERANCE * wanted_mhz:
        raise TimingError(
            f"Clock {clock!r}, wanted at {wanted_mhz} MHz, was constrained to "
            f"{figures['constraint']:.2f} MHz: its constraint did not bind"
        )
    used = {
        kind: (cells["used"], cells["available"])
        for kind, cells in report["utilization"].items()
        if cells["used"]
    }
    return Placement(seed, figures["achieved"], used, _critical_path(report, clock))


def _run(
    command: Sequence[str], tools: Mapping[str, Tool], folder: Path, progress: Progress
) -> None:
    def announce(line: str) -> None:
        # That a tool starts is no news here; that it has to be compiled first is.
        if line.startswith("First run"):
            progress(line)

    run_steps([command], tools, folder, announce)


def _count(netlist: Path) -> dict[str, int]:
    """Return how many cells of each type there are."""
    with netlist.open(encoding="utf-8") as file:
        modules = json.load(file)["modules"]
    return dict(Counter(cell["type"] for cell in modules[_TOP]["cells"].values()))


def _design_cells(counts: Mapping[str, int], harness: Harness) -> Cells:
    luts, registers = harness.cost
    return Cells(
        luts=_total(counts, "SB_LUT4", "LUT4") + 2 * _total(counts, "CCU2C") - luts,
        registers=_total(counts, "SB_DFF", "TRELLIS_FF") - registers,
        rams=_total(counts, "SB_RAM40_4K", "DP16KD", "PDPW16KD"),
        lut_rams=_total(counts, "TRELLIS_DPR16X4"),
    )


def _total(counts: Mapping[str, int], *prefixes: str) -> int:
    return sum(number for kind, number in counts.items() if kind.startswith(prefixes))


def _critical_path(report: Mapping[str, Any], clock: str) -> tuple[str, ...]:
    end = f"posedge {clock}"
    for path in report["critical_paths"]:
        if path["from"] == path["to"] == end:
            return tuple(_step(step) for step in path["path"])
    return ()


def _step(step: Mapping[str, Any]) -> str:
    ends = [f"{step[end]['cell']}.{step[end]['port']}" for end in ("from", "to")]
    return f"{step['delay']:.2f} ns {step['type']}: " + " to ".join(dict.fromkeys(ends))
