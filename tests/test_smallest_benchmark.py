"""What the smallest device takes, by module; its sum is looked at where a board is built."""

from __future__ import annotations

from typing import Any

from benchmarks.smallest import count_modules


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
