"""What is claimed of one `DeltaCore`: values, epochs, handshakes, reset."""

from __future__ import annotations

from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Module, Mux, ResetInserter, Signal

from .core_spec import PORTS, CoreSpec
from .spec import copy_inputs, free_inputs

__all__ = [
    "ExactLatency",
    "LatencyIndependentOfData",
    "MarkedDelta",
    "OneWordModel",
    "ResetCore",
    "ResponsesHold",
    "TwinResponses",
]


class OneWordModel(CoreSpec):
    """Each response is what the algebra's table says of a reference and an accumulator."""

    def __init__(self, component: Any, width: int) -> None:
        self.width = width
        super().__init__(component, p=width)

    def specify(self, m: Module) -> None:
        core = self.designs["p"]
        free_inputs(m, core)
        self.one_place_a_port(m, "p")

        reference = Signal(self.width)
        accumulator = Signal(self.width)
        after_swap = Signal(self.width)
        m.d.comb += after_swap.eq(
            Mux(core.swap.payload.keep, reference ^ accumulator, core.swap.payload.value)
        )
        epoch_ends = self.transfer("p", "load") | self.transfer("p", "swap")
        delta = Mux(self.transfer("p", "accum"), core.accum.payload, 0)
        m.d.sync += accumulator.eq(Mux(epoch_ends, 0, accumulator) ^ delta)
        with m.If(self.transfer("p", "load")):
            m.d.sync += reference.eq(core.load.payload)
        with m.Elif(self.transfer("p", "swap")):
            m.d.sync += reference.eq(after_swap)

        state, current = self.current("p")
        self.lemma(m, state == reference ^ accumulator)
        self.lemma(m, current == accumulator)
        for port in PORTS:
            asked = self.at_request(m, "p", port, self.transfer("p", port), "asked")
            with m.If(~self.transfer("p", port) & self._taken(port)):
                m.d.sync += asked.eq(0)
            expected_state = self.at_request(m, "p", port, reference ^ accumulator, "state")
            expected = self.at_request(m, "p", port, accumulator, "accumulator")
            response = self.response("p", port)
            self.lemma(m, asked == ~self.register("p", f"{port}_credit"))
            self.claim(m, ~response.valid | asked)

            def as_expected(
                state: Any, accumulator: Any, s: Any = expected_state, a: Any = expected
            ) -> Any:
                return (state == s) & (accumulator == a)

            capture = self.register("p", f"{port}_capture")
            self.lemma(m, ~capture | as_expected(*self.stored("p")))
            payload = response.payload
            self.claim(m, ~response.valid | as_expected(payload.state, payload.accumulator))

    def _taken(self, port: str) -> Any:
        response = self.response("p", port)
        return response.valid & response.ready


class MarkedDelta(CoreSpec):
    """Of two cores with equal traffic, one gets one delta with a mark on it.

    The mark is in every state and accumulator of the delta's epoch, once, and in no other
    accumulator; a keeping swap carries it on in the state. So the delta was neither lost nor
    counted twice, whatever came in the same cycle or in any other.
    """

    def __init__(self, component: Any, width: int) -> None:
        self.width = width
        super().__init__(component, p=width, q=width)

    def specify(self, m: Module) -> None:
        p, q = self.designs["p"], self.designs["q"]
        free_inputs(m, p)
        copy_inputs(m, q, p, but=["accum__payload"])
        mark = AnyConst(self.width)
        done, marking = Signal(), Signal()
        m.d.comb += marking.eq(~done & self.transfer("p", "accum") & AnySeq(1))
        m.d.comb += q.accum.payload.eq(p.accum.payload ^ Mux(marking, mark, 0))

        in_state, in_accumulator = Signal(), Signal()
        with m.If(self.transfer("p", "swap")):
            m.d.sync += in_accumulator.eq(0)
            with m.If(~p.swap.payload.keep):
                m.d.sync += in_state.eq(0)
        with m.If(self.transfer("p", "load")):
            m.d.sync += [in_accumulator.eq(0), in_state.eq(0)]
        with m.If(marking):
            m.d.sync += [done.eq(1), in_accumulator.eq(1), in_state.eq(1)]

        self.equal_handshakes(m, "p", "q")
        self.one_place_a_port(m, "p")
        self.lemma(m, done | ~(in_state | in_accumulator))
        (state, accumulator), (other_state, other) = self.current("p"), self.current("q")
        self.lemma(m, state ^ other_state == Mux(in_state, mark, 0))
        self.lemma(m, accumulator ^ other == Mux(in_accumulator, mark, 0))
        for port in PORTS:
            s = self.at_request(m, "p", port, in_state, "in_state")
            a = self.at_request(m, "p", port, in_accumulator, "in_accumulator")
            self.relate(
                m,
                "p",
                "q",
                port,
                lambda ps, pa, qs, qa, s=s, a=a: (
                    (ps ^ qs == Mux(s, mark, 0)) & (pa ^ qa == Mux(a, mark, 0))
                ),
            )


