"""What is claimed of `ResponseQueue`, about responses at one place of it, which is any."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.asserts import AnySeq
from amaranth.hdl import Module, Mux, Signal

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
#: Responses that may be written and not fetched, if there are three in front of them.
_STORED = 12


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
        Responses that are written and not fetched.
    ahead : Value
        Responses that are fetched and not taken.
    held : Value
        All that are announced and not taken.
    """

    registers: ClassVar = {
        "stored": _STORED,
        "head": 4,
        "tail": 4,
        "drop": 2,
        "advance": 1,
        "waiting": 1,
        "full": 1,
        "free": 1,
        "stuck": 1,
        "moves": 1,
        "held": 1,
        "keep": 1,
        "o__valid": 1,
        "push": 2,
        "still": 2,
    }

    def __init__(self, spec: Spec, m: Module, design: str, prefix: str = "") -> None:
        self._m = m
        names = {name: spec.register(design, prefix + name) for name in self.registers}
        self._head = names["head"]
        valid, waiting, full = (names[name] for name in ("o__valid", "waiting", "full"))
        more, push, drop = names["stored"], names["push"], names["drop"]
        self.stored = Signal(4)
        m.d.comb += self.stored.eq(Mux(drop[1], 0, sum(more)))
        self.ahead = waiting + full + valid
        self.held = push[0] + push[1] + self.stored + self.ahead
        # Bit n says that there are more than n. More than one are there only behind two others.
        spec.lemma(m, ~((~more[:-1] & more[1:]).any()))
        spec.lemma(m, drop[1] | ~more[1] | (waiting & valid))
        spec.lemma(m, names["head"] != _NO_PLACE)
        spec.lemma(m, drop[0] | (names["tail"] != _NO_PLACE))
        spec.lemma(m, drop[0] | (self.distance(names["tail"], "tail") == sum(more)))
        spec.lemma(m, names["advance"] == (push[1] | (drop == 1)))
        spec.lemma(m, names["still"] == ~push)
        spec.lemma(m, names["stuck"] == (waiting & full))
        spec.lemma(m, names["moves"] == ~(names["stuck"] | drop[1]))
        spec.lemma(m, names["free"] == ~(full | drop[1]))
        spec.lemma(m, names["keep"] == names["held"])
        spec.lemma(m, ~names["held"] | valid)
        spec.lemma(m, ~full | names["held"])
        # After a reset there is none in front; what is stored is gone a clock later.
        spec.lemma(m, drop != 2)
        spec.lemma(m, ~drop[0] | ~(waiting | valid | push[1]))
        spec.lemma(m, ~drop[1] | ~push[0])
        spec.lemma(m, (drop != 1) | ~more[0])

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
        registers: dict[str, Any] = {**QueuePointers.registers, "kept": width}
        registers |= {"ram.at": 4, "ram.word": width, "ram.fetched": 1, "ram.shown": width}
        super().__init__({"q": component(width, technology=TrackedRam)}, {"q": registers})

    def common(self, m: Module) -> None:
        queue = self.designs["q"]
        free_inputs(m, queue, but=["announce"])
        self.owed = Signal(5)
        self.taken = queue.o.valid & queue.o.ready
        m.d.comb += queue.announce.eq(AnySeq(1) & (self.owed < ResponseQueue.capacity))
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
        names = ("head", "tail", "stuck", "free", "held", "full", "waiting")
        head, tail, stuck, free, held, full, waiting = (self.register("q", n) for n in names)
        push = self.register("q", "push")
        slot, word = self.register("q", "ram.at"), self.register("q", "ram.word")

        age = Signal(range(_LATENCY + 1))
        ahead = Signal.like(self.owed)
        expected = Signal(self.width)
        # It is stored, then fetched, then shown by the block RAM, then perhaps kept.
        fetched, shown, kept = Signal(), Signal(), Signal()
        stored = (age > _WRITTEN) & ~fetched & ~shown & ~kept
        fetches = stored & ~stuck & (head == slot)
        done = (kept | (shown & ~held)) & self.taken
        elsewhere = (age == _WRITTEN) & (tail != slot)
        with m.If(age == 0):
            with m.If(AnySeq(1) & queue.announce):
                m.d.sync += [age.eq(1), ahead.eq(self.owed - self.taken)]
        with m.Else():
            m.d.sync += [
                age.eq(Mux(done | elsewhere, 0, Mux(age == _LATENCY, age, age + 1))),
                ahead.eq(ahead - (self.taken & (ahead != 0))),
                fetched.eq(fetches | (fetched & ~free)),
                shown.eq((fetched & free) | (shown & held)),
                kept.eq((kept | (shown & ~held)) & ~queue.o.ready),
            ]
        with m.If(age == _WRITTEN):
            m.d.sync += expected.eq(queue.word)

        place = pointers.distance(slot, "followed")
        self.lemma(m, (age > _WRITTEN) | ~(fetched | shown | kept))
        self.lemma(m, fetched + shown + kept <= 1)
        self.lemma(m, (age <= _WRITTEN) | (slot != _NO_PLACE))
        self.lemma(
            m, (age != 1) | (push[0] & (ahead == push[1] + pointers.stored + pointers.ahead))
        )
        self.lemma(m, (age != _WRITTEN) | (push[1] & (ahead == pointers.stored + pointers.ahead)))
        self.lemma(m, ~stored | (word == expected))
        self.lemma(m, ~stored | ((place < pointers.stored) & (ahead == place + pointers.ahead)))
        self.lemma(m, ~fetched | ((word == expected) & self.register("q", "ram.fetched")))
        self.lemma(m, ~fetched | (waiting & (place == len(_PLACES) - 1)))
        self.lemma(m, ~fetched | (ahead == full + queue.o.valid))
        self.lemma(m, ~shown | (self.register("q", "ram.shown") == expected))
        self.lemma(m, ~shown | (queue.o.valid & (held == full) & (ahead == held)))
        self.lemma(m, ~kept | (self.register("q", "kept") == expected))
        self.lemma(m, ~kept | (held & (ahead == 0)))
        self.lemma(m, (age < _LATENCY - 1) | waiting | shown | kept)
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
