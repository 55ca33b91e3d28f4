"""The boards of this process: a port that is closed and opened again finds its board as it was."""

from __future__ import annotations

import os
import threading

from atomik_fpga.errors import PortBusyError

from .board import SimBoard
from .options import BoardOptions

__all__ = ["claim_board", "drop_board", "enter_board", "find_board", "give_back_board"]

_lock = threading.Lock()
_boards: dict[BoardOptions, SimBoard] = {}
_claimed: set[SimBoard] = set()


def claim_board(options: BoardOptions) -> SimBoard:
    """Return the board that has these options; it is the caller's until `give_back_board`.

    It is made when it is asked for the first time, and when its simulation has ended; with
    ``fresh`` set, always.

    Raises
    ------
    PortBusyError
        If it is somebody's already.
    UnsupportedPortError
        If the simulator is not installed.
    """
    with _lock:
        board = None if options.fresh else _boards.get(options)
        if board in _claimed:
            raise PortBusyError(
                "The simulated board is open already in this process: close the other port, or "
                "name another board with name=…, or one of your own with fresh=1"
            )
        if board is None:
            board = SimBoard(options)
            if not options.fresh:
                _boards[options] = board
        _claimed.add(board)
    board.hold()
    return board


def find_board(url: str) -> SimBoard:
    """Return the board of a ``sim://`` URL that was opened in this process, to look at it.

    Raises
    ------
    LookupError
        If the URL was not opened before, or asks for a fresh board each time.
    """
    with _lock:
        board = _boards.get(BoardOptions.from_url(url))
    if board is None:
        raise LookupError(f"No board of {url!r} in this process: open that port first")
    return board


def give_back_board(board: SimBoard) -> None:
    """End the claim. The board keeps its state, unless it is a fresh one or has failed."""
    with _lock:
        _claimed.discard(board)
        spent = board.options.fresh or board.failed
        if spent and _boards.get(board.options) is board:
            del _boards[board.options]
    if spent:
        board.close()
    else:
        board.release()


def enter_board(board: SimBoard) -> None:
    """Make a board that exists the one that its options, and so their URL, name.

    Raises
    ------
    ValueError
        If they name another one already, or a fresh one each time.
    """
    with _lock:
        if board.options.fresh or board.options in _boards:
            raise ValueError(f"{board.options} can't name this board: give it a name of its own")
        _boards[board.options] = board


def drop_board(options: BoardOptions) -> None:
    """Stop and forget the board that ``options`` name, if any; its user gets `ClosedError`."""
    with _lock:
        board = _boards.pop(options, None)
    if board is not None:
        board.close()


def _forget_in_child() -> None:
    """After fork the boards are the parent's: their threads run there alone."""
    global _lock
    # Another thread of the parent may have held it.
    _lock = threading.Lock()
    _boards.clear()
    _claimed.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
