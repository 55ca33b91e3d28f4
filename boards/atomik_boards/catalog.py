"""The boards that are known by name.

All iCE40 and ECP5 boards of `amaranth_boards`, and one with a part of Gowin's. A board of one's own
is a `Board` as well; its platform is any class of ``amaranth.vendor``'s iCE40 or ECP5 platforms
that the named module holds.
"""

from __future__ import annotations

from collections.abc import Mapping

from .board import Board, Family, Lamp, Loader, Resource, UartPins, UsbId
from .ecp5_boards import ECP5_BOARDS
from .errors import UnknownBoardError
from .gowin_boards import GOWIN_BOARDS
from .ice40_boards import ICE40_BOARDS

__all__ = [
    "BOARDS",
    "Board",
    "Family",
    "Lamp",
    "Loader",
    "Resource",
    "UartPins",
    "UsbId",
    "find_board",
]

BOARDS: Mapping[str, Board] = {
    board.name: board for board in (*ICE40_BOARDS, *ECP5_BOARDS, *GOWIN_BOARDS)
}


def find_board(name: str) -> Board:
    """Return the board called ``name``.

    Raises
    ------
    UnknownBoardError
        If there is none; the message has the one that differs in case, those that have a similar
        name, or all.
    """
    try:
        return BOARDS[name]
    except KeyError:
        small = name.lower()
        if small in BOARDS:
            raise UnknownBoardError(f"No board is called {name!r}; there is {small}") from None
        stem = small.partition("-")[0]
        sizes = [known for known in BOARDS if known.partition("-")[0] == stem]
        said = f"there are {', '.join(sizes)}" if sizes else f"known are: {', '.join(BOARDS)}"
        raise UnknownBoardError(f"No board is called {name!r}; {said}") from None
