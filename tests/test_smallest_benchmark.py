"""What the smallest device takes: by module, and against what the fit gate says of it."""

from __future__ import annotations

from typing import Any

import pytest

from atomik_boards.fit import CAPACITIES, LOGIC, SMALLEST
from benchmarks.smallest import count_modules, synthesise


def register(name: str) -> tuple[str, dict[str, Any]]:
    pins = {"D": [3], "Q": [4]}
    directions = {"D": "input", "Q": "output"}
    return name, {"type": "SB_DFF", "port_directions": directions, "connections": pins}


def test_cells_count_for_the_module_that_their_name_begins_with() -> None:
    names = (
        "device.link.sender.open",
        "device.link.sender.memory.0_RDATA",
        "device.link.receiver.ring.0",
        "device.receiver.rx_sync.stage0",
        "device.transmitter.phase",
        "device.transmitter.data",
        "device.table.queue.level",
        "clock.reset.timer",
        "device.session",
    )
    cells = dict(map(register, names))

    counts = count_modules({"modules": {"top": {"cells": cells}}})

    assert counts == {"uart": 3, "link_sender": 2, "board": 2, "link_receiver": 1, "table": 1}
    assert next(iter(counts)) == "uart"


def test_the_smallest_device_is_as_large_as_the_fit_gate_says() -> None:
    """Boards are refused on that number alone, without a synthesis."""
    counts = count_modules(synthesise())

    assert sum(counts.values()) == pytest.approx(SMALLEST, rel=0.02)
    assert sum(counts.values()) > CAPACITIES["iCE40HX1K"][LOGIC]
    # The link alone is too large: no table is small enough.
    link = sum(cells for name, cells in counts.items() if name.startswith("link_"))
    assert link > CAPACITIES["iCE40HX1K"][LOGIC]