class LatencyIndependentOfData(CoreSpec):
    """Two cores with equal handshakes at their inputs and any data have equal ones outside."""

    def __init__(self, component: Any, width: int) -> None:
        super().__init__(component, p=width, q=width)

    def specify(self, m: Module) -> None:
        p, q = self.designs["p"], self.designs["q"]
        free_inputs(m, p)
        payloads = ["load__payload", "accum__payload", "swap__payload"]
        copy_inputs(m, q, p, but=payloads)
        m.d.comb += [
            q.load.payload.eq(AnySeq(len(q.load.payload))),
            q.accum.payload.eq(AnySeq(len(q.accum.payload))),
            q.swap.payload.eq(AnySeq(len(q.swap.payload.as_value()))),
        ]
        self.equal_handshakes(m, "p", "q")


class ExactLatency(CoreSpec):
    """Responses are valid two cycles after their request; the docstring's ``ready`` is exact."""

    def __init__(self, component: Any, width: int) -> None:
        super().__init__(component, p=width)

    def specify(self, m: Module) -> None:
        core = self.designs["p"]
        free_inputs(m, core)
        self.claim(m, core.load.ready)
        self.claim(m, core.accum.ready)
        for port in PORTS:
            age = Signal(2, name=f"{port}_age")
            response = self.response("p", port)
            with m.Switch(age):
                with m.Case(0):
                    m.d.sync += age.eq(getattr(core, port).valid)
                with m.Case(1):
                    m.d.sync += age.eq(2)
                with m.Default(), m.If(response.ready):
                    m.d.sync += age.eq(0)
            self.claim(m, getattr(core, port).ready == (age == 0))
            self.claim(m, response.valid == (age == 2))
            self.lemma(m, age != 3)


class ResponsesHold(CoreSpec):
    """A response that was not taken is there in the next cycle, unchanged."""

    def __init__(self, component: Any, width: int) -> None:
        super().__init__(component, p=width)

    def specify(self, m: Module) -> None:
        free_inputs(m, self.designs["p"])
        self.one_place_a_port(m, "p")
        for port in PORTS:
            response = self.response("p", port)
            waited = Signal(name=f"{port}_waited")
            payload = Signal.like(response.payload.as_value(), init=0, name=f"{port}_payload")
            m.d.sync += [
                waited.eq(response.valid & ~response.ready),
                payload.eq(response.payload),
            ]
            self.claim(m, ~waited | (response.valid & (response.payload.as_value() == payload)))


class TwinResponses(CoreSpec):
    """A read and a swap of the same cycle see the same state and accumulator."""

    def __init__(self, component: Any, width: int) -> None:
        super().__init__(component, p=width)

    def specify(self, m: Module) -> None:
        core = self.designs["p"]
        free_inputs(m, core)
        self.one_place_a_port(m, "p")
        read, swap = self.transfer("p", "read"), self.transfer("p", "swap")
        twins = Signal()
        with m.If(read | swap):
            m.d.sync += twins.eq(read & swap)
        capture = self.register("p", "read_capture")
        self.lemma(m, ~twins | (capture == self.register("p", "swap_capture")))
        slots = [self.register("p", f"{port}_slot").as_value() for port in PORTS]
        self.lemma(m, ~twins | capture | (slots[0] == slots[1]))
        a, b = core.read_response, core.swap_response
        both = twins & a.valid & b.valid
        self.claim(m, ~both | (a.payload.as_value() == b.payload.as_value()))


class ResetCore(CoreSpec):
    """A reset in any cycle, of the core alone, leaves zeros and no response."""

    def __init__(self, component: Any, width: int) -> None:
        super().__init__(component, p=width)
        self._reset = Signal()

    def submodule(self, name: str) -> Any:
        return ResetInserter(self._reset)(self.designs[name])

    def specify(self, m: Module) -> None:
        core = self.designs["p"]
        free_inputs(m, core)
        m.d.comb += self._reset.eq(AnySeq(1))
        was_reset, fresh = Signal(init=1), Signal(init=1)
        touched = (
            self.transfer("p", "load") | self.transfer("p", "accum") | self.transfer("p", "swap")
        )
        m.d.sync += [was_reset.eq(self._reset), fresh.eq(self._reset | (fresh & ~touched))]

        self.one_place_a_port(m, "p")
        for value in self.current("p"):
            self.lemma(m, ~fresh | (value == 0))
        for port in PORTS:
            response = self.response("p", port)
            self.claim(m, ~was_reset | (getattr(core, port).ready & ~response.valid))
            asked_fresh = self.at_request(m, "p", port, fresh, "fresh")
            capture = self.register("p", f"{port}_capture")
            for value in self.stored("p"):
                self.lemma(m, ~(capture & asked_fresh) | (value == 0))
            payload = response.payload.as_value()
            self.claim(m, ~(response.valid & asked_fresh) | (payload == 0))
