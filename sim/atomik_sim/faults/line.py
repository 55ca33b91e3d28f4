"""A line with faults: what two ends send, and what comes out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count
from random import Random

from ..decode import LONGEST_FRAME, LinkDecoder
from .frames import FrameFaults, Piece
from .spec import TO_DEVICE, TO_HOST, FaultSpec, Scope
from .wire import CharacterFaults

__all__ = ["FaultyLine", "Piece", "Schedule"]


class FaultyLine:
    """Both directions of a line with faults. Holds each frame until its delimiter has come.

    Bytes without a delimiter go on by `LONGEST_FRAME` + 1, and faults of frames spare these; what
    is left when the delimiter comes counts as a frame.

    What comes out depends on the bytes that were put in, the spec and its seed alone, not on how
    many bytes there were in a call.

    Parameters
    ----------
    spec : FaultSpec
    width : int
        Bits a context of the device, which says how long the runs of a frame are.
    decoder : LinkDecoder
        That has seen the line before, and so knows the session; by default a new one.

    Attributes
    ----------
    hits : Counter of str
        How often each fault has come to pass, by its name and end: ``flip@device``.
    """

    def __init__(self, spec: FaultSpec, width: int, decoder: LinkDecoder | None = None) -> None:
        self.spec = spec
        self.hits: Counter[str] = Counter()
        if decoder is None:
            decoder = LinkDecoder(width)

        def request(body: bytes) -> str:
            return decoder.from_host(body).kind

        def reply(body: bytes) -> str:
            kind = decoder.from_device(body).kind
            return "DAMAGED" if kind is None else kind.name

        self._directions = {
            TO_DEVICE: _Direction(spec, TO_DEVICE, width, request, self.hits),
            TO_HOST: _Direction(spec, TO_HOST, width, reply, self.hits),
        }

    def to_device(self, data: bytes) -> list[Piece]:
        """Return what goes on towards the device, now that the host has sent ``data``."""
        return self._directions[TO_DEVICE].feed(data)

    def from_device(self, data: bytes) -> list[Piece]:
        """Return what goes on towards the host, now that the device has sent ``data``."""
        return self._directions[TO_HOST].feed(data)


class _Direction:
    def __init__(
        self,
        spec: FaultSpec,
        end: str,
        width: int,
        kind: Callable[[bytes], str],
        hits: Counter[str],
    ) -> None:
        rng = Random(f"{spec.seed} {end}")
        here = [fault for fault in spec.faults if end in fault.ends]
        self._end = end
        self._kind = kind
        self._rng = rng
        self._hits = hits
        self._on_frames = [fault for fault in here if fault.scope is Scope.FRAME]
        self._selective = any(fault.frame for fault in self._on_frames)
        self._frames = FrameFaults(end, width, rng)
        on_characters = [fault for fault in here if fault.scope is Scope.CHARACTER]
        # Of its own, as several frames may be drawn before the characters of the first are.
        characters_rng = Random(f"{spec.seed} {end} characters")
        self._characters = CharacterFaults(on_characters, characters_rng, self._hit)
        self._begun = b""

    def feed(self, data: bytes) -> list[Piece]:
        pieces: list[Piece] = []
        rest = self._begun + data
        while rest:
            frames = rest.lstrip(b"\0")
            if len(frames) < len(rest):
                pieces.append(Piece(bytes(len(rest) - len(frames))))
            body, delimiter, rest = frames.partition(b"\0")
            if len(body) > LONGEST_FRAME:
                # No frame is as long; whoever sends this does not want it to be held for ever.
                block = LONGEST_FRAME + 1
                pieces.append(Piece(frames[:block]))
                rest = frames[block:]
            elif delimiter:
                pieces += self._frame(body)
            else:
                self._begun = body
                break
        else:
            self._begun = b""
        return [self._spoil(piece) for piece in pieces]

    def _frame(self, body: bytes) -> list[Piece]:
        # What the device says tells the decoder of the session.
        kind = self._kind(body) if self._selective or self._end == TO_HOST else ""
        faults = {
            fault.name
            for fault in self._on_frames
            if fault.frame in ("", kind) and self._rng.random() < fault.rate
        }
        for name in sorted(faults):
            self._hit(name)
        return self._frames.spoil(body + b"\0", faults)

    def _spoil(self, piece: Piece) -> Piece:
        characters = self._characters.spoil(piece.data)
        return piece if characters is None else replace(piece, spoilt=tuple(characters))

    def _hit(self, name: str) -> None:
        self._hits[f"{name}@{self._end}"] += 1


class Schedule:
    """When pieces come out of one direction of a line.

    Parameters
    ----------
    byte_time : float
        Seconds that a character takes.
    whole : bool
        A piece comes out when it has ended, not when it begins.
    """

    def __init__(self, byte_time: float, *, whole: bool) -> None:
        self._byte_time = byte_time
        self._whole = whole
        self._free = 0.0
        self._coming: list[tuple[float, int, Piece]] = []
        self._order = count()

    @property
    def due(self) -> float | None:
        """When the next piece comes out; None if there is none."""
        return self._coming[0][0] if self._coming else None

    def put(self, pieces: list[Piece], now: float, delay: float = 0.0) -> None:
        """Let pieces come out one after the other, ``delay`` later than they could."""
        for piece in pieces:
            length = len(piece.data if piece.spoilt is None else piece.spoilt) * self._byte_time
            begin = max(self._free, now) + piece.pause
            if piece.late is not None:
                begin = now + piece.late
            else:
                self._free = begin + length
            when = begin + delay + (length if self._whole else 0.0)
            heappush(self._coming, (when, next(self._order), piece))

    def take(self, now: float) -> Piece | None:
        """Return the next piece if it is due."""
        if self._coming and self._coming[0][0] <= now:
            return heappop(self._coming)[2]
        return None

    def clear(self) -> None:
        """Forget all that has not come out."""
        self._coming.clear()
