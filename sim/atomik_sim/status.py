"""How a simulated board is, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass

from atomik_fpga.errors import AtomikError

__all__ = ["BoardFailedError", "BoardStatus"]


class BoardFailedError(AtomikError, OSError):
    """The simulation of the board ended with an error; open it again for a new one."""


@dataclass(frozen=True, slots=True)
class BoardStatus:
    """What a board has done so far.

    Attributes
    ----------
    clocks : int
        Clocks simulated.
    bytes_to_device, bytes_from_device : int
        Bytes driven on the device's ``rx``, and received from its ``tx``.
    bits_to_device, bits_from_device : int
        Bits driven and sampled at these pins, start and stop bits included.
    bytes_lost : int
        Bytes from the device for which there was no room, as nobody read them.
    resets : int
        Resets by `SimBoard.reset`.
    idle : bool
        The clock stands still.
    """

    clocks: int
    bytes_to_device: int
    bytes_from_device: int
    bits_to_device: int
    bits_from_device: int
    bytes_lost: int
    resets: int
    idle: bool
