"""Responses of a table, waiting to be taken."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .ram import make_ram

__all__ = ["ResponseQueue"]


class ResponseQueue(wiring.Component):
    """Up to 15 responses in block RAM, the one at the output included.

    The pusher sees to it that there is room, and announces each response: ``word`` is taken two
    clocks after ``announce`` was high. A reset drops all responses; none is announced in the clock
    after it.

    Latency from announcement to output: 5 clocks. Throughput: one response a clock.

    Parameters
    ----------
    shape : shape-like
        Of a response.
    technology : str or None
        As in `BlockRam`.

    Members
    -------
    announce : In(1)
    word : In(shape)
    o : Out(stream.Signature(shape))
    """

    #: Responses that find room.
    capacity = 15

    def __init__(self, shape, *, technology=None):
        self._technology = technology
        super().__init__(
            {
                "announce": In(1),
                "word": In(shape),
                "o": Out(stream.Signature(shape)),
            }
        )

    def elaborate(self, platform):
        m = Module()

        # A reset leaves the pointers alone but for making them equal, one clock later: a reset of
        # `head` would stand between `fetch` and its enable.
        announced = Signal(_PLACE_BITS, reset_less=True)
        before = Signal(_PLACE_BITS, reset_less=True, init=_BEFORE_FIRST)
        head = Signal(_PLACE_BITS, reset_less=True)
        drop = Signal(init=1)
        m.d.sync += drop.eq(0)
        with m.If(self.announce):
            m.d.sync += [announced.eq(_following(announced)), before.eq(announced)]
        with m.If(drop):
            m.d.sync += [announced.eq(head), before.eq(_preceding(head))]

        push = Signal(2)
        tail = Signal(_PLACE_BITS, reset_less=True)
        last_announced = Signal(_PLACE_BITS, reset_less=True)
        m.d.sync += [
            push.eq(Cat(self.announce, push)),
            last_announced.eq(announced),
            tail.eq(last_announced),
        ]
        # Whether there were one, two and three responses before the last clock. One may have been
        # fetched in that clock, and one may be in this. While that is found out, what was announced
        # is written. `idle` is `~fetched`, in a register that synthesis does not merge: with one
        # register for both, it finds a way to `there` that takes three functions.
        fetch = Signal()
        fetched = Signal()
        idle = Signal(init=1)
        one, two, three = Signal(), Signal(), Signal()
        there = Signal()
        m.d.sync += [
            fetched.eq(fetch),
            idle.eq(~fetch),
            one.eq(head != announced),
            two.eq(head != before),
            three.eq(_following(head) != before),
            there.eq(Mux(fetch, Mux(fetched, three, two), Mux(idle, one, two))),
        ]
        with m.If(drop):
            m.d.sync += [one.eq(0), two.eq(0), three.eq(0)]

        # `full`: one response is fetched and another one shown, so `o.ready` decides.
        waiting = Signal()
        full = Signal()
        empty = Signal(init=1)
        m.d.comb += fetch.eq(there & (~full | self.o.ready))
        m.d.sync += [
            waiting.eq(there | (full & ~self.o.ready)),
            full.eq(Mux(~self.o.valid | self.o.ready, waiting & there, waiting | there)),
            self.o.valid.eq(waiting | (self.o.valid & ~self.o.ready)),
            empty.eq(~waiting & (empty | self.o.ready)),
        ]
        with m.If(fetch):
            m.d.sync += head.eq(_following(head))

        # Each half of the word has block RAM of its own, so that the net from `o.ready` to their
        # enables is short: `empty` is `~o.valid`, in a register that synthesis does not merge.
        word = Value.cast(self.word)
        halves = (0, len(word) // 2, ~self.o.valid), (len(word) // 2, len(word), empty)
        for start, end, free in halves:
            if start == end:
                continue
            m.submodules[f"ram{start}"] = ram = make_ram(
                end - start, 1 << _PLACE_BITS, self._technology
            )
            m.d.comb += [
                ram.write_enable.eq(push[1]),
                ram.write_address.eq(tail),
                ram.write_data.eq(word[start:end]),
                ram.read_address.eq(head),
                ram.fetch.eq(fetch),
                ram.show.eq(free | self.o.ready),
                Value.cast(self.o.payload)[start:end].eq(ram.read_data),
            ]

        return m


_PLACE_BITS = 4
#: The place before place 0.
_BEFORE_FIRST = 8


def _following(place):
    """Return the place after this one.

    The order is that of a shift register with feedback, of period 15: it has no carries.
    """
    return Cat(~(place[3] ^ place[2]), place[:3])


def _preceding(place):
    """Return the place before this one."""
    return Cat(place[1:], ~(place[0] ^ place[3]))
