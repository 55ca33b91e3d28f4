"""Accumulates from NumPy arrays into frames, without a step of Python for each of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from ..bulk import loaded_numpy
from ..protocol import CRC_BYTES, MAX_COUNT, RUN_HEADER, SEQ_BYTES, Info, Op, operand_bytes
from .builder import Payload

__all__ = ["accum_frames"]

#: Ops that are laid out at a time: enough to be fast, and the first frames are there soon.
_BLOCK = 1 << 13

#: From an op to the next one the address steps by 0, by 1, or in another way.
_OTHER = 2


def accum_frames(info: Info, addresses: Any, deltas: Any) -> Iterator[Payload]:
    """Yield the frames of accumulates, in order; equal or consecutive addresses share runs.

    Parameters
    ----------
    info : Info
        Of a device with words of at most 64 bits.
    addresses : array of intp
        Contexts of the device.
    deltas : array of uint64
        As many, of the device's width.
    """
    room = info.frame_bytes - SEQ_BYTES - CRC_BYTES
    size = operand_bytes(info.width)
    for start in range(0, len(addresses), _BLOCK):
        yield from _block(room, size, addresses[start : start + _BLOCK], deltas[start:][:_BLOCK])


def _block(room: int, size: int, addresses: Any, deltas: Any) -> Iterator[Payload]:
    numpy = loaded_numpy()
    header = RUN_HEADER.size
    starts, codes = _runs(numpy, addresses, min(MAX_COUNT, (room - header) // size))
    counts = numpy.diff(starts, append=len(addresses))
    offsets = header * numpy.arange(len(starts)) + size * starts
    # Headers and operands one behind the other, each in its place.
    laid = numpy.empty(len(starts) * header + len(addresses) * size, numpy.uint8)
    is_header = numpy.zeros(len(laid), numpy.bool_)
    for place in range(header):
        is_header[offsets + place] = True
    headers = numpy.empty((len(starts), header), numpy.uint8)
    headers[:, 0] = codes << 5 | counts - 1
    headers[:, 1:] = addresses[starts].astype("<u2").view(numpy.uint8).reshape(-1, 2)
    laid[is_header] = headers.ravel()
    operands = deltas.astype("<u8").view(numpy.uint8).reshape(-1, 8)[:, :size]
    laid[~is_header] = operands.ravel()
    buffer = laid.tobytes()
    ends = [*offsets[1:].tolist(), len(buffer)]
    firsts = [*starts.tolist(), len(addresses)]
    begin = run = 0
    while run < len(ends):
        # Whole runs, as many as the frame has room for.
        following = bisect_right(ends, begin + room, run)
        end = ends[following - 1]
        yield Payload(buffer[begin:end], firsts[following] - firsts[run])
        begin, run = end, following


def _runs(numpy: Any, addresses: Any, longest: int) -> tuple[Any, Any]:
    """Return where each run starts, and its opcode."""
    number = len(addresses)
    positions = numpy.arange(number)
    steps = numpy.diff(addresses, prepend=addresses[0] - _OTHER)
    steps[(steps != 0) & (steps != 1)] = _OTHER
    # An op starts a run if it has no neighbour before it, or if the way of stepping changes there
    # and the op before is not itself the first of a run. Where it changes at every op, that is
    # every other one.
    before = numpy.concatenate(([_OTHER], steps[:-1]))
    changes = (steps != before) & (steps != _OTHER) & (before != _OTHER)
    calm = numpy.maximum.accumulate(numpy.where(changes, -1, positions))
    is_start = (steps == _OTHER) | (changes & ((positions - calm) % 2 == 1))
    # No run is longer than a header can say and a frame can hold.
    origin = numpy.maximum.accumulate(numpy.where(is_start, positions, 0))
    is_start |= (positions - origin) % longest == 0
    starts = numpy.flatnonzero(is_start)
    second = numpy.minimum(starts + 1, number - 1)
    consecutive = (addresses[second] - addresses[starts] == 1) & ~is_start[second]
    codes = numpy.where(consecutive, int(Op.ACCUM_EACH), int(Op.ACCUM))
    return starts, codes
