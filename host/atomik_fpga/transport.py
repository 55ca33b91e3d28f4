"""Serial ports of all kinds through pyserial. What differs between systems is in `platforms`."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import serial

from .errors import AtomikError, LinkLostError, UnsupportedPortError
from .platforms import (
    PORT_ERRORS,
    device_key,
    device_name,
    explain_open_error,
    has_low_latency,
    is_pty,
    is_url,
    keep_others_out,
)

__all__ = ["Port", "has_rate", "open_port", "port_key"]

#: Schemes whose URLs name a TCP port.
_NETWORK = ("socket", "rfc2217")

#: Schemes behind which there is a real line, at a rate of the host's choice, and those of them
#: whose port is one of this machine's.
_LINES = ("rfc2217", "alt", "hwgrep", "spy")
_LOCAL = ("alt", "hwgrep", "spy")

#: Longest that a blocked read lasts, and that a write may be stuck, in seconds.
_READ_TIMEOUT = 0.2
_WRITE_TIMEOUT = 30.0

_log = logging.getLogger(__name__)


def port_key(port: str) -> str:
    """Return what all names of one port have in common, so that it is opened once.

    A handler of URLs tells it of its own kind through ``serial_class_for_url``, the function by
    which pyserial lets it replace a URL. Names of network hosts are compared, not looked up.

    Raises
    ------
    UnsupportedPortError
        If there is no such port.
    """
    if not is_url(port):
        return device_key(port)
    try:
        parts = urlsplit(port)
        query = f"?{parts.query}" if parts.query else ""
        if parts.scheme in _NETWORK:
            return f"{parts.scheme}://{_host_and_port(port)}{query}"
        handled = _handled_url(port, parts.scheme)
    except AtomikError:
        raise
    except PORT_ERRORS as error:
        raise explain_open_error(port, error) from error
    if handled is not None:
        return handled if is_url(handled) else device_key(handled)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{query}"


def has_rate(port: str) -> bool:
    """Return whether the rate of a port's line is the host's choice."""
    return not is_url(port) or urlsplit(port).scheme in _LINES


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    try:
        number = parts.port
    except ValueError as error:
        raise UnsupportedPortError(f"Can't use port {url!r}: {error}") from error
    if not parts.hostname or not number:
        lacking = "TCP port" if parts.hostname else "host"
        raise UnsupportedPortError(
            f"{url!r} names no {lacking}: write {parts.scheme}://host:port, such as "
            f"{parts.scheme}://127.0.0.1:7000"
        )
    # IPv6 addresses keep their brackets.
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{number}"


def _handled_url(url: str, scheme: str) -> str | None:
    """Return what the handler of a URL replaces it by; None if it replaces nothing."""
    for package in serial.protocol_handler_packages:
        try:
            importlib.import_module(package)
            handler = importlib.import_module(f".protocol_{scheme}", package)
        except ImportError:
            continue
        replace = getattr(handler, "serial_class_for_url", None)
        return None if replace is None else str(replace(url)[0])
    return None


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
        #: Whether a `read` can be ended from outside.
        self.can_cancel = hasattr(device, "cancel_read")
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
        except AtomikError:
            # A simulated port says what it is in our own terms.
            raise
        except PORT_ERRORS as error:
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
        except AtomikError:
            raise
        except PORT_ERRORS as error:
            raise self._lost(error) from error

    def set_baud(self, baud: int) -> None:
        """Change the line rate in bit/s and forget what came at another one.

        Raises
        ------
        UnsupportedPortError
            If the port can't run at it.
        """
        try:
            self._device.baudrate = baud
            self._device.reset_input_buffer()
        except PORT_ERRORS as error:
            raise UnsupportedPortError(
                f"{self.url} can't run at {baud} bit/s ({error}): give a baud= that it can"
            ) from error

    @property
    def waiting(self) -> int:
        """Bytes that have come and are not read; 0 if the port is gone, which `read` tells."""
        try:
            return int(self._device.in_waiting)
        except PORT_ERRORS as error:
            _log.debug("asking %s what waits: %s", self.url, error)
            return 0

    def cancel_read(self) -> None:
        """End a `read` in another thread, or else the next one, where the port can do that."""
        if self.can_cancel:
            try:
                self._device.cancel_read()
            except PORT_ERRORS as error:
                # It is closed or gone, and no read waits there any more.
                _log.debug("cancelling a read of %s: %s", self.url, error)

    def close(self) -> None:
        """Give the port back. More than once is no error."""
        try:
            self._device.close()
        except PORT_ERRORS as error:
            # A port that was unplugged can fail to close, and is closed none the less.
            _log.debug("closing %s: %s", self.url, error)

    def disown(self) -> None:
        """In a child process: let go of the port, which is the parent's, unseen by its far end."""
        device = self._device
        if isinstance(device, serial.Serial):
            # Closes what this process has of it. Else the child would hold the lock on the port
            # when the parent wants to open it again.
            self.close()
        else:
            # Closing would say good-bye in the parent's name, also when the object is collected.
            device.close = _nothing

    def _lost(self, error: Exception) -> LinkLostError:
        return LinkLostError(
            f"{self.url} failed ({error}): the state of the device is unknown. Check the cable, "
            "connect again and reload it"
        )


def _nothing() -> None:
    """Take the place of a port's ``close`` in a child process."""


def open_port(url: str, baud: int) -> Port:
    """Open a port by its system name or pyserial URL.

    DTR and RTS stay unasserted: DTR resets some boards. A real port is opened for exclusive use
    and with low latency where the system can do that.

    Raises
    ------
    AtomikError
        Of the kind that tells what stands against it.
    """
    port_key(url)
    real = not is_url(url)
    try:
        device: Any = serial.serial_for_url(
            device_name(url) if real else url,
            baudrate=baud,
            timeout=_READ_TIMEOUT,
            write_timeout=_WRITE_TIMEOUT,
            exclusive=True if real or urlsplit(url).scheme in _LOCAL else None,
            do_not_open=True,
        )
        device.dtr = False
        device.rts = False
        device.open()
    except PORT_ERRORS as error:
        raise explain_open_error(url, error) from error
    if real and not is_pty(url):
        _settle(url, device)
    return Port(url, device)


def _settle(url: str, device: Any) -> None:
    """Make the best of a real port that is open: what its driver does not offer is done without."""
    wishes: list[tuple[str, Callable[[], object]]] = []
    if hasattr(device, "fileno"):
        wishes.append(("exclusion of others", lambda: keep_others_out(device.fileno())))
    if has_low_latency(url) and hasattr(device, "set_low_latency_mode"):
        wishes.append(("low-latency mode", lambda: device.set_low_latency_mode(True)))
    for name, fulfil in wishes:
        try:
            fulfil()
        except PORT_ERRORS as error:
            _log.info("no %s on %s: %s", name, url, error)
