"""What a build, or writing it into a board, can end with."""

from __future__ import annotations

from atomik_fpga.errors import AtomikError

__all__ = [
    "BaudError",
    "BuildError",
    "ClockError",
    "FitError",
    "FlashError",
    "LoaderError",
    "TimingError",
    "TooSmallError",
    "ToolMissingError",
    "UnknownBoardError",
    "WrongPartError",
]


class UnknownBoardError(AtomikError, ValueError):
    """No board of that name is in the catalog."""


class ToolMissingError(AtomikError):
    """A program that the build runs is not installed."""


class BuildError(AtomikError):
    """No bitstream was made."""


class ClockError(BuildError, ValueError):
    """The board's clock generator can't make the wanted frequency."""


class BaudError(BuildError, ValueError):
    """The board's bridge, or its clock, can't make the wanted line rate."""


class TimingError(BuildError):
    """A clock is missing, unknown, constrained to another frequency than intended, or too slow."""


class FitError(BuildError):
    """The design needs more cells than the part has."""


class TooSmallError(FitError):
    """The part has too few cells for any size of the device."""


class FlashError(AtomikError):
    """The bitstream did not get into the board, or another one runs there."""


class LoaderError(FlashError):
    """The program that writes bitstreams can't run, or is not allowed to, on this machine."""


class WrongPartError(FlashError):
    """The board that answers has another part than the bitstream was built for."""
