"""The fit gate: whether a netlist has room in a part, before place and route is tried.

Place and route tells of a design that is too large after minutes, by the name of one cell for which
it found no place. Its parts are counted here as it packs them, from what synthesis wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .board import Board, Family
from .errors import FitError, TooSmallError

__all__ = [
    "CAPACITIES",
    "LOGIC",
    "RAM",
    "SMALLEST",
    "Need",
    "check_fit",
    "check_part",
    "count_needs",
    "find_lack",
    "list_logic_cells",
]

#: The kinds of cells that are counted.
LOGIC = "logic cells"
RAM = "block RAMs"

#: Logic cells of iCE40 that the smallest device takes: 2 contexts of 8 bits, one reply slot.
#: ``python -m benchmarks.smallest`` counts them.
SMALLEST = 2418

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

    def __str__(self) -> str:
        return f"{self.needed:,} {self.kind} of {self.available:,}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def find_lack(board: Board) -> Need | None:
    """Return what the smallest device needs of the part of ``board``, if the part has less.

    Parameters
    ----------
    board : Board
        A part that is not in `CAPACITIES` is taken to be large enough.
    """
    capacity = CAPACITIES.get(board.device)
    if board.family is not Family.ICE40 or capacity is None or capacity[LOGIC] >= SMALLEST:
        return None
    return Need(LOGIC, SMALLEST, capacity[LOGIC])


def check_part(board: Board) -> None:
    """Refuse a board on which no size of the device has room.

    Raises
    ------
    TooSmallError
        If its part has fewer cells than the smallest device takes; the message has both numbers,
        and what fits where.
    """
    lack = find_lack(board)
    if lack is not None:
        raise TooSmallError(
            f"No size of the device fits in the {board.part} of {board.name}: it has "
            f"{lack.available:,} {lack.kind}, and 2 contexts of 8 bits with one reply slot need "
            f"{lack.needed:,}. iCE40UP5K, HX4K, HX8K and LP8K and all parts of ECP5 hold the "
            "device (`atomik boards` lists boards with them); this one has room for DeltaCore in a "
            "design of your own (docs/boards.md)"
        )


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
        what = "fewer contexts" if short[0].kind == RAM else "narrower contexts"
        lacks = " and ".join(map(str, short))
        raise FitError(
            f"This does not fit in the {board.part} of {board.name}: it needs {lacks}. "
            f"Ask for {what}, or for fewer lanes of banks if it has some"
        )
    return needs


def count_needs(netlist: Mapping[str, Any], family: Family) -> dict[str, int]:
    """Return the cells that ``netlist`` takes once packed, by kind."""
    cells = netlist["modules"]["top"]["cells"].values()
    kinds = Counter(cell["type"] for cell in cells)
    if family is Family.ECP5:
        luts = kinds["LUT4"] + 2 * kinds["CCU2C"] + 4 * kinds["TRELLIS_DPR16X4"]
        return {LOGIC: max(luts, kinds["TRELLIS_FF"]), RAM: kinds["DP16KD"] + kinds["PDPW16KD"]}
    if family is Family.GOWIN:
        return {LOGIC: _total(kinds, "LUT", "ALU"), RAM: _total(kinds, "SDP", "DP", "SP")}
    return {LOGIC: len(list_logic_cells(netlist)), RAM: kinds["SB_RAM40_4K"]}


def _total(kinds: Mapping[str, int], *prefixes: str) -> int:
    return sum(number for kind, number in kinds.items() if kind.startswith(prefixes))


def list_logic_cells(netlist: Mapping[str, Any]) -> list[str]:
    """Return a name for each logic cell of iCE40 that ``netlist`` takes once packed.

    A logic cell has one LUT, one carry and one register behind it. A register shares the cell of
    the LUT that makes its input, if that LUT makes nothing else; a carry that of the LUT that adds
    the same two bits. The name is that of the LUT, or else of the register or carry.
    """
    cells = netlist["modules"]["top"]["cells"]
    readers: Counter[int | str] = Counter()
    for cell in cells.values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                readers.update(bits)
    luts = [cell["connections"] for cell in cells.values() if cell["type"] == "SB_LUT4"]
    made = {lut["O"][0] for lut in luts}
    adders = {(lut["I1"][0], lut["I2"][0], lut["I3"][0]) for lut in luts}
    names = []
    for name, cell in cells.items():
        pins = cell["connections"]
        if cell["type"] == "SB_LUT4":
            alone = True
        elif cell["type"].startswith("SB_DFF"):
            (bit,) = pins["D"]
            alone = bit not in made or readers[bit] > 1
        elif cell["type"] == "SB_CARRY":
            alone = (pins["I0"][0], pins["I1"][0], pins["CI"][0]) not in adders
        else:
            continue
        if alone:
            names.append(name)
    return names
