"""Responses of a table, waiting to be taken."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .ram import make_ram

__all__ = ["ResponseQueue"]


class ResponseQueue(wiring.Component):
    """Up to 15 responses in block RAM, but for one that waits at the output.

    The pusher sees to it that there is room, and announces each response: ``word`` is taken two
    clocks after ``announce`` was high. A reset drops all responses.

    Neither the block RAM nor its addresses need ``o.ready`` in the same clock, so none of its paths
    goes to the block RAM's cells, which may be far apart. If the response at the output is not
    taken, the block RAM goes on to the next one all the same, and a register keeps the first, for
    one function and one register a bit.

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

        # Some of these registers are others over again, or their inverse, each for what it drives:
        # so there is one function at most in front of an enable, and none in front of those of the
        # block RAM. Synthesis merges no two of which one is made from itself, or from an inverse.
        ready, valid = self.o.ready, self.o.valid
        push = Signal(2)
        still = Signal(2, init=3)
        m.d.sync += [push.eq(Cat(self.announce, push)), still.eq(Cat(~self.announce, still))]
        pushed = ~still[1]

        # Where a response is: `stored`, of which bit n says that there are more than n; fetched,
        # and `waiting`; shown by the block RAM; kept. That which is kept is at the output, if there
        # is one, and what the block RAM shows is behind it if `full`, and in its place if not.
        stored = Signal(_STORED, reset_less=True)
        there = stored[0]
        waiting = Signal()
        full = Signal()
        held = Signal()
        keep = Signal()
        # `stuck` is `waiting & full`; `moves` and `free` are `~stuck` and `~full`, except right
        # after a reset. If they were 1 at first, iCE40 would need a function at their output.
        stuck = Signal()
        moves = Signal()
        free = Signal()
        m.d.sync += [
            stuck.eq(valid & ~ready & (there | stuck) & (waiting | full)),
            moves.eq(~(valid & ~ready & (there | ~moves) & (waiting | full))),
            full.eq(valid & ~ready & (waiting | full)),
            free.eq(~(valid & ~ready & (waiting | ~free))),
            held.eq(valid & ~ready),
            keep.eq((held | valid) & ~ready),
            valid.eq(waiting | full | (valid & ~ready)),
        ]

        # A reset leaves to the two clocks after it what would stand in the way of an enable: to
        # the first one to forget what is stored, to the second to make the places equal.
        drop = Signal(2, init=3)
        m.d.sync += [drop.eq(drop[1:]), waiting.eq((there & ~drop[1]) | stuck)]
        with m.If(pushed ^ (there & ~stuck)):
            m.d.sync += stored.eq(
                Mux(pushed, Cat(1, stored), stored[1:]) & ~drop[1].replicate(_STORED)
            )
        head = Signal(_PLACE_BITS, reset_less=True)
        tail = Signal(_PLACE_BITS, reset_less=True)
        advance = Signal()
        m.d.sync += advance.eq(push[0] | drop[1])
        with m.If(there & moves):
            m.d.sync += head.eq(_following(head))
        with m.If(advance):
            m.d.sync += tail.eq(Mux(drop[0], head, _following(tail)))

        m.submodules.ram = ram = make_ram(
            len(Value.cast(self.word)), 1 << _PLACE_BITS, self._technology
        )
        kept = Signal.like(ram.read_data, reset_less=True)
        m.d.comb += [
            ram.write_enable.eq(push[1]),
            ram.write_address.eq(tail),
            ram.write_data.eq(self.word),
            ram.read_address.eq(head),
            ram.fetch.eq(moves),
            ram.show.eq(free),
            Value.cast(self.o.payload).eq(Mux(held, kept, ram.read_data)),
        ]
        # Not a Mux with itself, of which Yosys would make an enable: of so many registers it would
        # be a global net, and the way to that is long.
        keeps = keep.replicate(len(kept))
        m.d.sync += kept.eq((kept & keeps) | (ram.read_data & ~keeps))

        return m


_PLACE_BITS = 4
#: Responses that can be stored, if one is kept, one shown and one fetched.
_STORED = ResponseQueue.capacity - 3


def _following(place):
    """Return the place after this one.

    The order is that of a shift register with feedback, of period 15: it has no carries.
    """
    return Cat(~(place[3] ^ place[2]), place[:3])
