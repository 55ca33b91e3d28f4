# amaranth: UnusedElaboratable=no

import random
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from amaranth import ResetInserter, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from atomik_hdl.table import DeltaTable, TableOp

from .simulate import simulate
from .table_bench import OPS, RESPONDING, Request, check, read_all, run

ACCUM, LOAD, READ, SWAP, SWAP_TO, CLEAR = TableOp

SHAPES = [(1, 1), (7, 2), (64, 17), (65, 16), (7, 256), (256, 3)]


class TestConstruction:
    @pytest.mark.parametrize(
        ("width", "depth", "address"), [(1, 1, 0), (7, 2, 1), (64, 17, 5), (256, 65_536, 16)]
    )
    def test_signature(self, width: int, depth: int, address: int) -> None:
        request = data.StructLayout({"op": TableOp, "address": address, "data": width})
        word = data.StructLayout({"state": width, "accumulator": width})
        assert DeltaTable(width, depth).signature == Signature(
            {"i": In(stream.Signature(request)), "o": Out(stream.Signature(word))}
        )

    def test_parameters_are_kept(self) -> None:
        dut = DeltaTable(65, 17)
        assert (dut.width, dut.depth) == (65, 17)

    @pytest.mark.parametrize("value", [0, -1, 1.0, "8", None, True])
    def test_a_parameter_that_is_no_positive_integer_is_refused(self, value: Any) -> None:
        message = f"Width must be a positive integer, not {value!r}"
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            DeltaTable(value, 16)
        message = f"Depth must be a positive integer, not {value!r}"
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            DeltaTable(64, value)

    def test_a_parameter_that_is_too_large_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^Width must be at most 256, not 257$"):
            DeltaTable(257, 16)
        with pytest.raises(ValueError, match=r"^Depth must be at most 65536, not 65537$"):
            DeltaTable(64, 65_537)


class TestOps:
    def test_every_context_is_zero_from_the_start(self, tmp_path: Path) -> None:
        dut = DeltaTable(7, 17)
        responses = run(dut, list(read_all(17)), 17, tmp_path)
        assert [response for _, response in responses] == [(0, 0)] * 17

    def test_responses_are_of_the_instant_before_the_op(self, tmp_path: Path) -> None:
        requests = [
            (LOAD, 3, 0x1234),
            (READ, 3, 0),
            (ACCUM, 3, 0x00FF),
            (READ, 3, 0),
            (SWAP, 3, 0),
            (READ, 3, 0),
            (ACCUM, 3, 0x000F),
            (SWAP_TO, 3, 0x5555),
            (READ, 3, 0),
            (ACCUM, 3, 0x5555),
            (READ, 3, 0),
            (LOAD, 3, 0x8000),
            (READ, 3, 0),
        ]
        expected = [
            (0x1234, 0x0000),
            (0x12CB, 0x00FF),
            (0x12CB, 0x00FF),
            (0x12CB, 0x0000),
            (0x12C4, 0x000F),
            (0x5555, 0x0000),
            (0x0000, 0x5555),
            (0x8000, 0x0000),
        ]
        responses = run(DeltaTable(16, 16), requests, len(expected), tmp_path)
        assert [response for _, response in responses] == expected

    def test_contexts_are_independent(self, tmp_path: Path) -> None:
        requests = [
            *((LOAD, address, address + 1) for address in range(17)),
            *((ACCUM, address, 0x40) for address in range(0, 17, 3)),
            *read_all(17),
        ]
        responses = run(DeltaTable(7, 17), requests, 17, tmp_path)
        assert [response for _, response in responses] == [
            (n + 1 ^ 0x40, 0x40) if n % 3 == 0 else (n + 1, 0) for n in range(17)
        ]

    def test_any_two_ops_on_one_address_at_any_distance(self, tmp_path: Path) -> None:
        rng = random.Random(2)
        requests: list[Request] = []
        for distance, first, second in product(range(1, 8), OPS, OPS):
            between = [(ACCUM, 2 + n % 3, rng.getrandbits(16)) for n in range(distance - 1)]
            requests += [
                (ACCUM, 1, rng.getrandbits(16)),
                (first, 1, rng.getrandbits(16)),
                *between,
                (second, 1, rng.getrandbits(16)),
                *between,
                (READ, 1, 0),
            ]
        check(16, 8, requests, tmp_path)

    def test_any_three_ops_on_two_addresses(self, tmp_path: Path) -> None:
        rng = random.Random(3)
        requests: list[Request] = []
        # Which of the two addresses comes first is all the same.
        for ops in product(OPS, repeat=3):
            for addresses in product((0,), (0, 1), (0, 1)):
                requests += zip(ops, addresses, (rng.getrandbits(7) for _ in ops), strict=True)
        check(7, 2, [*requests, *read_all(2)], tmp_path)

    def test_an_address_beyond_the_depth_touches_no_context(self, tmp_path: Path) -> None:
        requests: list[Request] = [(LOAD, address, address + 1) for address in range(17)]
        for address, op in product(range(17, 32), (LOAD, ACCUM)):
            requests.append((op, address, 0x2A))
        responses = run(DeltaTable(7, 17), [*requests, *read_all(17)], 17, tmp_path)
        assert [response for _, response in responses] == [(n + 1, 0) for n in range(17)]


