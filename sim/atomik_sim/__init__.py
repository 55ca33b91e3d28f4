"""The simulated board: real gateware behind a serial URL, in this process or for others.

Nothing here needs Amaranth before a board is made.
"""

from .board import SimBoard
from .options import BoardOptions
from .registry import find_board
from .status import BoardFailedError, BoardStatus

__all__ = ["BoardFailedError", "BoardOptions", "BoardStatus", "SimBoard", "find_board"]
