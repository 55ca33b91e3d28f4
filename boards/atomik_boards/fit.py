"""The fit gate: whether a netlist has room in a part, before place and route is tried.

Place and route tells of a design that is too large after minutes, by the name of one cell for which
it found no place. Its parts are counted here as it packs them, from what synthesis wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .board import Board, Family
from .errors import FitError

__all__ = ["CAPACITIES", "Need", "check_fit", "count_needs"]

LOGIC = "logic cells"
RAM = "block RAMs"

#: Logic cells of iCE40 that a device of 2 contexts of 8 bits with one reply slot takes.
SMALLEST = 2387

#: What a part has, by device. LFE5U-12F is the die of a 25F, and HX4K that of an HX8K; the open
#: tools use all of it. What Lattice promises of the 12F is enough, so that is what counts here.
CAPACITIES: Mapping[str, Mapping[str, int]] = {
    "iCE40HX1K": {LOGIC: 1280, RAM: 16},
    "iCE40LP1K": {LOGIC: 1280, RAM: 16},
    "iCE40HX4K": {LOGIC: 7680, RAM: 32},
    "iCE40HX8K": {LOGIC: 7680, RAM: 32},
    "iCE40LP8K": {LOGIC: 7680, RAM: 32},
    "iCE40UP5K": {LOGIC: 5280, RAM: 30},
    "LFE5U-12F": {LOGIC: 12_000, RAM: 32},
    "GW1NR-9C": {LOGIC: 8640, RAM: 26},
    **{
        f"{kind}-{size}": {LOGIC: logic, RAM: ram}
        for kind in ("LFE5U", "LFE5UM", "LFE5UM5G")
        for size, logic, ram in (("25F", 24_288, 56), ("45F", 43_848, 108), ("85F", 83_640, 208))
    },
}


@dataclass(frozen=True, slots=True)
class Need:
    """What a design needs of one kind of cell.

    Attributes
    ----------
    kind : str
    needed, available : int
    """

    kind: str
    needed: int
    available: int


def check_fit(netlist: Mapping[str, Any], board: Board) -> list[Need]:
    """Return what ``netlist`` needs of the part of ``board``.

    Parameters
    ----------
    netlist : mapping
        What yosys wrote: its module ``top``.
    board : Board
        A part that is not in `CAPACITIES` is left to place and route.

    Raises
    ------
    FitError
        If it needs more than there is; the message has all numbers and the remedy.
    """
    capacity = CAPACITIES.get(board.device)
    if capacity is None:
        return []
    counts = count_needs(netlist, board.family)
    needs = [Need(kind, counts[kind], available) for kind, available in capacity.items()]
    short = [need for need in needs if need.needed > need.available]
    if short:
        lacks = " and ".join(f"{need.needed:,} {need.kind} of {need.available:,}" for need in short)
        raise FitError(
            f"This does not fit in the {board.part} of {board.name}: it needs {lacks}. "
            f"{_remedy(capacity, short[0])}"
        )
    return needs


def _remedy(capacity: Mapping[str, int], short: Need) -> str:
    if capacity[LOGIC] < SMALLEST:
        return (
            "No size of it would: 2 contexts of 8 bits with one reply slot, the smallest device, "
            f"need {SMALLEST:,} logic cells (docs/boards.md)"
        )
    what = "fewer contexts" if short.kind == RAM else "narrower contexts"
    return f"Ask for {what}, or for fewer lanes of banks if it has some"


def count_needs(netlist: Mapping[str, Any], family: Family) -> dict[str, int]:
    """Return the cells that ``netlist`` takes once packed, by kind."""
    cells = netlist["modules"]["top"]["cells"].values()
    kinds = Counter(cell["type"] for cell in cells)
    if family is Family.ECP5:
        luts = kinds["LUT4"] + 2 * kinds["CCU2C"] + 4 * kinds["TRELLIS_DPR16X4"]
        return {LOGIC: max(luts, kinds["TRELLIS_FF"]), RAM: kinds["DP16KD"] + kinds["PDPW16KD"]}
    if family is Family.GOWIN:
        return {LOGIC: _total(kinds, "LUT", "ALU"), RAM: _total(kinds, "SDP", "DP", "SP")}
    return {LOGIC: _ice40_logic(netlist), RAM: kinds["SB_RAM40_4K"]}


def _total(kinds: Mapping[str, int], *prefixes: str) -> int:
    return sum(number for kind, number in kinds.items() if kind.startswith(prefixes))


def _ice40_logic(netlist: Mapping[str, Any]) -> int:
    """Return the logic cells of iCE40: each has one LUT, one carry and one register behind it.

    A register shares the cell of the LUT that makes its input, if that LUT makes nothing else; a
    carry that of the LUT that adds the same two bits.
    """
    cells = netlist["modules"]["top"]["cells"].values()
    readers: Counter[int | str] = Counter()
    for cell in cells:
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                readers.update(bits)
    luts = [cell["connections"] for cell in cells if cell["type"] == "SB_LUT4"]
    made = {lut["O"][0] for lut in luts}
    adders = {(lut["I1"][0], lut["I2"][0], lut["I3"][0]) for lut in luts}
    total = len(luts)
    for cell in cells:
        pins = cell["connections"]
        if cell["type"].startswith("SB_DFF"):
            (bit,) = pins["D"]
            total += bit not in made or readers[bit] > 1
        elif cell["type"] == "SB_CARRY":
            total += (pins["I0"][0], pins["I1"][0], pins["CI"][0]) not in adders
    return total
