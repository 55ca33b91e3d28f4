"""The driver, the bytes and the gateware on a line with faults: each op acts exactly once."""

from __future__ import annotations

from random import Random

import pytest

from atomik_fpga import AtomikContext, connect
from atomik_sim import find_board
from atomik_sim.faults import FaultyCable

CONTEXTS = 3
OPS = 80

FAULTS = {
    "flipped bits": "flip:0.004",
    "glitches": "glitch:0.01",
    "lost characters": "drop:0.004",
    "inserted characters": "insert:0.004",
    "frames said twice": "repeat:0.3",
    "late frames": "late:0.1",
    "all of it": "flip:0.002,drop:0.002,insert:0.002,repeat:0.2,cut:0.05",
}
#: What asks for no frame again.
HARMLESS = {"frames said twice", "late frames"}


@pytest.mark.parametrize("end", ["@device", "@host", ""], ids=["there", "back", "both ways"])
@pytest.mark.parametrize("name", FAULTS)
def test_every_value_is_right_whatever_the_line_does(name: str, end: str) -> None:
    spec = ",".join(f"{fault}{end}" for fault in FAULTS[name].split(","))
    url = f"sim://icebreaker?faults={spec},seed:2"
    rng = Random(f"{name} {end}")
    with connect(url) as connection:
        contexts = [AtomikContext(64, port=url) for _ in range(CONTEXTS)]
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
        cable = find_board(url).cable
        assert isinstance(cable, FaultyCable)
        assert cable.line.hits
        if name not in HARMLESS:
            assert connection.stats.retransmissions > 0
        for context in contexts:
            context.close()


@pytest.mark.parametrize("percent", [-4, -2, 2, 4])
def test_a_line_rate_that_is_off_is_borne_at_12_clocks_a_bit(percent: int) -> None:
    # The size is that of the trials in `fault_classes`, so that it is compiled once.
    url = f"sim://icebreaker?contexts=4&width=65&baud=1000000&faults=baud:{percent}"
    with connect(url) as connection, AtomikContext(65, port=url) as context:
        for number in range(1, 41):
            context.accum(number)
        assert context.read() == 40
        assert connection.stats.retransmissions == 0
