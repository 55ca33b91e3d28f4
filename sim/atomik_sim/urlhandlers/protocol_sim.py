"""``sim://BOARD?option=value``: a serial port with a simulated board behind it.

`BoardOptions` tells the options. The port belongs to one opener at a time, like a real one. The
board lives as long as the process: who opens the same URL again finds the state that was left.
"""

from __future__ import annotations

import errno
import sys
from typing import Any

from serial import (
    EIGHTBITS,
    PARITY_NONE,
    STOPBITS_ONE,
    PortNotOpenError,
    SerialBase,
    SerialException,
    SerialTimeoutException,
)

from atomik_fpga.errors import PortBusyError

from ..board import SimBoard
from ..options import BoardOptions, url_of
from ..registry import claim_board, give_back_board
from ..status import BoardFailedError

__all__ = ["Serial", "serial_class_for_url"]


def serial_class_for_url(url: str) -> tuple[str, type[Serial]]:
    """Return the one URL of the board that ``url`` names, and the class of its port.

    A handler may have this function, and pyserial opens the URL that it returns. Who shares a port
    learns through it that two URLs name one board.

    Raises
    ------
    ValueError
        If the URL names no board.
    """
    return url_of(BoardOptions.from_url(url)), Serial


class Serial(SerialBase):
    """A port of pyserial's; ``sim://`` URLs make it.

    Parameters
    ----------
    port : str
        The URL.
    baudrate : int
        Means nothing, as at any port that is a URL: the line runs at the board's own rate.
    timeout, write_timeout : float
        In seconds of wall time.
    kwargs
        As in pyserial. 8N1 without flow control is all there is.

    Raises
    ------
    ValueError
        When opened: if the URL or a setting is none that the board has. `serial_class_for_url`
        refuses such a URL before.
    serial.SerialException
        When opened: if the board is open already (``errno.EBUSY``). Later: if its simulation
        failed.
    UnsupportedPortError
        When opened: if the simulator is not installed.
    """

    _board: SimBoard | None = None

    def open(self) -> None:
        """Open the port; the first time, that makes the board."""
        if self.port is None:
            raise SerialException("Port must be configured before it can be used")
        if self.is_open:
            raise SerialException("Port is already open")
        options = BoardOptions.from_url(self.port)
        self._check_settings()
        try:
            self._board = claim_board(options)
        except PortBusyError as error:
            raise SerialException(errno.EBUSY, str(error)) from error
        self.is_open = True
        self._board.discard_input()

    def close(self) -> None:
        """Close the port; the board stays as it is."""
        if self._board is not None:
            board, self._board = self._board, None
            self.is_open = False
            if sys.is_finalizing():
                # The board's thread was frozen, perhaps with the board's lock in its hands.
                return
            board.cancel_read()
            board.cancel_write()
            give_back_board(board)

    @property
    def board(self) -> SimBoard:
        """The board behind the port."""
        if self._board is None:
            raise PortNotOpenError
        return self._board

    @property
    def pin_bits(self) -> tuple[int, int]:
        """Bits that went over the device's ``rx`` and ``tx`` pins since the board came up."""
        status = self.board.status
        return status.bits_to_device, status.bits_from_device

    def link_clock(self) -> float:
        """Return the time on the board in seconds: what the link's timers have to go by."""
        return self.board.link_clock()

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        return self.board.in_waiting

    @property
    def out_waiting(self) -> int:
        """Bytes that were written and are not yet on the line."""
        return self.board.out_waiting

    def read(self, size: int = 1) -> bytes:
        """Read ``size`` bytes, or fewer after ``timeout`` seconds of wall time."""
        try:
            return self.board.read(size, self.timeout)
        except BoardFailedError as error:
            raise SerialException(errno.EIO, str(error)) from error

    def write(self, data: Any) -> int:
        """Write ``data``; returns once it is queued, which is before it is on the line."""
        content = bytes(memoryview(data))
        try:
            done = self.board.write(content, self.write_timeout)
        except BoardFailedError as error:
            raise SerialException(errno.EIO, str(error)) from error
        if done < len(content) and self.write_timeout is not None:
            raise SerialTimeoutException("Write timeout")
        return done

    def flush(self) -> None:
        """Wait until everything written is on the line."""
        try:
            self.board.drain()
        except BoardFailedError as error:
            raise SerialException(errno.EIO, str(error)) from error

    def cancel_read(self) -> None:
        """Make the `read` that waits in another thread, or else the next one, return at once."""
        self.board.cancel_read()

    def cancel_write(self) -> None:
        """Likewise for `write`, as far as it has to wait."""
        self.board.cancel_write()

    def reset_input_buffer(self) -> None:
        """Drop what was received and not yet read."""
        self.board.discard_input()

    def reset_output_buffer(self) -> None:
        """Drop what was written and is not yet on the line."""
        self.board.discard_output()

    def _reconfigure_port(self) -> None:
        self._check_settings()

    def _check_settings(self) -> None:
        form = (self.bytesize, self.parity, self.stopbits)
        if form != (EIGHTBITS, PARITY_NONE, STOPBITS_ONE):
            raise ValueError(f"The simulated board's line is 8N1, not {form[0]}{form[1]}{form[2]}")
        if self.xonxoff or self.rtscts or self.dsrdtr:
            raise ValueError("The simulated board's line has no flow control")

    def _update_break_state(self) -> None:
        raise ValueError("The simulated port can't send a break; write atomik_sim.pins.BREAK")

    # The board has no pins for these lines.

    def _update_rts_state(self) -> None:
        pass

    def _update_dtr_state(self) -> None:
        pass

    @property
    def cts(self) -> bool:
        """Clear to send: not connected."""
        return False

    @property
    def dsr(self) -> bool:
        """Data set ready: not connected."""
        return False

    @property
    def ri(self) -> bool:
        """Ring indicator: not connected."""
        return False

    @property
    def cd(self) -> bool:
        """Carrier detect: not connected."""
        return False
