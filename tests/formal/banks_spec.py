"""What is claimed of `DeltaBanks` and of what merges its lanes.

Where deltas and tokens only pass through registers, nothing is stated about those registers: the
induction is as deep as the way is long, so all that is in them came in within its cycles.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_, xor
from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .spec import Spec, free_inputs

__all__ = ["GroupContract", "MergedWord", "OneWordBanks", "OneWordContext", "ResponsesHold"]

_PORTS = ("read", "swap")
_REQUESTS = ("load", *_PORTS)
_FIELDS = ("state", "accumulator")
#: Bits of the context with one copy of each control.
_PART = 16


def _delayed(m: Module, value: Any, cycles: int, name: str, *, reset: bool = False) -> list[Any]:
    """Return ``value`` and what it was 1 to ``cycles`` cycles ago, or 0 from before a reset."""
    values = [value]
    for age in range(1, cycles + 1):
        values.append(Signal.like(value, name=f"{name}_{age}", init=0, reset_less=not reset))
        m.d.sync += values[-1].eq(values[-2])
    return values


def _accepted(m: Module, lanes: Iterable[Any], width: int, name: str) -> Signal:
    """Return the XOR of what ``lanes`` accept in this cycle."""
    total = Signal(width, name=name)
    deltas = [Mux(lane.valid & lane.ready, lane.payload, 0) for lane in lanes]
    m.d.comb += total.eq(reduce(xor, deltas))
    return total


def _by_group(m: Module, design: Any, group_of: Any, groups: int, width: int) -> list[Signal]:
    lanes = list(enumerate(design.lanes))
    return [
        _accepted(m, [lane for n, lane in lanes if group_of(n) == group], width, f"group{group}")
        for group in range(groups)
    ]


class GroupContract(Spec):
    """A group adds to the word what its lanes accepted one cycle before the word came."""

    def __init__(self, component: Any, width: int, banks: int) -> None:
        self.width = width
        super().__init__({"p": component(width, banks)}, {})

    def specify(self, m: Module) -> None:
        group = self.designs["p"]
        free_inputs(m, group)
        for lane in group.lanes:
            self.claim(m, lane.ready)
        deltas = _delayed(m, _accepted(m, group.lanes, self.width, "deltas"), 2, "deltas")
        words = _delayed(m, group.i, 1, "word")
        self.claim(m, group.o == words[1] ^ deltas[2])


class MergedWord(Spec):
    """Each merged word is the XOR of what each group accepted in one cycle, at its skew."""

    def __init__(self, component: Any, width: int, banks: int) -> None:
        self.width = width
        super().__init__({"p": component(width, banks)}, {})

    def specify(self, m: Module) -> None:
        merge = self.designs["p"]
        free_inputs(m, merge)
        for lane in merge.lanes:
            self.claim(m, lane.ready)
        expected = []
        groups = _by_group(m, merge, merge.group_of, merge.groups, self.width)
        for group, deltas in enumerate(groups):
            cycles = merge.latency - merge.skew(group)
            expected.append(_delayed(m, deltas, cycles, f"group{group}")[-1])
        self.claim(m, merge.o == reduce(xor, expected))


class _BanksSpec(Spec):
    """One `DeltaBanks` or a mutant of it, with the registers of its ports."""

    def __init__(self, component: Any, width: int, banks: int, topology: str) -> None:
        self.width = width
        self.parts = -(-width // _PART)
        design = component(width, banks, topology=topology)
        #: From a delta to the merged word that has it.
        self.way = design.latency - 3
        words = ("state", "accumulator", "value", "delta", "load", "swap")
        copies = ["settled", "clear", "replace"]
        copies += [f"{port}_{name}" for port in _REQUESTS for name in ("free", "acts")]
        copies += [f"{port}_{field}_takes" for port in _PORTS for field in _FIELDS]
        bits = ["begun", "swap_keep", *(f"{port}_arrived" for port in _REQUESTS)]
        bits += [f"{port}_{name}" for port in _PORTS for name in ("full", "back")]
        shapes = dict.fromkeys(words, width) | dict.fromkeys(copies, self.parts)
        shapes |= dict.fromkeys(bits, 1) | {f"{port}_token": self.way for port in _REQUESTS}
        shapes["since"] = (self.way - 1).bit_length() + 1
        super().__init__({"p": design}, {"p": shapes})
        #: Bit n is set if none of the n + 1 cycles before this one had a reset.
        self.past = Signal(self.matures)

    @property
    def matures(self) -> int:
        """After how many cycles without a reset the context has the first deltas that count."""
        return self.way + 2

    def after(self, cycles: int) -> Any:
        """Return whether there was no reset for so many cycles."""
        return self.past[cycles - 1]

    def one_token_a_port(self, m: Module) -> None:
        """State the lemma that a port is free, or has one token, or one response.

        In the first cycle after a reset it has none of them.
        """
        banks = self.designs["p"]
        m.d.sync += self.past.eq(Cat(1, self.past))
        self.lemma(m, (self.past[1:] & ~self.past[:-1]) == 0)
        self.lemma(m, self.register("p", "begun") == self.after(1))
        self._counts(m, self.register("p", "since"))
        after_reset = ~self.after(1)
        for port in _REQUESTS:
            ready = getattr(banks, port).ready
            self.lemma(m, self.register("p", f"{port}_free") == self.in_all_parts(ready))
            arrived = self.register("p", f"{port}_arrived")
            places = [after_reset, ready, *self.on_its_way(port), arrived]
            if port in _PORTS:
                full = self.register("p", f"{port}_full")
                places += [full, self.register("p", f"{port}_back")]
                self.lemma(m, full | ~getattr(banks, f"{port}_response").valid)
            self.lemma(m, sum(places) == 1)

    def on_its_way(self, port: str) -> Any:
        """Return where a token of ``port`` is that is not from before a reset."""
        return self.register("p", f"{port}_token") & self.past[: self.way]

    def _counts(self, m: Module, since: Any) -> None:
        """State that the count ends, with its last bit, after as many cycles as it has to."""
        end = 2 ** (len(since) - 1)
        first = end - self.way
        self.lemma(m, (since >= first) & (since <= end))
        for number in range(self.way + 1):
            reached = self.after(number) if number else 1
            beyond = self.past[number] if number < self.way else 0
            self.lemma(m, (since != first + number) | (reached & ~beyond))

    def in_all_parts(self, bit: Any) -> Any:
        """Return ``bit`` once for each part of the context."""
        return Cat(bit for _ in range(self.parts))


class OneWordBanks(_BanksSpec):
    """Each response is what the algebra's table says of exactly the deltas that are covered.

    The model runs behind the lanes. In each of its cycles it takes the deltas which the groups
    accepted at their skews from one cycle, and then the tokens of that cycle. After a reset it
    leaves out, for each group, as many cycles as the skew says.
    """

    def specify(self, m: Module) -> None:
        banks = self.designs["p"]
        free_inputs(m, banks)
        for lane in banks.lanes:
            self.claim(m, lane.ready)
        lag = banks.latency - 1

        covered = self.covered(m, lag)

        request = Signal(
            data.StructLayout(
                {"load": 1, "value": self.width, "read": 1, "swap": 1, "swap_to": self.width + 1}
            )
        )
        m.d.comb += [
            request.load.eq(banks.load.valid & banks.load.ready),
            request.value.eq(banks.load.payload),
            request.read.eq(banks.read.valid & banks.read.ready),
            request.swap.eq(banks.swap.valid & banks.swap.ready),
            request.swap_to.eq(banks.swap.payload),
        ]
        tokens = _delayed(m, request.as_value(), lag, "tokens", reset=True)
        views = [data.View(request.shape(), token) for token in tokens]

        reference, accumulator = Signal(self.width), Signal(self.width)
        self._step(m, views[-1], covered, reference, accumulator)
        self.one_token_a_port(m)
        self._couple(m, views, covered)
        # Until there may be a token, nothing is in the model, and anything in the context.
        mature = self.after(self.matures)
        self.lemma(m, mature | ((reference == 0) & (accumulator == 0)))
        self.lemma(m, ~mature | (self.register("p", "state") == reference ^ accumulator))
        self.lemma(m, ~mature | (self.register("p", "accumulator") == accumulator))

        loads = [view.load for view in views[1:lag]]
        self.claim(m, banks.load.ready == (self.after(1) & ~reduce(or_, loads)))
        for port in _PORTS:
            response = getattr(banks, f"{port}_response")
            taken = response.valid & response.ready
            due = getattr(views[-1], port)
            waits, busy = Signal(name=f"{port}_waits"), Signal(name=f"{port}_busy")
            was_taken = Signal(name=f"{port}_was_taken")
            m.d.sync += [
                waits.eq(due | (waits & ~response.ready)),
                was_taken.eq(taken),
                busy.eq(getattr(request, port) | (busy & ~was_taken)),
            ]
            self.claim(m, response.valid == waits)
            self.claim(m, getattr(banks, port).ready == (self.after(1) & ~busy))
            self.lemma(m, self.register("p", f"{port}_back") == was_taken)
            for field, value in (("state", reference ^ accumulator), ("accumulator", accumulator)):
                expected = Signal(self.width, name=f"{port}_{field}")
                with m.If(due):
                    m.d.sync += expected.eq(value)
                self.claim(m, ~response.valid | (response.payload[field] == expected))

    def covered(self, m: Module, lag: int) -> Any:
        """Return what the groups accepted at their skews, ``lag`` - 1 cycles after group 0 did."""
        banks = self.designs["p"]
        parts = []
        groups = _by_group(m, banks, banks.group_of, banks.groups, self.width)
        for number, group in enumerate(groups):
            skew = banks.skew(number)
            counted = Signal(self.width, name=f"counted{number}")
            m.d.comb += counted.eq(Mux(self.after(skew), group, 0) if skew else group)
            parts.append(_delayed(m, counted, lag - 1 - skew, f"group{number}", reset=True)[-1])
        return reduce(xor, parts)

    def _couple(self, m: Module, views: Any, covered: Any) -> None:
        """State that each token is where the model's is, and each payload what came with it."""
        last = views[-1]
        for number, view in enumerate(views[1:], 1):
            any_token = view.load | view.read | view.swap
            self.lemma(m, ~any_token | self.after(min(number + 1, self.matures)))
            self.lemma(m, ~view.load | (self.register("p", "load") == view.value))
            self.lemma(m, ~view.swap | (self.register("p", "swap_keep") == view.swap_to[0]))
            self.lemma(m, ~view.swap | (self.register("p", "swap") == view.swap_to[1:]))
        for port in _REQUESTS:
            way = [getattr(view, port) for view in views[1 : self.way + 1]]
            self.lemma(m, self.on_its_way(port) == Cat(way))
            self.lemma(m, self.register("p", f"{port}_arrived") == getattr(views[-2], port))
        for port in _PORTS:
            due, waits = getattr(last, port), getattr(self.designs["p"], f"{port}_response").valid
            self.lemma(m, self.register("p", f"{port}_full") == (due | waits))
            self.lemma(m, ~(due & waits))

        # A control without a reset is what it should be one cycle after what it is made of.
        def copied(name: str, after: int, bit: Any) -> None:
            self.lemma(m, ~self.after(after) | (self.register("p", name) == self.in_all_parts(bit)))

        copied("settled", 1, self.after(self.way + 1))
        for port in _REQUESTS:
            copied(f"{port}_acts", 1, getattr(views[-2], port))
        for port in _PORTS:
            for field in _FIELDS:
                copied(f"{port}_{field}_takes", 2, getattr(last, port))
        held = ~self.after(self.matures)
        replaces = last.load | (last.swap & ~last.swap_to[0])
        copied("clear", 2, held | last.load | last.swap)
        copied("replace", 2, held | replaces)
        value = Mux(held, 0, Mux(last.load, last.value, last.swap_to[1:]))
        exact = self.register("p", "value") == value
        self.lemma(m, ~self.after(2) | ~(held | replaces) | exact)
        self.lemma(m, self.after(self.way + 1) | (covered == 0))
        self.lemma(m, ~self.after(self.way + 1) | (self.register("p", "delta") == covered))

    def _step(self, m: Module, token: Any, covered: Any, reference: Any, accumulator: Any) -> None:
        """Let the tokens of a cycle act in their order, and then the next cycle's deltas."""
        keep, value = token.swap_to[0], token.swap_to[1:]
        with m.If(token.swap):
            m.d.sync += reference.eq(Mux(keep, reference ^ accumulator, value))
        with m.If(token.load):
            m.d.sync += reference.eq(token.value)
        m.d.sync += accumulator.eq(Mux(token.load | token.swap, 0, accumulator) ^ covered)


