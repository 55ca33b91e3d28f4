"""What is run to write a bitstream into a board, and to ask which part it has.

Plain data: nothing here needs Amaranth, and nothing is run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from atomik_fpga.usb import UsbDevice

from .catalog import Board, Loader
from .errors import FlashError

__all__ = ["COPY", "FTDI", "FlashPlan", "Memory", "default_memory", "loader_of", "plan_flash"]

#: In place of a program: the bitstream goes to the board's serial port as it is.
COPY: Final = "cp"

#: Vendor of the chips that openFPGALoader tells apart by serial number.
FTDI: Final = 0x0403

#: openFPGALoader's options that write.
_WRITES: Final = ("-m", "--write-sram", "-f", "--write-flash")

#: What icesprog says of its boards, by ours.
_ICELINK_BOARDS: Final = {
    "icesugar": "iCESugar",
    "icesugar-nano": "iCESugar-Nano",
    "icesugar-pro": "iCESugar-Pro",
}


class Memory(Enum):
    """Where a bitstream goes."""

    #: Configuration memory: until power goes off.
    SRAM = "sram"
    #: The flash memory that the part starts from.
    SPI = "spi"


@dataclass(frozen=True, slots=True)
class FlashPlan:
    """What is to be run.

    Attributes
    ----------
    program : str
        Name in `programs.PROGRAMS`, or `COPY`.
    write : tuple of str
        Arguments that write the bitstream, its name the last of them.
    check : tuple of str or None
        Arguments with which the program tells the part; None if it can't.
    pattern : str
        Regular expression with one group: what it tells.
    part : str
        What that must be.
    """

    program: str
    write: tuple[str, ...]
    check: tuple[str, ...] | None = None
    pattern: str = ""
    part: str = ""

    def told_part(self, text: str) -> list[str]:
        """Return the parts that the program told, in its own words."""
        return re.findall(self.pattern, text)


def loader_of(board: Board) -> Loader:
    """Return how a bitstream gets into a board.

    Raises
    ------
    FlashError
        If nobody said, for a board of one's own.
    """
    if board.loader is None:
        raise FlashError(
            f"No loader is known for {board.name}: give its Board a loader, or write "
            "the bitstream with the tool that it has"
        )
    return board.loader


def default_memory(board: Board) -> Memory:
    """Return where a bitstream goes unless it is said.

    Over JTAG into the configuration memory, which changes nothing for good; else into the flash
    memory, since the way to the other one takes jumpers on most boards. A board that has one way
    alone goes that way.
    """
    loader = loader_of(board)
    if loader.flash is None or (loader.idcode and loader.sram is not None):
        return Memory.SRAM
    return Memory.SPI


def plan_flash(
    board: Board,
    memory: Memory,
    bitstream: str,
    *,
    device: UsbDevice | None = None,
    choose: bool = False,
    cable: str | None = None,
) -> FlashPlan:
    """Return what to run.

    Parameters
    ----------
    board : Board
    memory : Memory
    bitstream : str
        Path of the file.
    device : UsbDevice or None
        The board's programmer, if it is known.
    choose : bool
        Whether the program has to be told which one it is, as there are others.
    cable : str or None
        openFPGALoader's name of a cable in place of the board's own.

    Raises
    ------
    FlashError
        If the board has no such way, or the program can't be told which board it is to be.
    """
    loader = loader_of(board)
    arguments = loader.sram if memory is Memory.SRAM else loader.flash
    if arguments is None:
        other = "--spi" if memory is Memory.SRAM else "--sram"
        raise FlashError(
            f"{board.name} has no way for --{memory.value}, as far as {loader.program} goes: "
            f"say {other}"
        )
    if loader.program == COPY:
        return FlashPlan(COPY, (bitstream,))
    if cable is not None:
        arguments = _with_cable(board, loader, arguments, cable)
    chosen = _selection(board, loader, device) if choose and device is not None else ()
    check, pattern, part = _check(board, loader, arguments)
    return FlashPlan(
        loader.program,
        (*chosen, *arguments, bitstream),
        None if check is None else (*chosen, *check),
        pattern,
        part,
    )


def _with_cable(
    board: Board, loader: Loader, arguments: tuple[str, ...], cable: str
) -> tuple[str, ...]:
    if loader.program != "openFPGALoader":
        raise FlashError(f"{board.name} is written by {loader.program}, which takes no --cable")
    rest = list(arguments)
    if "-c" in rest:
        position = rest.index("-c")
        del rest[position : position + 2]
    return ("-c", cable, *rest)


def _selection(board: Board, loader: Loader, device: UsbDevice) -> tuple[str, ...]:
    """Return the arguments that choose one programmer among several."""
    program = loader.program
    if program == "dfu-util" and device.serial is not None:
        return ("-S", device.serial)
    if program == "openFPGALoader" and _takes_serial(loader, device):
        return ("--ftdi-serial", str(device.serial))
    if (
        program == "openFPGALoader"
        and device.id[0] == FTDI
        and device.bus is not None
        and device.address is not None
    ):
        return ("--busdev-num", f"{device.bus}:{device.address}")
    raise FlashError(f"{program} can't be told which {board.name} to write: attach one at a time")


def _takes_serial(loader: Loader, device: UsbDevice) -> bool:
    """Return whether openFPGALoader heeds a serial number: with FTDI's chips, and over JTAG."""
    return loader.idcode and device.id[0] == FTDI and device.serial is not None


def _check(
    board: Board, loader: Loader, arguments: tuple[str, ...]
) -> tuple[tuple[str, ...] | None, str, str]:
    """Return how to ask for the part, the pattern of the answer, and what it must say."""
    if loader.program == "openFPGALoader" and loader.idcode and board.idcode is not None:
        asking = tuple(it for it in arguments if it not in _WRITES)
        return (*asking, "--detect"), r"idcode\s+0x([0-9a-fA-F]+)", f"{board.idcode:x}"
    if loader.program == "icesprog" and board.name in _ICELINK_BOARDS:
        return ("-p",), r"board: \[([^\]]+)\]", _ICELINK_BOARDS[board.name]
    if loader.program == "tinyprog":
        return ("--meta",), r'"fpga": *"([^"]+)"', board.part.lower()
    return None, "", ""
