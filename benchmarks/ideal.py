"""A serial port whose far end acknowledges at once: what is measured is the driver alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
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
        # As in a system's port, reader and writer never wait for each other's lock. The rest is
        # what the reader has taken out of the queue and not yet returned.
        self._replies: SimpleQueue[bytes] = SimpleQueue()
        self._rest = b""

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def reset_input_buffer(self) -> None:
        self._rest = b""
        while not self._replies.empty():
            self._replies.get()

    @property
    def in_waiting(self) -> int:
        """At least one byte a reply."""
        return len(self._rest) + self._replies.qsize()

    def read(self, size: int = 1) -> bytes:
        if not self._rest:
            try:
                self._rest = self._replies.get(timeout=self.timeout)
            except Empty:
                return b""
        while not self._replies.empty():
            self._rest += self._replies.get()
        taken, self._rest = self._rest[:size], self._rest[size:]
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
        self._replies.put(replies)
        return len(data)

    def counts(self, data: bytes) -> tuple[int, int] | None:
        """Return frames and ops up to the end of ``data``, or None: the device shall tell."""
        if not self.opcounts:
            return None
        self._frames += data.count(0)
        return self._frames, self.opcounts[self._frames]

    def cancel_read(self) -> None:
        self._replies.put(b"")


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
