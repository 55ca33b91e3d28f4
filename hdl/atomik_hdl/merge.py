"""Merging of many lanes of deltas into one word a cycle."""

from functools import reduce
from operator import xor

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LaneGroup", "MergeChain", "MergeTree"]

_MAX_WIDTH = 1024
_MAX_BANKS = 1024

# Two lanes with their `valid` fill a 4-input LUT, and so do three pairs and the word that passes.
_PAIR = 2
_GROUP = 3 * _PAIR
_FAN_IN = 4


def _check(name, value, maximum):
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if not 1 <= value <= maximum:
        raise ValueError(f"{name} must be between 1 and {maximum}, not {value}")


def _pairs(m, lanes, width):
    """Register the XOR of each two neighbours of ``lanes``; return the registers."""
    m.d.comb += [lane.ready.eq(1) for lane in lanes]
    registers = []
    for first in range(0, len(lanes), _PAIR):
        pair = Signal(width, reset_less=True, name=f"pair{first // _PAIR}")
        # An AND and not a Mux with 0, for the reason given in `DeltaCore`.
        deltas = [
            lane.payload & lane.valid.replicate(width) for lane in lanes[first : first + _PAIR]
        ]
        m.d.sync += pair.eq(reduce(xor, deltas))
        registers.append(pair)
    return registers


class LaneGroup(wiring.Component):
    """A few lanes that add their deltas to a word which passes by.

    Each lane takes a delta in every cycle. Word and deltas are XORed.

    Latency and throughput
    ----------------------
    ``o`` in cycle t is ``i`` of cycle t - 1 XOR what the lanes accepted in cycle t - 2. No
    register has a reset.

    Parameters
    ----------
    width : int
        Bits of a delta, 1 to 1024.
    banks : int
        Lanes, 1 to 1024. Up to 6 keep it at one 4-input LUT between any two registers.

    Members
    -------
    lanes : In(stream.Signature(width)).array(banks)
        Deltas. Always ready.
    i : In(width)
        Word from the groups before this one.
    o : Out(width)
        Word with this group's deltas in it.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, width, banks):
        _check("Width", width, _MAX_WIDTH)
        _check("Banks", banks, _MAX_BANKS)
        self._width = width
        super().__init__(
            {
                "lanes": In(stream.Signature(width)).array(banks),
                "i": In(width),
                "o": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word = Signal(self._width, reset_less=True)
        m.d.sync += word.eq(reduce(xor, _pairs(m, self.lanes, self._width), self.i))
        m.d.comb += self.o.eq(word)
        return m


class _Merge(wiring.Component):
    """What both merges have in common: parameters and members."""

    def __init__(self, width, banks):
        _check("Width", width, _MAX_WIDTH)
        _check("Banks", banks, _MAX_BANKS)
        self._width = width
        self._banks = banks
        super().__init__({"lanes": In(stream.Signature(width)).array(banks), "o": Out(width)})


class MergeChain(_Merge):
    """Groups of 6 lanes in a row, through which a word passes.

    Lane n is in group n // 6. The word that passes group 0 with the deltas of cycle t gets those of
    cycle t + g from group g. A group's registers have no neighbours but those of the group before
    and the group behind, so a chain may be as long as the fabric has room for.

    Latency and throughput
    ----------------------
    A delta a cycle a lane. ``o`` in cycle t + `latency` is the XOR of what each group g accepted in
    cycle t + ``skew(g)``. `latency` is the number of groups plus 1. No register has a reset.

    Parameters
    ----------
    width : int
        Bits of a delta, 1 to 1024.
    banks : int
        Lanes, 1 to 1024.

    Members
    -------
    lanes : In(stream.Signature(width)).array(banks)
        Deltas. Always ready.
    o : Out(width)
        A merged word in each cycle.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If a parameter is out of range.
    """

    @property
    def groups(self):
        """Number of groups."""
        return -(-self._banks // _GROUP)

    @property
    def latency(self):
        """Cycles from a delta of group 0 to the word that has it."""
        return self.groups + 1

    def group_of(self, lane):
        """Return the group that ``lane`` is in."""
        return lane // _GROUP

    def skew(self, group):
        """Return by how many cycles ``group`` is later than group 0."""
        return group

    def elaborate(self, platform):
        m = Module()
        word = C(0, self._width)
        for number in range(self.groups):
            lanes = self.lanes[number * _GROUP : (number + 1) * _GROUP]
            m.submodules[f"group{number}"] = group = LaneGroup(self._width, len(lanes))
            for outer, inner in zip(lanes, group.lanes, strict=True):
                wiring.connect(m, wiring.flipped(outer), inner)
            m.d.comb += group.i.eq(word)
            word = group.o
        m.d.comb += self.o.eq(word)
        return m


class MergeTree(_Merge):
    """Pairs of lanes, merged by 4 a level until one word is left.

    Every lane has the same way to go. All lanes are in group 0, whose skew is 0. The last levels
    bring together what comes from anywhere, so wires get longer with the number of lanes.

    Latency and throughput
    ----------------------
    A delta a cycle a lane. ``o`` in cycle t + `latency` is the XOR of what the lanes accepted in
    cycle t. `latency` is 1 and 1 more for each level. No register has a reset.

    Parameters
    ----------
    width : int
        Bits of a delta, 1 to 1024.
    banks : int
        Lanes, 1 to 1024.

    Members
    -------
    lanes : In(stream.Signature(width)).array(banks)
        Deltas. Always ready.
    o : Out(width)
        A merged word in each cycle.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If a parameter is out of range.
    """

    @property
    def groups(self):
        """Number of groups: 1."""
        return 1

    @property
    def latency(self):
        """Cycles from a delta to the word that has it."""
        levels, words = 0, -(-self._banks // _PAIR)
        while words > 1:
            levels, words = levels + 1, -(-words // _FAN_IN)
        return 1 + levels

    def group_of(self, lane):
        """Return the group that ``lane`` is in: 0."""
        return 0

    def skew(self, group):
        """Return by how many cycles ``group`` is later than group 0: 0."""
        return 0

    def elaborate(self, platform):
        m = Module()
        words = _pairs(m, self.lanes, self._width)
        for level in range(1, self.latency):
            merged = []
            for first in range(0, len(words), _FAN_IN):
                name = f"level{level}_word{first // _FAN_IN}"
                word = Signal(self._width, reset_less=True, name=name)
                m.d.sync += word.eq(reduce(xor, words[first : first + _FAN_IN]))
                merged.append(word)
            words = merged
        m.d.comb += self.o.eq(words[0])
        return m
