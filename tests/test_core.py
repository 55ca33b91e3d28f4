"""`DeltaCore` against the algebra's table in plain Python."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from atomik_hdl.core import DeltaCore, core_response_layout, core_swap_layout
from tests.simulate import simulate

WIDTHS = (1, 7, 65)
RESPONDING = ("read", "swap")

#: A swap that keeps the state; any other swap is the value of the new reference.
KEEP = "keep"


@dataclass(frozen=True)
class Ops:
    """What transfers in one cycle; None and False are no transfer."""

    load: int | None = None
    accum: int | None = None
    read: bool = False
    swap: int | str | None = None


@dataclass
class Context:
    """One context in plain Python: `apply` returns state and accumulator, and acts in order."""

    width: int
    reference: int = 0
    accumulator: int = 0

    def apply(self, ops: Ops) -> tuple[int, int]:
        before = self.reference ^ self.accumulator, self.accumulator
        if ops.swap is not None:
            self.reference = before[0] if ops.swap == KEEP else int(ops.swap)
            self.accumulator = 0
        if ops.load is not None:
            self.reference, self.accumulator = ops.load, 0
        if ops.accum is not None:
            self.accumulator ^= ops.accum
        return before


def put(ctx: Any, dut: DeltaCore, ops: Ops) -> None:
    """Set all request ports for the next clock edge. Payloads of idle ports are all ones."""
    ones = (1 << dut.width) - 1
    ctx.set(dut.load.valid, ops.load is not None)
    ctx.set(dut.load.payload, ones if ops.load is None else ops.load)
    ctx.set(dut.accum.valid, ops.accum is not None)
    ctx.set(dut.accum.payload, ones if ops.accum is None else ops.accum)
    ctx.set(dut.read.valid, ops.read)
    ctx.set(dut.swap.valid, ops.swap is not None)
    ctx.set(dut.swap.payload.keep, ops.swap == KEEP)
    ctx.set(dut.swap.payload.value, ops.swap if isinstance(ops.swap, int) else ones)


async def response(ctx: Any, dut: DeltaCore, port: str) -> tuple[int, int]:
    """Take the response of ``port``; return state and accumulator."""
    answers = getattr(dut, f"{port}_response")
    ctx.set(answers.ready, 1)
    (payload,) = await ctx.tick().sample(answers.payload).until(answers.valid)
    ctx.set(answers.ready, 0)
    return payload.state, payload.accumulator


async def step(ctx: Any, dut: DeltaCore, ops: Ops) -> dict[str, tuple[int, int]]:
    """Let ``ops`` transfer in one cycle, then take their responses."""
    assert ctx.get(dut.read.ready)
    assert ctx.get(dut.swap.ready)
    put(ctx, dut, ops)
    await ctx.tick()
    put(ctx, dut, Ops())
    answers = {}
    if ops.read:
        answers["read"] = await response(ctx, dut, "read")
    if ops.swap is not None:
        answers["swap"] = await response(ctx, dut, "swap")
    return answers


def run(
    dut: DeltaCore,
    bench: Callable[[Any], Coroutine[Any, Any, None]],
    tmp_path: Path,
    deadline: int = 500,
) -> None:
    simulate(dut, bench, deadline=deadline, tmp_path=tmp_path)


# Construction


@pytest.mark.parametrize("width", ["8", 8.0, None, True])
def test_width_that_is_no_integer_is_a_type_error(width: Any) -> None:
    with pytest.raises(
        TypeError, match=rf"^Width must be an integer, not {re.escape(repr(width))}$"
    ):
        DeltaCore(width)


@pytest.mark.parametrize("width", [-1, 0, 1025])
def test_width_out_of_range_is_a_value_error(width: int) -> None:
    with pytest.raises(ValueError, match=rf"^Width must be between 1 and 1024, not {width}$"):
        DeltaCore(width)


@pytest.mark.parametrize("width", [*WIDTHS, 64, 1024])
@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_signature_has_four_requests_and_two_responses(width: int) -> None:
    pair = data.StructLayout({"state": width, "accumulator": width})
    dut = DeltaCore(width)
    assert dut.width == width
    assert core_response_layout(width) == pair
    assert core_swap_layout(width) == data.StructLayout({"keep": 1, "value": width})
    assert dut.signature == wiring.Signature(
        {
            "load": In(stream.Signature(width)),
            "accum": In(stream.Signature(width)),
            "read": In(stream.Signature(data.StructLayout({}))),
            "read_response": Out(stream.Signature(pair)),
            "swap": In(stream.Signature(data.StructLayout({"keep": 1, "value": width}))),
            "swap_response": Out(stream.Signature(pair)),
        }
    )


# Directed


@pytest.mark.parametrize("width", WIDTHS)
def test_after_power_up_all_is_zero_and_every_port_is_ready(width: int, tmp_path: Path) -> None:
    dut = DeltaCore(width)

    async def bench(ctx: Any) -> None:
        for port in ("load", "accum", "read", "swap"):
            assert ctx.get(getattr(dut, port).ready)
        for port in RESPONDING:
            assert not ctx.get(getattr(dut, f"{port}_response").valid)
        assert await step(ctx, dut, Ops(read=True)) == {"read": (0, 0)}

    run(dut, bench, tmp_path)


def combinations(width: int) -> Iterator[Ops]:
    """Every set of ports that can transfer in one cycle, with either kind of swap."""
    rng = random.Random(width)
    for load, accum, read, swap in itertools.product(
        (False, True), (False, True), (False, True), ("none", "keep", "value")
    ):
        yield Ops(
            load=rng.getrandbits(width) if load else None,
            accum=rng.getrandbits(width) if accum else None,
            read=read,
            swap={"none": None, "keep": KEEP, "value": rng.getrandbits(width)}[swap],
        )


@pytest.mark.parametrize("width", WIDTHS)
def test_what_transfers_together_acts_as_read_swap_load_accum(width: int, tmp_path: Path) -> None:
    dut = DeltaCore(width)
    rng = random.Random(width)

    async def bench(ctx: Any) -> None:
        context = Context(width)
        for ops in combinations(width):
            for before in (Ops(load=rng.getrandbits(width)), Ops(accum=rng.getrandbits(width))):
                context.apply(before)
                await step(ctx, dut, before)
            old = context.apply(ops)
            answers = await step(ctx, dut, ops)
            assert answers == dict.fromkeys(answers, old)
            assert set(answers) == {
                *(["read"] if ops.read else []),
                *(["swap"] if ops.swap is not None else []),
            }
            new = context.apply(Ops(read=True))
            assert await step(ctx, dut, Ops(read=True)) == {"read": new}

    run(dut, bench, tmp_path)


@pytest.mark.parametrize("width", WIDTHS)
def test_swap_of_zero_and_keeping_swap_differ(width: int, tmp_path: Path) -> None:
    dut = DeltaCore(width)
    ones = (1 << width) - 1

    async def bench(ctx: Any) -> None:
        await step(ctx, dut, Ops(accum=ones))
        assert await step(ctx, dut, Ops(swap=KEEP)) == {"swap": (ones, ones)}
        assert await step(ctx, dut, Ops(swap=0)) == {"swap": (ones, 0)}
        assert await step(ctx, dut, Ops(read=True)) == {"read": (0, 0)}

    run(dut, bench, tmp_path)


@pytest.mark.parametrize("port", RESPONDING)
def test_response_comes_after_two_cycles_and_ready_after_it_was_taken(
    port: str, tmp_path: Path
) -> None:
    dut = DeltaCore(8)
    requests, responses = getattr(dut, port), getattr(dut, f"{port}_response")
    handshakes = []

    async def bench(ctx: Any) -> None:
        ctx.set(requests.valid, 1)
        ctx.set(responses.ready, 1)
        for _ in range(9):
            handshakes.append((ctx.get(requests.ready), ctx.get(responses.valid)))
            await ctx.tick()

    run(dut, bench, tmp_path)
    assert handshakes == [(1, 0), (0, 0), (0, 1)] * 3


@pytest.mark.parametrize("port", RESPONDING)
def test_response_keeps_the_values_of_its_requests_cycle(port: str, tmp_path: Path) -> None:
    dut = DeltaCore(8)
    answers = getattr(dut, f"{port}_response")

    async def bench(ctx: Any) -> None:
        await step(ctx, dut, Ops(load=0x5A))
        put(ctx, dut, Ops(accum=0x0F, read=port == "read", swap=0x77 if port == "swap" else None))
        await ctx.tick()
        for value in range(1, 20):
            put(ctx, dut, Ops(load=value, accum=value ^ 0x80, read=True, swap=KEEP))
            await ctx.tick()
            assert ctx.get(answers.valid)
            assert not ctx.get(getattr(dut, port).ready)
            assert ctx.get(answers.payload) == {"state": 0x5A, "accumulator": 0}

    run(dut, bench, tmp_path)


@pytest.mark.parametrize("width", WIDTHS)
def test_an_accumulate_every_cycle_while_no_response_is_taken(width: int, tmp_path: Path) -> None:
    dut = DeltaCore(width)
    rng = random.Random(width)
    deltas = [rng.getrandbits(width) for _ in range(50)]

    async def bench(ctx: Any) -> None:
        put(ctx, dut, Ops(read=True, swap=KEEP))
        await ctx.tick()
        total = 0
        for delta in deltas:
            put(ctx, dut, Ops(accum=delta))
            assert ctx.get(dut.accum.ready)
            assert ctx.get(dut.load.ready)
            await ctx.tick()
            total ^= delta
        put(ctx, dut, Ops())
        for port in RESPONDING:
            assert await response(ctx, dut, port) == (0, 0)
        assert await step(ctx, dut, Ops(read=True)) == {"read": (total, total)}

    run(dut, bench, tmp_path)


@pytest.mark.parametrize("width", WIDTHS)
def test_reset_zeroes_the_context_and_drops_requests_and_responses(
    width: int, tmp_path: Path
) -> None:
    dut = DeltaCore(width)
    reset = Signal()
    ones = (1 << width) - 1

    async def bench(ctx: Any) -> None:
        for cycles in (1, 2, 3):
            # A response waits, a request is on its way, and more transfers during the reset.
            put(ctx, dut, Ops(load=ones, accum=1, read=True))
            await ctx.tick().repeat(cycles)
            put(ctx, dut, Ops(accum=ones, swap=ones, read=True))
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            put(ctx, dut, Ops())
            for _ in range(4):
                for port in RESPONDING:
                    assert ctx.get(getattr(dut, port).ready)
                    assert not ctx.get(getattr(dut, f"{port}_response").valid)
                await ctx.tick()
            assert await step(ctx, dut, Ops(read=True)) == {"read": (0, 0)}

    simulate(ResetInserter(reset)(dut), bench, deadline=100, tmp_path=tmp_path)


# Random


@dataclass
class Seen:
    """Responses in the order in which they transferred, and how many requests did."""

    expected: dict[str, list[tuple[int, int]]] = field(
        default_factory=lambda: {port: [] for port in RESPONDING}
    )
    got: dict[str, list[tuple[int, int]]] = field(
        default_factory=lambda: {port: [] for port in RESPONDING}
    )


@pytest.mark.parametrize("stalls", [0.0, 0.4, 0.9])
@pytest.mark.parametrize(
    ("width", "cycles"), [(1, 600), (7, 600), (64, 600), (65, 600), (1024, 80)]
)
def test_random_traffic_with_random_stalls(
    width: int, cycles: int, stalls: float, tmp_path: Path
) -> None:
    dut = DeltaCore(width)
    rng = random.Random(f"{width} {stalls}")
    seen = Seen()

    def word() -> int:
        return rng.choice((0, (1 << width) - 1, 1 << (width - 1), rng.getrandbits(width)))

    async def bench(ctx: Any) -> None:
        context = Context(width)
        for cycle in range(cycles + 10):
            # The last cycles bring no requests and take all responses.
            last = cycle >= cycles
            wanted = (
                Ops()
                if last
                else Ops(
                    load=word() if rng.random() < 0.1 else None,
                    accum=word() if rng.random() < 0.7 else None,
                    read=rng.random() < 0.6,
                    swap=rng.choice((None, KEEP, word())),
                )
            )
            put(ctx, dut, wanted)
            for port in RESPONDING:
                answers = getattr(dut, f"{port}_response")
                ctx.set(answers.ready, last or rng.random() >= stalls)
                if ctx.get(answers.valid) and ctx.get(answers.ready):
                    payload = ctx.get(answers.payload)
                    seen.got[port].append((payload.state, payload.accumulator))
            done = Ops(
                load=wanted.load,
                accum=wanted.accum,
                read=wanted.read and bool(ctx.get(dut.read.ready)),
                swap=wanted.swap if ctx.get(dut.swap.ready) else None,
            )
            old = context.apply(done)
            if done.read:
                seen.expected["read"].append(old)
            if done.swap is not None:
                seen.expected["swap"].append(old)
            await ctx.tick()

    run(dut, bench, tmp_path, deadline=cycles + 11)
    assert seen.got == seen.expected
    assert all(len(answers) >= cycles // 20 for answers in seen.got.values())
