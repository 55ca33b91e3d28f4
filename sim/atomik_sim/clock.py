"""Time on a simulated board."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

__all__ = ["BoardClock"]


class BoardClock:
    """Simulated time: clocks while the device runs, wall time while it is idle.

    Not safe from threads: its board's lock is.

    Parameters
    ----------
    frequency : int
        Of the device's clock, in hertz.
    clocks : callable
        Returns the clocks simulated so far.
    """

    def __init__(self, frequency: int, clocks: Callable[[], int]) -> None:
        self._frequency = frequency
        self._clocks = clocks
        self._skipped = 0.0
        self._idle_since: float | None = None
        #: Simulated and wall time from which `lead` counts.
        self._paced_from: tuple[float, float] | None = None

    @property
    def idle(self) -> bool:
        """The device's clock stands still."""
        return self._idle_since is not None

    def stop(self) -> None:
        """Let wall time count from now on."""
        if self._idle_since is None:
            self._idle_since = monotonic()

    def run(self) -> None:
        """Let simulated clocks count from now on."""
        if self._idle_since is not None:
            self._skipped += monotonic() - self._idle_since
            self._idle_since = None

    def seconds(self) -> float:
        """Return the time since the device was configured."""
        seconds = self._clocks() / self._frequency + self._skipped
        if self._idle_since is not None:
            seconds += monotonic() - self._idle_since
        return seconds

    def lead(self) -> float:
        """Return by how many seconds simulated time is ahead of wall time; never negative.

        A simulation that was slow at times does not run ahead later to make up for it.
        """
        now = self.seconds(), monotonic()
        if self._paced_from is None:
            self._paced_from = now
        lead = (now[0] - self._paced_from[0]) - (now[1] - self._paced_from[1])
        if lead < 0:
            self._paced_from = now
        return max(lead, 0.0)