class TestClear:
    @pytest.mark.parametrize(("width", "depth"), SHAPES)
    def test_acts_between_the_requests_before_and_after(
        self, width: int, depth: int, tmp_path: Path
    ) -> None:
        rng = random.Random(depth)
        requests: list[Request] = []
        for _ in range(3):
            requests += ((LOAD, n, rng.getrandbits(width)) for n in range(depth))
            requests += ((SWAP, depth - 1, 0), (ACCUM, 0, 1), (READ, 0, 0), (CLEAR, 0, 0))
            requests += ((ACCUM, depth - 1, 1), (ACCUM, 0, 1), *read_all(depth))
        check(width, depth, requests, tmp_path)

    @pytest.mark.parametrize("depth", [1, 2, 4, 17])
    @pytest.mark.parametrize("pause", [0, 0.7])
    def test_any_address_right_after_it(self, depth: int, pause: float, tmp_path: Path) -> None:
        requests: list[Request] = []
        for address, op in product(range(depth), OPS):
            requests += ((LOAD, address, 0x55), (CLEAR, address, 0x7F), (op, address, 0x33))
            requests += ((READ, address, 0), (READ, depth - 1, 0))
        check(7, depth, requests, tmp_path, stalls=[(pause, 0)])

    @pytest.mark.parametrize("depth", [1, 2, 17])
    def test_ready_is_low_for_depth_clocks_and_after_a_reset_too(
        self, depth: int, tmp_path: Path
    ) -> None:
        dut = DeltaTable(7, depth)

        async def low(ctx: Any) -> int:
            clocks = 0
            while not ctx.get(dut.i.ready):
                clocks += 1
                await ctx.tick()
            return clocks

        async def testbench(ctx: Any) -> None:
            assert await low(ctx) == depth
            for _ in range(2):
                ctx.set(dut.i.payload.op, CLEAR)
                ctx.set(dut.i.valid, 1)
                await ctx.tick()
                ctx.set(dut.i.valid, 0)
                assert await low(ctx) == depth

        simulate(dut, testbench, deadline=200, tmp_path=tmp_path)


