"""The same gateware on a simulated board, its pins moved by a script, for other processes."""

from functools import partial
from itertools import cycle, islice

from edges import Edges

from atomik_sim.fabric import fabric_board
from atomik_sim.server import serve

#: Simulated clocks are what takes the time: here pins settle within 5 us, 60 clocks.
SETTLE_SECONDS = 5e-6
PINS = 11
#: Levels of all pins, and the clocks for which they stay: button 1 pressed and released, bouncing
#: once each; pin 8 rises with the release, and falls with the next press.
SCRIPT = (
    (0b0_0000_0001, 200),
    (0b0_0000_0000, 20),
    (0b0_0000_0001, 2000),
    (0b1_0000_0000, 20),
    (0b1_0000_0001, 20),
    (0b1_0000_0000, 2000),
)


def levels(rounds):
    """Yield (clock, levels) of ``rounds`` rounds of the script."""
    clock = 5000
    for value, clocks in islice(cycle(SCRIPT), rounds * len(SCRIPT)):
        yield clock, value
        clock += clocks


def board(rounds, **options):
    """Return the simulated board; its options are those of ``sim://``."""
    make = partial(Edges, PINS, settle=SETTLE_SECONDS)
    return fabric_board(make, levels(rounds), **{"contexts": 16, "name": "fabric", **options})


if __name__ == "__main__":
    with serve(board(rounds=1000)) as server:
        for url in server.urls:
            print(f"ATOMIK_PORT={url}", flush=True)
        while not server.wait(0.5):
            pass
