"""The algebra, claimed of two cores side by side with no model between."""

from __future__ import annotations

from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Module, Mux, Signal

from .core_spec import PORTS, CoreSpec
from .spec import copy_inputs, free_inputs

__all__ = [
    "AccumulateOfZero",
    "KeepingSwap",
    "SameInAnyOrder",
    "SliceOfCore",
    "TwiceIsNever",
]


class _TwoDeltas(CoreSpec):
    """Two cores with equal traffic, but for two deltas within one epoch."""

    def __init__(self, component: Any, width: int) -> None:
        self.width = width
        super().__init__(component, p=width, q=width)

    def deltas(self, m: Module) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Return what the two cores get at first, and then; None is no transfer."""
        raise NotImplementedError

    def specify(self, m: Module) -> None:
        p, q = self.designs["p"], self.designs["q"]
        free_inputs(m, p, but=["accum__payload", "accum__valid"])
        copy_inputs(m, q, p, but=["accum__payload", "accum__valid"])
        first, second = self.deltas(m)

        between, spoilt, now = Signal(), Signal(), Signal()
        epoch_ends = self.transfer("p", "load") | self.transfer("p", "swap")
        # An epoch that ends between the two deltas leaves nothing to compare.
        with m.If(between & epoch_ends):
            m.d.sync += spoilt.eq(1)
        done = Signal()
        m.d.comb += now.eq(AnySeq(1) & ~done)
        with m.If(now):
            m.d.sync += [between.eq(~between), done.eq(between)]

        other_valid, other = AnySeq(1), AnySeq(self.width)
        for core, a, b in ((p, first[0], second[0]), (q, first[1], second[1])):
            with m.If(~now):
                m.d.comb += [core.accum.valid.eq(other_valid), core.accum.payload.eq(other)]
            for when, delta in ((~between, a), (between, b)):
                if delta is not None:
                    with m.If(now & when):
                        m.d.comb += [core.accum.valid.eq(1), core.accum.payload.eq(delta)]

        self.equal_handshakes(m, "p", "q")
        self.one_place_a_port(m, "p")
        difference = Mux(between, (0 if first[0] is None else first[0]) ^ first[1], 0)
        (state, accumulator), (other_state, other_accumulator) = (
            self.current("p"),
            self.current("q"),
        )
        self.lemma(m, spoilt | (state ^ other_state == difference))
        self.lemma(m, spoilt | (accumulator ^ other_accumulator == difference))
        for port in PORTS:
            same = self.at_request(m, "p", port, ~between & ~spoilt, "same")
            self.relate(
                m,
                "p",
                "q",
                port,
                lambda ps, pa, qs, qa, same=same: ~same | ((ps == qs) & (pa == qa)),
            )


class TwiceIsNever(_TwoDeltas):
    """A delta accumulated twice in an epoch leaves state and accumulator as they were."""

    def deltas(self, m: Module) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        delta = AnyConst(self.width)
        return (None, delta), (None, delta)


class SameInAnyOrder(_TwoDeltas):
    """Any two deltas of an epoch give the same in either order."""

    def deltas(self, m: Module) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        one, other = AnyConst(self.width), AnyConst(self.width)
        return (one, other), (other, one)


class AccumulateOfZero(CoreSpec):
    """One core gets any number of zeros more than the other."""

    def __init__(self, component: Any, width: int) -> None:
        super().__init__(component, p=width, q=width)

    def specify(self, m: Module) -> None:
        p, q = self.designs["p"], self.designs["q"]
        free_inputs(m, p)
        copy_inputs(m, q, p, but=["accum__payload", "accum__valid"])
        m.d.comb += [
            q.accum.valid.eq(p.accum.valid | AnySeq(1)),
            q.accum.payload.eq(Mux(p.accum.valid, p.accum.payload, 0)),
        ]
        self.equal_handshakes(m, "p", "q")
        self.one_place_a_port(m, "p")
        for left, right in zip(self.current("p"), self.current("q"), strict=True):
            self.lemma(m, left == right)
        for port in PORTS:
            self.relate(m, "p", "q", port, lambda ps, pa, qs, qa: (ps == qs) & (pa == qa))


class KeepingSwap(CoreSpec):
    """One core gets any number of keeping swaps, the other none; reads see one state."""

    def __init__(self, component: Any, width: int) -> None:
        super().__init__(component, p=width, q=width)

    def specify(self, m: Module) -> None:
        p, q = self.designs["p"], self.designs["q"]
        free_inputs(m, p, but=["swap__valid"])
        copy_inputs(m, q, p, but=["swap__valid", "swap__payload", "swap_response__ready"])
        m.d.comb += [
            q.swap.valid.eq(AnySeq(1)),
            q.swap.payload.keep.eq(1),
            q.swap.payload.value.eq(AnySeq(len(q.swap.payload.value))),
            q.swap_response.ready.eq(AnySeq(1)),
        ]
        self.one_place_a_port(m, "p")
        self.one_place_a_port(m, "q")
        self.claim(m, p.read.ready == q.read.ready)
        self.claim(m, p.read_response.valid == q.read_response.valid)
        self.lemma(m, self.register("p", "read_capture") == self.register("q", "read_capture"))
        self.lemma(m, self.current("p")[0] == self.current("q")[0])
        self.relate(m, "p", "q", "read", lambda ps, pa, qs, qa: ps == qs)


class SliceOfCore(CoreSpec):
    """Bit k of a core and a one-bit core fed with bit k, for a k that is anything."""

    def __init__(self, component: Any, width: int) -> None:
        self.width = width
        super().__init__(component, p=width, q=1)

    def specify(self, m: Module) -> None:
        p, q = self.designs["p"], self.designs["q"]
        free_inputs(m, p)
        copy_inputs(m, q, p, but=["load__payload", "accum__payload", "swap__payload"])
        free = AnyConst(range(self.width))
        k = Signal(range(self.width))
        m.d.comb += k.eq(Mux(free < self.width, free, 0))

        def bit(word: Any) -> Any:
            return word.bit_select(k, 1)

        m.d.comb += [
            q.load.payload.eq(bit(p.load.payload)),
            q.accum.payload.eq(bit(p.accum.payload)),
            q.swap.payload.keep.eq(p.swap.payload.keep),
            q.swap.payload.value.eq(bit(p.swap.payload.value)),
        ]
        self.equal_handshakes(m, "p", "q")
        self.one_place_a_port(m, "p")
        for wide, one in zip(self.current("p"), self.current("q"), strict=True):
            self.lemma(m, bit(wide) == one)
        for port in PORTS:
            self.relate(m, "p", "q", port, lambda ps, pa, qs, qa: (bit(ps) == qs) & (bit(pa) == qa))
