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

__all__ = ["AcknowledgingPort", "acknowledged"]

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
        self._frames = 0
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
        if self.opcounts:
            self._frames += data.count(0)
            header = REPLY_HEADER.pack(
                self._frames % SEQ_MODULUS, Kind.ACK, self.opcounts[self._frames]
            )
            replies = seal(header, self.device.info.session)
        else:
            replies = self.device.receive(data)
        with self._changed:
            self._replies += replies
            self._changed.notify_all()
        return len(data)

    def cancel_read(self) -> None:
        with self._changed:
            self._changed.notify_all()


@contextmanager
def acknowledged(device: DeviceModel, baud: int) -> Iterator[tuple[Connection, AcknowledgingPort]]:
    """Yield a connection over such a port, whose window is that of a line of ``baud`` bit/s."""
    port = AcknowledgingPort(device)
    with patch.object(serial, "serial_for_url", lambda url, **settings: port):
        connection = connect(_URL, baud=baud)
    with connection:
        yield connection, port
