"""What a report shows, taken from what place and route wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ..sources import Locator
from ..timing import plain_name
from .placement import Placement

__all__ = ["Facts", "Hop", "TimingPath", "Use", "collect"]

#: What nextpnr calls where a path begins or ends that is no register of a clock.
_PINS = "<async>"

#: Names of nextpnr for cells, in words.
_CELLS = {
    "ICESTORM_LC": "logic cells",
    "ICESTORM_RAM": "block RAMs",
    "ICESTORM_PLL": "PLLs",
    "ICESTORM_DSP": "multipliers",
    "ICESTORM_HFOSC": "oscillators",
    "SB_IO": "pins",
    "SB_GB": "global nets",
    "TRELLIS_COMB": "LUTs",
    "TRELLIS_FF": "registers",
    "TRELLIS_RAMW": "LUT RAM writers",
    "TRELLIS_IO": "pins",
    "DP16KD": "block RAMs",
    "EHXPLLL": "PLLs",
    "DCCA": "global nets",
    "LUT4": "LUTs",
    "DFF": "registers",
    "ALU": "carry cells",
    "BSRAM": "block RAMs",
    "RAM16SDP4": "LUT RAMs",
    "IOB": "pins",
}


#: What Gowin's parts have one of, used by every design.
_CONSTANTS = ("GND", "VCC", "GSR")


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path.

    Attributes
    ----------
    kind : str
        ``clk-to-q``, ``logic``, ``routing`` or ``setup``.
    ns, total_ns : float
        Of this step, and since the path began.
    cell : str
        Where it ends, with the port.
    net : str
        That it goes along; empty inside of a cell.
    sources : tuple of str
        ``file:line`` of the net or the cell, or of the signal that it is named after.
    tile : tuple of int
        Column and row where it ends.
    """

    kind: str
    ns: float
    total_ns: float
    cell: str
    net: str
    sources: tuple[str, ...]
    tile: tuple[int, int]


@dataclass(frozen=True, slots=True)
class TimingPath:
    """The slowest way from one kind of place to another.

    Attributes
    ----------
    title : str
    hops : tuple of Hop
    """

    title: str
    hops: tuple[Hop, ...]

    @property
    def ns(self) -> float:
        """The whole way."""
        return self.hops[-1].total_ns if self.hops else 0.0

    @property
    def routing_ns(self) -> float:
        """What of it is wire."""
        return sum(hop.ns for hop in self.hops if hop.kind == "routing")


@dataclass(frozen=True, slots=True)
class Use:
    """Cells of one kind.

    Attributes
    ----------
    name : str
        In words.
    cell : str
        As place and route calls it.
    used, available : int
    """

    name: str
    cell: str
    used: int
    available: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a report shows.

    Attributes
    ----------
    manifest : mapping
    paths : tuple of TimingPath
        The slowest from register to register first.
    uses : tuple of Use
    placement : Placement
        Where the cells are.
    line : mapping of str to str
        The baud plan: what it is, by what it is called.
    seeds : mapping of int to int
        Reached hertz by seed, of all that were tried.
    """

    manifest: Mapping[str, Any]
    paths: tuple[TimingPath, ...]
    uses: tuple[Use, ...]
    placement: Placement
    line: Mapping[str, str]
    seeds: Mapping[int, int]


def collect(
    timing: Mapping[str, Any],
    manifest: Mapping[str, Any],
    placement: Placement,
    locator: Locator,
    line: Mapping[str, str],
    seeds: Mapping[int, int],
) -> Facts:
    """Return the facts of a build.

    Parameters
    ----------
    timing : mapping
        What ``nextpnr --report`` wrote.
    manifest : mapping
    placement : Placement
    locator : Locator
    line : mapping
        As in `Facts`.
    seeds : mapping
        As in `Facts`.
    """
    paths = [_path(path, locator) for path in timing["critical_paths"]]
    # From register to register: what the clock has to wait for.
    paths.sort(key=lambda path: "pins" in path.title)
    uses = [
        Use(_CELLS.get(cell, cell), cell, figures["used"], figures["available"])
        for cell, figures in timing["utilization"].items()
        if cell not in _CONSTANTS and figures["used"] and figures["available"]
    ]
    uses.sort(key=lambda use: use.used / use.available, reverse=True)
    return Facts(manifest, tuple(paths), tuple(uses), placement, line, seeds)


def _path(path: Mapping[str, Any], locator: Locator) -> TimingPath:
    ends = [_end(path[end]) for end in ("from", "to")]
    steps: Sequence[Mapping[str, Any]] = path["path"]
    totals = accumulate(step["delay"] for step in steps)
    hops = [
        Hop(
            step["type"],
            step["delay"],
            total,
            f"{step['to']['cell']}.{step['to']['port']}",
            step.get("net", ""),
            locator.find(step.get("net") or step["to"]["cell"]),
            (step["to"]["loc"][0], step["to"]["loc"][1]),
        )
        for step, total in zip(steps, totals, strict=True)
    ]
    return TimingPath(f"from {ends[0]} to {ends[1]}", tuple(hops))


def _end(name: str) -> str:
    if name == _PINS:
        return "pins"
    edge, _, net = name.partition(" ")
    return f"registers of {plain_name(net)}" + (", falling edge" if edge == "negedge" else "")
