"""A test of one's own on a board whose line has faults."""

from __future__ import annotations

import pytest

from atomik_fpga import AtomikContext
from atomik_sim.faults import FaultyCable
from atomik_sim.testing import AtomikBoard


@pytest.fixture
def atomik_board_options() -> dict[str, str]:
    return {"faults": "repeat:0.5,late/DATA:0.5,flip:0.001,seed:4"}


def test_the_board_of_a_test_may_have_faults(
    atomik_board: AtomikBoard, atomik_context: AtomikContext
) -> None:
    for number in range(1, 41):
        atomik_context.accum(number)
        atomik_context.flush()
    assert atomik_context.read() == 40
    assert atomik_board.simulation is not None
    cable = atomik_board.simulation.cable
    assert isinstance(cable, FaultyCable)
    assert cable.line.hits["repeat@device"] > 5
    assert cable.line.hits["late@device"] > 5


def test_the_next_board_has_the_same_faults_from_their_start(atomik_board: AtomikBoard) -> None:
    assert atomik_board.simulation is not None
    cable = atomik_board.simulation.cable
    assert isinstance(cable, FaultyCable)
    assert not cable.line.hits
