"""`DeltaBanks`: which deltas a token covers, and when its response comes."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from atomik_hdl.banks import DeltaBanks
from atomik_hdl.merge import MergeChain, MergeTree
from tests.banks_bench import KEEP, RESPONDING, Cycle, covered_answers, group_size, play
from tests.simulate import simulate

TOPOLOGIES = ("chain", "tree")
WIDTHS = (1, 7, 64)
READ = Cycle(read=True)


def run(
    dut: DeltaBanks,
    bench: Callable[[Any], Coroutine[Any, Any, None]],
    tmp_path: Path,
    deadline: int = 1000,
) -> None:
    simulate(dut, bench, deadline=deadline, tmp_path=tmp_path)


def idle(cycles: int) -> list[Cycle]:
    return [Cycle()] * cycles


# Construction


@pytest.mark.parametrize("wrong", ["8", 8.0, None, True])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_parameter_that_is_no_integer_is_a_type_error(wrong: Any, topology: str) -> None:
    for name, parameters in (("Width", (wrong, 1)), ("Banks", (1, wrong))):
        message = f"^{name} must be an integer, not {re.escape(repr(wrong))}$"
        with pytest.raises(TypeError, match=message):
            DeltaBanks(*parameters, topology=topology)


@pytest.mark.parametrize("wrong", [-1, 0, 1025])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_parameter_out_of_range_is_a_value_error(wrong: int, topology: str) -> None:
    for name, parameters in (("Width", (wrong, 1)), ("Banks", (1, wrong))):
        message = f"^{name} must be between 1 and 1024, not {wrong}$"
        with pytest.raises(ValueError, match=message):
            DeltaBanks(*parameters, topology=topology)


@pytest.mark.parametrize("wrong", ["ring", "", None, 1, []])
def test_unknown_topology_is_a_value_error(wrong: Any) -> None:
    message = f"^Topology must be 'chain' or 'tree', not {re.escape(repr(wrong))}$"
    with pytest.raises(ValueError, match=message):
        DeltaBanks(8, 4, topology=wrong)


@pytest.mark.parametrize("width", [1, 65, 1024])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_signature_has_a_stream_a_lane_and_three_kinds_of_tokens(width: int, topology: str) -> None:
    pair = data.StructLayout({"state": width, "accumulator": width})
    dut = DeltaBanks(width, 5, topology=topology)
    assert (dut.width, dut.banks, dut.topology) == (width, 5, topology)
    assert dut.signature == wiring.Signature(
        {
            "lanes": In(stream.Signature(width)).array(5),
            "load": In(stream.Signature(width)),
            "read": In(stream.Signature(data.StructLayout({}))),
            "read_response": Out(stream.Signature(pair)),
            "swap": In(stream.Signature(data.StructLayout({"keep": 1, "value": width}))),
            "swap_response": Out(stream.Signature(pair)),
        }
    )


def test_lanes_are_chained_unless_said_otherwise() -> None:
    assert DeltaBanks(8, 4).topology == "chain"


@pytest.mark.parametrize(
    ("banks", "groups", "latency"),
    [(1, 1, 5), (6, 1, 5), (7, 2, 6), (12, 2, 6), (13, 3, 7), (512, 86, 90), (1024, 171, 175)],
)
def test_a_chain_has_groups_of_six_each_a_cycle_later(
    banks: int, groups: int, latency: int
) -> None:
    dut = DeltaBanks(8, banks)
    assert dut.groups == groups
    assert dut.latency == latency
    assert [dut.skew(group) for group in range(groups)] == list(range(groups))
    assert [dut.group_of(lane) for lane in range(banks)] == [lane // 6 for lane in range(banks)]


@pytest.mark.parametrize(
    ("banks", "latency"),
    [(1, 4), (2, 4), (3, 5), (8, 5), (9, 6), (32, 6), (33, 7), (128, 7), (129, 8), (1024, 9)],
)
def test_a_tree_has_no_skew_and_grows_with_the_logarithm(banks: int, latency: int) -> None:
    dut = DeltaBanks(8, banks, topology="tree")
    assert dut.groups == 1
    assert dut.latency == latency
    assert dut.skew(0) == 0
    assert {dut.group_of(lane) for lane in range(banks)} == {0}


@pytest.mark.parametrize(("topology", "groups"), [("chain", 2), ("tree", 1)])
def test_group_or_lane_that_is_not_there_is_an_index_error(topology: str, groups: int) -> None:
    dut = DeltaBanks(8, 7, topology=topology)
    for wrong in (-1, groups):
        message = f"^Group must be between 0 and {groups - 1}, not {wrong}$"
        with pytest.raises(IndexError, match=message):
            dut.skew(wrong)
    for wrong in (-1, 7):
        with pytest.raises(IndexError, match=f"^Lane must be between 0 and 6, not {wrong}$"):
            dut.group_of(wrong)


# What is covered


@pytest.mark.parametrize(
    ("token", "covered", "later"),
    [
        # State that a read gets afterwards, when the delta is covered and when it is not.
        (READ, 0x5A, 0x5A),
        (Cycle(swap=KEEP), 0x5A, 0x5A),
        (Cycle(swap=0x40), 0x40, 0x1A),
        (Cycle(load=0x40), 0x40, 0x1A),
    ],
    ids=["read", "keeping swap", "swap", "load"],
)
@pytest.mark.parametrize(("topology", "banks"), [("chain", 1), ("chain", 13), ("tree", 5)])
def test_a_token_covers_a_lane_up_to_the_skew_of_its_group(
    topology: str, banks: int, token: Cycle, covered: int, later: int, tmp_path: Path
) -> None:
    dut = DeltaBanks(8, banks, topology=topology)

    async def bench(ctx: Any) -> None:
        for lane in range(banks):
            skew = lane // group_size(topology, banks)
            for time in (skew, skew + 1):
                await play(ctx, dut, [*idle(2), Cycle(load=0)])
                script = [token, *idle(skew + 1)]
                script[time] = replace(script[time], deltas={lane: 0x5A})
                record = await play(ctx, dut, script)
                answers = [*record.answers["read"], *record.answers["swap"]]
                before = (0x5A, 0x5A) if time == skew else (0, 0)
                assert answers == ([] if token.load is not None else [before])
                record = await play(ctx, dut, [READ])
                ((state, _accumulator),) = record.answers["read"]
                assert state == (covered if time == skew else later)

    run(dut, bench, tmp_path, deadline=2000)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_tokens_of_a_cycle_act_as_read_swap_load(topology: str, tmp_path: Path) -> None:
    dut = DeltaBanks(8, 1, topology=topology)

    async def bench(ctx: Any) -> None:
        together = Cycle({0: 0x0F}, load=0x33, read=True, swap=0x77)
        record = await play(ctx, dut, [Cycle(), together, Cycle({0: 0x80})])
        assert record.answers == {"read": [(0x0F, 0x0F)], "swap": [(0x0F, 0x0F)]}
        record = await play(ctx, dut, [Cycle(read=True, swap=0x77)])
        assert record.answers["read"] == [(0xB3, 0x80)]
        record = await play(ctx, dut, [Cycle(), Cycle(read=True, swap=KEEP)])
        assert record.answers["read"] == [(0x77, 0)]
        record = await play(ctx, dut, [Cycle(), READ])
        assert record.answers["read"] == [(0x77, 0)]

    run(dut, bench, tmp_path)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_swap_of_zero_and_keeping_swap_differ(topology: str, tmp_path: Path) -> None:
    dut = DeltaBanks(8, 4, topology=topology)

    async def bench(ctx: Any) -> None:
        record = await play(ctx, dut, [Cycle(), Cycle({3: 0xFF}, swap=KEEP)])
        assert record.answers["swap"] == [(0xFF, 0xFF)]
        record = await play(ctx, dut, [Cycle(swap=0)])
        assert record.answers["swap"] == [(0xFF, 0)]
        record = await play(ctx, dut, [READ])
        assert record.answers["read"] == [(0, 0)]

    run(dut, bench, tmp_path)


# Handshakes


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_after_power_up_all_is_zero_and_the_ports_open_in_the_second_cycle(
    topology: str, tmp_path: Path
) -> None:
    dut = DeltaBanks(8, 7, topology=topology)
    ports = [getattr(dut, port) for port in ("load", "read", "swap")]

    async def bench(ctx: Any) -> None:
        assert all(ctx.get(lane.ready) for lane in dut.lanes)
        assert not any(ctx.get(port.ready) for port in ports)
        assert not any(ctx.get(getattr(dut, f"{port}_response").valid) for port in RESPONDING)
        await ctx.tick()
        assert all(ctx.get(port.ready) for port in ports)
        record = await play(ctx, dut, [READ])
        assert record.answers["read"] == [(0, 0)]

    run(dut, bench, tmp_path)


@pytest.mark.parametrize(("topology", "banks"), [("chain", 1), ("chain", 13), ("tree", 9)])
def test_a_response_comes_after_the_latency_and_the_next_request_two_cycles_later(
    topology: str, banks: int, tmp_path: Path
) -> None:
    dut = DeltaBanks(8, banks, topology=topology)
    latency = {("chain", 1): 5, ("chain", 13): 7, ("tree", 9): 6}[topology, banks]

    async def bench(ctx: Any) -> None:
        await ctx.tick()
        script = [Cycle(load=1, read=True, swap=KEEP)] * (4 * (latency + 2))
        record = await play(ctx, dut, script)
        asked = list(range(0, len(script), latency + 2))
        assert [time for time, cycle in enumerate(record.accepted) if cycle.read] == asked
        assert [time for time, cycle in enumerate(record.accepted) if cycle.swap] == asked
        assert record.times == {port: [time + latency for time in asked] for port in RESPONDING}
        loads = [time for time, cycle in enumerate(record.accepted) if cycle.load is not None]
        assert loads == list(range(0, len(script), latency - 1))

    run(dut, bench, tmp_path)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_response_holds_while_lanes_and_loads_go_on(topology: str, tmp_path: Path) -> None:
    dut = DeltaBanks(8, 7, topology=topology)

    async def bench(ctx: Any) -> None:
        both = Cycle({0: 0x21}, read=True, swap=0x77)
        traffic = [Cycle(dict.fromkeys(range(7), n), n, read=True, swap=n) for n in range(20)]
        await play(ctx, dut, [Cycle(), both, *traffic], taking=lambda: False, drain=False)
        for port in RESPONDING:
            response = getattr(dut, f"{port}_response")
            assert ctx.get(response.valid)
            assert ctx.get(response.payload) == {"state": 0x21, "accumulator": 0x21}
            assert not ctx.get(getattr(dut, port).ready)
        assert all(ctx.get(lane.ready) for lane in dut.lanes)

    run(dut, bench, tmp_path)


@pytest.mark.parametrize("cycles", [1, 2, 9])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_reset_is_a_load_of_zero_in_its_last_cycle(
    topology: str, cycles: int, tmp_path: Path
) -> None:
    banks = 14
    dut = DeltaBanks(8, banks, topology=topology)
    reset = Signal()
    busy = Cycle(dict.fromkeys(range(banks), 0xFF), load=0xFF, read=True, swap=0x0F)

    async def bench(ctx: Any) -> None:
        for lane in (0, 5, 6, 13):
            skew = lane // group_size(topology, banks)
            for late in (False, True):
                await play(ctx, dut, [busy] * 10, taking=lambda: False, drain=False)
                ctx.set(reset, 1)
                await play(ctx, dut, [busy] * (cycles - 1), taking=lambda: False, drain=False)
                # The last cycle of the reset, and the skew after it, and one cycle more.
                script = idle(skew + 2)
                script[skew + late] = Cycle({lane: 0x5A})
                first, *others = script
                await play(ctx, dut, [first], drain=False)
                ctx.set(reset, 0)
                record = await play(ctx, dut, others)
                assert record.answers == {"read": [], "swap": []}
                record = await play(ctx, dut, [READ])
                assert record.answers["read"] == [(0x5A, 0x5A) if late else (0, 0)]

    simulate(ResetInserter(reset)(dut), bench, deadline=4000, tmp_path=tmp_path)


# Random


@pytest.mark.parametrize("stalls", [0.0, 0.7])
@pytest.mark.parametrize(
    ("width", "banks"), [(1, 1), (7, 2), (64, 4), (7, 5), (1, 16), (64, 16), (7, 33)]
)
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_random_traffic_with_random_stalls(
    topology: str, width: int, banks: int, stalls: float, tmp_path: Path
) -> None:
    dut = DeltaBanks(width, banks, topology=topology)
    rng = random.Random(f"{topology} {width} {banks} {stalls}")
    cycles = 200

    def word() -> int:
        return rng.choice((0, (1 << width) - 1, 1 << (width - 1), rng.getrandbits(width)))

    def cycle() -> Cycle:
        density = rng.choice((0.1, 0.5, 1.0))
        return Cycle(
            {lane: word() for lane in range(banks) if rng.random() < density},
            load=word() if rng.random() < 0.1 else None,
            read=rng.random() < 0.6,
            swap=rng.choice((None, KEEP, word())),
        )

    async def bench(ctx: Any) -> None:
        script = [cycle() for _ in range(cycles)]
        record = await play(ctx, dut, script, taking=lambda: rng.random() >= stalls)
        assert record.answers == covered_answers(record.accepted, topology, banks)
        assert min(map(len, record.answers.values())) > cycles // 30

    run(dut, bench, tmp_path)


@pytest.mark.parametrize(("merge", "size", "latency"), [(MergeChain, 6, 172), (MergeTree, 1024, 6)])
def test_each_of_1024_lanes_adds_its_delta_to_the_word_of_its_cycle_and_skew(
    merge: type, size: int, latency: int, tmp_path: Path
) -> None:
    # XORs and registers are linear: what one delta of each lane does is all that a merge does.
    banks = 1024
    dut = merge(6, banks)
    assert dut.latency == latency
    # Six lanes at a time, each with a bit of its own, so that time and bit tell the lane.
    script: dict[int, list[int]] = {}
    for lane in range(banks):
        script.setdefault(lane // 6 + lane // size, []).append(lane)
    words = []

    async def bench(ctx: Any) -> None:
        for time in range(banks // 6 + latency + 10):
            for lane in script.get(time - 1, ()):
                ctx.set(dut.lanes[lane].valid, 0)
            for lane in script.get(time, ()):
                ctx.set(dut.lanes[lane].valid, 1)
                ctx.set(dut.lanes[lane].payload, 1 << lane % 6)
            words.append(ctx.get(dut.o))
            await ctx.tick()

    simulate(dut, bench, deadline=400, tmp_path=tmp_path)
    full = [0b111111] * (banks // 6)
    assert words[:-9] == [0] * latency + full + [0b1111]
    assert not any(words[-9:])


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_lanes_far_apart_count_each_delta_once(topology: str, tmp_path: Path) -> None:
    banks = 200
    dut = DeltaBanks(8, banks, topology=topology)

    async def bench(ctx: Any) -> None:
        # A delta that comes again in the next cycle cancels itself, so one lane's number is left.
        skip = 0xA5
        first = Cycle({lane: lane for lane in range(banks)})
        again = Cycle({lane: lane for lane in range(banks) if lane != skip})
        wait = banks // group_size(topology, banks)
        record = await play(ctx, dut, [*idle(wait + 1), first, again, READ])
        assert record.answers["read"] == [(skip, skip)]

    run(dut, bench, tmp_path)
