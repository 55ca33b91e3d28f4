"""The serial line as levels on a pin: characters to bits and back.

A *character* is the ten levels of a byte on an 8N1 line, the first one in bit 0: start bit, data
from the least significant bit up, stop bit. As an integer it can also be what no UART sends: a
missing stop bit, a break, an idle line.
"""

from __future__ import annotations

from atomik_fpga.errors import AtomikError

__all__ = [
    "BREAK",
    "CHARACTER_BITS",
    "IDLE",
    "LineError",
    "LineReceiver",
    "LineTiming",
    "character",
]

#: Bits of a byte on the line.
CHARACTER_BITS = 10
#: The line stays high for as long as a byte takes.
IDLE = 0x3FF
#: The line stays low for as long as a byte takes.
BREAK = 0x000

_STOP = 1 << 9


class LineError(AtomikError, OSError):
    """The device's pin did what no UART does."""


def character(byte: int) -> int:
    """Return the ten levels of ``byte``."""
    return byte << 1 | _STOP


class LineTiming:
    """Clocks of each bit that is driven, so that the rate is exact in the long run.

    Parameters
    ----------
    clock_frequency, baud : int
        In hertz and bit/s.
    """

    def __init__(self, clock_frequency: int, baud: int) -> None:
        self._clock_frequency = clock_frequency
        self._baud = baud
        self._rest = 0

    def next_bit(self) -> int:
        """Return the clocks for which the next bit's level stands on the pin."""
        clocks, self._rest = divmod(self._rest + self._clock_frequency, self._baud)
        return clocks


class LineReceiver:
    """Samples a pin as a UART does: a falling edge, then each bit at its centre.

    A start bit that is gone at its centre is a glitch, and is ignored.

    Parameters
    ----------
    clock_frequency, baud : int
        In hertz and bit/s.
    """

    def __init__(self, clock_frequency: int, baud: int) -> None:
        centres = [(2 * bit + 1) * clock_frequency // (2 * baud) for bit in range(CHARACTER_BITS)]
        self._steps = [
            after - before for before, after in zip([0, *centres], centres, strict=False)
        ]
        self._bit = 0
        self._wait = 0
        self._levels = 0
        #: Bits sampled, start and stop bits included.
        self.bits = 0

    @property
    def receiving(self) -> bool:
        """A character has begun and has not ended."""
        return self._wait > 0

    def clock(self, level: int) -> int | None:
        """Take the level after one more clock; return a byte when its stop bit was sampled.

        Raises
        ------
        LineError
            If the stop bit is low.
        """
        if not self._wait:
            if not level:
                self._bit = 0
                self._levels = 0
                self._wait = self._steps[0]
            return None
        self._wait -= 1
        if self._wait:
            return None
        return self._sample(level)

    def _sample(self, level: int) -> int | None:
        if self._bit == 0 and level:
            return None
        self.bits += 1
        self._levels |= level << self._bit
        self._bit += 1
        if self._bit < CHARACTER_BITS:
            self._wait = self._steps[self._bit]
            return None
        if not level:
            raise LineError(
                f"The simulated device sent a character without a stop bit: {self._levels:010b}, "
                "stop bit first; its transmitter is broken"
            )
        return self._levels >> 1 & 0xFF
