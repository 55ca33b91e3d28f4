"""The whole device, bits at its pins."""

from __future__ import annotations

import pytest
from amaranth.hdl import ResetInserter, Signal

from atomik_hdl.device import DeltaDevice

from . import wire
from .simulate import simulate
from .wire import Session

CLOCK = 12_000_000


class Bench:
    """A host of bits, `clocks` long each, at the pins of a device."""

    def __init__(self, *, clocks=4, **options):
        self.clocks = clocks
        self.dut = DeltaDevice(CLOCK, CLOCK // clocks, **options)
        self.session = Session()
        self.replies = []
        self.reset = Signal()

    async def send(self, ctx, characters):
        for byte in characters:
            for bit in (0, *(byte >> n & 1 for n in range(8)), 1):
                ctx.set(self.dut.rx, bit)
                await ctx.tick().repeat(self.clocks)

    async def line_bench(self, ctx):
        frame = bytearray()
        while True:
            await ctx.negedge(self.dut.tx)
            await ctx.tick().repeat(self.clocks // 2)
            byte = 0
            for n in range(9):
                await ctx.tick().repeat(self.clocks)
                byte |= ctx.get(self.dut.tx) << n
            assert byte >> 8 == 1, "a stop bit is low"
            if byte & 0xFF:
                frame.append(byte & 0xFF)
            elif frame:
                self.replies.append(bytes(frame))
                frame.clear()

    async def ask(self, ctx, frame):
        await self.send(ctx, frame)
        while not self.replies:
            await ctx.tick()
        (reply,) = self.replies
        self.replies.clear()
        return self.session.decode(reply)

    async def open(self, ctx):
        # The receiver wants to see a high line first.
        await ctx.tick().repeat(4)
        reply = await self.ask(ctx, self.session.open())
        assert reply.kind == wire.OPENED

    def run(self, *scripts, deadline=60_000):
        dut = ResetInserter(self.reset)(self.dut)
        simulate(dut, *scripts, background=[self.line_bench], deadline=deadline)


@pytest.mark.parametrize(("width", "depth", "clocks"), [(64, 16, 4), (7, 17, 12), (65, 1, 5)])
def test_contexts_are_loaded_accumulated_and_read_over_the_pins(width, depth, clocks):
    bench = Bench(width=width, depth=depth, clocks=clocks)
    size, ones = (width + 7) // 8, (1 << width) - 1

    async def script(ctx):
        assert ctx.get(bench.dut.tx) == 1
        await ctx.tick().repeat(4)
        reply = await bench.ask(ctx, wire.info_frame(0x55AA))
        assert (reply.kind, reply.next, reply.payload[:4]) == (wire.INFO, 0x55AA, b"ATMK")
        assert ctx.get(bench.dut.session) == 0
        await bench.open(ctx)
        assert ctx.get(bench.dut.session) == 1
        reply = await bench.ask(
            ctx,
            bench.session.data(
                0,
                wire.run(wire.LOAD, depth - 1, ones, size=size),
                wire.run(wire.ACCUM, depth - 1, 5, 3, size=size),
                wire.run(wire.PEEK, depth - 1, count=1),
            ),
        )
        assert (reply.values(size), reply.opcount) == ([ones ^ 6, 6], 4)

    bench.run(script)


def test_deltas_of_the_fabric_and_of_the_link_meet_in_one_context_and_none_is_lost():
    bench = Bench()
    deltas = [1 << n % 64 | n << 7 for n in range(3000)]
    fed = []

    async def fabric(ctx):
        ctx.set(bench.dut.accum.valid, 1)
        for n, delta in enumerate(deltas):
            ctx.set(bench.dut.accum.payload, {"address": n % 2, "delta": delta})
            await ctx.tick().until(bench.dut.accum.ready)
            fed.append(delta)
        ctx.set(bench.dut.accum.valid, 0)

    async def script(ctx):
        await bench.open(ctx)
        links = [(3 << n) & (2**64 - 1) for n in range(16)]
        await bench.ask(ctx, bench.session.data(0, wire.run(wire.ACCUM, 0, *links)))
        while len(fed) < len(deltas):
            await ctx.tick()
        reply = await bench.ask(ctx, bench.session.data(1, wire.run(wire.READ, 0, count=2)))
        expected = [0, 0]
        for n, delta in enumerate(deltas):
            expected[n % 2] ^= delta
        for delta in links:
            expected[0] ^= delta
        assert reply.values() == expected

    bench.run(script, fabric)


def test_a_delta_of_the_fabric_waits_for_one_op_of_the_link_and_no_longer():
    depth = 16
    bench = Bench(depth=depth)
    waits = []
    ops = [wire.run(wire.CLEAR, 0, count=1)] * 6 + [wire.run(wire.ACCUM, 0, *range(9))]

    async def fabric(ctx):
        ctx.set(bench.dut.accum.payload, {"address": 1, "delta": 1})
        ctx.set(bench.dut.accum.valid, 1)
        waited = 0
        while True:
            _, _, ready = await ctx.tick().sample(bench.dut.accum.ready)
            waited = 0 if ready else waited + 1
            waits.append(waited)

    async def script(ctx):
        await bench.open(ctx)
        del waits[:]
        reply = await bench.ask(ctx, bench.session.data(0, *ops))
        assert (reply.kind, reply.opcount) == (wire.ACK, 15)

    simulate(bench.dut, script, background=[fabric, bench.line_bench], deadline=60_000)
    # Six times the whole of a CLEAR, never two of them in a row; else no more than one cycle.
    assert waits.count(depth + 1) == 6
    assert max(waits) == depth + 1
    assert waits.count(1) == 6 + 9


def test_a_reset_ends_the_session_and_clears_the_contexts_before_the_next_open():
    bench = Bench()

    async def script(ctx):
        await bench.open(ctx)
        await bench.ask(ctx, bench.session.data(0, wire.run(wire.LOAD, 0, *range(1, 17))))
        ctx.set(bench.reset, 1)
        await ctx.tick()
        ctx.set(bench.reset, 0)
        await ctx.tick()
        assert ctx.get(bench.dut.session) == 0
        assert ctx.get(bench.dut.busy) == 1
        reply = await bench.ask(ctx, bench.session.data(1, wire.run(wire.READ, 0, count=16)))
        assert reply.kind == wire.NO_SESSION
        bench.session = Session(key=4242)
        await bench.open(ctx)
        reply = await bench.ask(ctx, bench.session.data(0, wire.run(wire.READ, 0, count=16)))
        assert reply.values() == [0] * 16

    bench.run(script)


def test_a_latched_fault_shows_on_the_error_pin_until_the_next_open():
    bench = Bench()

    async def script(ctx):
        await bench.open(ctx)
        assert ctx.get(bench.dut.error) == 0
        await bench.ask(ctx, bench.session.data(0, wire.run(wire.LOAD, 16, 1)))
        assert ctx.get(bench.dut.error) == 1
        bench.session = Session(key=4242)
        await bench.open(ctx)
        assert ctx.get(bench.dut.error) == 0

    bench.run(script)


def test_a_line_rate_that_the_clock_can_not_make_is_refused():
    with pytest.raises(ValueError, match="baud"):
        DeltaDevice(CLOCK, 4_000_000)
