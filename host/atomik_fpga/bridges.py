"""The bridges between USB and UART that boards have, by their USB ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["BRIDGES", "Bridge", "UsbId"]

#: Vendor and product.
UsbId = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Bridge:
    """A chip, and the boards on which it is the way to the UART.

    Attributes
    ----------
    name : str
        The chip.
    boards : tuple of str
        Names of the boards that ``atomik build`` knows and that have it.
    default_baud, max_baud : int
        The rate that is built for those boards unless another is asked for, and the highest one
        that the chip runs at, in bit/s.
    interface : int or None
        Which of its interfaces the UART is at; None if it has one alone. The other one of an
        FT2232H is wired to the flash memory or to JTAG, where nobody must write.
    """

    name: str
    boards: tuple[str, ...]
    default_baud: int
    max_baud: int
    interface: int | None = None


#: The board table: what `discovery` looks for, and nothing else is ever written to unasked.
BRIDGES: Final[Mapping[UsbId, Bridge]] = {
    (0x0403, 0x6010): Bridge(
        "FT2232H",
        (
            "icebreaker",
            "ice40-hx8k-b-evn",
            "icestick",
            "nandland-go",
            "ecpix5-45f",
            "ecpix5-85f",
            "versa-ecp5",
            "versa-ecp5-5g",
            "ecp5-5g-evn",
        ),
        1_000_000,
        12_000_000,
        interface=1,
    ),
    (0x0403, 0x6015): Bridge(
        "FT231X",
        ("ulx3s-12f", "ulx3s-25f", "ulx3s-45f", "ulx3s-85f", "icepi-zero"),
        1_000_000,
        3_000_000,
    ),
    (0x1D50, 0x602B): Bridge(
        "iCELink", ("icesugar", "icesugar-nano", "icesugar-pro"), 115_200, 115_200
    ),
}