class TestReset:
    def test_drops_what_is_in_flight_and_clears_every_context(self, tmp_path: Path) -> None:
        depth, resets = 5, range(1, 12)
        table = DeltaTable(7, depth)
        reset = Signal()
        dut = ResetInserter(reset)(table)
        responses = []

        async def reset_after(ctx: Any, clocks: int) -> None:
            ctx.set(table.o.ready, 0)
            ctx.set(table.i.valid, 1)
            for n in range(depth):
                ctx.set(table.i.payload, {"op": LOAD, "address": n, "data": 0x55})
                await ctx.tick().until(table.i.ready)
            for n in range(clocks):
                op = RESPONDING[n % 3]
                ctx.set(table.i.payload, {"op": op, "address": n % depth, "data": 0x2A})
                await ctx.tick()
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert ctx.get(table.i.ready) == 0
            assert ctx.get(table.o.valid) == 0
            ctx.set(table.o.ready, 1)
            for n in range(depth):
                ctx.set(table.i.payload, {"op": READ, "address": n, "data": 0})
                await ctx.tick().until(table.i.ready)
            ctx.set(table.i.valid, 0)
            await ctx.tick().repeat(30)

        async def testbench(ctx: Any) -> None:
            for number, clocks in enumerate(resets, start=1):
                await reset_after(ctx, clocks)
                assert responses == [(0, 0)] * depth * number, clocks

        async def take(ctx: Any) -> None:
            async for _, _, valid, ready, word in ctx.tick().sample(
                table.o.valid, table.o.ready, table.o.payload
            ):
                if valid and ready:
                    responses.append((word.state, word.accumulator))

        simulate(dut, testbench, background=[take], deadline=1500, tmp_path=tmp_path)


class TestTiming:
    def test_response_eleven_clocks_after_its_request(self, tmp_path: Path) -> None:
        # The first request transfers after the sweep: in clock 16, counted from 0.
        ((clock, _),) = run(DeltaTable(7, 16), [(READ, 0, 0)], 1, tmp_path)
        assert clock == 16 + 11

    @pytest.mark.parametrize("op", RESPONDING)
    def test_one_request_and_one_response_a_clock(self, op: TableOp, tmp_path: Path) -> None:
        responses = run(DeltaTable(7, 16), [(op, 5, n % 128) for n in range(100)], 100, tmp_path)
        assert [clock for clock, _ in responses] == list(range(27, 127))

    @pytest.mark.parametrize(("pause", "expected"), [(0, 15), (6, 11)])
    def test_requests_stop_when_no_responses_are_taken(
        self, pause: int, expected: int, tmp_path: Path
    ) -> None:
        dut = DeltaTable(7, 16)

        async def testbench(ctx: Any) -> None:
            await ctx.tick().until(dut.i.ready)
            taken = 0
            ctx.set(dut.i.payload.op, READ)
            for clock in range(200):
                ctx.set(dut.i.valid, clock % (pause + 1) == 0)
                _, _, ready, valid = await ctx.tick().sample(dut.i.ready, dut.i.valid)
                taken += ready and valid
            assert taken == expected
            assert ctx.get(dut.i.ready) == 0
            ctx.set(dut.i.valid, 0)
            ctx.set(dut.o.ready, 1)
            given = 0
            for _ in range(40):
                _, _, valid = await ctx.tick().sample(dut.o.valid)
                given += valid
            assert given == expected
            assert ctx.get(dut.i.ready) == 1

        simulate(dut, testbench, deadline=400, tmp_path=tmp_path)


class TestRandom:
    @pytest.mark.parametrize(("width", "depth"), SHAPES)
    def test_any_traffic_is_as_the_model_has_it(
        self, width: int, depth: int, tmp_path: Path
    ) -> None:
        rng = random.Random(f"{width} {depth}")
        hot = [rng.randrange(depth) for _ in range(3)]
        requests = [
            (
                CLEAR if rng.random() < 0.005 else rng.choice(OPS),
                rng.choice([*hot, rng.randrange(depth)]),
                rng.getrandbits(width),
            )
            for _ in range(800)
        ]
        stalls = [(0, 0), (0.5, 0), (0, 0.6), (0.3, 0.3)]
        check(width, depth, requests, tmp_path, stalls=stalls, seed=width)
