"""The application on gateware: each test has a context, or a whole board, of its own."""

from __future__ import annotations

import pytest
from switchboard import Switchboard, open_switchboard

from atomik_fpga import AtomikContext, SessionLostError, connect
from atomik_sim.testing import AtomikBoard


def test_a_new_switchboard_is_off(atomik_context: AtomikContext) -> None:
    assert Switchboard(atomik_context).on() == set()


def test_a_switch_that_is_thrown_twice_is_off(atomik_context: AtomikContext) -> None:
    switchboard = Switchboard(atomik_context)
    switchboard.throw(3, 63)
    switchboard.throw(3)
    assert switchboard.on() == {63}
    assert switchboard.changed() == {63}


def test_undo_takes_back_the_latest_throw(atomik_context: AtomikContext) -> None:
    switchboard = Switchboard(atomik_context)
    switchboard.throw(1, 2)
    switchboard.throw(2, 5)
    switchboard.undo()
    assert switchboard.on() == {1, 2}


def test_what_is_settled_is_no_change_any_more(atomik_context: AtomikContext) -> None:
    switchboard = Switchboard(atomik_context)
    switchboard.throw(7)
    assert switchboard.settle() == {7}
    assert switchboard.changed() == set()
    assert switchboard.on() == {7}


def test_the_program_runs_on_the_board_although_it_names_no_port(atomik_board: AtomikBoard) -> None:
    switchboard = open_switchboard()
    switchboard.throw(0)
    with connect(atomik_board.url) as board:
        assert board.read(0) == 1


def test_a_board_that_is_reset_is_noticed(
    atomik_board: AtomikBoard, atomik_context: AtomikContext
) -> None:
    if atomik_board.simulation is None:
        pytest.skip("a board at a port can't be reset from here")
    switchboard = Switchboard(atomik_context)
    switchboard.throw(0)
    atomik_board.reset()
    with pytest.raises(SessionLostError):
        switchboard.on()
