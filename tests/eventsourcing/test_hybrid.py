"""Hybrid applications on SQLite and PostgreSQL: states beside events, contexts as their cache."""

from __future__ import annotations

import enum
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import pytest
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    IntegrityError,
    JSONTranscoder,
    Transcoding,
)

from atomik_fpga.eventsourcing import (
    CounterError,
    HybridAggregate,
    HybridApplication,
    Layout,
    NoStateError,
    OverlapError,
    choice,
    value,
)

from .accounts import FROZEN, VISIT, Account, Accounts, MakeApp, words


def test_each_event_has_its_delta_and_the_state_after_it(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    account.deposit(100)
    app.save(account)
    account.freeze()
    account.visit()
    account.deposit(-30)
    app.save(account)
    assert words(app.states.rows(account.id)) == [
        (1, 0, 0),
        (2, 100, 100),
        (3, FROZEN, FROZEN | 100),
        (4, VISIT, VISIT | FROZEN | 100),
        (5, 100 ^ 70, VISIT | FROZEN | 70),
    ]
    assert {row.layout for row in app.states.rows(account.id)} == {Account.layout.hash}
    assert (
        app.states.stored_layout(Account.layout.hash)
        == "balance:value40;frozen:flag1;visits:counter16"
    )
    assert app.current_state(account.id) == {"balance": 70, "frozen": True, "visits": 1}
    assert app.verify(account.id) == 5


def test_what_was_refused_leaves_neither_event_nor_state(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    app.save(account)
    one, other = app.repository.get(account.id), app.repository.get(account.id)
    one.deposit(5)
    app.save(one)
    other.deposit(7)
    with pytest.raises(IntegrityError):
        app.save(other)
    assert words(app.states.rows(account.id)) == [(1, 0, 0), (2, 5, 5)]
    assert app.current_state(account.id)["balance"] == 5
    assert app.verify(account.id) == 2


def test_several_aggregates_are_saved_in_one_transaction(make_app: MakeApp) -> None:
    app = make_app()
    ann, bob = Account("ann"), Account("bob")
    ann.deposit(100)
    app.save(ann, bob)
    stale = app.repository.get(bob.id)
    app.transfer(ann, bob, 40)
    assert [app.current_state(each.id)["balance"] for each in (ann, bob)] == [60, 40]
    with pytest.raises(IntegrityError):
        app.transfer(ann, stale, 10)
    assert [app.current_state(each.id)["balance"] for each in (ann, bob)] == [60, 40]
    assert (app.verify(ann.id), app.verify(bob.id)) == (3, 2)


def test_a_new_process_loads_contexts_from_the_last_committed_rows(make_app: MakeApp) -> None:
    first = make_app()
    account = Account("ann")
    account.deposit(100)
    first.save(account)
    first.close()
    second = make_app()
    assert second.current_state(account.id)["balance"] == 100
    again = second.repository.get(account.id)
    again.deposit(1)
    second.save(again)
    assert second.verify(account.id) == 3


def test_more_aggregates_than_contexts_take_turns(make_app: MakeApp) -> None:
    app = make_app(ATOMIK_CONTEXTS="2")
    accounts = [Account(name) for name in "abcde"]
    for number, account in enumerate(accounts):
        account.deposit(number)
    app.save(*accounts)
    for account in accounts[::-1]:
        account.deposit(10)
        app.save(account)
    assert [app.current_state(each.id)["balance"] for each in accounts] == [10, 11, 12, 13, 14]
    assert [app.verify(each.id) for each in accounts] == [3] * 5


# Time.


class Clock:
    """Sets the time of the library's events."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        monkeypatch.setattr(
            Aggregate.Event, "create_timestamp", staticmethod(lambda: self.now), raising=True
        )

    def at(self, seconds: float) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def deposits_at(app: Accounts, clock: Clock, *seconds: float) -> Account:
    """Save an account opened at 0 with deposits of 1, 2, 4 and so on at these times."""
    account = Account("ann")
    for number, second in enumerate(seconds):
        clock.now = clock.at(second)
        account.deposit(1 << number)
    app.save(account)
    return account


def test_audit_and_replay_show_the_state_of_a_time(make_app: MakeApp, clock: Clock) -> None:
    app = make_app()
    account = deposits_at(app, clock, 10, 20, 20, 30)
    for seconds, balance in [(0, 0), (9.999999, 0), (10, 1), (19, 1), (20, 7), (29, 7), (99, 15)]:
        assert app.audit_at(account.id, clock.at(seconds))["balance"] == balance
        assert app.replay_to(account.id, clock.at(seconds)).balance == balance
    with pytest.raises(NoStateError, match="has no state as early as 2025-12-31"):
        app.audit_at(account.id, clock.at(-1))
    with pytest.raises(ValueError, match="has no time zone"):
        app.audit_at(account.id, datetime(2026, 1, 1))


def test_a_clock_that_goes_back_changes_no_order(make_app: MakeApp, clock: Clock) -> None:
    app = make_app()
    account = deposits_at(app, clock, 10, 20, 5)
    clock.now = clock.at(7)
    account.deposit(8)
    app.save(account)
    assert app.audit_at(account.id, clock.at(15))["balance"] == 1
    assert app.audit_at(account.id, clock.at(20))["balance"] == 15
    assert app.replay_to(account.id, clock.at(15)).version == 2
    assert app.verify(account.id) == 5


def test_audit_is_an_index_seek_and_reading_the_state_asks_no_database(tmp_path: Path) -> None:
    path = str(tmp_path / "events.db")
    app = Accounts({"SQLITE_DBNAME": path})
    account = Account("ann")
    account.deposit(5)
    app.save(account)
    query = app.states._sql(app.states._SELECT + app.states._UNTIL)
    with closing(sqlite3.connect(path)) as database:
        plan = database.execute(f"EXPLAIN QUERY PLAN {query}", (account.id.hex, 0)).fetchall()
    assert [row[-1] for row in plan] == [
        "SEARCH stored_events_states USING INDEX stored_events_states_time "
        "(originator_id=? AND timestamp<?)"
    ]

    def fail(*arguments: object) -> NoReturn:
        raise AssertionError("asked the database")

    for name in ("_query", "_write", "select_events", "select_notifications"):
        setattr(app.states, name, fail)
    assert app.current_state(account.id)["balance"] == 5
    app.close()


# Undo.


def test_undo_is_an_event_and_is_checked(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    account.deposit(100)
    account.freeze()
    account.deposit(5)
    app.save(account)
    assert app.undo(account.id, 3) == 5
    assert app.current_state(account.id) == {"balance": 105, "frozen": False, "visits": 0}
    with pytest.raises(OverlapError) as caught:
        app.undo(account.id, 2)
    assert caught.value.fields == ("balance",)
    assert app.undo(account.id, 4) == 6
    assert app.undo(account.id, 2) == 7
    assert app.current_state(account.id)["balance"] == 0
    assert app.repository.get(account.id).balance == 0
    assert app.verify(account.id) == 7


def test_a_cancelled_transfer_after_a_later_deposit_creates_no_money(make_app: MakeApp) -> None:
    app = make_app()
    ann, bob = Account("ann"), Account("bob")
    ann.deposit(100)
    bob.deposit(100)
    app.save(ann, bob)
    app.transfer(ann, bob, 10)
    bob.deposit(5)
    app.save(bob)
    with pytest.raises(OverlapError, match="balance"):
        app.undo(bob.id, 3)
    assert [app.current_state(each.id)["balance"] for each in (ann, bob)] == [90, 115]


def test_what_can_not_be_undone_is_refused(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    account.visit()
    account.visit()
    app.save(account)
    with pytest.raises(CounterError, match="visits"):
        app.undo(account.id, 2)
    with pytest.raises(ValueError, match="Version 1 created the aggregate"):
        app.undo(account.id, 1)
    with pytest.raises(NoStateError, match="has no state of version 9"):
        app.undo(account.id, 9)
    with pytest.raises(ValueError, match="Version must be a positive integer, not 0"):
        app.undo(account.id, 0)
    with pytest.raises(TypeError, match="Version must be a positive integer, not '2'"):
        app.undo(account.id, "2")  # type: ignore[arg-type]
    assert app.verify(account.id) == 3


def test_undo_holds_over_a_checkpoint_which_starts_a_new_epoch(make_app: MakeApp) -> None:
    app = make_app()
    account = Account("ann")
    account.deposit(100)
    account.freeze()
    app.save(account)
    kept = app.checkpoint(account.id)
    assert (kept.version, kept.delta, kept.state) == (3, 0, FROZEN | 100)
    assert app.checkpoint(account.id).version == 3
    assert words(app.states.checkpoints(account.id)) == [(3, 0, FROZEN | 100)]
    app.undo(account.id, 2)
    assert app.current_state(account.id) == {"balance": 0, "frozen": True, "visits": 0}


class Stage(enum.Enum):
    NEW = 0
    PAID = 1
    SENT = 2


class Order(HybridAggregate):
    """Has a member of an enumeration in its word, under names of its own."""

    layout = Layout(stage=choice(Stage), total=value(20))

    @event("Placed")
    def __init__(self, total: int) -> None:
        self.progress = Stage.NEW
        self.cents = total

    @event("Advanced")
    def advance(self, stage: str) -> None:
        self.progress = Stage[stage]

    def layout_values(self) -> dict[str, Any]:
        return {"stage": self.progress, "total": self.cents}

    def set_layout_values(self, values: dict[str, Any]) -> None:
        self.progress, self.cents = values["stage"], values["total"]


class Orders(HybridApplication):
    """Takes a snapshot of the library's every other version."""

    snapshotting_intervals: ClassVar[dict[Any, int]] = {Order: 2}

    def register_transcodings(self, transcoder: JSONTranscoder) -> None:
        super().register_transcodings(transcoder)
        transcoder.register(StageAsName())


class StageAsName(Transcoding):
    """How the library stores a stage in a snapshot."""

    type = Stage
    name = "stage"

    def encode(self, obj: Stage) -> str:
        return obj.name

    def decode(self, data: str) -> Stage:
        return Stage[data]


def test_enumerations_names_of_fields_and_snapshots(make_app: MakeApp) -> None:
    app = make_app(Orders)
    order = Order(700)
    app.save(order)
    for stage in ("PAID", "SENT"):
        order.advance(stage)
        app.save(order)
    assert app.current_state(order.id) == {"stage": Stage.SENT, "total": 700}
    assert app.snapshots is not None
    assert len(list(app.snapshots.get(originator_id=order.id))) == 1
    assert app.undo(order.id, 3) == 4
    assert app.current_state(order.id) == {"stage": Stage.PAID, "total": 700}
    assert app.repository.get(order.id).progress is Stage.PAID
    again = app.repository.get(order.id)
    again.advance("SENT")
    app.save(again)
    assert app.verify(order.id) == 5
