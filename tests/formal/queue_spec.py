"""What is claimed of `ResponseQueue`, about responses at one place of it, which is any."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.asserts import AnySeq
from amaranth.hdl import Cat, Const, Module, Mux, Signal

from atomik_hdl.responses import ResponseQueue

from .ram_spec import TrackedRam
from .spec import Spec, free_inputs

__all__ = ["InOrder", "QueuePointers", "ResponsesHold"]

#: Cycles from the announcement of a response to its word, and to the output.
_WRITTEN, _LATENCY = 2, 5
#: The order of the places: that of a shift register with feedback.
_PLACES = [0]
while (place := _PLACES[-1] << 1 & 15 | (1 ^ _PLACES[-1] >> 3 ^ _PLACES[-1] >> 2) & 1) != 0:
    _PLACES.append(place)
_NO_PLACE = 15


class QueuePointers:
    """Where the responses of a queue are, with lemmas about its registers.

    Parameters
    ----------
    spec : Spec
    m : Module
    design, prefix : str
        Where the registers are.

    Attributes
    ----------
    registers : dict of str to int
        What has to be watched.
    stored : Signal
        Responses that are announced and not fetched.
    held : Value
        Those, and the ones that are fetched and shown.
    """

    registers: ClassVar = {
        "announced": 4,
        "before": 4,
        "head": 4,
        "drop": 1,
        "waiting": 1,
        "full": 1,
        "empty": 1,
        "o__valid": 1,
        "push": 2,
        "there": 1,
    }

    def __init__(self, spec: Spec, m: Module, design: str, prefix: str = "") -> None:
        self._m = m
        registers = {name: spec.register(design, prefix + name) for name in self.registers}
        self._head = registers["head"]
        valid, waiting = registers["o__valid"], registers["waiting"]
        self.stored = Signal(4)
        distance = self.distance(registers["announced"], "announced")
        m.d.comb += self.stored.eq(Mux(registers["drop"], 0, distance))
        self.held = self.stored + waiting + valid
        for earlier, later in zip(_PLACES, _PLACES[1:] + _PLACES[:1], strict=True):
            spec.lemma(
                m,
                registers["drop"]
                | (registers["announced"] != later)
                | (registers["before"] == earlier),
            )
        spec.lemma(m, registers["head"] != _NO_PLACE)
        spec.lemma(m, registers["drop"] | (registers["announced"] != _NO_PLACE))
        spec.lemma(m, registers["full"] == (waiting & valid))
        spec.lemma(m, registers["empty"] == ~valid)
        # Those that were announced two cycles ago at least can be fetched, if there are any.
        new = registers["push"][0] + registers["push"][1]
        spec.lemma(m, self.stored >= new)
        spec.lemma(m, registers["there"] == (self.stored != new))

    def distance(self, place: Any, name: str) -> Signal:
        """Return how many places ``place`` is behind the head."""
        m = self._m
        numbers = []
        for end, pointer in (("to", place), ("from", self._head)):
            number = Signal(4, name=f"{name}_{end}")
            with m.Switch(pointer):
                for index, state in enumerate(_PLACES):
                    with m.Case(state):
                        m.d.comb += number.eq(index)
            numbers.append(number)
        to, start = numbers
        distance = Signal(4, name=f"{name}_distance")
        m.d.comb += distance.eq(to - start + Mux(to < start, len(_PLACES), 0))
        return distance


class _QueueSpec(Spec):
    """One `ResponseQueue` or a mutant of it, which is given no more than it has room for."""

    def __init__(self, component: Any, shape: int) -> None:
        self.width = width = shape
        halves = {"ram0": width // 2, f"ram{width // 2}": width - width // 2}
        self.halves = {name: size for name, size in halves.items() if size}
        registers: dict[str, Any] = {**QueuePointers.registers, "tail": 4, "fetch": 1}
        for name, size in self.halves.items():
            registers |= {f"{name}.at": 4, f"{name}.word": size, f"{name}.fetched": 1}
        super().__init__({"q": component(width, technology=TrackedRam)}, {"q": registers})

    def common(self, m: Module) -> None:
        queue = self.designs["q"]
        free_inputs(m, queue, but=["announce"])
        self.owed = Signal(5)
        self.taken = queue.o.valid & queue.o.ready
        m.d.comb += queue.announce.eq(
            AnySeq(1) & (self.owed < ResponseQueue.capacity) & ~self.register("q", "drop")
        )
        m.d.sync += self.owed.eq(self.owed + queue.announce - self.taken)
        self.pointers = QueuePointers(self, m, "q")
        self.lemma(m, self.owed == self.pointers.held)


class InOrder(_QueueSpec):
    """Each response that was announced comes in its turn, with its word, as soon as it can.

    That is 5 cycles after it was announced, or right after the one before it was taken. Any may be
    followed on its way, one at a time.
    """

    def specify(self, m: Module) -> None:
        self.common(m)
        queue, pointers = self.designs["q"], self.pointers
        # The word is in two block RAMs, in both at the same place.
        slot, *others = (self.register("q", f"{half}.at") for half in self.halves)
        same = Cat(other == slot for other in others).all()
        show = ~queue.o.valid | queue.o.ready

        age = Signal(range(_LATENCY + 1))
        ahead = Signal.like(self.owed)
        expected = Signal(self.width)
        fetched, shown = Signal(), Signal()
        stored = (age != 0) & ~fetched & ~shown
        fetches = stored & self.register("q", "fetch") & (self.register("q", "head") == slot)
        done = shown & self.taken
        follows = AnySeq(1) & queue.announce & same & (self.register("q", "announced") == slot)
        with m.If(age == 0):
            with m.If(follows):
                m.d.sync += [age.eq(1), ahead.eq(self.owed - self.taken)]
        with m.Else():
            m.d.sync += [
                age.eq(Mux(done, 0, Mux(age == _LATENCY, age, age + 1))),
                ahead.eq(ahead - (self.taken & ~shown)),
                fetched.eq(fetches | (fetched & ~show)),
                shown.eq(~done & (shown | (fetched & show))),
            ]
        with m.If(age == _WRITTEN):
            m.d.sync += expected.eq(queue.word)

        place = pointers.distance(slot, "followed")
        behind = self.register("q", "waiting") + queue.o.valid
        kept = Const(1)
        words = []
        for half in self.halves:
            words.append(self.register("q", f"{half}.word"))
            kept = kept & self.register("q", f"{half}.fetched")
        word_kept = Cat(words) == expected
        self.lemma(m, (age == 0) | (same & (slot != _NO_PLACE)))
        self.lemma(m, (age != 0) | ~(fetched | shown))
        self.lemma(m, ~(fetched & shown))
        self.lemma(m, (age > _WRITTEN) | ~(fetched | shown))
        self.lemma(m, ~(stored & (age > _WRITTEN)) | word_kept)
        self.lemma(m, ~stored | ((place < pointers.stored) & (ahead == place + behind)))
        self.lemma(m, ~fetched | (kept & word_kept & self.register("q", "waiting")))
        self.lemma(m, ~fetched | ((ahead == queue.o.valid) & (place == len(_PLACES) - 1)))
        self.lemma(m, ~shown | (queue.o.valid & (queue.o.payload == expected) & (ahead == 0)))
        self.lemma(m, (age < _LATENCY - 1) | self.register("q", "waiting") | shown)
        self.lemma(m, (age < _LATENCY) | queue.o.valid)

        first = (age != 0) & (ahead == 0)
        self.claim(m, ~first | (queue.o.valid == (age == _LATENCY)))
        self.claim(m, ~(first & queue.o.valid) | (queue.o.payload == expected))
        self.claim(m, ~queue.o.valid | (self.owed != 0))


class ResponsesHold(_QueueSpec):
    """A response that was not taken is there in the next cycle, unchanged."""

    def specify(self, m: Module) -> None:
        self.common(m)
        response = self.designs["q"].o
        waited = Signal()
        payload = Signal(self.width)
        m.d.sync += [waited.eq(response.valid & ~response.ready), payload.eq(response.payload)]
        self.claim(m, ~waited | (response.valid & (response.payload == payload)))
