"""The driver, the bytes and the gateware on a line with faults: each op acts exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest

from atomik_fpga import AtomikContext, connect
from atomik_sim import find_board
from atomik_sim.pins import CHARACTER_BITS, character

CONTEXTS = 3
OPS = 80

#: What the line does with a character: the ten levels of each that comes out of it.
Fault = Callable[[int, Random], list[int]]


def flip(levels: int, rng: Random) -> list[int]:
    return [levels ^ 1 << rng.randrange(CHARACTER_BITS)]


def lose(levels: int, rng: Random) -> list[int]:
    return []


def double(levels: int, rng: Random) -> list[int]:
    return [levels, levels]


class Line:
    """A line that spoils characters, and says frames twice, at given rates."""

    def __init__(self, seed: str, faults: dict[Fault, float], repeat: float) -> None:
        self.rng = Random(seed)
        self.faults = faults
        self.repeat = repeat
        self.frame = bytearray()
        self.spoilt = 0

    def characters(self, data: bytes) -> Iterator[int]:
        for byte in data:
            yield from self.spoil(character(byte))
            self.frame.append(byte)
            if byte == 0:
                again, self.frame = self.frame, bytearray()
                if len(again) > 1 and self.rng.random() < self.repeat:
                    self.spoilt += 1
                    yield from map(character, again)

    def received(self, data: bytes) -> bytes:
        """Return the bytes of what comes out; the bit that a flip hits is always of the data."""
        return bytes(levels >> 1 & 0xFF for levels in self.characters(data))

    def spoil(self, levels: int) -> list[int]:
        for fault, rate in self.faults.items():
            if self.rng.random() < rate:
                self.spoilt += 1
                return fault(levels, self.rng)
        return [levels]


FAULTS = {
    "flipped bits": ({flip: 0.01}, 0.0),
    "lost characters": ({lose: 0.01}, 0.0),
    "doubled characters": ({double: 0.01}, 0.0),
    "frames said twice": ({}, 0.3),
    "all of it": ({flip: 0.004, lose: 0.004, double: 0.004}, 0.2),
}


@pytest.mark.parametrize("direction", ["to the device", "from the device", "both ways"])
@pytest.mark.parametrize("name", FAULTS)
def test_every_value_is_right_whatever_the_line_does(name, direction):
    url = f"sim://icebreaker?name={name.replace(' ', '-')}-{direction.replace(' ', '-')}"
    rng = Random(f"{name} {direction}")
    lines = []
    with connect(url) as connection:
        contexts = [AtomikContext(64, port=url) for _ in range(CONTEXTS)]
        connection.flush()
        board = find_board(url)
        if direction != "from the device":
            lines.append(Line(f"{name} to", *FAULTS[name]))
            board.to_device = lines[-1].characters
        if direction != "to the device":
            lines.append(Line(f"{name} from", *FAULTS[name]))
            board.from_device = lines[-1].received

        references, accumulators = [0] * CONTEXTS, [0] * CONTEXTS
        for _ in range(OPS):
            n, word = rng.randrange(CONTEXTS), rng.getrandbits(64)
            state = references[n] ^ accumulators[n]
            match rng.choice(["accum", "accum", "accum", "load", "read", "swap", "peek"]):
                case "accum":
                    contexts[n].accum(word)
                    accumulators[n] ^= word
                case "load":
                    contexts[n].load(word)
                    references[n], accumulators[n] = word, 0
                case "read":
                    assert contexts[n].read() == state
                case "swap":
                    assert contexts[n].swap(word) == state
                    references[n], accumulators[n] = word, 0
                case "peek":
                    assert contexts[n].accumulator == accumulators[n]
        states = [r ^ a for r, a in zip(references, accumulators, strict=True)]
        assert [context.read() for context in contexts] == states
        stats = connection.stats
        assert all(line.spoilt for line in lines)
        if FAULTS[name][0]:
            assert stats.retransmissions > 0
        for context in contexts:
            context.close()
