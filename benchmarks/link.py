"""Throughput of the link: the driver alone, paced lines with and without damage, and folding.

``python -m benchmarks.link [--json]``. Needs NumPy. The driver runs against a far end that
acknowledges at once, and counts in processor time of all its threads. Paced lines are the driver's
engine and the device's model in virtual time, each byte in its turn, both ways; theory is the line
time of full frames or, where that is less, a window a round trip. The figures of other drivers are
given, not measured here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from random import Random
from statistics import median

import numpy

from atomik_fpga import AtomikContext, Connection
from atomik_fpga.link import FrameBuilder, Payload
from atomik_fpga.link.timing import BITS_PER_BYTE, reply_wire_bytes, wire_bytes
from atomik_fpga.protocol import (
    CRC_BYTES,
    MAX_COUNT,
    RUN_HEADER,
    SEQ_BYTES,
    WINDOW_FRAMES,
    Op,
    operand_bytes,
)
from atomik_sim.model import DeviceModel
from tests.virtual_line import VirtualLine

from .ideal import followed
from .record import Record, run

__all__ = ["Paced", "measure", "paced", "read_ratio", "theory"]

_WIDTH = 64
_CONTEXTS = 256
#: Of the line that the driver alone fills the windows of: the fastest, and one that carries a
#: hundredth of what the driver can do.
_BAUD = 12_000_000
_SLOW_BAUD = 1_000_000
_ARRAY = 400_000
_SINGLE = 100_000
_ARRAY_TARGET = 2.0
_SINGLE_TARGET = 0.3

_BAUDS = (115_200, 1_000_000, 3_000_000, 12_000_000)
_LATENCIES = (0.001, 0.016)
#: Frames of a paced run: some seconds of line time, and enough for damage to be an average.
_FRAMES = {115_200: 1000, 1_000_000: 2000, 3_000_000: 4000, 12_000_000: 8000}
_DAMAGED_FRAMES = 12_000
_DAMAGE = 0.001
_CLEAN_SHARE = 95.0
_DAMAGED_SHARE = 80.0
_READ_RATIO = 1.2
_READS = 20
#: The longest line time of a window, in seconds, where two round trips are less.
_WINDOW_TIME = 0.050

#: Thousand words a second that other drivers hand over, with pyserial 3.5 on a pseudo-terminal.
#: Neither has a check field, acknowledgements, or a retransmission.
_OTHERS = (
    ("litex_comm_uart", 2400.0, "LiteX, litex.tools.remote.comm_uart, bursts of 32-bit words"),
    ("manta_uart", 315.0, "Manta, manta.uart, requests of 16-bit words in one write"),
)


def measure(repeats: int = 7) -> Sequence[Record]:
    """Measure all; of what is timed the median of ``repeats`` runs counts."""
    return [*_driver(repeats), *_lines(), *_others()]


# The driver alone.


def _driver(repeats: int) -> list[Record]:
    with _followed_at(_BAUD) as connection:
        records = [
            *_arrays(connection, repeats, "", _ARRAY_TARGET),
            *_single_calls(connection, repeats),
        ]
    with _followed_at(_SLOW_BAUD) as connection:
        return [*records, *_arrays(connection, repeats, f"_{_SLOW_BAUD}_baud", None)]


def _followed_at(baud: int) -> AbstractContextManager[Connection]:
    return followed(DeviceModel(_WIDTH, _CONTEXTS, baud=baud))


def _arrays(
    connection: Connection, repeats: int, suffix: str, target: float | None
) -> list[Record]:
    source = numpy.random.default_rng(1)
    words = source.integers(0, 2**_WIDTH, _ARRAY, dtype=numpy.uint64)
    numbers = numpy.arange(_ARRAY)
    return [
        _rate(
            connection,
            f"post_array_{name}{suffix}",
            _ARRAY,
            wanted,
            repeats,
            partial(connection.accum_many, places, words),
        )
        for name, places, wanted in (
            ("one", 0 * numbers, target),
            ("consecutive", numbers % _CONTEXTS, target),
            ("random", source.integers(0, _CONTEXTS, _ARRAY), None),
        )
    ]


def _single_calls(connection: Connection, repeats: int) -> list[Record]:
    random = Random(1)
    deltas = [random.getrandbits(_WIDTH) for _ in range(_SINGLE)]
    anywhere = [random.randrange(_CONTEXTS) for _ in range(_SINGLE)]
    records = []
    for name, coalesce, target in (
        ("post_single_context", False, _SINGLE_TARGET),
        ("coalesce_context", True, None),
    ):
        with AtomikContext(_WIDTH, port=connection.url, coalesce=coalesce) as context:

            def each(accum: Callable[[int], None] = context.accum) -> None:
                for delta in deltas:
                    accum(delta)

            records.append(_rate(connection, name, _SINGLE, target, repeats, each))
    for name, post, target in (
        ("post_single", connection.accum, _SINGLE_TARGET),
        ("coalesce", connection.fold, None),
    ):
        for pattern, places, wanted in (
            ("one", [0] * _SINGLE, target),
            ("random", anywhere, None),
        ):

            def calls(
                post: Callable[[int, int], None] = post, places: Sequence[int] = places
            ) -> None:
                for address, delta in zip(places, deltas, strict=True):
                    post(address, delta)

            records.append(_rate(connection, f"{name}_{pattern}", _SINGLE, wanted, repeats, calls))
    return records


def _rate(
    connection: Connection,
    name: str,
    ops: int,
    target: float | None,
    repeats: int,
    work: Callable[[], None],
) -> Record:
    seconds = median(_processor_time(connection, work) for _ in range(repeats))
    conditions = {
        "width": _WIDTH,
        "contexts": _CONTEXTS,
        "ops": ops,
        "time": "processor time of all threads",
        "statistic": "median",
        "repeats": repeats,
        "line_baud": connection.baud,
    }
    value = 1e-6 * ops / seconds
    return Record(name, value, "M/s", "measured", "higher", conditions, target)


def _processor_time(connection: Connection, work: Callable[[], None]) -> float:
    begin = time.process_time()
    work()
    connection.flush()
    return time.process_time() - begin


# Paced lines.


def _full_frame() -> int:
    """Bytes on the line of a frame of as many accums on one context as a run has."""
    content = SEQ_BYTES + RUN_HEADER.size + MAX_COUNT * operand_bytes(_WIDTH) + CRC_BYTES
    return wire_bytes(content)


def theory(baud: int, latency: float) -> float:
    """Return the accums a second that the line or, if that is less, the window allows.

    Parameters
    ----------
    baud : int
        In bit/s.
    latency : float
        Seconds from a frame's last byte to its acknowledgement's first.
    """
    frame = _full_frame() * BITS_PER_BYTE / baud
    around = frame + latency + reply_wire_bytes(0) * BITS_PER_BYTE / baud
    # The frame with which the window's line time is reached is sent as well.
    frames = min(WINDOW_FRAMES, int(max(_WINDOW_TIME, 2 * latency) / frame) + 1)
    return MAX_COUNT * min(1 / frame, frames / around)


class Paced:
    """A line with the engine at one end and the device's model at the other, in virtual time.

    Parameters
    ----------
    baud : int
        In bit/s.
    latency : float
        Seconds, both ways together, without the time of the bytes.
    damage : float
        Share of frames with a wrong COBS code, both ways.
    """

    def __init__(self, baud: int, latency: float, damage: float = 0.0, seed: int = 1) -> None:
        self._device = DeviceModel(_WIDTH, _CONTEXTS, baud=baud)
        self._line = VirtualLine(
            self._device,
            Random(seed),
            delay=latency / 2,
            byte_time=BITS_PER_BYTE / baud,
        )
        self._engine = self._line.connect()
        self._line.drain()
        if damage:
            self._line.inject(f"cobs:{damage:g}")
        self._builder = FrameBuilder(self._device.info)

    @property
    def hits(self) -> Mapping[str, int]:
        """Frames that were damaged, by the end that they went to."""
        return self._line.hits

    def post(self, frames: int) -> float:
        """Post full frames to one context; return the accums a second of virtual time."""
        word = Random(2).getrandbits(_WIDTH)
        begin = self._line.now
        expected = self._device.state(0)
        for number in range(frames * MAX_COUNT):
            full = self._builder.accum(0, word ^ number)
            expected ^= word ^ number
            if full is not None:
                self._engine.submit(full)
        self._line.settle()
        if self._device.state(0) != expected:
            raise ValueError("The context does not hold what was posted")
        return frames * MAX_COUNT / (self._line.now - begin)

    def read(self) -> float:
        """Read a context; return the seconds of virtual time that it took."""
        begin = self._line.now
        payloads: list[Payload] = self._builder.reply(Op.READ, 0, 1)
        for payload in payloads:
            self._engine.submit(payload)
        reply = payloads[-1].reply
        self._line.run_until(lambda: reply is not None and reply.words is not None)
        taken = self._line.now - begin
        self._line.settle()
        return taken


def paced(baud: int, latency: float, frames: int, damage: float = 0.0) -> float:
    """Return the share of `theory`, in percent, that posting reaches."""
    reached = Paced(baud, latency, damage).post(frames)
    return 100 * reached / theory(baud, latency)


def read_ratio(baud: int, latency: float) -> float:
    """Return how many times as long as its bytes and the latency a read takes, on an idle line."""
    line = Paced(baud, latency)
    taken = median(line.read() for _ in range(_READS))
    request = wire_bytes(SEQ_BYTES + RUN_HEADER.size + CRC_BYTES)
    bytes_ = request + reply_wire_bytes(operand_bytes(_WIDTH))
    return taken / (bytes_ * BITS_PER_BYTE / baud + latency)


def _lines() -> list[Record]:
    records = []
    for baud in _BAUDS:
        for latency in _LATENCIES:
            name = f"{baud}_baud_{1e3 * latency:g}_ms"
            conditions = {"baud": baud, "latency_ms": 1e3 * latency, "width": _WIDTH}
            expected = theory(baud, latency)
            posted = {
                **conditions,
                "frames": _FRAMES[baud],
                "theory_per_s": round(expected),
            }
            share = paced(baud, latency, _FRAMES[baud])
            posted["per_s"] = round(share * expected / 100)
            records.append(
                Record(f"post_{name}", share, "%", "simulated", "higher", posted, _CLEAN_SHARE)
            )
            share = paced(baud, latency, _DAMAGED_FRAMES, _DAMAGE)
            damaged = {
                **conditions,
                "frames": _DAMAGED_FRAMES,
                "damaged": _DAMAGE,
                "per_s": round(share * expected / 100),
            }
            records.append(
                Record(
                    f"damaged_{name}", share, "%", "simulated", "higher", damaged, _DAMAGED_SHARE
                )
            )
            records.append(
                Record(
                    f"read_{name}",
                    read_ratio(baud, latency),
                    "times",
                    "simulated",
                    "lower",
                    {**conditions, "reads": _READS},
                    _READ_RATIO,
                )
            )
    return records


def _others() -> list[Record]:
    return [
        Record(
            f"given_{name}",
            rate / 1000,
            "M/s",
            "measured",
            "higher",
            {"source": source, "check": "none", "by": "given: not measured by this command"},
        )
        for name, rate, source in _OTHERS
    ]


if __name__ == "__main__":
    sys.exit(run("link", __doc__ or "", measure))
