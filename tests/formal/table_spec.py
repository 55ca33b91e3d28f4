"""What is claimed of `DeltaTable` up to its queue of responses, about one context at any address.

The block RAM is replaced by what its docstring promises of one word, at an address that is any: a
proof holds for each kind of block RAM, and takes no longer for a deeper table. What the queue does
with the responses that go to it is in `queue_spec`.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.utils import ceil_log2

from atomik_hdl.responses import ResponseQueue
from atomik_hdl.table import TableOp

from .queue_spec import QueuePointers
from .ram_spec import TrackedRam
from .spec import Spec, free_inputs

__all__ = ["ClearTakesDepth", "OneWordTable", "RoomForResponses"]

#: The stage from which on the queue knows of a slot's response, and that in which it is written.
_ANNOUNCE, _PUSH = 7, 8
#: Requests waiting for their responses, from which on no more are taken in.
_ENOUGH = 11


class _TableSpec(Spec):
    """One `DeltaTable` or a mutant of it, and what every proof needs to know about its insides."""

    def __init__(self, component: Any, width: int, depth: int) -> None:
        self.width = width
        self.depth = depth
        address = ceil_log2(depth)
        registers = {
            "op_2": 3,
            "sweep_2": 1,
            "address_2": address,
            "operand_2": width,
            "address_8": address,
            "state_old_8": width,
            "accumulator_old_8": width,
            "pending": 5,
            "clear_1": 1,
            "sweep_1": 1,
            "goes_on_1": 1,
            "swept_1": address,
            "ram.at": address,
            "ram.word": 2 * width,
        }
        registers |= {f"queue.{name}": shape for name, shape in QueuePointers.registers.items()}
        super().__init__({"p": component(width, depth, technology=TrackedRam)}, {"p": registers})

    def watched_register(self, name: str) -> Any:
        """Return a register of the table."""
        return self.register("p", name)

    def common(self, m: Module) -> None:
        """Add the model of the context, and what is true of the table in every cycle."""
        free_inputs(m, self.designs["p"])
        self._model(m)
        self._counts(m)
        self._sweep(m)

    def _model(self, m: Module) -> None:
        """The algebra's table, at the requests."""
        table, w = self.designs["p"], self.watched_register
        request = table.i.payload
        self.at = w("ram.at")
        self.transfer = table.i.valid & table.i.ready
        self.responds = Signal()
        for op in (TableOp.READ, TableOp.SWAP, TableOp.SWAP_TO):
            with m.If(request.op == op):
                m.d.comb += self.responds.eq(self.transfer)
        # What is not in `TableOp` does nothing, or the same as CLEAR.
        self.clears = self.transfer & ((request.op == TableOp.CLEAR) | (request.op.as_value() == 7))
        self.taken = table.o.valid & table.o.ready
        self.reference = Signal(self.width)
        self.accumulator = Signal(self.width)
        with m.If(self.transfer & (request.address == self.at)):
            self._act(m, request.op.as_value(), request.data, self.reference, self.accumulator)
        with m.If(self.clears):
            m.d.sync += [self.reference.eq(0), self.accumulator.eq(0)]

    def _act(self, m: Module, op: Any, operand: Any, reference: Any, accumulator: Any) -> None:
        with m.Switch(op):
            with m.Case(TableOp.ACCUM):
                m.d.sync += accumulator.eq(accumulator ^ operand)
            with m.Case(TableOp.LOAD, TableOp.SWAP_TO):
                m.d.sync += [reference.eq(operand), accumulator.eq(0)]
            with m.Case(TableOp.SWAP):
                m.d.sync += [reference.eq(reference ^ accumulator), accumulator.eq(0)]

    def _counts(self, m: Module) -> None:
        """Responses that are owed, and the cycles of a sweep that are left."""
        self.owed = Signal(range(64))
        m.d.sync += self.owed.eq(self.owed + self.responds - self.taken)
        self.quiet = Signal(range(self.depth + 1), init=self.depth)
        with m.If(self.clears):
            m.d.sync += self.quiet.eq(self.depth)
        with m.Elif(self.quiet != 0):
            m.d.sync += self.quiet.eq(self.quiet - 1)

    def delayed(self, m: Module, value: Any, cycles: int, name: str, *, reset: bool) -> list[Any]:
        """Return ``value`` and what it was 1 to ``cycles`` cycles ago."""
        values = [value]
        for age in range(1, cycles + 1):
            values.append(Signal.like(value, name=f"{name}_{age}", init=0, reset_less=not reset))
            m.d.sync += values[-1].eq(values[-2])
        return values

    def _sweep(self, m: Module) -> None:
        """State that a sweep goes through all contexts, in order."""
        w = self.watched_register
        sweep, swept = w("sweep_1"), w("swept_1")
        follows = w("sweep_2") & (w("address_2") != self.depth - 1)
        # It stands one past the last context for a cycle, if its bits go that far.
        self.lemma(m, swept <= self.depth)
        self.lemma(m, ~w("clear_1") | (swept == 0))
        self.lemma(m, sweep == (w("clear_1") | ((swept != 0) & (swept != self.depth))))
        self.lemma(m, w("goes_on_1") == ((swept != 0) & (swept < self.depth - 1)))
        self.lemma(m, ~follows | w("clear_1") | (sweep & (swept == w("address_2") + 1)))
        self.lemma(m, ~sweep | w("clear_1") | (w("sweep_2") & (w("address_2") + 1 == swept)))
        self.lemma(m, self.quiet == Mux(sweep, self.depth - swept, 0))
        # So the word is zero until the sweep is over.
        self.lemma(m, (self.quiet == 0) | ~self.designs["p"].i.ready)
        self.lemma(m, (self.quiet == 0) | (Cat(self.reference, self.accumulator) == 0))

    def _slots(self, m: Module) -> None:
        """State that the RAM has what the slots that left the pipeline made of the word."""
        w = self.watched_register
        here = w("address_2") == self.at
        reference = Signal(self.width, name="slot_reference", reset_less=True)
        accumulator = Signal(self.width, name="slot_accumulator", reset_less=True)
        with m.If(here):
            with m.If(w("sweep_2")):
                m.d.sync += [reference.eq(0), accumulator.eq(0)]
            with m.Else():
                self._act(m, w("op_2"), w("operand_2"), reference, accumulator)
        state = reference ^ accumulator

        # A sweep has begun and not yet come to the word.
        dirty = Signal(reset_less=True)
        m.d.sync += dirty.eq(w("clear_1") | (dirty & ~(w("sweep_2") & here)))
        self.lemma(m, ~dirty | (w("sweep_2") & (w("address_2") <= self.at)))
        before = self.delayed(m, self.reference, 2, "model_reference", reset=False)
        before_accumulator = self.delayed(m, self.accumulator, 2, "model_accumulator", reset=False)
        self.lemma(m, ~dirty | (Cat(before[1], before_accumulator[1]) == 0))
        self.lemma(m, dirty | (reference == before[2]))
        self.lemma(m, dirty | (accumulator == before_accumulator[2]))

        states = self.delayed(m, state, 7, "slot_state", reset=False)
        accumulators = self.delayed(m, accumulator, 7, "slot_accumulator", reset=False)
        word = w("ram.word")
        self.lemma(m, word[: self.width] == states[7])
        self.lemma(m, word[self.width :] == accumulators[7])
        # What a slot of a sweep reads has no meaning.
        swept = self.delayed(m, w("sweep_2"), 6, "slot_swept", reset=False)
        there = (w("address_8") == self.at) & ~swept[6]
        self.lemma(m, ~there | (w("state_old_8") == states[6]))
        self.lemma(m, ~there | (w("accumulator_old_8") == accumulators[6]))


