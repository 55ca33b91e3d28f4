"""The device compiled to native code, loaded into this process."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .cxxrtl import BuildError, library_of
from .options import BoardOptions
from .pins import CHARACTER_BITS, LineError

__all__ = ["CxxrtlEngine"]

#: Most clocks that one call takes: a millisecond or two.
_CLOCKS_PER_CALL = 16_384


class CxxrtlEngine:
    """An `Engine` on what CXXRTL and a C++ compiler make of the device.

    The first one of a configuration is compiled, which takes some seconds; after that it comes
    from the cache. A call runs in native code, for a millisecond or two, and other threads run
    meanwhile.

    Parameters
    ----------
    options : BoardOptions
    library : Path, optional
        From `library_of`, if it is not the usual device that is to run.

    Raises
    ------
    NoCompilerError, BuildError, CacheError
        If it can't be compiled here, or what was compiled can't be loaded.
    ValueError
        If no device has these options.
    """

    name = "cxxrtl"

    def __init__(self, options: BoardOptions, library: Path | None = None) -> None:
        self._library = _load(library_of(options) if library is None else library)
        line_rate = options.line_rate
        self._board = self._library.atomik_create(
            options.clock_frequency, line_rate, line_rate != options.baud
        )
        # Not at exit: what was posted is still flushed then, and the board's thread still runs.
        weakref.finalize(self, self._library.atomik_destroy, self._board).atexit = False
        clocks = CHARACTER_BITS * options.clock_frequency // line_rate
        self._batch = max(1, _CLOCKS_PER_CALL // clocks)

    @property
    def batch(self) -> int:
        """Characters that take a millisecond or two."""
        return self._batch

    @property
    def clocks(self) -> int:
        """Clocks since the device was configured."""
        return int(self._library.atomik_clocks(self._board))

    @property
    def pin_bits(self) -> tuple[int, int]:
        """Bits driven on ``rx`` and sampled on ``tx`` so far."""
        library, board = self._library, self._board
        return int(library.atomik_bits_driven(board)), int(library.atomik_bits_sampled(board))

    @property
    def idle(self) -> bool:
        """True once nothing has happened for the length of a character."""
        return bool(self._library.atomik_idle(self._board))

    def transfer(self, characters: Sequence[int]) -> bytes:
        """Drive ``characters`` on ``rx``; return the bytes that came on ``tx`` meanwhile."""
        count = len(characters)
        driven = (ctypes.c_uint16 * count)(*characters)
        # The device may be faster than the line by two percent, and ends what it has begun.
        room = 2 * count + 2
        received = ctypes.create_string_buffer(room)
        length = self._library.atomik_transfer(self._board, driven, count, received, room)
        if length < 0:
            raise LineError(
                "The simulated device sent a character without a stop bit: "
                f"{-1 - length:010b}, stop bit first; its transmitter is broken"
            )
        return received.raw[:length]

    def reset(self) -> None:
        """Hold the device's reset for one clock."""
        self._library.atomik_reset(self._board)

    def trace(self, levels: bytes) -> bytes:
        """Drive ``rx`` for a clock with each of ``levels``, 0 or 1; return the outputs before each.

        Bits 0 to 3 of a byte are ``tx``, ``busy``, ``session`` and ``error``.
        """
        pins = ctypes.create_string_buffer(len(levels))
        self._library.atomik_trace(self._board, levels, len(levels), pins)
        return pins.raw


@cache
def _load(path: Path) -> Any:
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise BuildError(
            f"the compiled gateware can't be loaded ({error}): set CXX to a compiler for this "
            "machine, or ATOMIK_CACHE to a folder from which programs may run"
        ) from error
    board, size = ctypes.c_void_p, ctypes.c_size_t
    for name, result, *arguments in (
        ("create", board, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int),
        ("destroy", None, board),
        ("reset", None, board),
        (
            "transfer",
            ctypes.c_int64,
            board,
            ctypes.POINTER(ctypes.c_uint16),
            size,
            ctypes.c_char_p,
            size,
        ),
        ("trace", None, board, ctypes.c_char_p, size, ctypes.c_char_p),
        ("idle", ctypes.c_int, board),
        ("clocks", ctypes.c_uint64, board),
        ("bits_driven", ctypes.c_uint64, board),
        ("bits_sampled", ctypes.c_uint64, board),
    ):
        function = getattr(library, f"atomik_{name}")
        function.restype, function.argtypes = result, arguments
    return library
