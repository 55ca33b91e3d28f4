"""Serial ports of all kinds through pyserial. What differs between systems is here."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import serial

from .errors import (
    AtomikError,
    LinkLostError,
    NoBoardError,
    PortBusyError,
    PortPermissionError,
    UnsupportedPortError,
)

__all__ = ["BAUD_RATES", "Port", "explain_open_error", "is_url", "open_port"]

#: Rates tried at a real port when none is given, in bit/s.
BAUD_RATES = (1_000_000, 115_200, 3_000_000)

#: Where pyserial looks for the handler of ``sim://``.
_URL_HANDLERS = "atomik_sim.urlhandlers"

#: Longest that a blocked read lasts, and that a write may be stuck, in seconds.
_READ_TIMEOUT = 0.2
_WRITE_TIMEOUT = 30.0

_MISSING = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ECONNREFUSED, errno.EHOSTUNREACH)
_BUSY = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)

_log = logging.getLogger(__name__)

if _URL_HANDLERS not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append(_URL_HANDLERS)


def is_url(port: str) -> bool:
    """Return whether ``port`` is a pyserial URL rather than the name of a real port."""
    return "://" in port


class Port:
    """An open port: bytes in and out, and the clock of its line.

    Parameters
    ----------
    url : str
        Name, for messages.
    device : serial.SerialBase
        Open, with a read timeout.
    """

    def __init__(self, url: str, device: Any) -> None:
        self.url = url
        self._device = device
        clock: Callable[[], float] | None = getattr(device, "link_clock", None)
        #: Whether the line runs in a time of its own, as a simulated one does.
        self.own_time = clock is not None
        #: Seconds on the line's clock, that never goes back.
        self.clock: Callable[[], float] = clock or time.monotonic

    def read(self) -> bytes:
        """Wait for bytes, for at most 0.2 s, and return what is there.

        Raises
        ------
        LinkLostError
            If the port is gone.
        """
        device = self._device
        try:
            first: bytes = device.read(1)
            if first and (waiting := device.in_waiting):
                return first + bytes(device.read(waiting))
        except OSError as error:
            raise self._lost(error) from error
        return first

    def write(self, data: bytes) -> None:
        """Hand all of ``data`` to the operating system.

        Raises
        ------
        LinkLostError
            If the port is gone, or takes nothing for 30 s.
        """
        try:
            self._device.write(data)
        except OSError as error:
            raise self._lost(error) from error

    def set_baud(self, baud: int) -> None:
        """Change the line rate in bit/s and forget what came at another one."""
        try:
            self._device.baudrate = baud
            self._device.reset_input_buffer()
        except (OSError, ValueError) as error:
            raise UnsupportedPortError(
                f"{self.url} can't run at {baud} bit/s ({error}): give a baud= that it can"
            ) from error

    def cancel_read(self) -> None:
        """End a `read` in another thread, where the port can do that."""
        cancel = getattr(self._device, "cancel_read", None)
        if cancel is not None:
            cancel()

    def close(self) -> None:
        """Give the port back."""
        try:
            self._device.close()
        except OSError as error:
            # A port that was unplugged can fail to close, and is closed none the less.
            _log.debug("closing %s: %s", self.url, error)

    def _lost(self, error: OSError) -> LinkLostError:
        return LinkLostError(
            f"{self.url} failed ({error}): the state of the device is unknown. Check the cable, "
            "connect again and reload it"
        )


def open_port(url: str, baud: int) -> Port:
    """Open a port by its system name or pyserial URL.

    DTR and RTS stay unasserted: DTR resets some boards. A real port is opened for exclusive use
    and with low latency where the system can do that.

    Raises
    ------
    AtomikError
        Of the kind that tells what stands against it.
    """
    if url == "auto":
        raise UnsupportedPortError("Port 'auto' is not supported: name the port")
    try:
        device: Any = serial.serial_for_url(
            url,
            baudrate=baud,
            timeout=_READ_TIMEOUT,
            write_timeout=_WRITE_TIMEOUT,
            exclusive=None if is_url(url) else True,
            do_not_open=True,
        )
        device.dtr = False
        device.rts = False
        device.open()
    except (OSError, ValueError) as error:
        raise explain_open_error(url, error, sys.platform) from error
    if not is_url(url) and hasattr(device, "set_low_latency_mode") and not _is_pty(url):
        try:
            device.set_low_latency_mode(True)
        except (OSError, ValueError) as error:
            # Not every driver offers it; the link works without, at its latency timer's pace.
            _log.info("no low-latency mode on %s: %s", url, error)
    return Port(url, device)


def _is_pty(path: str) -> bool:
    return os.path.realpath(path).startswith("/dev/pts/")


def explain_open_error(url: str, error: OSError | ValueError, platform: str) -> AtomikError:
    """Return our error for what pyserial raised when it opened ``url``.

    Parameters
    ----------
    url : str
        The port.
    error : OSError or ValueError
        From pyserial.
    platform : str
        As `sys.platform`.
    """
    text = str(error)
    if not isinstance(error, OSError):
        if not text.startswith("invalid URL, protocol"):
            return UnsupportedPortError(f"Can't use port {url!r}: {text}")
        if url.lower().startswith("sim://"):
            return UnsupportedPortError(
                f"{url} needs the simulator, which is not installed: run "
                'pip install "atomik-fpga[sim]"'
            )
        return UnsupportedPortError(
            f"Unknown kind of port {url!r}: use a serial port's name, socket://host:port, "
            "rfc2217://host:port or sim://"
        )
    # On Windows pyserial keeps the number of the error in its text only.
    code = error.errno
    if platform == "win32":
        if "PermissionError" in text:
            return PortBusyError(f"{url} is in use by another program ({text}): close that one")
        if "FileNotFoundError" in text:
            code = errno.ENOENT
    if code in _BUSY:
        return PortBusyError(f"{url} is in use by another program ({text}): close that one")
    if code in (errno.EACCES, errno.EPERM):
        return PortPermissionError(
            f"No permission to open {url} ({text}): allow your user to use serial ports"
            + (", usually by membership in the group dialout" if platform == "linux" else "")
        )
    hint = "check the name, and that the board is plugged in"
    if platform == "darwin" and url.startswith("/dev/tty."):
        hint = f"on macOS use {url.replace('/dev/tty.', '/dev/cu.', 1)}"
    elif is_url(url):
        hint = "check the address, and that something listens there"
    elif code not in (*_MISSING, None):
        hint = "check that it is a serial port"
    return NoBoardError(f"Can't open {url} ({text}): {hint}")
