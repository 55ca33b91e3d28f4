"""What hybrid applications refuse, find wrong, and migrate."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from typing import NoReturn
from uuid import UUID, uuid4

import pytest
from eventsourcing.domain import event
from eventsourcing.persistence import IntegrityError, ProgrammingError

from atomik_fpga import AtomikContext, WidthError
from atomik_fpga.eventsourcing import (
    DriftError,
    FieldOverflowError,
    HybridAggregate,
    HybridApplication,
    Layout,
    LayoutChangedError,
    NoStateError,
    OverlapError,
    flag,
    migrate,
    value,
)

from .accounts import Account, Accounts, MakeApp, words


def test_a_command_that_overflows_is_taken_back(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    app.save(account)
    with pytest.raises(FieldOverflowError, match="'balance' has 40 bits"):
        account.deposit(1 << 40)
    with pytest.raises(FieldOverflowError, match="'balance' has 40 bits"):
        account.deposit(-1)
    account.deposit(3)
    app.save(account)
    assert app.verify(account.id) == 2


def test_a_field_that_was_set_without_an_event_is_noticed(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    app.save(account)
    account.balance = 7
    account.freeze()
    with pytest.raises(DriftError, match="balance differ"):
        app.save(account)
    assert words(app.states.rows(account.id)) == [(1, 0, 0)]


def test_a_field_that_was_set_between_two_events_is_noticed(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    account.deposit(5)
    account.balance = 8
    account.deposit(2)
    with pytest.raises(DriftError, match=r"state of version 2 before .* version 3: balance differ"):
        app.save(account)
    with pytest.raises(NoStateError):
        app.current_state(account.id)
    assert app.recorder.max_notification_id() in (None, 0)


class Till(HybridAggregate):
    """Looks at its balance after it has changed it."""

    layout = Layout(balance=value(40))

    @event("Opened")
    def __init__(self) -> None:
        self.balance = 0

    @event("Changed")
    def change(self, cents: int) -> None:
        self.balance += cents
        if self.balance < 10:
            raise ArithmeticError("too little is left")


def test_a_command_that_fails_halfway_is_taken_back(make_app: MakeApp) -> None:
    app = make_app(HybridApplication)
    till = Till()
    till.change(15)
    with pytest.raises(ArithmeticError):
        till.change(-10)
    assert (till.balance, till.version) == (15, 2)
    till.change(1)
    app.save(till)
    assert words(app.states.rows(till.id)) == [(1, 0, 0), (2, 15, 15), (3, 15 ^ 16, 16)]
    assert app.current_state(till.id) == {"balance": 16}
    assert app.verify(till.id) == 3


def test_an_aggregate_whose_save_was_refused_has_to_be_got_again(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    app.save(account)
    stale = app.repository.get(account.id)
    account.deposit(1)
    app.save(account)
    for number in range(3):
        stale.deposit(2)
        with pytest.raises((IntegrityError, DriftError, NoStateError)) as caught:
            app.save(stale)
        assert number == 0 or "get the aggregate again" in str(caught.value)
    assert words(app.states.rows(account.id)) == [(1, 0, 0), (2, 1, 1)]
    assert app.verify(account.id) == 2


def test_what_was_committed_before_an_interruption_is_read(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    account = Account("ann")
    account.deposit(100)
    app.save(account)
    assert app.current_state(account.id)["balance"] == 100

    def interrupt(*arguments: object) -> NoReturn:
        raise KeyboardInterrupt

    account.deposit(5)
    with monkeypatch.context() as patch:
        # Between the commit and the context.
        patch.setattr(AtomikContext, "accum", interrupt)
        with pytest.raises(KeyboardInterrupt):
            app.save(account)
    assert app.current_state(account.id)["balance"] == 105
    assert app.verify(account.id) == 3


@pytest.mark.parametrize("name", ["version", "id", "word", "layout", "pending_events"])
def test_a_field_under_a_name_that_aggregates_have_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=rf"Clash has an attribute '{name}' of its own: "):
        type("Clash", (HybridAggregate,), {"layout": Layout(**{name: value(8)})})


def test_events_without_their_aggregate_are_refused(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    with pytest.raises(TypeError, match="save the aggregate, not its events"):
        app.save(*account.collect_events())


def test_states_of_changed_events_are_found_and_made_anew(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    account = Account("ann")
    account.deposit(100)
    app.save(account)
    monkeypatch.setattr(
        Account.Deposited,
        "apply",
        lambda self, aggregate: setattr(aggregate, "balance", aggregate.balance + 2 * self.cents),
    )
    with pytest.raises(DriftError, match="differs in balance"):
        app.replay_to(account.id, datetime.now(tz=UTC))
    with pytest.raises(DriftError, match="rebuild"):
        app.verify(account.id)
    assert app.rebuild(account.id) == 2
    assert app.current_state(account.id)["balance"] == 200
    assert app.verify(account.id) == 2
    with pytest.raises(NoStateError, match="There is no aggregate"):
        app.rebuild(uuid4())


def test_events_from_before_the_states_get_theirs(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    account.deposit(100)
    app.save(account)
    expected = app.states.rows(account.id)
    app.states._write([(app.states._DELETE, [(app.states._key(account.id),)])])
    app.reload()
    with pytest.raises(NoStateError, match=r"rebuild\(\) makes them"):
        app.current_state(account.id)
    account.freeze()
    with pytest.raises(NoStateError, match=r"rebuild\(\) makes them"):
        app.save(account)
    app.states.replace_rows(expected[:1])
    with pytest.raises(DriftError, match="has 2 events and 1 stored states"):
        app.verify(account.id)
    assert app.rebuild(account.id) == 2
    assert app.states.rows(account.id) == expected


class Purse(HybridAggregate):
    """What `Account` may become."""

    layout = Layout(open=flag(), cents=value(48))

    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.cents = 0
        self.open = True

    @event("Filled")
    def fill(self, cents: int) -> None:
        self.cents += cents


OLD_PURSE = Layout(balance=value(32))
TO_NEW = migrate(OLD_PURSE, Purse.layout, renamed={"balance": "cents"}, added={"open": True})


class Purses(HybridApplication):
    """An application of purses, which can read their former layout."""

    migrations = (TO_NEW,)


def old_purse(app: HybridApplication) -> UUID:
    """Save a purse, and give it the rows that an earlier version would have stored."""
    purse = Purse("ann")
    purse.fill(100)
    purse.fill(8)
    app.save(purse)
    rows = app.states.rows(purse.id)
    app.states.store_layout(OLD_PURSE)
    balances = [0, 100, 108]
    app.states.replace_rows(
        [
            row._replace(delta=before ^ after, state=after, layout=OLD_PURSE.hash)
            for row, before, after in zip(rows, [0, *balances], balances, strict=False)
        ]
    )
    app.reload()
    return purse.id


def test_rows_of_another_layout_are_refused_with_the_difference_named(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(HybridApplication)
    purse = old_purse(app)
    with pytest.raises(
        LayoutChangedError, match=r"balance \(value32\) is gone; open \(flag1\) is new"
    ):
        app.current_state(purse)
    # Nothing else is lost with it.
    purse_of_now = Purse("bob")
    app.save(purse_of_now)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(LayoutChangedError):
                app.current_state(purse)
    assert caplog.text == ""
    with monkeypatch.context() as patch:
        patch.setattr(app.states, "last_row", None)
        assert app.current_state(purse_of_now.id) == {"open": True, "cents": 0}
    # The past can be read as it was.
    assert app.audit_at(purse, datetime.now(tz=UTC)) == {"balance": 108}


def test_rows_of_another_layout_are_migrated(make_app: MakeApp) -> None:
    app = make_app(Purses)
    purse = old_purse(app)
    assert app.current_state(purse) == {"open": True, "cents": 108}
    assert app.verify(purse) == 3
    # What is stored stays in the layout that it has.
    kept = app.checkpoint(purse)
    assert (kept.state, kept.layout) == (108, OLD_PURSE.hash)
    again = app.repository.get(purse)
    again.fill(4)
    app.save(again)
    assert app.current_state(purse) == {"open": True, "cents": 112}
    assert app.verify(purse) == 4
    with pytest.raises(OverlapError, match="cents"):
        app.undo(purse, 3)
    app.undo(purse, 4)
    app.undo(purse, 3)
    assert app.current_state(purse) == {"open": True, "cents": 100}


OLDER_PURSE = Layout(coins=value(16))


class OldPurses(HybridApplication):
    """An application whose purses had three layouts by now."""

    migrations = (TO_NEW, migrate(OLDER_PURSE, OLD_PURSE, renamed={"coins": "balance"}))


def test_migrations_are_followed_one_after_the_other(make_app: MakeApp) -> None:
    app = make_app(OldPurses)
    purse = old_purse(app)
    rows = app.states.rows(purse)
    app.states.store_layout(OLDER_PURSE)
    app.states.replace_rows([row._replace(layout=OLDER_PURSE.hash) for row in rows])
    app.reload()
    assert app.current_state(purse) == {"open": True, "cents": 108}
    assert app.verify(purse) == 3


def test_an_event_in_the_place_of_undo_is_refused() -> None:
    class Undone(HybridAggregate.Event):
        pass

    with pytest.raises(TypeError, match=r"Clash\.Undone is an event of undo: give yours another"):
        type("Clash", (HybridAggregate,), {"Undone": Undone})


def test_an_aggregate_without_a_layout_and_a_layout_too_wide_are_refused(
    make_app: MakeApp,
) -> None:
    class Bare(HybridAggregate):
        pass

    with pytest.raises(TypeError, match=r"Bare has no layout: set it"):
        Bare()
    app = make_app(ATOMIK_WIDTH="56")
    with pytest.raises(WidthError, match="set ATOMIK_WIDTH=57 or more"):
        app.save(Account("ann"))


@pytest.mark.parametrize(
    ("variables", "kind", "message"),
    [
        ({"PERSISTENCE_MODULE": "eventsourcing.popo"}, TypeError, "stores no states: set PERS"),
        ({"ATOMIK_WIDTH": "ten"}, ValueError, "ATOMIK_WIDTH must be a positive integer, not 'ten'"),
        ({"ATOMIK_CONTEXTS": "0"}, ValueError, "ATOMIK_CONTEXTS must be a positive integer, not 0"),
    ],
)
def test_wrong_variables_are_refused(
    make_app: MakeApp, variables: dict[str, str], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        make_app(**variables)


if os.name == "posix":

    def test_a_function_that_knows_no_states_is_refused(postgres_env: dict[str, str]) -> None:
        with pytest.raises(ProgrammingError, match="a function that knows no states: unset it"):
            Accounts({**postgres_env, "POSTGRES_ENABLE_DB_FUNCTIONS": "y"})
