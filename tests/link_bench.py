"""A `Link` between a host made of characters and a table made of Python integers."""

from __future__ import annotations

import random

from atomik_hdl.link import Link
from atomik_hdl.table import TableOp

from . import wire
from .simulate import simulate
from .wire import Session

CLOCK, BAUD = 12_000_000, 3_000_000


class Bench:
    """Characters in, decoded replies out; the table answers at random times."""

    def __init__(self, width=64, depth=16, *, seed=0, gap=8, sender_cycles=1, **options):
        self.width, self.depth = width, depth
        self.size = (width + 7) // 8
        self.dut = Link(width, depth, clock_frequency=CLOCK, baud=BAUD, **options)
        self.random = random.Random(seed)
        self.gap, self.sender_cycles = gap, sender_cycles
        self.table = [(0, 0)] * depth
        self.requests = 0
        self.replies = []
        self.session = Session()
        self.stalled = False

    async def table_bench(self, ctx):
        mask = (1 << self.width) - 1
        while True:
            while self.stalled or self.random.random() < 0.2:
                await ctx.tick()
            ctx.set(self.dut.request.ready, 1)
            _, _, valid, payload = await ctx.tick().sample(
                self.dut.request.valid, self.dut.request.payload
            )
            ctx.set(self.dut.request.ready, 0)
            if not valid:
                continue
            self.requests += 1
            op, address, word = payload.op, payload.address, payload.data & mask
            reference, accumulator = self.table[address]
            state = reference ^ accumulator
            if op == TableOp.ACCUM:
                self.table[address] = reference, accumulator ^ word
            elif op in (TableOp.LOAD, TableOp.SWAP_TO):
                self.table[address] = word, 0
            elif op == TableOp.SWAP:
                self.table[address] = state, 0
            elif op == TableOp.CLEAR:
                self.table = [(0, 0)] * self.depth
            if op in (TableOp.READ, TableOp.SWAP, TableOp.SWAP_TO):
                for _ in range(self.random.randrange(4)):
                    await ctx.tick()
                ctx.set(self.dut.response.payload, {"state": state, "accumulator": accumulator})
                ctx.set(self.dut.response.valid, 1)
                await ctx.tick().until(self.dut.response.ready)
                ctx.set(self.dut.response.valid, 0)

    async def line_bench(self, ctx):
        frame = bytearray()
        while True:
            ctx.set(self.dut.o.ready, 1)
            _, _, valid, byte = await ctx.tick().sample(self.dut.o.valid, self.dut.o.payload)
            ctx.set(self.dut.o.ready, 0)
            if not valid:
                continue
            if byte:
                frame.append(byte)
            elif frame:
                self.replies.append(bytes(frame))
                frame.clear()
            await ctx.tick().repeat(self.sender_cycles)

    async def send(self, ctx, characters, *, errors=()):
        for position, byte in enumerate(characters):
            ctx.set(self.dut.i.payload, {"data": byte, "error": position in errors})
            ctx.set(self.dut.i.valid, 1)
            await ctx.tick()
            ctx.set(self.dut.i.valid, 0)
            await ctx.tick().repeat(self.gap - 1)

    async def rest(self, ctx):
        """Wait until nothing is stored, executed or being answered."""
        await ctx.tick().repeat(4)
        quiet = 0
        while quiet < 4:
            _, _, busy = await ctx.tick().sample(self.dut.busy)
            quiet = 0 if busy else quiet + 1
        await ctx.tick().repeat(self.sender_cycles + 1)

    async def settle(self, ctx):
        """Rest, and return the replies since the last call, decoded."""
        await self.rest(ctx)
        frames, self.replies = self.replies, []
        return [self.session.decode(frame) for frame in frames]

    async def ask(self, ctx, *frames):
        for frame in frames:
            await self.send(ctx, frame)
        return await self.settle(ctx)

    async def one(self, ctx, frame):
        (reply,) = await self.ask(ctx, frame)
        return reply

    def run(self, script, deadline=200_000):
        benches = [self.table_bench, self.line_bench]
        simulate(self.dut, script, background=benches, deadline=deadline)


def opened(bench, script, **options):
    """Run `script` behind an OPEN that was answered."""

    async def whole(ctx):
        reply = await bench.one(ctx, bench.session.open())
        assert (reply.kind, reply.next, reply.opcount, reply.fault) == (wire.OPENED, 0, 0, 0)
        assert reply.payload == bench.session.nonce
        await script(ctx)

    bench.run(whole, **options)
