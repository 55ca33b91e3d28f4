"""Build the bitstream of an iCEBreaker: its three buttons, and a PMOD of eight inputs."""

import sys
from functools import partial

from amaranth.build import Attrs, Pins, Resource
from amaranth_boards.icebreaker import ICEBreakerPlatform
from edges import Edges

from atomik_boards.build import build_board
from atomik_boards.design import Fabric

PMOD = Resource(
    "inputs",
    0,
    Pins("1 2 3 4 7 8 9 10", dir="i", conn=("pmod", 0)),
    Attrs(IO_STANDARD="SB_LVCMOS", PULLUP=1),
)

#: Contexts 0 to 2 count the buttons 1 to 3 of the board's break-off section, 3 to 10 the pins of
#: PMOD 1A.
FABRIC = Fabric(
    make=partial(Edges, 11),
    pins=(("button", 1), ("button", 2), ("button", 3), ("inputs", 0)),
    resources=(*ICEBreakerPlatform.break_off_pmod, PMOD),
)

#: Counts have 16 bits. With words of 64 the device leaves no logic cells for the edges.
SIZE = {"contexts": 16, "width": 32}

if __name__ == "__main__":
    result = build_board("icebreaker", fabric=FABRIC, out="build/fabric", progress=print, **SIZE)
    sys.stdout.write(f"{result.bitstream}\n")
