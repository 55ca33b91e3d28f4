"""The serial line as levels on a pin: characters to bits and back.

A *character* is the ten levels of a byte on an 8N1 line, the first one in bit 0: start bit, data
from the least significant bit up, stop bit. As an integer it can also be what no UART sends: a
missing stop bit, a break, an idle line. Above the ten levels it may tell of a *glitch*: a pulse of
a quarter of a bit, in which the line has the other level.
"""

from __future__ import annotations

from collections.abc import Iterable

from atomik_fpga.errors import AtomikError

__all__ = [
    "BREAK",
    "CHARACTER_BITS",
    "GLITCH_PLACES",
    "IDLE",
    "LEVELS",
    "CharacterReceiver",
    "LineError",
    "LineReceiver",
    "LineTiming",
    "character",
    "glitched",
    "pulses",
]

#: Bits of a byte on the line.
CHARACTER_BITS = 10
#: The line stays high for as long as a byte takes.
IDLE = 0x3FF
#: The line stays low for as long as a byte takes.
BREAK = 0x000
#: The bits of a character that are its levels.
LEVELS = 0x3FF
#: Quarters of the bits of a character, in each of which a glitch may be.
GLITCH_PLACES = 4 * CHARACTER_BITS

_STOP = 1 << 9
_START_AND_STOP = 1 | _STOP


class LineError(AtomikError, OSError):
    """The device's pin did what no UART does."""


def character(byte: int) -> int:
    """Return the ten levels of ``byte``."""
    return byte << 1 | _STOP


def glitched(levels: int, place: int) -> int:
    """Return a character with a glitch in a quarter of one of its bits, counted from its start."""
    bit, quarter = divmod(place, 4)
    return levels & LEVELS | (bit + 1) << CHARACTER_BITS | quarter << 14


def pulses(levels: int, bit: int, clocks: int) -> list[tuple[int, int]]:
    """Return the levels on the pin during a bit of a character, and the clocks of each."""
    level = levels >> bit & 1
    if levels >> CHARACTER_BITS & 0xF != bit + 1:
        return [(level, clocks)]
    begin = clocks * (levels >> 14) // 4
    end = max(begin + 1, clocks * ((levels >> 14) + 1) // 4)
    return [(level, begin), (1 - level, end - begin), (level, clocks - end)]


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
    tolerant : bool
        Take a byte without a stop bit as it is, as a host's port does.
    """

    def __init__(self, clock_frequency: int, baud: int, *, tolerant: bool = False) -> None:
        self._tolerant = tolerant
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
            If the stop bit is low, unless it is to be tolerant.
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
        if not level and not self._tolerant:
            raise LineError(
                f"The simulated device sent a character without a stop bit: {self._levels:010b}, "
                "stop bit first; its transmitter is broken"
            )
        return self._levels >> 1 & 0xFF


class CharacterReceiver:
    """Makes bytes of characters as a UART does that samples each bit once, at its middle.

    Like the device's, it reports a low stop bit, and waits for a high line after that.
    """

    def __init__(self) -> None:
        self._awaits_high = False
        #: Levels sampled since the start bit, that one included; empty between two characters.
        self._sampled: list[int] = []

    @property
    def at_rest(self) -> bool:
        """The next start bit begins a character."""
        return not self._sampled and not self._awaits_high

    def feed(self, characters: Iterable[int]) -> tuple[bytes, list[int]]:
        """Return the bytes that characters end, and the positions of those without a stop bit."""
        received = bytearray()
        errors: list[int] = []
        in_step = self.at_rest
        for levels in characters:
            if in_step and levels & _START_AND_STOP == _STOP and levels <= LEVELS:
                received.append(levels >> 1 & 0xFF)
                continue
            for bit in range(CHARACTER_BITS):
                # A pulse that begins in the middle is the one that is sampled.
                spoilt = levels >> CHARACTER_BITS == bit + 1 | 2 << 4
                self._sample(levels >> bit & 1 ^ spoilt, received, errors)
            in_step = self.at_rest
        return bytes(received), errors

    def _sample(self, level: int, received: bytearray, errors: list[int]) -> None:
        if self._awaits_high:
            self._awaits_high = not level
            return
        sampled = self._sampled
        if sampled or not level:
            sampled.append(level)
        if len(sampled) < CHARACTER_BITS:
            return
        if not level:
            errors.append(len(received))
            self._awaits_high = True
        received.append(sum(bit << number for number, bit in enumerate(sampled)) >> 1 & 0xFF)
        sampled.clear()
