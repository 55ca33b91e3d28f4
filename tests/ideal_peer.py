"""A device model behind a serial port in memory: an ideal line without delay or limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from serial import PortNotOpenError, SerialException

from atomik_sim.model import DeviceModel

__all__ = ["FastPort", "IdealPort"]


class IdealPort:
    """What `Port` needs of a pyserial port, with a `DeviceModel` at the other end.

    ``spoil`` may replace the bytes of either direction; ``silent`` swallows the replies;
    ``unplug`` makes every later use fail.
    """

    def __init__(self, device: DeviceModel | None = None) -> None:
        self.device = DeviceModel() if device is None else device
        self.silent = False
        self.spoil: Callable[[bytes], bytes] = bytes
        self.written = bytearray()
        self.writes = 0
        self.baudrate = 0
        self.dtr = self.rts = True
        self.is_open = False
        self.timeout = 0.2
        self._replies = bytearray()
        self._changed = threading.Condition()
        self._cancelled = False
        self._unplugged = False

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def reset_input_buffer(self) -> None:
        with self._changed:
            self._replies.clear()

    def unplug(self) -> None:
        with self._changed:
            self._unplugged = True
            self._changed.notify_all()

    @property
    def in_waiting(self) -> int:
        with self._changed:
            return len(self._replies)

    def read(self, size: int = 1) -> bytes:
        with self._changed:
            if not self._replies and not self._cancelled and not self._unplugged:
                self._changed.wait(self.timeout)
            self._check()
            if self._cancelled:
                # As on POSIX, where it does not matter whether anything has come.
                self._cancelled = False
                return b""
            taken = bytes(self._replies[:size])
            del self._replies[:size]
            return taken

    def write(self, data: bytes) -> int:
        with self._changed:
            self._check()
            self.writes += 1
            self.written += data
            replies = self.device.receive(self.spoil(data))
            if not self.silent:
                self._replies += replies
            self._changed.notify_all()
            return len(data)

    def cancel_read(self) -> None:
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def _check(self) -> None:
        if self._unplugged:
            raise SerialException("device reports readiness to read but returned no data")
        if not self.is_open:
            raise PortNotOpenError


class FastPort(IdealPort):
    """Its line runs through time a hundred times as fast as the clock on the wall."""

    def link_clock(self) -> float:
        return 100 * time.monotonic()
