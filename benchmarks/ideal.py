"""A serial port whose far end acknowledges at once: what is measured is the driver alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import serial

from atomik_fpga import Connection, connect
from atomik_fpga.framing import seal
from atomik_fpga.protocol import REPLY_HEADER, SEQ_MODULUS, Kind
from atomik_sim.model import DeviceModel

__all__ = ["AcknowledgingPort", "FollowingPort", "acknowledged", "followed"]

_URL = "acknowledging://"


class AcknowledgingPort:
    """What `Port` needs of a pyserial port. The device's model opens the session, and then the
    frames are only counted: decoding them is the device's work, and would hold the driver up.

    Parameters
    ----------
    device : DeviceModel
        For INFO and OPEN.
    """

    def __init__(self, device: DeviceModel) -> None:
        self.device = device
        #: Ops before each frame and behind the last one; empty until the session is open.
        self.opcounts: Sequence[int] = ()
        self.baudrate = 0
        self.dtr = self.rts = False
        self.is_open = False
        self.timeout = 0.2
        self._frames = self._mask = 0
        self._replies = bytearray()
        self._changed = threading.Condition()

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def reset_input_buffer(self) -> None:
        with self._changed:
            self._replies.clear()

    @property
    def in_waiting(self) -> int:
        return len(self._replies)

    def read(self, size: int = 1) -> bytes:
        with self._changed:
            if not self._replies:
                self._changed.wait(self.timeout)
            taken = bytes(self._replies[:size])
            del self._replies[:size]
            return taken

    def write(self, data: bytes) -> int:
        counts = self.counts(data)
        if counts is None:
            replies = self.device.receive(data)
        else:
            frames, ops = counts
            header = REPLY_HEADER.pack(frames % SEQ_MODULUS, Kind.ACK, ops)
            if not self._mask:
                self._mask = self.device.info.session
            replies = seal(header, self._mask)
        with self._changed:
            self._replies += replies
            self._changed.notify_all()
        return len(data)

    def counts(self, data: bytes) -> tuple[int, int] | None:
        """Return frames and ops up to the end of ``data``, or None: the device shall tell."""
        if not self.opcounts:
            return None
        self._frames += data.count(0)
        return self._frames, self.opcounts[self._frames]

    def cancel_read(self) -> None:
        with self._changed:
            self._changed.notify_all()


class FollowingPort(AcknowledgingPort):
    """One that takes from the driver's engine what was sent, where it can't be known before: the
    driver sends what is posted in time, be a frame full or not.
    """

    def __init__(self, device: DeviceModel) -> None:
        super().__init__(device)
        self.connection: Connection | None = None

    def counts(self, data: bytes) -> tuple[int, int] | None:
        if self.connection is None:
            return None
        # One thread writes at a time, and it alone numbers frames: this is what it has sent.
        engine = self.connection._shared._engine
        return engine._end, engine._opcount_end


@contextmanager
def followed(device: DeviceModel) -> Iterator[Connection]:
    """Yield a connection over a `FollowingPort`, whose window is that of the device's line."""
    port = FollowingPort(device)
    with patch.object(serial, "serial_for_url", lambda url, **settings: port):
        connection = connect(_URL)
    port.connection = connection
    with connection:
        yield connection


@contextmanager
def acknowledged(device: DeviceModel) -> Iterator[tuple[Connection, AcknowledgingPort]]:
    """Yield a connection over such a port, whose window is that of the device's line."""
    port = AcknowledgingPort(device)
    with patch.object(serial, "serial_for_url", lambda url, **settings: port):
        connection = connect(_URL)
    with connection:
        yield connection, port
