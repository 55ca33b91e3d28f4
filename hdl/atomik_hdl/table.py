"""Many contexts in block RAM behind one request stream, one op a clock."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from atomik_fpga.protocol import MAX_DEPTH, MAX_WIDTH

from .ram import check_technology, make_ram
from .responses import ResponseQueue

__all__ = ["DeltaTable", "TableOp", "request_layout", "response_layout"]


class TableOp(enum.Enum, shape=unsigned(3)):
    """What a request to a `DeltaTable` does."""

    #: XOR the operand into the accumulator.
    ACCUM = 0
    #: Set the reference to the operand and clear the accumulator.
    LOAD = 1
    #: Respond.
    READ = 2
    #: Respond, make the state the reference and clear the accumulator.
    SWAP = 3
    #: Respond, set the reference to the operand and clear the accumulator.
    SWAP_TO = 4
    #: Set reference and accumulator of every context to zero.
    CLEAR = 5


def request_layout(width, depth):
    """Payload of a request: op, address and operand."""
    return data.StructLayout({"op": TableOp, "address": ceil_log2(depth), "data": width})


def response_layout(width):
    """Payload of a response: state and accumulator of one instant."""
    return data.StructLayout({"state": width, "accumulator": width})


_PARTS = ("state", "accumulator")


class _Parts(data.Struct):
    state: 1
    accumulator: 1


class _Effect(data.Struct):
    """What a slot of the pipeline does: each part of the word becomes
    ``(0 if clear else part) ^ (operand if add else 0)``."""

    clear: _Parts
    add: _Parts
    write: 1


class _Nearest(data.Struct):
    """Which of the slots ahead is the nearest one with the same address."""

    first: 1
    second: 1
    third: 1
    fourth: 1
    fifth: 1
    none: 1


#: No op of `TableOp`: what is in a slot without a request.
_NOTHING = 6
#: Slots ahead of one whose write its read does not see.
_DISTANCES = 5
#: Requests that transfer until a request that responds can lower `i.ready`, itself included.
_IN_FLIGHT = 5


class _Stages:
    """A value in the stages from ``first`` to ``last``, in registers but for the first one."""

    def __init__(self, m, name, first, last, value, *, reset_less=True):
        self._first = first
        self._values = [value]
        for stage in range(first + 1, last + 1):
            register = Signal.like(value, name=f"{name}_{stage}", init=0, reset_less=reset_less)
            m.d.sync += register.eq(self._values[-1])
            self._values.append(register)

    def __getitem__(self, stage):
        return self._values[stage - self._first]


class DeltaTable(wiring.Component):
    """A table of contexts.

    Requests take effect in the order in which they transfer. ``READ``, ``SWAP`` and ``SWAP_TO``
    respond, in that order too, with the state and the accumulator right before their own effect.

    ``CLEAR`` takes effect on all contexts between the requests before it and those after it;
    its address and operand are ignored. ``i.ready`` is low for the ``depth`` clocks after it. A
    reset drops requests and responses in flight and starts the same sweep, because block RAM keeps
    its content: every context is zero before the first request is taken in.

    An address of ``depth`` or above, possible unless ``depth`` is a power of two, is the caller's
    error. Such a request touches no context; if it responds, the values have no meaning. Of the
    opcodes that are not in `TableOp`, 6 does nothing, and 7 the same as ``CLEAR``.

    Latency from request to response: 11 clocks. Throughput: one request a clock for any ops and any
    addresses, the same one back to back included, while responses are taken as they come. If they
    are not, 11 to 15 requests that respond are taken in before ``i.ready`` falls, for all ops
    alike; ``i.ready`` is a register.

    Every request passes the same pipeline, so an op is a pair of masks and an operand rather than
    an instruction: the state and the accumulator are stored, not the reference, and each becomes
    ``(old & mask) ^ operand``. The five requests before a request have not reached the RAM when it
    reads, and the nearest of them with its address counts. Which one that is, is found by their
    addresses ahead of the read. The word then picks up, in one function of 4 inputs a stage, what
    that one left, or what the RAM had: from the fifth and the fourth before as they are written,
    from the third one stage later, from the second and the first as their old words, to which their
    operands are added on the side. The only loop over the word is one register and one such
    function. Nothing relies on what the RAM returns when it reads what is being written.

    Parameters
    ----------
    width : int
        Bits a context, 1 to 256.
    depth : int
        Contexts, 1 to 65536.
    technology : str, callable or None
        What the block RAM is made of, as in `ram.make_ram`. All kinds behave alike.

    Members
    -------
    i : ``In(stream.Signature(StructLayout({"op": TableOp, "address": a, "data": width})))``
        Requests; ``a`` is ``ceil_log2(depth)``.
    o : ``Out(stream.Signature(StructLayout({"state": width, "accumulator": width})))``
        Responses.

    Raises
    ------
    TypeError
        If a parameter is not a positive integer.
    ValueError
        If a parameter is too large, or `technology` is unknown.
    """

    def __init__(self, width, depth, *, technology=None):
        for name, value, limit in (("Width", width, MAX_WIDTH), ("Depth", depth, MAX_DEPTH)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise TypeError(f"{name} must be a positive integer, not {value!r}")
            if value > limit:
                raise ValueError(f"{name} must be at most {limit}, not {value}")

        check_technology(technology)
        self._width = width
        self._depth = depth
        self._technology = technology
        self._word = response_layout(width)
        super().__init__(
            {
                "i": In(stream.Signature(request_layout(width, depth))),
                "o": Out(stream.Signature(self._word)),
            }
        )

    @property
    def width(self):
        """Bits a context."""
        return self._width

    @property
    def depth(self):
        """Contexts."""
        return self._depth

    def elaborate(self, platform):
        """Elaborate the component."""
        m = Module()

        m.submodules.ram = ram = make_ram(self._word, self._depth, self._technology, stalls=False)
        m.submodules.queue = queue = ResponseQueue(self._word, technology=self._technology)
        wiring.connect(m, queue.o, wiring.flipped(self.o))

        # A name that ends in a number is that of a stage of the pipeline: it belongs to the slot
        # that is there. A request transfers in stage 0. A slot without a request has an address all
        # the same: it changes nothing there, and is forwarded from like any other.
        op_1, address_1, address, sweep_1, busy_0 = self._admit(m)
        operand = _Stages(m, "operand", 0, 8, self.i.payload.data)
        effect = self._decode(m, op_1, sweep_1)
        responds = self._responds(m, op_1, busy_0)
        nearest = self._nearest(m, address_1, address)

        m.d.comb += [
            ram.fetch.eq(1),
            ram.show.eq(1),
            ram.read_address.eq(address[4]),
            ram.write_enable.eq(effect[9].write),
            ram.write_address.eq(address[9]),
            queue.announce.eq(responds[6]),
        ]
        for part in _PARTS:
            old, new = self._forward(m, part, nearest, operand, effect, ram.read_data[part])
            m.d.comb += [queue.word[part].eq(old), ram.write_data[part].eq(new)]

        return m

    def _admit(self, m):
        # A CLEAR becomes `depth` slots, its own the first of them. After a reset they come as if it
        # had just transferred.
        request = self.i.payload
        op_1 = Signal(request.op.as_value().shape(), init=_NOTHING)
        address_1 = Signal(request.address.shape(), reset_less=True)
        transfer = (self.i.valid & self.i.ready).replicate(len(op_1))
        clear_0 = Signal()
        clear_1 = Signal(init=1)
        # One function of 4 inputs, for which 7 has to do the same as CLEAR.
        m.d.comb += clear_0.eq(self.i.valid & self.i.ready & request.op.as_value().matches("1-1"))
        m.d.sync += [
            op_1.eq((request.op.as_value() & transfer) | (_NOTHING & ~transfer)),
            address_1.eq(request.address),
            clear_1.eq(clear_0),
        ]

        # `more_1`: this is a slot of a sweep, and not its last one.
        goes_on_1 = Signal()
        more_1 = Signal()
        more_2 = Signal()
        sweep_1 = Signal()
        swept_1 = Signal.like(address_1, reset_less=False)
        m.d.comb += [
            more_1.eq((clear_1 if self._depth > 1 else 0) | goes_on_1),
            sweep_1.eq(clear_1 | more_2),
        ]
        m.d.sync += [
            more_2.eq(more_1),
            swept_1.eq((swept_1 + 1) & sweep_1.replicate(len(swept_1))),
        ]
        if self._depth > 2:
            m.d.sync += goes_on_1.eq((clear_1 | goes_on_1) & (swept_1 != self._depth - 2))
        address_2 = Signal.like(address_1, reset_less=True)
        m.d.sync += address_2.eq(Mux(sweep_1, swept_1, address_1))
        return op_1, address_1, _Stages(m, "address", 2, 9, address_2), sweep_1, clear_0 | more_1

    def _decode(self, m, op_1, sweep_1):
        op_2 = Signal.like(op_1, reset_less=True)
        sweep_2 = Signal(reset_less=True)
        m.d.sync += [op_2.eq(op_1), sweep_2.eq(sweep_1)]
        effect_2 = Signal(_Effect)
        with m.If(sweep_2):
            m.d.comb += Cat(effect_2.clear, effect_2.write).eq(~0)
        with m.Else():
            with m.Switch(op_2):
                with m.Case(TableOp.ACCUM):
                    m.d.comb += Cat(effect_2.add, effect_2.write).eq(~0)
                with m.Case(TableOp.LOAD, TableOp.SWAP_TO):
                    m.d.comb += Cat(effect_2.clear, effect_2.add.state, effect_2.write).eq(~0)
                with m.Case(TableOp.SWAP):
                    m.d.comb += Cat(effect_2.clear.accumulator, effect_2.write).eq(~0)
        return _Stages(m, "effect", 2, 9, effect_2)

    def _responds(self, m, op_1, busy_0):
        responds_1 = Signal()
        with m.Switch(op_1):
            with m.Case(TableOp.READ, TableOp.SWAP, TableOp.SWAP_TO):
                m.d.comb += responds_1.eq(1)
        responds = _Stages(m, "responds", 1, 6, responds_1, reset_less=False)

        # Requests that respond and whose response was not taken yet; five more transfer before a
        # change of their number shows in `i.ready`. Its highest bit says that there are enough.
        pending = Signal(range(2 * (ResponseQueue.capacity + 1)), init=_IN_FLIGHT)
        taken = Signal()
        changes, less = Signal(), Signal()
        m.d.sync += [
            taken.eq(self.o.valid & self.o.ready),
            changes.eq(responds[2] ^ taken),
            less.eq(~responds[2] & taken),
            pending.eq(pending + Cat(changes, less.replicate(len(pending) - 1))),
            self.i.ready.eq(~(busy_0 | pending[-1])),
        ]
        return responds

    def _nearest(self, m, address_1, address):
        # Two bits in a function, then all.
        pairs = range(0, len(address_1), 2)
        groups = range(0, max(len(pairs), 1), 4)
        distances = range(1, _DISTANCES + 1)
        meets = []
        for distance in distances:
            other = address[1 + distance]
            equal_2 = Signal(len(pairs), name=f"equal{distance}_2", reset_less=True)
            equal_3 = Signal(len(groups), name=f"equal{distance}_3", reset_less=True)
            m.d.sync += equal_2.eq(Cat(address_1[n : n + 2] == other[n : n + 2] for n in pairs))
            m.d.sync += equal_3.eq(Cat(equal_2[n : n + 4].all() for n in groups))
            meets.append(equal_3.all())
        first, second, third, fourth, fifth = meets

        nearest_4 = Signal(_Nearest, reset_less=True)
        near_4 = Signal(reset_less=True)
        m.d.sync += [
            near_4.eq(first | second),
            nearest_4.first.eq(first),
            nearest_4.second.eq(second & ~first),
            nearest_4.third.eq(third),
            nearest_4.fourth.eq(fourth),
            nearest_4.fifth.eq(fifth),
        ]
        nearest_5 = Signal(_Nearest, reset_less=True)
        m.d.sync += [
            nearest_5.first.eq(nearest_4.first),
            nearest_5.second.eq(nearest_4.second),
            nearest_5.third.eq(nearest_4.third & ~near_4),
            nearest_5.fourth.eq(nearest_4.fourth & ~nearest_4.third & ~near_4),
            nearest_5.fifth.eq(nearest_4.fifth & ~nearest_4.fourth & ~nearest_4.third & ~near_4),
            nearest_5.none.eq(~(nearest_4.fifth | nearest_4.fourth | nearest_4.third | near_4)),
        ]
        return nearest_4, nearest_5

    def _forward(self, m, part, nearest, operand, effect, read_6):
        nearest_4, nearest_5 = nearest

        def register(name, value):
            signal = Signal.like(value, name=f"{part}_{name}", init=0, reset_less=True)
            m.d.sync += signal.eq(value)
            return signal

        def gated(value, gate):
            # An AND and not a Mux with 0, which Yosys would make a synchronous reset.
            return value & gate.replicate(self._width)

        old_8 = Signal(self._width, name=f"{part}_old_8", reset_less=True)
        new_9 = Signal(self._width, name=f"{part}_new_9", reset_less=True)
        new_10 = register("new_10", new_9)

        first_add_5 = register("first_add_5", nearest_4.first & effect[5].add[part])
        second_add_5 = register("second_add_5", nearest_4.second & effect[6].add[part])
        added_6 = register(
            "added_6", gated(operand[6], first_add_5) ^ gated(operand[7], second_add_5)
        )

        late_6 = register("late_6", gated(new_9, nearest_5.fourth) ^ gated(new_10, nearest_5.fifth))
        third_6 = register("third_6", nearest_5.third)
        late_7 = register("late_7", late_6 ^ gated(new_9, third_6) ^ added_6)

        second_6 = register("second_6", nearest_5.second & ~effect[7].clear[part])
        none_6 = register("none_6", nearest_5.none)
        early_7 = register("early_7", gated(read_6, none_6) ^ gated(old_8, second_6))

        first_6 = register("first_6", nearest_5.first)
        first_7 = register("first_7", first_6 & ~effect[7].clear[part])
        keep_8 = register("keep_8", ~effect[7].clear[part])
        m.d.sync += [
            old_8.eq(early_7 ^ late_7 ^ gated(old_8, first_7)),
            new_9.eq(gated(old_8, keep_8) ^ gated(operand[8], effect[8].add[part])),
        ]
        return old_8, new_9
