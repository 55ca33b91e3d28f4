"""The netlist of a board, as place and route gets it, does what the source does."""

from __future__ import annotations

from pathlib import Path

import pytest

from atomik_boards.catalog import find_board

from .check import BoardCheck
from .netlist import synthesise

#: Where a fault shows in whatever is sent.
_BUSY = "device.transmitter"


# Narrow contexts, for the time it takes; both boards as they are built: `python -m
# tests.post_synthesis`, in the workflow.
@pytest.mark.parametrize("name", ["icebreaker"])
def test_a_netlist_equals_its_source_at_the_pins_and_a_mutant_of_it_does_not(
    name: str, tmp_path: Path
) -> None:
    check = BoardCheck(synthesise(find_board(name), tmp_path, width=8), tmp_path, frames=12, tail=8)

    of_netlist, of_source = check.pins
    assert of_netlist == of_source
    assert check.difference() is None
    assert check.answers() == check.stimulus.answers
    compiled, interpreted = check.interpreted(800)
    assert compiled == interpreted
    # An entry that can't be looked up is no fault, so more than one is tried if need be.
    assert any(mutant.noticed for mutant in check.mutants(range(1, 5), within=_BUSY))
