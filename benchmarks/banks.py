"""Banks of a device: accumulates a second, and whether their state is right.

``python -m benchmarks.banks [--port URL] [--seconds S] [--json]``. Without ``--port`` that is
``ATOMIK_PORT``, or else a simulated board. One run is short, and its state is computed by NumPy,
delta by delta; one is as long as asked for, and its state is computed by `banks_state`. Cycles are
those that the device counted, pipelines included; seconds are cycles over the clock that the device
says it has, which the clock of the host is held against.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy

from atomik_fpga import AtomikError, Banks, BanksResult, Connection, connect
from atomik_fpga.ports import PORT_VARIABLE
from atomik_fpga.protocol import LANE_STEP, MAX_RUN_CYCLES, SEED_STEP

from .record import Record, report

__all__ = ["main", "measure", "state_by_numpy"]

_SIMULATED = "sim://?lanes=16"
_SEED = 0x9E37_79B9_7F4A_7C15
_SHORT = 4096
#: Cycles of a lane that are no delta, at most: seeds and runs go from lane to lane.
_OVERHEAD = 0.01
_WORD = 64


def state_by_numpy(lanes: int, cycles: int, seed: int) -> int:
    """Return the state of banks of 64 bits after a run: ``docs/link.md``, all lanes at once."""
    word = numpy.array([seed], numpy.uint64)
    words = numpy.empty(lanes, numpy.uint64)
    for lane in range(lanes):
        word = _step(word, SEED_STEP)
        words[lane] = word[0]
        word = _step(word, SEED_STEP)
    state = numpy.uint64(0)
    for _ in range(cycles):
        state ^= numpy.bitwise_xor.reduce(words)
        words = _step(words, LANE_STEP)
    return int(state)


def _step(words: Any, amounts: tuple[int, int]) -> Any:
    rotation, shift = amounts
    words = words ^ words << numpy.uint64(shift)
    return words << numpy.uint64(rotation) | words >> numpy.uint64(_WORD - rotation)


def measure(connection: Connection, seconds: float = 1.0) -> Sequence[Record]:
    """Run the banks of a device, and return what came of it."""
    banks, info = connection.banks, connection.info
    cycles = min(MAX_RUN_CYCLES, max(1, round(seconds * info.clock_hz)))
    simulated = connection.url.startswith("sim:")
    conditions = {
        "port": connection.url.partition("?")[0],
        "lanes": banks.lanes,
        "width": banks.width,
        "clock_hz": info.clock_hz,
        "build_id": f"{info.build_id:016x}",
    }
    short = banks.run(_SHORT, _SEED & (1 << banks.width) - 1)
    begin = time.perf_counter()
    result = banks.run(cycles)
    wall = time.perf_counter() - begin
    rate = result.accumulates * info.clock_hz / result.elapsed
    label = "simulated" if simulated else "measured"
    conditions |= {"cycles": result.cycles, "elapsed": result.elapsed}
    least = (1 - _OVERHEAD) * banks.lanes * info.clock_hz
    records = [
        _right("state_by_numpy", label, conditions, short, _by_numpy(banks, short)),
        _right("state_of_the_long_run", label, conditions, result, banks.expected(cycles)),
        Record("accumulates", 1e-9 * rate, "G/s", label, "higher", conditions, 1e-9 * least),
    ]
    if not simulated:
        # A clock that is slower than the device says makes this less than 1.
        ratio = wall * info.clock_hz / result.elapsed
        records.append(
            Record("host_over_device_time", ratio, "times", label, "higher", conditions, 0.99)
        )
    return records


def _by_numpy(banks: Banks, result: BanksResult) -> int:
    seed = _SEED & (1 << banks.width) - 1
    if banks.width == _WORD:
        return state_by_numpy(banks.lanes, result.cycles, seed)
    return banks.expected(result.cycles, seed)


def _right(
    name: str, label: Any, conditions: dict[str, object], result: BanksResult, expected: int
) -> Record:
    """1 if the state of a run is the one that was computed, else 0."""
    told = {**conditions, "state": f"{result.state:#x}", "computed": f"{expected:#x}"}
    told |= {"cycles": result.cycles, "elapsed": result.elapsed}
    return Record(name, float(result.state == expected), "right", label, "higher", told, 1.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, measure, report; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.banks", description=__doc__)
    parser.add_argument("--port", metavar="URL", help="of a device with banks")
    parser.add_argument("--baud", type=int, metavar="N", help="line rate in bit/s")
    parser.add_argument("--seconds", type=float, help="of the long run; 1, or 0.01 if simulated")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    url = options.port or os.environ.get(PORT_VARIABLE) or _SIMULATED
    seconds = options.seconds or (0.01 if url.startswith("sim:") else 1.0)
    try:
        with connect(url, baud=options.baud) as connection:
            records = measure(connection, seconds)
    except AtomikError as error:
        parser.exit(1, f"python -m benchmarks.banks: {error}\n")
    return report("banks", records, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
