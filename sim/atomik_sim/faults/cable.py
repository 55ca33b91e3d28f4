"""The cable of a simulated board with faults: a character time after the other."""

from __future__ import annotations

from collections import deque

from ..cable import Cable
from ..pins import IDLE, CharacterReceiver
from .line import FaultyLine, Schedule

__all__ = ["FaultyCable"]


class FaultyCable(Cable):
    """Puts a `FaultyLine` between a board's device and its port. Time is counted in characters.

    Parameters
    ----------
    line : FaultyLine
    baud : int
        Of the line, in bit/s.
    """

    def __init__(self, line: FaultyLine, baud: int) -> None:
        super().__init__()
        self.line = line
        self._byte_time = 10 / baud
        self._passed = 0
        self._driven = Schedule(self._byte_time, whole=False)
        self._sampled = Schedule(0.0, whole=True)
        self._driving: deque[int] = deque()
        self._host = CharacterReceiver()

    @property
    def pending(self) -> bool:
        """Something will come out, though nothing more is put in."""
        return self.full or self._sampled.due is not None

    @property
    def full(self) -> bool:
        """What was put in towards the device is not yet on the line."""
        return bool(self._driving) or self._driven.due is not None

    def drive(self, data: bytes, limit: int) -> list[int]:
        """Return what the device receives next, now that ``data`` has been sent to it.

        Returns
        -------
        list of int
            ``limit`` of them at most, at least one.
        """
        now = self._passed * self._byte_time
        if data:
            self._driven.put(self.line.to_device(data), now)
        while len(self._driving) < limit:
            piece = self._driven.take(now + len(self._driving) * self._byte_time)
            if piece is None:
                break
            self._driving += piece.characters
        count = min(limit, len(self._driving))
        characters = [self._driving.popleft() for _ in range(count)]
        if not characters:
            # While something is awaited, time may as well pass quickly.
            characters = [IDLE] * (limit if self.pending else 1)
        self._passed += len(characters)
        return characters

    def receive(self, data: bytes) -> bytes:
        """Return what the host receives next, now that the device has sent ``data``."""
        now = self._passed * self._byte_time
        if data:
            self._sampled.put(self.line.from_device(data), now)
        received = b""
        while (piece := self._sampled.take(now)) is not None:
            # A host's port hands on bytes without a stop bit like all others.
            received += self._host.feed(piece.characters)[0]
        return received
