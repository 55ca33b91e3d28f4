"""The engines against Amaranth's own simulator, and against each other."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from atomik_hdl.device import DeltaDevice
from atomik_sim import BoardOptions
from atomik_sim.amaranth_engine import AmaranthEngine
from atomik_sim.cxxrtl_engine import CxxrtlEngine
from atomik_sim.engine import Engine
from atomik_sim.pins import BREAK, CHARACTER_BITS, IDLE, character
from atomik_sim.scheduler import Scheduler

from .wire import ACCUM, LOAD, PEEK, SWAP, Session, info_frame, run

CLOCKS_PER_BIT = 4
SESSION = Session()


def traffic(width: int, seed: int) -> bytes:
    """Frames that are executed, refused, damaged and repeated, and some noise."""
    rng = random.Random(seed)
    size = -(-width // 8)

    def operand() -> int:
        return rng.getrandbits(width)

    frames = [
        SESSION.data(0, run(LOAD, 0, operand(), size=size)),
        info_frame(1),
        SESSION.open(),
        SESSION.data(0, run(LOAD, 1, operand(), operand(), size=size)),
        SESSION.data(1, run(ACCUM, 1, operand(), operand(), operand(), size=size)),
        SESSION.data(2, run(PEEK, 0, count=3)),
        rng.randbytes(5) + b"\0",
        SESSION.data(2, run(PEEK, 0, count=3)),
        SESSION.data(3, run(SWAP, 2, count=1)),
        SESSION.data(4, run(ACCUM, 3, operand(), size=size)),
    ]
    return b"\0".join(frames)


def device(options: BoardOptions) -> DeltaDevice:
    return DeltaDevice(options.clock_frequency, options.baud, options.width, options.contexts)


def outputs(dut: Any) -> list[Any]:
    return [dut.tx, dut.busy, dut.session, dut.error]


Run = Callable[[BoardOptions, Sequence[int], int], list[tuple[int, ...]]]


def by_scheduler(
    options: BoardOptions, levels: Sequence[int], reset_at: int
) -> list[tuple[int, ...]]:
    dut = device(options)
    scheduler = Scheduler(dut)
    slots = [scheduler.slot(signal) for signal in outputs(dut)]
    pins = []
    for clock, level in enumerate(levels):
        scheduler.update(scheduler.slot(dut.rx), level)
        if clock == reset_at:
            scheduler.reset()
        else:
            pins.append(tuple(slot.curr for slot in slots))
            scheduler.clock()
    return pins


def by_cxxrtl(options: BoardOptions, levels: Sequence[int], reset_at: int) -> list[tuple[int, ...]]:
    engine = CxxrtlEngine(options)
    before = engine.trace(bytes(levels[:reset_at]))
    # The clock of the reset takes no level: the line keeps the one that it has.
    engine.reset()
    after = engine.trace(bytes(levels[reset_at + 1 :]))
    pins = [tuple(byte >> bit & 1 for bit in range(4)) for byte in before + after]
    assert engine.clocks == len(levels)
    return pins


def by_amaranth(dut: Any, levels: Sequence[int], reset_at: int) -> list[tuple[int, ...]]:
    domain = ClockDomain("sync")
    top = Module()
    top.domains.sync = domain
    top.submodules.device = dut
    pins = []

    async def testbench(ctx: Any) -> None:
        for clock, level in enumerate(levels):
            ctx.set(dut.rx, level)
            ctx.set(domain.rst, clock == reset_at)
            _, _, *values = await ctx.tick().sample(*outputs(dut))
            pins.append(tuple(values))

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return pins


@cache
def stimulus_and_pins(width: int) -> tuple[list[int], int, list[tuple[int, ...]]]:
    """Levels of rx, the clock of a reset, and the pins before each other clock."""
    levels = [
        character(byte) >> bit & 1
        for byte in traffic(width, seed=width)
        for bit in range(CHARACTER_BITS)
        for _ in range(CLOCKS_PER_BIT)
    ] + [1] * 2000
    reset_at = len(levels) - 700
    expected = by_amaranth(device(BoardOptions(contexts=3, width=width)), levels, reset_at)
    assert {pins[0] for pins in expected} == {0, 1}
    del expected[reset_at]
    return levels, reset_at, expected


@pytest.mark.parametrize(
    ("width", "run"),
    [(1, by_scheduler), (7, by_scheduler), (65, by_scheduler), (65, by_cxxrtl)],
)
def test_each_clock_ends_as_on_amaranths_own_simulator(width: int, run: Run) -> None:
    levels, reset_at, expected = stimulus_and_pins(width)
    assert run(BoardOptions(contexts=3, width=width), levels, reset_at) == expected


def seen(engine: Engine, characters: Sequence[int]) -> list[tuple[object, ...]]:
    """What an engine tells after each character, and after a reset among them."""
    result: list[tuple[object, ...]] = []
    for index, levels in enumerate(characters):
        if index == len(characters) // 2:
            engine.reset()
        received = engine.transfer([levels])
        result.append((received, engine.clocks, engine.pin_bits, engine.idle))
    return result


def test_the_engines_do_and_tell_the_same_character_by_character() -> None:
    options = BoardOptions(contexts=8, width=12, baud=2_700_000)
    rng = random.Random(7)
    characters = [
        *map(character, traffic(12, 1)),
        *[IDLE] * 60,
        BREAK,
        *(rng.getrandbits(CHARACTER_BITS) for _ in range(20)),
        *[IDLE] * 20,
        *map(character, traffic(12, 2)),
        *[IDLE] * 60,
    ]
    compiled = seen(CxxrtlEngine(options), characters)
    assert compiled == seen(AmaranthEngine(options), characters)
    assert b"".join(received for received, *_ in compiled if isinstance(received, bytes))


def test_many_characters_in_a_call_do_what_they_do_one_by_one() -> None:
    options = BoardOptions(contexts=3, width=65)
    characters = [*map(character, traffic(65, 3)), *[IDLE] * 100]
    one_by_one, at_once = CxxrtlEngine(options), CxxrtlEngine(options)
    received = b"".join(one_by_one.transfer([levels]) for levels in characters)
    assert at_once.transfer(characters) == received != b""
    assert at_once.clocks == one_by_one.clocks
    assert at_once.pin_bits == one_by_one.pin_bits
    assert at_once.idle
    assert one_by_one.idle
