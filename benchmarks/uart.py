"""How far the other end's line rate may be off, both ways, and what glitches and breaks do.

``python -m benchmarks.uart [--json]``. Needs NumPy and a C++ compiler: the gateware's receiver and
transmitter, compiled through CXXRTL, on a line whose edges come at any fraction of a clock. All 256
characters follow each other without a pause, towards the gateware in several orders and phases; a
rate is borne if each of them is right, at it and at all rates nearer to the wanted one. Steps are
0.25 %. What the gateware sends is heard by a receiver without a fault of its own, so that the
figures are the gateware's.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy

from .record import Record, run
from .uart_gateware import ERROR, Gateware, Ratio

__all__ = ["RATIOS", "hear", "line", "measure"]

#: Clock and line rate, and the percent that have to be borne, where there is such a demand.
RATIOS = (
    (Ratio(12_000_000, 3_000_000), None),
    (Ratio(60_000_000, 12_000_000), None),
    (Ratio(24_000_000, 3_000_000), 3.5),
    (Ratio(25_000_000, 3_000_000), 3.5),
    (Ratio(12_000_000, 1_000_000), None),
    (Ratio(48_000_000, 3_000_000), 4.5),
    (Ratio(12_000_000, 115_200), None),
)

_STEP = 0.0025
_STEPS = 40
_PHASES = 16
_BITS = 10
#: Widths of glitches, of a bit; lengths of breaks, in bits.
_GLITCH_STEPS = 16
_BREAKS = [10 + n / 4 for n in range(121)]
#: High line before and behind what is sent, in bits.
_QUIET = 3


def line(characters: Sequence[int], bit: float, start: float) -> Any:
    """Return when a line changes that carries characters back to back; it starts high.

    Parameters
    ----------
    characters : sequence of int
        Bytes.
    bit, start : float
        Length of a bit, and when the first start bit begins; edges have the same unit.
    """
    levels = [1]
    for character in characters:
        levels += [0, *(character >> n & 1 for n in range(8)), 1]
    changes = numpy.flatnonzero(numpy.diff(levels))
    return start + bit * changes


def hear(edges: Sequence[float], bit: float) -> list[int]:
    """Return what a receiver without a fault of its own makes of a line that starts high.

    It sees a falling edge when it comes, and looks at the line in the middle of each of its bits;
    a high start bit is a glitch, and a low stop bit gives `ERROR`.

    Parameters
    ----------
    edges : sequence of float
        When the line changes, in ascending order.
    bit : float
        Length of the receiver's bit, in the unit of the edges.
    """
    heard = []
    index = 0
    while index < len(edges):
        middle = edges[index] + bit / 2
        levels = [1 - bisect_right(edges, middle + n * bit) % 2 for n in range(_BITS)]
        end = middle if levels[0] else middle + (_BITS - 1) * bit
        if not levels[0]:
            data = sum(level << n for n, level in enumerate(levels[1:9]))
            heard.append(data if levels[9] else ERROR)
        index = bisect_right(edges, end)
        # Where the line is low, it goes high before the next character can start.
        index += index % 2
    return heard


def measure() -> Sequence[Record]:
    """Measure all rows."""
    gateware = Gateware([ratio for ratio, _ in RATIOS])
    return [record for ratio, target in RATIOS for record in _ratio(gateware, ratio, target)]


def _ratio(gateware: Gateware, ratio: Ratio, target: float | None) -> list[Record]:
    conditions = {
        "clock_hz": ratio.clock,
        "baud": ratio.baud,
        "characters": 256,
        "phases": _PHASES,
    }
    records = []
    for way, borne in (("receive", _receives), ("send", _sends)):
        for sign, name in ((-1, "slower"), (1, "faster")):
            percent = 100 * _STEP * _limit(lambda off, it=borne: it(gateware, ratio, off), sign)
            metric = f"{ratio.name}_clocks_{way}_{name}"
            records.append(Record(metric, percent, "%", "simulated", "higher", conditions, target))
    widest = _widest_glitch(gateware, ratio)
    name = f"{ratio.name}_clocks_glitch"
    records.append(Record(name, widest, "bit", "simulated", "higher", conditions))
    right = _breaks(gateware, ratio)
    name = f"{ratio.name}_clocks_breaks_right"
    breaks = {**conditions, "breaks": len(_BREAKS) * _PHASES, "bits": "10 to 40"}
    records.append(Record(name, 100 * right, "%", "simulated", "higher", breaks, 100.0))
    return records


def _limit(borne: Callable[[float], bool], sign: int) -> int:
    """Return the last step up to which all rates are borne; -1 if the wanted one is not."""
    for step in range(_STEPS + 1):
        if not borne(sign * step * _STEP):
            return step - 1
    return _STEPS


def _shuffled(seed: int) -> list[int]:
    characters = list(range(256))
    Random(seed).shuffle(characters)
    return characters


def _receives(gateware: Gateware, ratio: Ratio, off: float) -> bool:
    """Return whether the gateware understands a host whose rate is off."""
    bit = ratio.clocks_a_bit / (1 + off)
    for phase in range(_PHASES):
        characters = _shuffled(phase)
        start = _QUIET * ratio.clocks_a_bit + phase / _PHASES
        edges = line(characters, bit, start)
        clocks = int(start + (_BITS * 256 + _QUIET) * bit)
        if gateware.receive(ratio, edges, clocks, 512) != characters:
            return False
    return True


def _sends(gateware: Gateware, ratio: Ratio, off: float) -> bool:
    """Return whether a host whose rate is off understands the gateware."""
    bit = ratio.clocks_a_bit / (1 + off)
    characters = _shuffled(0)
    clocks = int((_BITS * 256 + _QUIET) * ratio.clocks_a_bit)
    edges = gateware.send(ratio, bytes(characters), clocks).tolist()
    return hear(edges, bit) == characters


def _widest_glitch(gateware: Gateware, ratio: Ratio) -> float:
    """Return the longest low pulse, in bits, that no shorter one and it is taken for a start."""
    bit = ratio.clocks_a_bit
    for step in range(1, _GLITCH_STEPS + 1):
        width = step / _GLITCH_STEPS * bit
        for phase in range(_PHASES):
            start = _QUIET * bit + phase / _PHASES
            edges = [start, start + width, *line([0x5A], bit, start + width + bit)]
            clocks = int(start + width + (_BITS + 1 + _QUIET) * bit)
            if gateware.receive(ratio, edges, clocks, 8) != [0x5A]:
                return (step - 1) / _GLITCH_STEPS
    return 1.0


def _breaks(gateware: Gateware, ratio: Ratio) -> float:
    """Return the share of breaks that are one error, with the next character right."""
    bit = ratio.clocks_a_bit
    right = 0
    for length in _BREAKS:
        for phase in range(_PHASES):
            start = _QUIET * bit + phase / _PHASES
            end = start + length * bit
            edges = [start, end, *line([0x5A], bit, end + bit)]
            heard = gateware.receive(ratio, edges, int(end + (_BITS + 1 + _QUIET) * bit), 8)
            right += len(heard) == 2 and heard[0] >= ERROR and heard[1] == 0x5A
    return right / (len(_BREAKS) * _PHASES)


if __name__ == "__main__":
    sys.exit(run("uart", __doc__ or "", measure))
