"""Hybrid applications whose contexts are on a board."""

from __future__ import annotations

import logging

import pytest

from atomik_fpga import AtomikContext, NoFreeContextError, connect
from atomik_fpga.eventsourcing import DriftError
from atomik_sim.testing import AtomikBoard

from .accounts import FROZEN, Account, MakeApp


def test_on_a_board_states_are_on_its_contexts(
    make_app: MakeApp, atomik_board: AtomikBoard
) -> None:
    app = make_app(ATOMIK_PORT=atomik_board.url)
    account = Account("ann")
    account.deposit(100)
    app.save(account)
    account.freeze()
    app.save(account)
    assert app.current_state(account.id) == {"balance": 100, "frozen": True, "visits": 0}
    with connect(atomik_board.url) as board:
        assert board.read_many(0, 1) == [FROZEN | 100]
        # Loaded when the account was opened, and accumulated since.
        assert board.peek(0) == (FROZEN | 100, FROZEN | 100)
        app.checkpoint(account.id)
        assert board.peek(0) == (FROZEN | 100, 0)


def test_a_board_is_shared_with_other_applications_and_contexts(
    make_app: MakeApp, atomik_board: AtomikBoard
) -> None:
    own = [AtomikContext(64, 7, port=atomik_board.url) for _ in range(atomik_board.contexts - 2)]
    apps = [make_app(ATOMIK_PORT=atomik_board.url) for _ in range(2)]
    accounts = [Account(name) for name in "abcd"]
    for number, account in enumerate(accounts):
        account.deposit(number)
        apps[number % 2].save(account)
    # One context for each application: its accounts take turns.
    for number, account in enumerate(accounts):
        assert apps[number % 2].current_state(account.id)["balance"] == number
        assert apps[number % 2].verify(account.id) == 2
    assert {context.read() for context in own} == {7}
    late = make_app(ATOMIK_PORT=atomik_board.url)
    with pytest.raises(NoFreeContextError):
        late.current_state(accounts[0].id)
    for context in own:
        context.close()
    assert late.current_state(accounts[3].id)["balance"] == 3


@pytest.mark.parametrize("then", ["read", "save", "checkpoint"])
def test_after_a_reset_of_the_board_it_is_loaded_again(
    make_app: MakeApp, atomik_board: AtomikBoard, caplog: pytest.LogCaptureFixture, then: str
) -> None:
    app = make_app(ATOMIK_PORT=atomik_board.url)
    account = Account("ann")
    account.deposit(100)
    app.save(account)
    assert app.current_state(account.id)["balance"] == 100
    atomik_board.reset()
    with caplog.at_level(logging.WARNING):
        if then == "save":
            account.deposit(1)
            app.save(account)
        elif then == "checkpoint":
            app.checkpoint(account.id)
        balance = 101 if then == "save" else 100
        assert app.current_state(account.id)["balance"] == balance
    assert "contexts are lost" in caplog.text
    assert app.verify(account.id) == account.version


def test_a_context_that_somebody_else_changed_is_found(
    make_app: MakeApp, atomik_board: AtomikBoard
) -> None:
    app = make_app(ATOMIK_PORT=atomik_board.url)
    account = Account("ann")
    account.deposit(100)
    app.save(account)
    with connect(atomik_board.url) as board:
        board.accum(0, 1)
        with pytest.raises(DriftError, match=r"holds 0x65, .* is 0x64: call reload\(\)"):
            app.verify(account.id)
        with pytest.raises(DriftError, match="held 0x65"):
            app.checkpoint(account.id)
    assert app.verify(account.id) == 2
