"""What the steps of a self-test share: the device, random numbers, and what they found."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..connection import Connection

__all__ = ["Bench", "Difference", "Figure"]

#: Differences that are kept of a step; further ones are counted.
_KEPT = 8

#: What a step measured.
Figure = int | float | str


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is not the expected one."""

    what: str
    got: int
    expected: int

    def __str__(self) -> str:
        return (
            f"{self.what}: got {self.got:#x}, expected {self.expected:#x}, "
            f"xor {self.got ^ self.expected:#x}"
        )


@dataclass(slots=True)
class Bench:
    """A device under test.

    Attributes
    ----------
    connection : Connection
        Open; nobody else uses its contexts.
    rng : random.Random
        Of all that is random.
    seconds : float
        How long the soak lasts.
    quick : bool
        Take a sample where the whole takes long.
    build_id : int or None
        What the device is to say of its design; None if anything will do.
    checks, wrong : int
        Values that were compared, and those that differed.
    differences : list of Difference
        The first of these.
    figures : dict
        What was measured, by name with its unit.
    """

    connection: Connection
    rng: random.Random
    seconds: float = 5.0
    quick: bool = False
    build_id: int | None = None
    checks: int = 0
    wrong: int = 0
    differences: list[Difference] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self.connection.info.width

    @property
    def depth(self) -> int:
        """Number of contexts."""
        return self.connection.info.depth

    @property
    def ones(self) -> int:
        """A word of ones."""
        return (1 << self.width) - 1

    def word(self) -> int:
        """Return a random word."""
        return self.rng.getrandbits(self.width)

    def compare(self, what: str, got: int, expected: int) -> None:
        """Count a value, and keep it if it is not the expected one."""
        self.checks += 1
        if got != expected:
            self.wrong += 1
            if len(self.differences) < _KEPT:
                self.differences.append(Difference(what, got, expected))

    def compare_each(
        self, what: str, first: int, got: Sequence[int], wanted: Sequence[int]
    ) -> None:
        """Compare words of consecutive contexts from ``first`` on."""
        for address, (word, expected) in enumerate(zip(got, wanted, strict=True), first):
            self.compare(f"{what}, context {address}", word, expected)
