"""Where place and route put the cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PARTS", "Placement", "read_placement"]

_BEL = re.compile(r"X(\d+)/?Y(\d+)/(.*)")

#: How the places of block RAM begin: of iCE40, ECP5 and Gowin.
_BLOCK_RAMS = ("ram", "EBR", "BSRAM")

#: How the names of a part's cells go on behind that of the device, and what the part is called.
_NAMES = {
    "link.receiver": "link: receiver",
    "link.executor": "link: executor",
    "link.sender": "link: sender",
    "table": "table",
    "arbiter": "table",
    "engine": "banks",
    "receiver": "UART",
    "transmitter": "UART",
    "fabric": "your fabric",
}
#: The device may be within that of the fabric.
_PART = re.compile(rf"(?:device\.)+({'|'.join(re.escape(name) for name in _NAMES)})\b")
_REST = "clock, reset, pins"

#: All parts, in the order of a key.
PARTS = (*dict.fromkeys(_NAMES.values()), _REST)


@dataclass(frozen=True, slots=True)
class Placement:
    """Tiles of a part that hold something.

    Attributes
    ----------
    tiles : mapping of tuple to mapping
        By column and row: how many cells of each part of the design.
    rams : frozenset of tuple
        Those of them that are block RAM.
    from_top : bool
        Whether row 0 is at the top, or else at the bottom.
    """

    tiles: Mapping[tuple[int, int], Mapping[str, int]]
    rams: frozenset[tuple[int, int]]
    from_top: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows up to the last one that holds something."""
        columns = max((column for column, _ in self.tiles), default=0)
        rows = max((row for _, row in self.tiles), default=0)
        return columns + 1, rows + 1


def read_placement(places: Mapping[str, str], *, from_top: bool = False) -> Placement:
    """Return the placement of cells.

    Parameters
    ----------
    places : mapping of str to str
        By name of the cell, as nextpnr calls places: ``X3/Y14/lc2``, of Gowin's ``X3Y14/LUT2``.
        What is in no tile is left out.
    from_top : bool
        As in `Placement`: so for ECP5 and Gowin, where row 0 has the pins of the upper edge, and
        not for iCE40.
    """
    tiles: dict[tuple[int, int], Counter[str]] = {}
    rams = set()
    for name, place in places.items():
        match = _BEL.match(place)
        if match is None:
            continue
        column, row, kind = int(match[1]), int(match[2]), match[3]
        tiles.setdefault((column, row), Counter())[_part_of(name)] += 1
        if kind.startswith(_BLOCK_RAMS):
            rams.add((column, row))
    return Placement(tiles, frozenset(rams), from_top)


def _part_of(name: str) -> str:
    match = _PART.match(name.lstrip("$\\"))
    return _NAMES[match[1]] if match else _REST
