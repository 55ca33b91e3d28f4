"""Faults that hit characters on the line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

from ..pins import (
    BREAK,
    CHARACTER_BITS,
    GLITCH_PLACES,
    IDLE,
    character,
    glitched,
)
from .spec import Fault

__all__ = ["CharacterFaults"]

_STOP = 1 << (CHARACTER_BITS - 1)
_LONGEST_BURST = 16


def _flip(levels: int, rng: Random) -> list[int]:
    return [levels ^ 1 << rng.randrange(CHARACTER_BITS)]


def _glitch(levels: int, rng: Random) -> list[int]:
    return [glitched(levels, rng.randrange(GLITCH_PLACES))]


def _break(_: int, __: Random) -> list[int]:
    # The line is high for a while before the next start bit, or that would belong to the break.
    return [BREAK, BREAK, IDLE]


def _framing(levels: int, _: Random) -> list[int]:
    return [levels & ~_STOP, IDLE]


def _drop(_: int, __: Random) -> list[int]:
    return []


def _insert(levels: int, rng: Random) -> list[int]:
    return [character(rng.getrandbits(8)), levels]


def _noise(_: int, rng: Random) -> list[int]:
    return [rng.getrandbits(CHARACTER_BITS)]


_SPOIL: dict[str, Callable[[int, Random], list[int]]] = {
    "flip": _flip,
    "glitch": _glitch,
    "break": _break,
    "framing": _framing,
    "drop": _drop,
    "insert": _insert,
    "burst": _noise,
}


class CharacterFaults:
    """Spoils characters of one direction, each hit independently of the others.

    Parameters
    ----------
    faults : sequence of Fault
        Of characters.
    rng : Random
    hit : callable of str
        Told the name of each fault that comes to pass.
    """

    def __init__(self, faults: Sequence[Fault], rng: Random, hit: Callable[[str], None]) -> None:
        self._rng = rng
        self._hit = hit
        self._names = [fault.name for fault in faults]
        self._rates = [fault.rate for fault in faults]
        # The share of characters that no fault hits, as a logarithm.
        self._spared = sum(math.log1p(-rate) if rate < 1 else -math.inf for rate in self._rates)
        self._distance = self._draw()
        self._burst = 0

    def spoil(self, data: bytes) -> list[int] | None:
        """Return the characters that take the place of bytes; None if nothing is spoilt."""
        if self._distance >= len(data) and not self._burst:
            self._distance -= len(data)
            return None
        characters: list[int] = []
        for levels in map(character, data):
            if self._burst:
                self._burst -= 1
                characters += _noise(levels, self._rng)
            elif self._distance:
                self._distance -= 1
                characters.append(levels)
            else:
                characters += self._strike(levels)
        return characters

    def _strike(self, levels: int) -> list[int]:
        [name] = self._rng.choices(self._names, self._rates)
        self._hit(name)
        if name == "burst":
            self._burst = self._rng.randrange(_LONGEST_BURST)
        self._distance = self._draw()
        return _SPOIL[name](levels, self._rng)

    def _draw(self) -> float:
        """Return how many characters are spared before the next one is hit."""
        if not self._spared:
            return math.inf
        if self._spared == -math.inf:
            return 0
        return int(math.log(1 - self._rng.random()) / self._spared)
