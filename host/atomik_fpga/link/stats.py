"""What went over a link."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["LinkStats"]


@dataclass(frozen=True, slots=True)
class LinkStats:
    """Counts since the connection was opened.

    Attributes
    ----------
    ops : int
        Ops acknowledged by the device.
    frames_sent, frames_received : int
        Frames to the device, retransmissions included; undamaged replies from it.
    retransmissions : int
        Frames that were sent again.
    timeouts, naks : int
        Reasons to send again: no answer in time; the device missed something.
    damaged, stale : int
        Replies that were ignored: with a wrong check field; of what is not outstanding any more.
    bytes_sent, bytes_received : int
        On the line, delimiters included.
    round_trip : float
        Smoothed round-trip time in seconds, without the line time of the frame itself.
    """

    ops: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    retransmissions: int = 0
    timeouts: int = 0
    naks: int = 0
    damaged: int = 0
    stale: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    round_trip: float = 0.0

    def as_dict(self) -> dict[str, int | float]:
        """Return the counts by name."""
        return asdict(self)
