"""Tables: batches on the embedded model, reading a whole table, posting from arrays.

``python -m benchmarks.table [--json]``. Needs NumPy and the extra ``sim``. Reads are of the driver's
engine in virtual time, over a line that carries each byte when its turn comes.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random

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


def measure(repeats: int = 7) -> Sequence[Record]:
    """Measure all; of what is timed the quickest of ``repeats`` runs counts."""
    return [*_batches(repeats), *_reads(), *_posts(repeats)]


def _quickest(work: Callable[[], object], repeats: int) -> float:
    best = math.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    return best


def _batches(repeats: int) -> list[Record]:
    records = []
    for contexts, deltas in _BATCHES:
        source = numpy.random.default_rng(1)
        addresses = source.integers(0, contexts, deltas)
        words = source.integers(0, 2**_WIDTH, deltas, dtype=numpy.uint64)
        plain = numpy.zeros(contexts, numpy.uint64)
        with AtomikTable(contexts, _WIDTH) as table:
            if table.port is not None:
                raise ValueError(f"Unset {PORT_VARIABLE}: this is of the model without a port")
            times = [math.inf, math.inf]
            for _ in range(repeats):
                # In turns, so that whatever else goes on meets both.
                times[0] = min(times[0], _quickest(lambda: table.accum_many(addresses, words), 1))
                times[1] = min(
                    times[1], _quickest(lambda: numpy.bitwise_xor.at(plain, addresses, words), 1)
                )
            if table.read_all() != plain.tolist():
                raise ValueError("The table and numpy.bitwise_xor.at differ")
        conditions = {
            "contexts": contexts,
            "deltas": deltas,
            "width": _WIDTH,
            "statistic": "minimum",
            "repeats": repeats,
            "numpy": numpy.__version__,
        }
        name = f"{contexts}_contexts_{deltas}_deltas"
        rate = 1e-6 * deltas / times[0]
        ratio = times[1] / times[0]
        records += [
            Record(f"embedded_{name}", rate, "M/s", "measured", "higher", conditions),
            Record(f"over_xor_at_{name}", ratio, "times", "measured", "higher", conditions, _HALF),
        ]
    return records


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
    records = []
    contexts, deltas, baud = 256, 500_000, 12_000_000
    source = numpy.random.default_rng(2)
    words = source.integers(0, 2**_WIDTH, deltas, dtype=numpy.uint64)
    for name, addresses in (
        ("consecutive", numpy.arange(deltas) % contexts),
        ("equal", numpy.zeros(deltas, numpy.intp)),
        ("random", source.integers(0, contexts, deltas)),
    ):
        device = DeviceModel(_WIDTH, contexts)
        frames = [it.ops for it in accum_frames(device.info, addresses, words)] * repeats
        with acknowledged(device, baud) as (connection, port):
            port.opcounts = list(accumulate(frames, initial=0))

            def post() -> None:
                connection.accum_many(addresses, words)  # noqa: B023
                connection.flush()  # noqa: B023

            seconds = _quickest(post, repeats)
        conditions = {
            "addresses": name,
            "contexts": contexts,
            "width": _WIDTH,
            "deltas": deltas,
            "frames": len(frames) // repeats,
            "window_of_baud": baud,
            "statistic": "minimum",
            "repeats": repeats,
        }
        rate = 1e-6 * deltas / seconds
        records.append(Record(f"post_array_{name}", rate, "M/s", "measured", "higher", conditions))
    return records


if __name__ == "__main__":
    sys.exit(run("table", __doc__ or "", measure))
