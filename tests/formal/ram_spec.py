"""What `BlockRam` promises, as a component that takes its place in proofs."""

from __future__ import annotations

from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["TrackedRam"]


class TrackedRam(wiring.Component):
    """What `BlockRam` promises of the word at one address; all else that is read is anything."""

    def __init__(self, shape: Any, depth: int) -> None:
        self.depth = depth
        address = ceil_log2(depth)
        super().__init__(
            {
                "fetch": In(1),
                "show": In(1),
                "read_address": In(address),
                "read_data": Out(shape),
                "write_enable": In(1),
                "write_address": In(address),
                "write_data": In(shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chosen = Value.cast(AnyConst(len(self.read_address)))
        at = Signal(len(self.read_address))
        m.d.comb += at.eq(Mux(chosen < self.depth, chosen, 0))

        width = Shape.cast(self.write_data.shape()).width
        word = Signal(width, reset_less=True)
        shown = Signal(width, reset_less=True)
        # The word was fetched last, and not written since.
        fetched = Signal(reset_less=True)
        written = Signal()
        m.d.comb += written.eq(self.write_enable & (self.write_address == at))
        m.d.sync += fetched.eq(Mux(self.fetch, self.read_address == at, fetched) & ~written)
        with m.If(written):
            m.d.sync += word.eq(self.write_data)
        with m.If(self.show):
            m.d.sync += shown.eq(Mux(fetched & ~written, word, AnySeq(width)))
        m.d.comb += Value.cast(self.read_data).eq(shown)
        return m