class OneWordTable(_TableSpec):
    """What goes to the queue is the one-word model's state and accumulator before the request.

    It goes there 8 cycles after each request that responds, in the order of these, and nothing
    else does. A reset drops what has not gone.
    """

    def specify(self, m: Module) -> None:
        self.common(m)
        w = self.watched_register
        self._slots(m)
        asked = self.delayed(m, self.responds, _PUSH, "asked", reset=True)
        here = self.designs["p"].i.payload.address == self.at
        here = self.delayed(m, here, _PUSH, "here", reset=True)
        word = Signal(2 * self.width)
        m.d.comb += word.eq(Cat(self.reference ^ self.accumulator, self.accumulator))
        words = self.delayed(m, word, _PUSH, "word", reset=True)
        pushes = w("queue.push")[1]
        self.claim(m, pushes == asked[_PUSH])
        old = Cat(w("state_old_8"), w("accumulator_old_8"))
        self.claim(m, ~(pushes & here[_PUSH]) | (old == words[_PUSH]))


class ClearTakesDepth(_TableSpec):
    """No request transfers in the cycles that a CLEAR or a reset takes, one for each context."""

    def specify(self, m: Module) -> None:
        self.common(m)
        self.claim(m, (self.quiet == 0) | ~self.designs["p"].i.ready)


class RoomForResponses(_TableSpec):
    """No more responses are owed than have room, and with few owed requests transfer again."""

    def specify(self, m: Module) -> None:
        self.common(m)
        asked = self.delayed(m, self.responds, _ANNOUNCE - 1, "asked", reset=True)
        taken = self.delayed(m, self.taken, 2, "taken", reset=True)
        owed = self.owed + taken[1] + taken[2]
        self.lemma(m, self.watched_register("pending") + sum(asked[1:4]) == 5 + owed)
        queue = QueuePointers(self, m, "p", "queue.")
        self.lemma(m, self.owed == sum(asked[1:_ANNOUNCE]) + queue.held)
        few = self.delayed(m, self.owed < _ENOUGH, 4, "few", reset=True)
        self.claim(m, self.owed <= ResponseQueue.capacity)
        self.claim(m, ~Cat(few).all() | (self.quiet != 0) | self.designs["p"].i.ready)
