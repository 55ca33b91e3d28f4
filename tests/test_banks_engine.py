"""`BanksEngine`: runs of generators, against the sum of their deltas one by one."""

from __future__ import annotations

from functools import reduce
from operator import xor

import pytest
from amaranth.hdl import ResetInserter, Signal

from atomik_hdl.engine import BanksEngine
from atomik_hdl.table import TableOp

from .simulate import simulate

SEED, RUN, ELAPSED, STATE = range(4)


def stepped(word, width, rotation, shift):
    word ^= word << shift
    word &= (1 << width) - 1
    return (word << rotation | word >> width - rotation) & (1 << width) - 1


def deltas(width, lanes, seed, cycles):
    """Every delta of a run, as docs/link.md has it."""
    start = stepped(seed, width, 13, 3)
    for _ in range(lanes):
        word = start
        for _ in range(cycles):
            yield word
            word = stepped(word, width, 7, 11)
        start = stepped(stepped(start, width, 13, 3), width, 13, 3)


def state_after(width, lanes, seed, cycles):
    return reduce(xor, deltas(width, lanes, seed, cycles), 0)


class Bench:
    def __init__(self, width, lanes):
        self.dut = BanksEngine(width, lanes)
        self.reset = Signal()

    async def load(self, ctx, register, word):
        port = self.dut.i
        ctx.set(port.payload, {"op": TableOp.LOAD, "address": register, "data": word})
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)

    async def read(self, ctx, register):
        port = self.dut.i
        ctx.set(port.payload, {"op": TableOp.READ, "address": register, "data": 0})
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)
        ctx.set(self.dut.o.ready, 1)
        (word,) = await ctx.tick().sample(self.dut.o.payload.state).until(self.dut.o.valid)
        ctx.set(self.dut.o.ready, 0)
        return word

    async def run_of(self, ctx, seed, cycles):
        await self.load(ctx, SEED, seed)
        await self.load(ctx, RUN, cycles)

    async def result(self, ctx):
        while await self.read(ctx, RUN):
            await ctx.tick()
        return await self.read(ctx, ELAPSED), await self.read(ctx, STATE)

    def simulate(self, script, deadline=20_000):
        simulate(ResetInserter(self.reset)(self.dut), script, deadline=deadline)


@pytest.mark.parametrize(
    ("width", "lanes"), [(64, 16), (32, 1), (33, 2), (64, 6), (64, 7), (65, 13), (256, 3)]
)
def test_a_run_accumulates_one_delta_a_lane_and_cycle(width, lanes):
    bench = Bench(width, lanes)
    seed = 0x0123_4567_89AB_CDEF_FEDC & (1 << width) - 1
    groups = -(-lanes // 6)

    async def script(ctx):
        for cycles in (1, 0, 2, 100):
            await bench.run_of(ctx, seed ^ cycles, cycles)
            elapsed, state = await bench.result(ctx)
            assert state == state_after(width, lanes, seed ^ cycles, cycles)
            assert elapsed == cycles + lanes + groups + 5 == cycles + bench.dut.overhead

    bench.simulate(script)


def test_each_lane_counts():
    states = {state_after(64, lanes, 1, 50) for lanes in range(1, 17)}
    assert len(states) == 16
    assert len(set(deltas(64, 16, 1, 50))) == 16 * 50


def test_a_run_takes_the_place_of_one_that_is_under_way():
    width, lanes = 64, 8

    for pause in range(1, 60, 4):
        bench = Bench(width, lanes)

        async def script(ctx, bench=bench, pause=pause):
            await bench.run_of(ctx, 5, 20)
            await ctx.tick().repeat(pause)
            await bench.run_of(ctx, 7, 30)
            _, state = await bench.result(ctx)
            assert state == state_after(width, lanes, 7, 30)

        bench.simulate(script)


def test_registers_say_what_was_written_and_how_far_a_run_is():
    bench = Bench(64, 4)

    async def script(ctx):
        assert await bench.read(ctx, RUN) == 0
        await bench.run_of(ctx, 9, 1000)
        assert await bench.read(ctx, SEED) == 9
        assert await bench.read(ctx, RUN) == 1
        assert ctx.get(bench.dut.running) == 1
        await ctx.tick().repeat(100)
        assert 0 < await bench.read(ctx, ELAPSED) < 1000
        elapsed, state = await bench.result(ctx)
        await ctx.tick().repeat(10)
        assert await bench.result(ctx) == (elapsed, state)
        assert ctx.get(bench.dut.running) == 0

    bench.simulate(script)


def test_other_ops_do_nothing():
    bench = Bench(64, 4)

    async def script(ctx):
        await bench.run_of(ctx, 9, 10)
        before = await bench.result(ctx)
        for op in (TableOp.ACCUM, TableOp.SWAP, TableOp.SWAP_TO, TableOp.CLEAR):
            for register in range(4):
                port = bench.dut.i
                ctx.set(port.payload, {"op": op, "address": register, "data": 3})
                ctx.set(port.valid, 1)
                await ctx.tick()
        ctx.set(bench.dut.i.valid, 0)
        assert ctx.get(bench.dut.running) == 0
        assert ctx.get(bench.dut.o.valid) == 0
        assert await bench.result(ctx) == before
        assert await bench.read(ctx, SEED) == 9

    bench.simulate(script)


def test_a_reset_ends_a_run():
    bench = Bench(64, 8)

    async def script(ctx):
        for pause in (1, 9, 20, 40):
            await bench.run_of(ctx, 5, 20)
            await ctx.tick().repeat(pause)
            ctx.set(bench.reset, 1)
            await ctx.tick()
            ctx.set(bench.reset, 0)
            assert await bench.result(ctx) == (0, 0)
            await bench.run_of(ctx, 3, 30)
            assert (await bench.result(ctx))[1] == state_after(64, 8, 3, 30)

    bench.simulate(script)


@pytest.mark.parametrize(
    ("width", "lanes", "message"),
    [
        (31, 4, "Width must be at least 32, not 31"),
        (64, 0, "Banks must be between 1 and 1024, not 0"),
        (64, 1025, "Banks must be between 1 and 1024, not 1025"),
    ],
)
def test_a_parameter_out_of_its_range_is_named(width, lanes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        BanksEngine(width, lanes)