class _AnyMerge(wiring.Component):
    """Stands for whatever merges lanes with a given latency: each of its words is free.

    What it replaces is beside it, with nothing connected.
    """

    def __init__(self, replaced: Any, width: int, latency: int) -> None:
        self.replaced = replaced
        self.width, self.latency, self.groups = width, latency, 1
        super().__init__({"lanes": In(stream.Signature(width)).array(1), "o": Out(width)})

    def skew(self, group: int) -> int:
        """Return 0: what a word covers is the merge's business."""
        return 0

    def group_of(self, lane: int) -> int:
        """Return 0: there is one group."""
        return 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.replaced = self.replaced
        m.d.comb += [self.lanes[0].ready.eq(1), self.o.eq(AnySeq(self.width))]
        return m


class OneWordContext(OneWordBanks):
    """Each response is what the algebra's table says of exactly the merged words that are covered.

    What merges the lanes is left open but for its latency. A word that comes ``latency`` cycles
    after a token covers the same cycle as it; it counts unless that cycle was before the end of a
    reset. With `GroupContract` and `MergedWord`, which say what a word is, this is `OneWordBanks`
    for as many lanes as that latency belongs to.
    """

    def __init__(self, component: Any, width: int, latency: int) -> None:
        def with_any_merge(width: int, banks: int, *, topology: str) -> Any:
            design = component(width, banks, topology=topology)
            design._merge = _AnyMerge(design._merge, width, latency)
            return design

        super().__init__(with_any_merge, width, 1, "chain")

    def covered(self, m: Module, lag: int) -> Any:
        """Return the merged word of the cycle before, if it counts."""
        counted = Signal(self.width)
        word = self.designs["p"]._merge.o
        m.d.sync += counted.eq(Mux(self.after(self.way), word, 0))
        return counted


class ResponsesHold(_BanksSpec):
    """A response that was not taken is there in the next cycle, unchanged."""

    def specify(self, m: Module) -> None:
        banks = self.designs["p"]
        free_inputs(m, banks)
        self.one_token_a_port(m)
        for port in _PORTS:
            response = getattr(banks, f"{port}_response")
            waited = Signal(name=f"{port}_waited")
            payload = Signal.like(response.payload.as_value(), init=0, name=f"{port}_payload")
            m.d.sync += [
                waited.eq(response.valid & ~response.ready),
                payload.eq(response.payload),
            ]
            self.claim(m, ~waited | (response.valid & (response.payload.as_value() == payload)))
