"""One accum and one read on an int, the embedded model, the simulated board, and a board.

``python -m benchmarks.ladder [--json]``. The first three are timed here. A board's figures are the
time of the bytes on its line, 10 bits each, from the frame format; what the USB bridge adds (0.1 to
16 ms a round trip, by its kind and driver) is not in them.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

from atomik_fpga import AtomikContext
from atomik_fpga.protocol import (
    CRC_BYTES,
    MAX_COUNT,
    REPLY_HEADER,
    RUN_HEADER,
    SEQ_BYTES,
    operand_bytes,
)

from .model import measure as measure_model
from .record import Record, run

__all__ = ["line_bytes", "measure", "read_bytes"]

_WIDTH = 64
_URL = "sim://icebreaker"
_ACCUMS = 4 * MAX_COUNT
_READS = 8
_REPEATS = 5
_BAUDS = (115_200, 1_000_000, 3_000_000)


def line_bytes(content: int) -> int:
    """Bytes on the line for so many bytes of content with their check: COBS and delimiter."""
    return content + 1 + content // 254 + 1


def accum_bytes(count: int) -> int:
    """Bytes on the line for a frame of ``count`` accums on one context."""
    return line_bytes(SEQ_BYTES + RUN_HEADER.size + count * operand_bytes(_WIDTH) + CRC_BYTES)


def read_bytes() -> int:
    """Bytes on the line, both ways, for one read."""
    request = line_bytes(SEQ_BYTES + RUN_HEADER.size + CRC_BYTES)
    return request + line_bytes(REPLY_HEADER.size + operand_bytes(_WIDTH) + CRC_BYTES)


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _simulated() -> list[Record]:
    source = random.Random(2)
    deltas = [source.getrandbits(_WIDTH) for _ in range(_ACCUMS)]
    accums: list[float] = []
    reads: list[float] = []
    with AtomikContext(_WIDTH, port=_URL) as context:

        def post() -> None:
            for delta in deltas:
                context.accum(delta)
            context.flush()

        for _ in range(_REPEATS):
            accums.append(_seconds(post) / _ACCUMS)
            reads.append(_seconds(lambda: [context.read() for _ in range(_READS)]) / _READS)
    conditions = {"url": _URL, "statistic": "median", "repeats": _REPEATS}
    return [
        Record("simulated_accum", 1e3 * median(accums), "ms", "measured", "lower", conditions),
        Record("simulated_read", 1e3 * median(reads), "ms", "measured", "lower", conditions),
    ]


def _board() -> list[Record]:
    records = []
    for baud in _BAUDS:
        byte_us = 1e7 / baud
        for metric, count in (
            ("accum_batched", accum_bytes(MAX_COUNT) / MAX_COUNT),
            ("accum_single", accum_bytes(1)),
            ("read", read_bytes()),
        ):
            conditions = {"baud": baud, "bytes": count}
            records.append(
                Record(
                    f"board_{metric}_{baud}", count * byte_us, "us", "computed", "lower", conditions
                )
            )
    return records


def measure() -> Sequence[Record]:
    """Time what is here, compute what is not."""
    names = {"xor_cost": "int_accum", "accum_cost": "model_accum", "read_cost": "model_read"}
    local = [
        Record(
            names[record.metric], record.value, "ns", "measured", "lower", dict(record.conditions)
        )
        for record in measure_model(repeats=9)
        if record.metric in names
    ]
    return [*local, *_simulated(), *_board()]


if __name__ == "__main__":
    sys.exit(run("ladder", __doc__ or "", measure))
