"""The adaptive retransmit timer and what the line's speed says about it."""

from __future__ import annotations

from ..protocol import CRC_BYTES, REPLY_HEADER

__all__ = ["BITS_PER_BYTE", "LATENCY_TIMER", "RetransmitTimer", "reply_wire_bytes", "wire_bytes"]

#: 8N1: a start bit, eight data bits, a stop bit.
BITS_PER_BYTE = 10

#: Longest that a USB bridge holds bytes back, in seconds: the default of FTDI's latency timer.
LATENCY_TIMER = 0.016

_MARGIN = 0.025
_LONGEST = 2.0


def wire_bytes(content: int) -> int:
    """Return how many bytes ``content`` bytes, check field included, have on the line at most."""
    return content + content // 254 + 2


def reply_wire_bytes(payload: int) -> int:
    """Return how many bytes a reply with ``payload`` bytes has on the line at most."""
    return wire_bytes(REPLY_HEADER.size + payload + CRC_BYTES)


class RetransmitTimer:
    """Smoothed round-trip time and the timeout that follows from it, in seconds.

    Jacobson's and Karels' estimator ("Congestion Avoidance and Control", 1988); the caller leaves
    out the samples of frames that were sent more than once, as Karn's rule wants.

    Parameters
    ----------
    round_trip : float
        Of a first short frame.
    frame_time : float
        Of the longest frame on the line.

    Attributes
    ----------
    timeout : float
        How long to wait for an answer.
    """

    def __init__(self, round_trip: float, frame_time: float) -> None:
        self._floor = _MARGIN + LATENCY_TIMER + frame_time
        # A first frame may be longer than the one that was measured; and if the line is far slower
        # than its nominal speed, as a simulated one is, its round trip grows in that proportion.
        self._smoothed = round_trip
        self._deviation = 2 * round_trip
        self._least = round_trip
        self._backoff = 0
        # Asked for more often than it changes.
        self.timeout = self._timeout()

    @property
    def round_trip(self) -> float:
        """Smoothed round-trip time, without the line time of the frame itself."""
        return self._smoothed

    @property
    def least(self) -> float:
        """Shortest round trip seen: what the line takes when nothing queues."""
        return self._least

    def sample(self, round_trip: float) -> None:
        """Take in the round trip of a frame that was sent once."""
        self._deviation += (abs(round_trip - self._smoothed) - self._deviation) / 4
        self._smoothed += (round_trip - self._smoothed) / 8
        self._least = min(self._least, round_trip)
        self._backoff = 0
        self.timeout = self._timeout()

    def expire(self) -> None:
        """Double the timeout until the next sample.

        Not only until something goes on: where every frame is sent again before its answer can be
        there, none would ever tell how long that takes.
        """
        self._backoff += 1
        self.timeout = self._timeout()

    def _timeout(self) -> float:
        first = max(self._floor, self._smoothed + 4 * self._deviation)
        return min(first * 2.0**self._backoff, max(2 * first, _LONGEST))
