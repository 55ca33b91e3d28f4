"""Many contexts in block RAM behind one request stream, one op a clock."""

from amaranth import *
from amaranth.lib import data, enum, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from atomik_fpga.protocol import MAX_DEPTH, MAX_WIDTH

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
    respond: 1


class _Ram(wiring.Component):
    """Block RAM of one read and one write port. Latency from address to data: 1 clock.

    What is read while it is being written has no meaning.
    """

    def __init__(self, word, depth):
        self._depth = depth
        address = ceil_log2(depth)
        super().__init__(
            {
                "read_enable": In(1),
                "read_address": In(address),
                "read_data": Out(word),
                "write_enable": In(1),
                "write_address": In(address),
                "write_data": In(word),
            }
        )

    def elaborate(self, platform):
        m = Module()

        word = self.write_data.shape()
        m.submodules.memory = storage = memory.Memory(shape=word, depth=self._depth, init=[])
        write = storage.write_port()
        read = storage.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.read_address),
        ]
        # Block RAM leaves open what a read returns that meets a write. Without this condition,
        # synthesis builds the bypass that a memory of Amaranth has; with it, it can tell that the
        # case does not occur.
        meet = Signal()
        m.d.comb += meet.eq(self.write_enable & (self.read_address == self.write_address))
        read_data = Signal(word, reset_less=True)
        with m.If(self.read_enable & ~meet):
            m.d.sync += read_data.eq(read.data)
        m.d.comb += self.read_data.eq(read_data)

        return m


class _ResponseQueue(wiring.Component):
    """16 responses, the one at the output included; the pusher sees to it that there is room.

    Latency: 2 clocks. Throughput: one response a clock.
    """

    depth = 16

    def __init__(self, word):
        super().__init__(
            {
                "push": In(1),
                "word": In(word),
                "o": Out(stream.Signature(word)),
            }
        )

    def elaborate(self, platform):
        m = Module()

        m.submodules.ram = ram = _Ram(self.word.shape(), self.depth)
        head = Signal(range(self.depth))
        tail = Signal(range(self.depth))
        m.d.comb += [
            ram.write_enable.eq(self.push),
            ram.write_address.eq(tail),
            ram.write_data.eq(self.word),
        ]
        with m.If(self.push):
            m.d.sync += tail.eq(tail + 1)

        # An entry counts as there one clock after it was written, so it is never read while it is.
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += self.o.valid.eq(head != tail)
            m.d.comb += ram.read_enable.eq(head != tail)
            with m.If(head != tail):
                m.d.sync += head.eq(head + 1)
        m.d.comb += ram.read_address.eq(head)
        m.d.comb += self.o.payload.eq(ram.read_data)

        return m


