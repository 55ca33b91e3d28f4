"""After a bitstream was written: the board's serial port comes back, and who answers is checked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from atomik_fpga.connection import connect
from atomik_fpga.errors import AtomikError
from atomik_fpga.opening import probe
from atomik_fpga.platforms import SerialPort, serial_ports
from atomik_fpga.protocol import Info
from atomik_fpga.selftest import StepResult, put_back, run_selftest
from atomik_fpga.usb import UsbDevice

from .board import Board
from .errors import FlashError

__all__ = ["Comeback", "check_build", "try_out", "wait_for_board"]

#: Seconds between two looks, and of the self-test.
_LOOK: Final = 0.25
_TEST_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Comeback:
    """A board that answers.

    Attributes
    ----------
    port : str
    info : Info
    baud : int
        Rate of the line in bit/s.
    """

    port: str
    info: Info
    baud: int


def wait_for_board(
    board: Board,
    manifest: dict[str, Any],
    device: UsbDevice | None,
    *,
    port: str | None,
    baud: int | None,
    seconds: float,
    tell: Callable[[str], None],
) -> Comeback:
    """Wait until the board answers at its serial port.

    Parameters
    ----------
    board : Board
    manifest : dict
        Of the build, whose line rate it is.
    device : UsbDevice or None
        Its programmer, whose serial number the port has if it is the same chip.
    port : str or None
        The port, if it was named; else the one that has the board's bridge.
    baud : int or None
        Rate of the line in bit/s if it is not that of the build.
    seconds : float
        How long.
    tell : callable of str
        Is told what is waited for.

    Raises
    ------
    FlashError
        If it does not come back; the message has what was seen last.
    """
    tell(f"Waiting for {board.title} at {port or 'its serial port'}")
    rate = manifest["baud"] if baud is None else baud
    end = time.monotonic() + seconds
    while True:
        seen = _look(board, device, port, rate)
        if isinstance(seen, Comeback):
            return seen
        if time.monotonic() >= end:
            raise FlashError(
                f"{board.title} did not come back within {seconds:g} s ({seen}): the bitstream was "
                "written, so plug it in again and try `atomik info`; `atomik doctor port` tells "
                "about serial ports"
            )
        time.sleep(_LOOK)


def _look(board: Board, device: UsbDevice | None, port: str | None, rate: int) -> Comeback | str:
    """Return the board if it answers, else what was seen.

    Whatever is wrong with a port that is on its way may be right a moment later.
    """
    seen = "no serial port has its bridge"
    try:
        names = [it.name for it in serial_ports() if _is_of(it, board, device)]
    except AtomikError as error:
        seen, names = str(error), []
    for name in names if port is None else [port]:
        try:
            return Comeback(name, *probe(name, rate))
        except AtomikError as error:
            seen = str(error)
    return seen


def _is_of(port: SerialPort, board: Board, device: UsbDevice | None) -> bool:
    """Return whether a port can be the board's UART."""
    if (port.vendor, port.product) != board.usb:
        return False
    if None not in (port.interface, board.usb_interface) and port.interface != board.usb_interface:
        return False
    same_chip = device is not None and device.id == board.usb and device.serial is not None
    if not same_chip or port.serial_number is None or device is None:
        return True
    # On Windows the driver of FTDI appends the letter of the interface.
    letter = "ABCD"[board.usb_interface or 0]
    return port.serial_number in (device.serial, f"{device.serial}{letter}")


def check_build(manifest: dict[str, Any], back: Comeback) -> None:
    """Hold the design that answers against the one that was written.

    Raises
    ------
    FlashError
        If it is another one.
    """
    built, runs = manifest["build_id"], f"{back.info.build_id:016x}"
    if built != runs:
        raise FlashError(
            f"The board at {back.port} runs build {runs}, and {built} was written: it is another "
            "board, or it started from its flash memory again. Name the port with --port, or "
            "write the flash memory with --spi"
        )


def try_out(back: Comeback, build_id: int) -> list[StepResult]:
    """Test a board that was just configured for two seconds; its contexts are 0 afterwards.

    Raises
    ------
    AtomikError
        If no session can be opened.
    """
    with connect(back.port, baud=back.baud) as connection:
        results = list(
            run_selftest(connection, seconds=_TEST_SECONDS, quick=True, build_id=build_id)
        )
        if connection.error is None:
            put_back(connection, {})
    return results
