"""The boards with a part of Gowin's."""

from __future__ import annotations

from .board import FT2232H, Board, Family, Loader

__all__ = ["GOWIN_BOARDS"]

GOWIN_BOARDS = (
    Board(
        name="tang-nano-9k",
        title="Sipeed Tang Nano 9K",
        family=Family.GOWIN,
        platform="atomik_boards.platforms:TangNano9k",
        part="GW1NR-9C-QN88P-C6/I5",
        clock_hz=27_000_000,
        max_clock_hz=27_000_000,
        bridge="BL702",
        max_baud=3_000_000,
        default_baud=115_200,
        contexts=256,
        width=64,
        reply_slots=2,
        leds={"session": ("led", 0), "activity": ("led", 1), "error": ("led", 5)},
        reset=("button", 0),
        # The part has two, which no build sets up: the oscillator is fast enough for the bridge.
        has_pll=False,
        loader=Loader(
            "openFPGALoader",
            sram=("-b", "tangnano9k", "-m"),
            flash=("-b", "tangnano9k", "-f"),
            # The BL702 says that it is an FT2232.
            usb=(FT2232H,),
            idcode=True,
        ),
    ),
)
