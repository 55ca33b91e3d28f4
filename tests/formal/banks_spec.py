"""What is claimed of `DeltaBanks` and of what merges its lanes.

Where deltas and tokens only pass through registers, nothing is stated about those registers: the
induction is as deep as the way is long, so all that is in them came in within its cycles.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_, xor
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data

from .spec import Spec, free_inputs

__all__ = ["GroupContract", "MergedWord", "OneWordBanks", "ResponsesHold"]

_PORTS = ("read", "swap")


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
        design = component(width, banks, topology=topology)
        shapes: dict[str, Any] = {"state": width, "accumulator": width}
        shapes["fresh"] = design.latency - 3
        shapes |= {f"{port}_token": design.latency - 1 for port in ("load", *_PORTS)}
        shapes |= {f"{port}_{name}": 1 for port in _PORTS for name in ("full", "back")}
        super().__init__({"p": design}, {"p": shapes})

    def one_token_a_port(self, m: Module) -> None:
        """State the lemma that a port is free, or has one token, or one response.

        In the first cycle after a reset it has none of them.
        """
        banks = self.designs["p"]
        after_reset = ~self.register("p", "fresh")[0]
        for port in ("load", *_PORTS):
            token = self.register("p", f"{port}_token")
            places = [after_reset, getattr(banks, port).ready, *token[:-1]]
            if port in _PORTS:
                full, waits = self.register("p", f"{port}_full"), self._waits(port)
                places += [full, self.register("p", f"{port}_back")]
                self.lemma(m, full == (token[-1] | waits))
                self.lemma(m, ~(token[-1] & waits))
            self.lemma(m, sum(places) == 1)

    def _waits(self, port: str) -> Any:
        return getattr(self.designs["p"], f"{port}_response").valid


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

        age = Signal(range(banks.groups + 1))
        m.d.sync += age.eq(Mux(age == banks.groups, age, age + 1))
        covered = []
        groups = _by_group(m, banks, banks.group_of, banks.groups, self.width)
        for number, group in enumerate(groups):
            skew = banks.skew(number)
            counted = Signal(self.width, name=f"counted{number}")
            m.d.comb += counted.eq(Mux(age >= skew, group, 0))
            covered.append(_delayed(m, counted, lag - 1 - skew, f"group{number}", reset=True)[-1])

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
        self._step(m, views[-1], reduce(xor, covered), reference, accumulator)
        self.one_token_a_port(m)
        self.lemma(m, self.register("p", "state") == reference ^ accumulator)
        self.lemma(m, self.register("p", "accumulator") == accumulator)

        loads = [view.load for view in views[1:lag]]
        self.claim(m, banks.load.ready == ((age > 0) & ~reduce(or_, loads)))
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
            self.claim(m, getattr(banks, port).ready == ((age > 0) & ~busy))
            for field, value in (("state", reference ^ accumulator), ("accumulator", accumulator)):
                expected = Signal(self.width, name=f"{port}_{field}")
                with m.If(due):
                    m.d.sync += expected.eq(value)
                self.claim(m, ~response.valid | (response.payload[field] == expected))

    def _step(self, m: Module, token: Any, covered: Any, reference: Any, accumulator: Any) -> None:
        """Let the tokens of a cycle act in their order, and then the next cycle's deltas."""
        keep, value = token.swap_to[0], token.swap_to[1:]
        with m.If(token.swap):
            m.d.sync += reference.eq(Mux(keep, reference ^ accumulator, value))
        with m.If(token.load):
            m.d.sync += reference.eq(token.value)
        m.d.sync += accumulator.eq(Mux(token.load | token.swap, 0, accumulator) ^ covered)


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