class DeltaTable(wiring.Component):
    """A table of contexts.

    Requests take effect in the order in which they transfer. ``READ``, ``SWAP`` and ``SWAP_TO``
    respond, in that order too, with the state and the accumulator right before their own effect.

    ``CLEAR`` takes effect on all contexts between the requests before it and those after it;
    its address and operand are ignored. ``i.ready`` is low for the ``depth`` clocks after it. A
    reset drops requests and responses in flight and starts the same sweep, because block RAM keeps
    its content: every context is zero before the first request is taken in.

    An address of ``depth`` or above, possible unless ``depth`` is a power of two, is the caller's
    error. Such a request touches no context; if it responds, the values have no meaning. Opcodes
    that are not in `TableOp` do nothing.

    Latency from request to response: 7 clocks. Throughput: one request a clock for any ops and any
    addresses, the same one back to back included, while responses are taken as they come. If they
    are not, 12 to 15 requests that respond are taken in before ``i.ready`` falls, for all ops
    alike; ``i.ready`` is a register.

    Every request passes the same pipeline, so an op is a pair of masks and an operand rather than
    an instruction: the state and the accumulator are stored, not the reference, and each becomes
    ``(old & mask) ^ operand``. The two requests before a request may not have reached the RAM when
    it reads. What they do to it is composed into one such pair ahead of the read, from their
    operands alone, so that the only loop over the word runs through two registers with one 4-input
    function each. Nothing relies on what the RAM returns when it reads what is being written.

    Parameters
    ----------
    width : int
        Bits a context, 1 to 256.
    depth : int
        Contexts, 1 to 65536.

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
        If a parameter is too large.
    """

    def __init__(self, width, depth):
        for name, value, limit in (("Width", width, MAX_WIDTH), ("Depth", depth, MAX_DEPTH)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise TypeError(f"{name} must be a positive integer, not {value!r}")
            if value > limit:
                raise ValueError(f"{name} must be at most {limit}, not {value}")

        self._width = width
        self._depth = depth
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

        m.submodules.ram = ram = _Ram(self._word, self._depth)
        m.submodules.queue = queue = _ResponseQueue(self._word)
        wiring.connect(m, queue.o, wiring.flipped(self.o))

        def delayed(value, name, stages):
            # The value in each of the stages, the first one first.
            values = [value]
            for stage in stages:
                register = Signal.like(value, name=f"{name}_{stage}", init=0, reset_less=True)
                m.d.sync += register.eq(values[-1])
                values.append(register)
            return values

        # A signal whose name ends in a number belongs to the slot in that stage of the pipeline;
        # lists start with stage 0 for operands and with stage 1 for the others. A request transfers
        # in stage 0. A slot without a request has an address all the same: it changes nothing
        # there, and is forwarded from like any other.
        request = self.i.payload
        operand = delayed(request.data, "operand", range(1, 6))

        # A CLEAR becomes `depth` slots. After a reset they start as if it had just transferred.
        transfer = Signal()
        clear_0 = Signal()
        sweep_0 = Signal()
        m.d.comb += transfer.eq(self.i.valid & self.i.ready)
        m.d.comb += clear_0.eq(transfer & (request.op == TableOp.CLEAR))

        sweep_1 = Signal(init=1)
        request_1 = Signal()
        op_1 = Signal(TableOp)
        address_1 = Signal(request.address.shape())
        m.d.comb += sweep_0.eq(clear_0 | (sweep_1 & (address_1 != self._depth - 1)))
        m.d.sync += sweep_1.eq(sweep_0)
        m.d.sync += request_1.eq(transfer)
        m.d.sync += op_1.eq(request.op)
        with m.If(clear_0):
            m.d.sync += address_1.eq(0)
        with m.Elif(sweep_0):
            m.d.sync += address_1.eq(address_1 + 1)
        with m.Else():
            m.d.sync += address_1.eq(request.address)
        address = delayed(address_1, "address", range(2, 6))

        # Addresses are compared with those of the slots one (near) and two (far) ahead, two bits
        # in a function in stage 0 and all of them in stage 1. For the slots of a sweep the result
        # has no meaning, and needs none: nothing of the old word is kept.
        near_1 = self._compare(m, request.address, address_1, "near_1")
        far_1 = self._compare(m, request.address, address[1], "far_1")

        effect = [self._decode(m, sweep_1, request_1, op_1)]
        for stage in range(2, 6):
            effect.append(Signal(_Effect, name=f"effect_{stage}"))
            m.d.sync += effect[-1].eq(effect[-2])

        old_5 = Signal(self._word, reset_less=True)
        for part in _PARTS:
            near, far = near_1.all(), far_1.all()
            near_clear = near & effect[1].clear[part]
            near_add_2 = Signal(name=f"{part}_near_add_2")
            far_add_2 = Signal(name=f"{part}_far_add_2")
            far_keep_2 = Signal(name=f"{part}_far_keep_2")
            ram_keep_2 = Signal(name=f"{part}_ram_keep_2")
            m.d.sync += [
                near_add_2.eq(near & effect[1].add[part]),
                far_add_2.eq(far & effect[2].add[part] & ~near_clear),
                far_keep_2.eq(far & ~effect[2].clear[part] & ~near_clear),
                ram_keep_2.eq(~far & ~near_clear),
            ]
            *_, far_keep_3 = delayed(far_keep_2, f"{part}_far_keep", range(3, 4))
            *_, ram_keep_4 = delayed(ram_keep_2, f"{part}_ram_keep", range(3, 5))

            composed_3 = Signal(self._width, name=f"{part}_composed_3", reset_less=True)
            m.d.sync += composed_3.eq(
                Mux(near_add_2, operand[3], 0) ^ Mux(far_add_2, operand[4], 0)
            )
            recent_4 = Signal(self._width, name=f"{part}_recent_4", reset_less=True)
            m.d.sync += recent_4.eq(composed_3 ^ Mux(far_keep_3, old_5[part], 0))
            m.d.sync += old_5[part].eq(recent_4 ^ Mux(ram_keep_4, ram.read_data[part], 0))
            m.d.comb += ram.write_data[part].eq(
                Mux(effect[4].clear[part], 0, old_5[part]) ^ Mux(effect[4].add[part], operand[5], 0)
            )

        m.d.comb += [
            ram.read_enable.eq(1),
            ram.read_address.eq(address[2]),
            ram.write_enable.eq(effect[4].write),
            ram.write_address.eq(address[4]),
            queue.push.eq(effect[4].respond),
            queue.word.eq(old_5),
        ]

        # Requests that respond, from stage 2 on, whose response was not taken yet. Four more may
        # be on their way when this stops the next one.
        pending = Signal(range(_ResponseQueue.depth + 1))
        taken = Signal()
        m.d.sync += taken.eq(self.o.valid & self.o.ready)
        m.d.sync += pending.eq(pending + effect[1].respond - taken)
        m.d.sync += self.i.ready.eq(~sweep_0 & (pending < _ResponseQueue.depth - 4))

        return m

    def _compare(self, m, address, other, name):
        pairs = Signal(-(-len(address) // 2), name=name, reset_less=True)
        for n in range(len(pairs)):
            m.d.sync += pairs[n].eq(address[2 * n : 2 * n + 2] == other[2 * n : 2 * n + 2])
        return pairs

    def _decode(self, m, sweep, request, op):
        effect = Signal(_Effect, name="effect_1")
        with m.If(sweep):
            m.d.comb += Cat(effect.clear, effect.write).eq(~0)
        with m.Elif(request):
            with m.Switch(op):
                with m.Case(TableOp.ACCUM):
                    m.d.comb += Cat(effect.add, effect.write).eq(~0)
                with m.Case(TableOp.LOAD):
                    m.d.comb += Cat(effect.clear, effect.add.state, effect.write).eq(~0)
                with m.Case(TableOp.READ):
                    m.d.comb += effect.respond.eq(1)
                with m.Case(TableOp.SWAP):
                    m.d.comb += Cat(effect.clear.accumulator, effect.write).eq(~0)
                    m.d.comb += effect.respond.eq(1)
                with m.Case(TableOp.SWAP_TO):
                    m.d.comb += Cat(effect.clear, effect.add.state, effect.write).eq(~0)
                    m.d.comb += effect.respond.eq(1)
        return effect
