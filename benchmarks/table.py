"""Tables: batches on the embedded model, reading a whole table, posting from arrays.

``python -m benchmarks.table [--json]``. Needs NumPy. Reads are of the driver's engine in virtual
time, over a line that carries each byte when its turn comes; posting is to a far end that
acknowledges at once.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random
from typing import Any

import numpy

from atomik_fpga import AtomikTable
from atomik_fpga.link import FrameBuilder, accum_frames
from atomik_fpga.link.timing import reply_wire_bytes
from atomik_fpga.ports import PORT_VARIABLE
from atomik_fpga.protocol import MAX_COUNT, Op, operand_bytes
from atomik_sim.model import DeviceModel
from tests.virtual_line import VirtualLine

from .ideal import acknowledged
from .record import Record, run

__all__ = ["measure", "read_time"]

_BITS_PER_BYTE = 10
#: Contexts and deltas a batch, of the embedded model.
_BATCHES = ((256, 1_000_000), (65_536, 1_000_000), (256, 10_000))
_HALF = 0.5

#: Contexts, reply slots, bit/s, delay each way in seconds; the target where the slots cover it.
_READS = (
    (256, 2, 115_200, 0.001, 1.2),
    (256, 2, 1_000_000, 0.001, 1.2),
    (4096, 4, 3_000_000, 0.001, 1.2),
    (4096, 4, 12_000_000, 0.000_125, 1.2),
    (256, 2, 1_000_000, 0.008, None),
    (4096, 4, 12_000_000, 0.001, None),
)
_WIDTH = 64

#: Of the posts: contexts, deltas, and the rate whose window is used.
_CONTEXTS = 256
_POSTED = 500_000
_BAUD = 12_000_000


def measure(repeats: int = 7) -> Sequence[Record]:
    """Measure all; of what is timed the quickest of ``repeats`` runs counts."""
    return [*_batches(repeats), *_reads(), *_posts(repeats)]


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _processor_seconds(work: Callable[[], object]) -> float:
    """Of this thread: what else the machine does is not in it."""
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def _batches(repeats: int) -> list[Record]:
    return [record for it in _BATCHES for record in _batch(*it, repeats)]


def _batch(contexts: int, deltas: int, repeats: int) -> list[Record]:
    source = numpy.random.default_rng(1)
    addresses = source.integers(0, contexts, deltas)
    words = source.integers(0, 2**_WIDTH, deltas, dtype=numpy.uint64)
    plain = numpy.zeros(contexts, numpy.uint64)
    ours = theirs = math.inf
    with AtomikTable(contexts, _WIDTH) as table:
        if table.port is not None:
            raise ValueError(f"Unset {PORT_VARIABLE}: this is of the model without a port")
        for _ in range(repeats):
            # In turns, so that whatever else goes on meets both.
            ours = min(ours, _processor_seconds(lambda: table.accum_many(addresses, words)))
            theirs = min(
                theirs, _processor_seconds(lambda: numpy.bitwise_xor.at(plain, addresses, words))
            )
        if table.read_all() != plain.tolist():
            raise ValueError("The table and numpy.bitwise_xor.at differ")
    conditions = {
        "contexts": contexts,
        "deltas": deltas,
        "width": _WIDTH,
        "clock": "processor time",
        "statistic": "minimum",
        "repeats": repeats,
        "numpy": numpy.__version__,
    }
    name = f"{contexts}_contexts_{deltas}_deltas"
    rate, ratio = 1e-6 * deltas / ours, theirs / ours
    return [
        Record(f"embedded_{name}", rate, "M/s", "measured", "higher", conditions),
        Record(f"over_xor_at_{name}", ratio, "times", "measured", "higher", conditions, _HALF),
    ]


def read_time(
    contexts: int, slots: int, baud: int, delay: float, width: int = _WIDTH
) -> tuple[float, float]:
    """Return the seconds that reading a whole table takes, and those that the formula says.

    Parameters
    ----------
    contexts, slots, width : int
        Of the device.
    baud : int
        Of the line, in bit/s.
    delay : float
        One way, in seconds.
    """
    byte_time = _BITS_PER_BYTE / baud
    device = DeviceModel(width, contexts, reply_slots=slots, baud=baud)
    device.references = list(range(1, contexts + 1))
    line = VirtualLine(device, Random(1), delay=delay, byte_time=byte_time)
    engine = line.connect()
    line.drain()
    builder = FrameBuilder(device.info)
    step = min(MAX_COUNT, device.info.reply_bytes // operand_bytes(width))
    replies = []
    begin = line.now
    for first in range(0, contexts, step):
        for frame in builder.reply(Op.READ, first, min(step, contexts - first)):
            engine.submit(frame)
            replies.append(frame.reply)
    line.settle()
    words = [word & (1 << width) - 1 for it in replies if it and it.words for word in it.words]
    if words != [number & (1 << width) - 1 for number in range(1, contexts + 1)]:
        raise ValueError("The table that was read is not the one that was there")
    return line.now - begin, _formula(contexts, slots, byte_time, delay, step, width)


def _formula(
    contexts: int, slots: int, byte_time: float, delay: float, step: int, width: int
) -> float:
    """What ``docs/table.md`` says of the time that a whole table takes."""
    request = 11 * byte_time
    full, rest = divmod(contexts, step)
    reply = (reply_wire_bytes(step * operand_bytes(width))) * byte_time
    last = reply_wire_bytes(rest * operand_bytes(width)) * byte_time if rest else reply
    number = full + (1 if rest else 0)
    around = request + 2 * delay + reply
    rounds, left = divmod(number - 1, slots)
    return rounds * max(around, slots * reply) + left * reply + request + 2 * delay + last


def _reads() -> list[Record]:
    records = []
    for contexts, slots, baud, delay, target in _READS:
        taken, expected = read_time(contexts, slots, baud, delay)
        wire = contexts * operand_bytes(_WIDTH) * _BITS_PER_BYTE / baud
        conditions = {
            "contexts": contexts,
            "width": _WIDTH,
            "reply_slots": slots,
            "baud": baud,
            "round_trip_ms": 2e3 * delay,
            "milliseconds": round(1e3 * taken, 3),
            "formula": round(expected / wire, 3),
        }
        name = f"read_{contexts}_contexts_{baud}_baud_{2e3 * delay:g}_ms"
        records.append(
            Record(name, taken / wire, "times", "simulated", "lower", conditions, target)
        )
    return records


def _posts(repeats: int) -> list[Record]:
    numbers = numpy.arange(_POSTED)
    source = numpy.random.default_rng(2)
    patterns = {
        "consecutive": numbers % _CONTEXTS,
        "equal": 0 * numbers,
        "random": source.integers(0, _CONTEXTS, _POSTED),
    }
    words = source.integers(0, 2**_WIDTH, _POSTED, dtype=numpy.uint64)
    return [_post(name, addresses, words, repeats) for name, addresses in patterns.items()]


def _post(name: str, addresses: Any, words: Any, repeats: int) -> Record:
    device = DeviceModel(_WIDTH, _CONTEXTS, baud=_BAUD)
    frames = [frame.ops for frame in accum_frames(device.info, addresses, words)]
    with acknowledged(device) as (connection, port):
        port.opcounts = list(accumulate(frames * repeats, initial=0))

        def post() -> None:
            connection.accum_many(addresses, words)
            connection.flush()

        seconds = min(_seconds(post) for _ in range(repeats))
    conditions = {
        "contexts": _CONTEXTS,
        "width": _WIDTH,
        "deltas": _POSTED,
        "frames": len(frames),
        "line_baud": connection.baud,
        "statistic": "minimum",
        "repeats": repeats,
    }
    rate = 1e-6 * _POSTED / seconds
    return Record(f"post_array_{name}", rate, "M/s", "measured", "higher", conditions)


if __name__ == "__main__":
    sys.exit(run("table", __doc__ or "", measure))
