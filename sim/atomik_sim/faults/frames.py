"""Faults that hit frames: all the bytes up to a delimiter, that one included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from atomik_fpga.framing import key_mask, seal
from atomik_fpga.protocol import (
    REPLY_HEADER,
    RUN_HEADER,
    SEQ_BYTES,
    SEQ_MODULUS,
    Kind,
    Op,
    operand_bytes,
)

from ..pins import character
from .spec import TO_DEVICE

__all__ = ["FrameFaults", "Piece"]

_PAUSE = (0.1, 0.3)
_LATEST = 3.0
_MOST_OVERSIZE = 600
_MOST_EMPTY = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that go over the line without a pause.

    Attributes
    ----------
    data : bytes
        As they were before characters of it were spoilt.
    spoilt : tuple of int or None
        The characters that go over the line in their place, if they are others.
    pause : float
        Seconds for which the line rests before it.
    late : float or None
        If not None, it comes out of order, by so many seconds later.
    """

    data: bytes
    spoilt: tuple[int, ...] | None = None
    pause: float = 0.0
    late: float | None = None

    @property
    def characters(self) -> tuple[int, ...]:
        """What goes over the line."""
        return tuple(map(character, self.data)) if self.spoilt is None else self.spoilt


class FrameFaults:
    """What each fault makes of a frame of one direction.

    Parameters
    ----------
    end : str
        `TO_DEVICE` or `TO_HOST`.
    width : int
        Bits a context of the device.
    rng : Random
    """

    def __init__(self, end: str, width: int, rng: Random) -> None:
        self._end = end
        self._width = width
        self._rng = rng
        self._acts: dict[str, Callable[[list[Piece]], None]] = {
            "late": self._late,
            "repeat": self._repeat,
            "lose": self._lose,
            "cobs": lambda pieces: self._change(pieces, self._wrong_code),
            "truncate": lambda pieces: self._change(pieces, self._truncate),
            "cut": lambda pieces: self._change(pieces, self._cut),
            "oversize": lambda pieces: self._change(pieces, self._oversize),
            "partial": self._partial,
            "empty": self._empty,
            "foreign": self._foreign,
            "stall": self._stall,
        }

    def spoil(self, frame: bytes, faults: set[str]) -> list[Piece]:
        """Return what becomes of a frame that all of ``faults`` hit."""
        pieces = [Piece(frame)]
        # In this order: copies are of the frame as it was, what is lost is one of them, and a COBS
        # code is looked for while all of them are there.
        for name, act in self._acts.items():
            if name in faults:
                act(pieces)
        return pieces

    def _late(self, pieces: list[Piece]) -> None:
        pieces.append(replace(pieces[0], late=self._rng.uniform(0.0, _LATEST)))

    def _repeat(self, pieces: list[Piece]) -> None:
        pieces.insert(1, pieces[0])

    def _lose(self, pieces: list[Piece]) -> None:
        del pieces[0]

    def _change(self, pieces: list[Piece], change: Callable[[bytes], bytes]) -> None:
        if pieces and pieces[0].late is None:
            pieces[0] = replace(pieces[0], data=change(pieces[0].data))

    def _truncate(self, frame: bytes) -> bytes:
        return frame[: self._rng.randrange(len(frame) - 1)] + b"\0"

    def _cut(self, frame: bytes) -> bytes:
        place = self._rng.randrange(len(frame))
        return frame[:place] + b"\0" + frame[place:]

    def _oversize(self, frame: bytes) -> bytes:
        place = self._rng.randrange(len(frame))
        more = self._rng.randint(1, _MOST_OVERSIZE)
        filling = bytes(self._rng.randint(1, 255) for _ in range(more))
        return frame[:place] + filling + frame[place:]

    def _wrong_code(self, frame: bytes) -> bytes:
        codes = [0]
        while (following := codes[-1] + frame[codes[-1]]) < len(frame) - 1:
            codes.append(following)
        place = self._rng.choice(codes)
        wrong = (frame[place] - 1 + self._rng.randint(1, 254)) % 255 + 1
        return frame[:place] + bytes([wrong]) + frame[place + 1 :]

    def _partial(self, pieces: list[Piece]) -> None:
        if not pieces or pieces[0].late is not None:
            return
        first = pieces[0]
        place = self._rng.randint(0, len(first.data))
        rest = Piece(first.data[place:], pause=self._rng.uniform(*_PAUSE))
        pieces[:1] = [replace(first, data=first.data[:place]), rest]

    def _empty(self, pieces: list[Piece]) -> None:
        pieces.insert(0, Piece(bytes(self._rng.randint(1, _MOST_EMPTY))))

    def _foreign(self, pieces: list[Piece]) -> None:
        pieces.insert(0, Piece(self._of_another_session()))

    def _stall(self, pieces: list[Piece]) -> None:
        pieces.insert(0, Piece(b"", pause=self._rng.uniform(*_PAUSE)))

    def _of_another_session(self) -> bytes:
        rng = self._rng
        key = rng.randint(1, 0xFFFF_FFFF)
        number = rng.randrange(SEQ_MODULUS)
        if self._end == TO_DEVICE:
            operand = rng.randbytes(operand_bytes(self._width))
            run = RUN_HEADER.pack(Op.ACCUM << 5, 0) + operand
            return seal(number.to_bytes(SEQ_BYTES, "little") + run, key)
        kind = rng.choice((Kind.ACK, Kind.NAK))
        return seal(REPLY_HEADER.pack(number, kind, rng.getrandbits(16)), key_mask(key))
