"""A stand-in for a simulated device: it sends back what it receives."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from atomik_sim.pins import CHARACTER_BITS, IDLE, LineError

__all__ = ["EchoEngine"]

#: As at 12 MHz and 3 Mbaud.
CLOCKS_PER_CHARACTER = 40


class EchoEngine:
    """Takes and returns one character after the other, but none while ``gate`` is clear."""

    name = "echo"
    batch = 1

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.clocks = 0
        self.resets = 0
        self.characters: list[int] = []
        #: What the next `transfer` raises.
        self.error: LineError | ZeroDivisionError | None = None
        self.idle = False

    @property
    def pin_bits(self) -> tuple[int, int]:
        bits = CHARACTER_BITS * len(self.characters)
        return bits, bits

    def transfer(self, characters: Sequence[int]) -> bytes:
        sent = [levels for levels in characters if levels != IDLE]
        if sent:
            self.gate.wait()
        if self.error is not None:
            raise self.error
        self.clocks += CLOCKS_PER_CHARACTER * len(characters)
        self.characters += sent
        self.idle = not sent
        return bytes(levels >> 1 & 0xFF for levels in sent)

    def reset(self) -> None:
        self.resets += 1
        self.idle = False
