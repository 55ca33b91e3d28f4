"""What somebody who looks at a board's pins is told, whatever runs the gateware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Tap", "Transfer"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """What happened at the pins during one `Engine.transfer`.

    Attributes
    ----------
    start, end : int
        The device's clocks before and after.
    characters : sequence of int
        Driven on ``rx``, `IDLE` among them.
    received : bytes
        Whose last bit was sampled on ``tx`` meanwhile.
    received_bits : int
        Bits sampled on ``tx`` since the device was made.
    """

    start: int
    end: int
    characters: Sequence[int]
    received: bytes
    received_bits: int


class Tap(Protocol):
    """Somebody who looks at a board's pins; called in the board's thread. See `SimBoard.tap`."""

    @property
    def batch(self) -> int | None:
        """Most characters of one `Transfer`, for its times to be exact; None: any number."""
        ...

    def transferred(self, transfer: Transfer) -> None:
        """Take in what went over the line. OSError ends the simulation."""
        ...

    def rested(self) -> None:
        """Take in that the clock stops, until there is something to do."""
        ...

    def reset(self, start: int, end: int) -> None:
        """Take in that the device was reset between two clocks."""
        ...

    def close(self) -> None:
        """Finish: nothing more comes."""
        ...
