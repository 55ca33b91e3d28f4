"""Counts of what goes over the line of a board, taken from the bytes at its pins."""

from __future__ import annotations

from dataclasses import dataclass

from atomik_fpga.framing import Deframer
from atomik_fpga.protocol import Kind

from .decode import LONGEST_FRAME, DeviceFrame, LinkDecoder
from .pins import IDLE, LEVELS
from .tap import Transfer

__all__ = ["TrafficCounter", "TrafficCounts"]

_OPCOUNT_MODULUS = 1 << 32
#: Who is asked to send again, or has no session, has seen an error.
_REFUSALS = frozenset({Kind.NAK, Kind.NO_SESSION, Kind.OPEN_REFUSED})
#: Whose op count is that of the session.
_COUNTING = frozenset({Kind.ACK, Kind.NAK, Kind.VALUES, Kind.INFO, Kind.OPEN_REFUSED})


@dataclass(frozen=True, slots=True)
class TrafficCounts:
    """What went over the line so far.

    Attributes
    ----------
    frames_to_device, frames_from_device : int
        Stretches between two delimiters that are not empty, damaged ones included.
    ops : int
        Executed ops, by the device's own counter as it stands in its replies.
    errors : int
        Frames from the device that say NAK, NO_SESSION or OPEN_REFUSED or are damaged, and
        faults that were latched.
    """

    frames_to_device: int = 0
    frames_from_device: int = 0
    ops: int = 0
    errors: int = 0


class TrafficCounter:
    """A `Tap` that counts.

    Frames are cut from the bytes at both pins. Ops are those that the device says it has executed:
    the op counter of the gateware, which stands in every reply. What a program posts is counted
    when it is acknowledged, and once, however often it is sent.

    Parameters
    ----------
    width : int
        Bits a context.
    """

    batch = None

    def __init__(self, width: int) -> None:
        self._decoder = LinkDecoder(width)
        self._to_device = Deframer(LONGEST_FRAME)
        self._from_device = Deframer(LONGEST_FRAME)
        self._opcount = 0
        self._faulty = False
        self._counts = TrafficCounts()

    @property
    def counts(self) -> TrafficCounts:
        """What was counted so far; may be asked for by any thread."""
        return self._counts

    def transferred(self, transfer: Transfer) -> None:
        """Count what went over the line."""
        driven = bytes(it >> 1 & 0xFF for it in transfer.characters if it & LEVELS != IDLE)
        requests = self._to_device.feed(driven) if driven else []
        replies = self._from_device.feed(transfer.received) if transfer.received else []
        if not requests and not replies:
            return
        ops = errors = 0
        for body in replies:
            frame = self._decoder.from_device(body)
            ops += self._ops_of(frame)
            errors += self._is_error(frame)
        counts = self._counts
        self._counts = TrafficCounts(
            counts.frames_to_device + len(requests),
            counts.frames_from_device + len(replies),
            counts.ops + ops,
            counts.errors + errors,
        )

    def rested(self) -> None:
        """Do nothing."""

    def reset(self, start: int, end: int) -> None:
        """Do nothing: what the device says next shows it."""

    def close(self) -> None:
        """Do nothing."""

    def _ops_of(self, frame: DeviceFrame) -> int:
        if frame.kind in (Kind.OPENED, Kind.NO_SESSION):
            self._opcount = 0
        if frame.kind not in _COUNTING:
            return 0
        new = (frame.opcount - self._opcount) % _OPCOUNT_MODULUS
        # A reply that is sent again tells an older count.
        if new >= _OPCOUNT_MODULUS // 2:
            return 0
        self._opcount = frame.opcount
        return new

    def _is_error(self, frame: DeviceFrame) -> bool:
        latched = bool(frame.fault) and not self._faulty
        self._faulty = bool(frame.fault)
        return latched or frame.kind is None or frame.kind in _REFUSALS
