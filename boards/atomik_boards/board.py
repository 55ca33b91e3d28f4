"""What a build has to know about a board: plain data, nothing here needs Amaranth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

__all__ = [
    "ADAPTER",
    "ADAPTER_BAUD",
    "FT231X",
    "FT232H",
    "FT2232H",
    "HFOSC",
    "HFOSC_HZ",
    "ICELINK",
    "IDCODES",
    "Board",
    "Family",
    "Lamp",
    "Loader",
    "Resource",
    "UartPins",
    "UsbId",
]

#: Name of a clock that is no pin: the oscillator inside of iCE40UP, and its undivided frequency.
HFOSC = "SB_HFOSC"
HFOSC_HZ = 48_000_000

#: JTAG IDCODE by device, of FPGA-TN-02039, and of Gowin's part what openFPGALoader knows it by.
#: iCE40 has no JTAG. The version nibble is part of it: it is what tells LFE5U-12F and LFE5U-25F
#: apart.
IDCODES: Mapping[str, int] = {
    "LFE5U-12F": 0x21111043,
    "LFE5U-25F": 0x41111043,
    "LFE5U-45F": 0x41112043,
    "LFE5U-85F": 0x41113043,
    "LFE5UM-25F": 0x01111043,
    "LFE5UM-45F": 0x01112043,
    "LFE5UM-85F": 0x01113043,
    "LFE5UM5G-25F": 0x81111043,
    "LFE5UM5G-45F": 0x81112043,
    "LFE5UM5G-85F": 0x81113043,
    "GW1NR-9C": 0x1100481B,
}


class Family(Enum):
    """Device family, which decides tools, PLL and bitstream format."""

    ICE40 = "ice40"
    ECP5 = "ecp5"
    GOWIN = "gowin"


#: A resource of an `amaranth_boards` platform: name and number.
Resource = tuple[str, int]
#: Name and number, and of a lamp of several colours the colour.
Lamp = tuple[str, int] | tuple[str, int, str]
#: Vendor and product.
UsbId = tuple[int, int]

#: Chips between USB and a board, in which some have programming and UART at once.
FT2232H: UsbId = (0x0403, 0x6010)
FT232H: UsbId = (0x0403, 0x6014)
FT231X: UsbId = (0x0403, 0x6015)
ICELINK: UsbId = (0x1D50, 0x602B)

#: What is known of boards that have no bridge: an adapter of one's own at two pins.
ADAPTER = "adapter of your own"
ADAPTER_BAUD = 12_000_000


@dataclass(frozen=True, slots=True)
class UartPins:
    """Pins that are the UART of a board without one.

    Each is a pin of a connector as Amaranth names it, ``pmod_0:3``, or of the package, ``A9``.

    Attributes
    ----------
    rx : str
        Where the device listens: the adapter's TXD.
    tx : str
        Where it talks: the adapter's RXD.
    """

    rx: str
    tx: str


@dataclass(frozen=True, slots=True)
class Loader:
    """How a bitstream gets into a board.

    Attributes
    ----------
    program : str
        What is run.
    sram : tuple of str or None
        Its arguments before the bitstream's name for a configuration that a power cycle ends; None
        if there is no way.
    flash : tuple of str or None
        The same for one that stays.
    usb : tuple of UsbId
        What the board's programmer or boot loader shows itself as; none if it needs a cable.
    idcode : bool
        Whether ``program`` reads the part's IDCODE over JTAG.
    """

    program: str
    sram: tuple[str, ...] | None = None
    flash: tuple[str, ...] | None = None
    usb: tuple[UsbId, ...] = ()
    idcode: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """What a build has to know about a board.

    Attributes
    ----------
    name : str
        Lower case, as in ``atomik build NAME``.
    title : str
        What is printed on it.
    family : Family
    platform : str
        ``module:class`` of its platform.
    part : str
        Device, package and speed grade.
    clock_hz : int
        The clock that is the platform's default.
    max_clock_hz : int
        Fastest clock that a build chooses by itself. ``freq`` may ask for more: the timing gate
        judges.
    bridge : str
        The chip between USB and the UART pins.
    max_baud, default_baud : int
        Highest line rate of the bridge, and the one built unless another is asked for, in bit/s.
    contexts, width : int
        Size of the table unless another is asked for.
    reply_slots : int
        Replying frames that a host may have outstanding.
    leds : mapping of str to Lamp
        Lamps for ``session``, ``activity`` and ``error``, as far as the board has them.
    reset : Resource or None
        A button that resets the device.
    pll_at_pad : bool
        iCE40: the oscillator's pin is the PLL's own, which can't be used as an input beside it.
    uart : Resource or UartPins
        A resource with the subsignals ``rx`` and ``tx``, or pins.
    has_pll : bool
        Whether the part has a PLL in its package.
    clock : str or None
        Resource of the clock, or `HFOSC`; None for the platform's default.
    clocks : mapping of str to int
        Other clocks that a build may ask for, and their frequencies in hertz.
    usb : UsbId or None
        What the bridge shows itself as; None without a bridge, or with an id that says too little.
    usb_interface : int or None
        Which of the bridge's interfaces the UART is at; None if it has one alone.
    loader : Loader or None
        How a bitstream gets into it.
    notes : tuple of str
        What its owner has to know; a build says it.
    """

    name: str
    title: str
    family: Family
    platform: str
    part: str
    clock_hz: int
    max_clock_hz: int
    bridge: str
    max_baud: int
    default_baud: int
    contexts: int
    width: int
    reply_slots: int
    leds: Mapping[str, Lamp] = field(default_factory=dict)
    reset: Resource | None = None
    pll_at_pad: bool = False
    uart: Resource | UartPins = ("uart", 0)
    has_pll: bool = True
    clock: str | None = None
    clocks: Mapping[str, int] = field(default_factory=dict)
    usb: UsbId | None = None
    usb_interface: int | None = None
    loader: Loader | None = None
    notes: tuple[str, ...] = ()

    @property
    def device(self) -> str:
        """The part without package and speed grade."""
        head, *rest = self.part.split("-")
        return head if self.family is Family.ICE40 else f"{head}-{rest[0]}"

    @property
    def idcode(self) -> int | None:
        """What the part answers over JTAG; None if it has none."""
        return IDCODES.get(self.device)
