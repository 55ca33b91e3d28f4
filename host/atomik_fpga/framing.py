"""Bytes to frames and back: COBS, the check field, the delimiter. See ``docs/link.md``."""

from __future__ import annotations

import re
from itertools import chain
from zlib import crc32

from .protocol import CRC_BYTES

__all__ = ["Deframer", "FramingError", "cobs_decode", "cobs_encode", "key_mask", "seal", "unseal"]

#: Longest stretch without a zero that one COBS code byte covers.
_BLOCK = 254
_CODES = [bytes([length + 1]) for length in range(_BLOCK)]
_FULL = b"\xff"
_ZEROS = re.compile(rb"\0(\0*)").split
#: With no more zeros than this, each of them is worth a step of Python.
_FEW_ZEROS = 32
#: With more neighbouring zeros than this, stretches of them are worth a pattern.
_FEW_STRETCHES = 8
_TWO_ZEROS = b"\0\0"
_REGISTER_ONES = 0xFFFF_FFFF


class FramingError(ValueError):
    """Bytes that no encoder makes."""


def cobs_encode(data: bytes) -> bytes:
    """Encode by consistent-overhead byte stuffing, without the delimiter.

    Source: S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", 1999.

    Returns
    -------
    bytes
        No zero in it; one byte longer than ``data``, and one more for each 254 bytes without zero.
    """
    if data.count(0) <= _FEW_ZEROS:
        coded = _encode_in_place(data)
        if coded is not None:
            return coded
    if data.count(_TWO_ZEROS) > _FEW_STRETCHES:
        # Pieces without zeros, and between them what stretches of zeros have beyond their first.
        split = _ZEROS(data)
        pieces, further = split[::2], [*split[1::2], b""]
    else:
        pieces, further = data.split(b"\0"), []
    lengths = list(map(len, pieces))
    if max(lengths) >= _BLOCK:
        return _encode_long(data.split(b"\0"))
    codes = map(_CODES.__getitem__, lengths)
    if not further:
        return b"".join(chain.from_iterable(zip(codes, pieces, strict=True)))
    # A further zero is an empty block, whose code is 1.
    parts = chain.from_iterable(zip(codes, pieces, further, strict=True))
    return b"".join(parts).replace(b"\0", b"\1")


def _encode_in_place(data: bytes) -> bytes | None:
    """Put codes where the zeros are, one by one; None if a block is longer than a code covers."""
    coded = bytearray(1)
    coded += data
    find = coded.find
    position, following = 0, find(0, 1)
    while following > 0:
        if following - position > _BLOCK:
            return None
        coded[position] = following - position
        position, following = following, find(0, following + 1)
    if len(coded) - position > _BLOCK:
        return None
    coded[position] = len(coded) - position
    return bytes(coded)


def _encode_long(pieces: list[bytes]) -> bytes:
    parts: list[bytes] = []
    last = len(pieces) - 1
    for number, piece in enumerate(pieces):
        whole = len(piece) // _BLOCK * _BLOCK
        for start in range(0, whole, _BLOCK):
            parts += (_FULL, piece[start : start + _BLOCK])
        # A full block implies no zero: the rest, empty or not, needs a code for the zero that
        # follows it, but at the end of the data no zero follows.
        if number < last or whole < len(piece) or not piece:
            parts += (_CODES[len(piece) - whole], piece[whole:])
    return b"".join(parts)


def cobs_decode(data: bytes) -> bytes:
    """Undo `cobs_encode`.

    Raises
    ------
    FramingError
        If ``data`` holds a zero, is empty, or ends inside a block.
    """
    if not data or 0 in data:
        raise FramingError("COBS data must hold at least one byte, none of them zero")
    parts = []
    position, end = 0, len(data)
    while position < end:
        code = data[position]
        following = position + code
        parts.append(data[position + 1 : following])
        if code <= _BLOCK:
            parts.append(b"\0")
        position = following
    if position > end:
        raise FramingError(f"COBS data ends {position - end} bytes before its last block")
    if code <= _BLOCK:
        # The zero implied by the last block stands for the end.
        parts.pop()
    return b"".join(parts)


def key_mask(key: int) -> int:
    """Return the CRC register after 32 zero bits, starting at ``key``, without any final XOR.

    A check field XORed with ``key`` leaves the register of the whole frame XORed with this mask.
    """
    return crc32(bytes(CRC_BYTES), key ^ _REGISTER_ONES) ^ _REGISTER_ONES


def seal(content: bytes, key: int = 0) -> bytes:
    """Return ``content``, its check field XORed with ``key``, encoded, and the delimiter."""
    check = crc32(content) ^ key
    return cobs_encode(content + check.to_bytes(CRC_BYTES, "little")) + b"\0"


def unseal(body: bytes) -> tuple[bytes, int]:
    """Decode what stood before a delimiter.

    Returns
    -------
    tuple of bytes and int
        The content without its check field, and the check field XORed with the CRC of the content:
        0 for an undamaged sessionless frame, the session's key (to the device) or mask (from it)
        for a session's.

    Raises
    ------
    FramingError
        If it is not COBS, or shorter than a check field.
    """
    whole = cobs_decode(body)
    if len(whole) < CRC_BYTES:
        raise FramingError(f"Frame must have at least {CRC_BYTES} bytes, not {len(whole)}")
    content = whole[:-CRC_BYTES]
    return content, int.from_bytes(whole[-CRC_BYTES:], "little") ^ crc32(content)


class Deframer:
    """Cuts a byte stream at its delimiters.

    Parameters
    ----------
    limit : int
        Longest frame that is kept, as encoded. Of a longer one the first ``limit + 1`` bytes are
        given out, so that it costs no more memory and can't pass for a whole one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that ``data`` completes, without delimiters and without empty ones."""
        *bodies, rest = (self._rest + data).split(b"\0")
        keep = self._limit + 1
        self._rest = rest[:keep]
        return [body[:keep] for body in bodies if body]
