"""The boards that are known by name.

Plain data: nothing here needs Amaranth. A board of one's own is a `Board` as well; its platform is
any class of ``amaranth.vendor``'s iCE40 or ECP5 platforms that the named module holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .errors import UnknownBoardError

__all__ = ["BOARDS", "Board", "Family", "find_board"]


class Family(Enum):
    """Device family, which decides tools, PLL and bitstream format."""

    ICE40 = "ice40"
    ECP5 = "ecp5"


#: A resource of an `amaranth_boards` platform: name and number.
Resource = tuple[str, int]


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
        The oscillator that is the platform's default clock.
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
    leds : mapping of str to Resource
        Lamps for ``session``, ``activity`` and ``error``, as far as the board has them.
    reset : Resource or None
        A button that resets the device.
    pll_at_pad : bool
        iCE40: the oscillator's pin is the PLL's own, which can't be used as an input beside it.
    uart : Resource
        Pins with the subsignals ``rx`` and ``tx``.
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
    leds: Mapping[str, Resource] = field(default_factory=dict)
    reset: Resource | None = None
    pll_at_pad: bool = False
    uart: Resource = ("uart", 0)


BOARDS: Mapping[str, Board] = {
    board.name: board
    for board in (
        Board(
            name="icebreaker",
            title="1BitSquared iCEBreaker",
            family=Family.ICE40,
            platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
            part="iCE40UP5K-SG48",
            clock_hz=12_000_000,
            max_clock_hz=24_000_000,
            bridge="FT2232H",
            max_baud=12_000_000,
            default_baud=1_000_000,
            contexts=256,
            width=64,
            reply_slots=2,
            leds={"session": ("led_g", 0), "error": ("led_r", 0)},
            reset=("button", 0),
            pll_at_pad=True,
        ),
        Board(
            name="ulx3s-25f",
            title="Radiona ULX3S with LFE5U-25F",
            family=Family.ECP5,
            platform="amaranth_boards.ulx3s:ULX3S_25F_Platform",
            part="LFE5U-25F-6BG381C",
            clock_hz=25_000_000,
            max_clock_hz=75_000_000,
            bridge="FT231X",
            max_baud=3_000_000,
            default_baud=1_000_000,
            contexts=4096,
            width=64,
            reply_slots=4,
            leds={"session": ("led", 0), "activity": ("led", 1), "error": ("led", 7)},
            reset=("button_fire", 0),
        ),
    )
}


def find_board(name: str) -> Board:
    """Return the board called ``name``.

    Raises
    ------
    UnknownBoardError
        If there is none; the message lists those that there are.
    """
    try:
        return BOARDS[name]
    except KeyError:
        known = ", ".join(BOARDS)
        raise UnknownBoardError(f"No board is called {name!r}; known are: {known}") from None
