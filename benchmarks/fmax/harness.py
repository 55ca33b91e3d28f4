"""A component between registers, with four pins whatever its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Harness"]


class Harness(wiring.Component):
    """Registers on all ports of ``design``, so that all paths that are timed begin and end in one.

    Every input bit is a stage of a shift register, the reset included, so that it may change in
    every clock. There is a shift register with feedback for each input, and for each word of the
    lanes; they branch off a stem, itself a shift register, that begins at the pin ``i``. (In one
    row they would be so long that Yosys runs out of stack.) Every output bit is
    sampled by a register, and the samples go into a last shift register, whose stages add one
    sample each: what comes out at ``o`` depends on all of them, so nothing can be left out.

    No net of these goes further than to the next stage, there is no reset, and no more than one LUT
    between two registers.

    Parameters
    ----------
    design : wiring.Component
        What is measured; all its registers are in ``sync``.
    lanes_per_word : int
        By how many neighbours of an array of streams called ``lanes`` the bits of a payload are
        shared, each turned by another number of bits. 1 gives each lane its own. More make room for
        more lanes: the design needs the same gates and registers.

    Members
    -------
    clk : In(1)
    i : In(1)
    o : Out(1)

    Raises
    ------
    TypeError
        If ``lanes_per_word`` is not a positive integer.
    """

    def __init__(self, design: Any, *, lanes_per_word: int = 1) -> None:
        if not isinstance(lanes_per_word, int) or lanes_per_word < 1:
            raise TypeError(f"Lanes per word must be a positive integer, not {lanes_per_word!r}")
        self._design = design
        self._lanes_per_word = lanes_per_word
        super().__init__({"clk": In(1), "i": In(1), "o": Out(1)})

    @property
    def cost(self) -> tuple[int, int]:
        """LUTs and registers of the harness alone."""
        fed = [1, *map(len, self._inputs), *(self._group_bits(group) for group in self._groups)]
        sampled = sum(map(len, self._outputs))
        return len(fed) + sampled - 1, len(fed) + sum(fed) + 2 * sampled

    @property
    def _groups(self) -> list[Sequence[Any]]:
        """The lanes that share a word each."""
        lanes, share = self._lanes, self._lanes_per_word
        return [lanes[first : first + share] for first in range(0, len(lanes), share)]

    @staticmethod
    def _group_bits(group: Sequence[Any]) -> int:
        return len(group) + len(Value.cast(group[0].payload))

    @property
    def _lanes(self) -> Sequence[Any]:
        return getattr(self._design, "lanes", ())

    @property
    def _inputs(self) -> list[Value]:
        """What is fed bit by bit: all but the lanes."""
        return self._ports(In)

    @property
    def _outputs(self) -> list[Value]:
        """What is sampled: all but the ``ready`` of the lanes, which is constant."""
        return self._ports(Out)

    def _ports(self, flow: Any) -> list[Value]:
        return [
            Value.cast(value)
            for path, member, value in self._design.signature.flatten(self._design)
            if member.flow is flow and path[0] != "lanes" and len(Value.cast(value))
        ]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += ClockSignal().eq(self.clk)
        m.submodules.design = self._design

        stem: list[Signal] = []

        def feed(width: int) -> Signal:
            root = Signal(name=f"stem{len(stem)}", reset_less=True)
            word = Signal(width, name=f"feed{len(stem)}", reset_less=True)
            # Without the loop the branches would be the same bits at other times, and one row of
            # registers, with gates of the design shared, would be left of all of them.
            m.d.sync += [
                root.eq(stem[-1] if stem else self.i),
                word.eq(Cat(root ^ word[-1], word)),
            ]
            stem.append(root)
            return word

        m.d.comb += ResetSignal().eq(feed(1))
        for value in self._inputs:
            m.d.comb += value.eq(feed(len(value)))
        for group in self._groups:
            width = len(Value.cast(group[0].payload))
            word = feed(self._group_bits(group))
            for number, lane in enumerate(group):
                turned = word[:width].rotate_left(number * width // self._lanes_per_word)
                m.d.comb += [lane.payload.eq(turned), lane.valid.eq(word[width + number])]

        results = Cat(self._outputs)
        sample = Signal(len(results), reset_less=True)
        fold = Signal(len(results), reset_less=True)
        m.d.sync += [sample.eq(results), fold.eq(Cat(0, fold) ^ sample)]
        m.d.comb += self.o.eq(fold[-1])
        return m
