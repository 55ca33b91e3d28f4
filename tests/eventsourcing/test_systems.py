"""The library's own ways to react to events work on: systems, sagas, projections, subscriptions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from eventsourcing.application import ProcessingEvent
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import event
from eventsourcing.persistence import Tracking
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.system import SingleThreadedRunner, System

from atomik_fpga.eventsourcing import (
    HybridAggregate,
    HybridProcessApplication,
    Layout,
    NoStateError,
    choice,
    value,
)

from .accounts import Account, Accounts


class Reward(HybridAggregate):
    """What a saga opens for each account, and raises with each deposit."""

    layout = Layout(points=value(32), stage=choice(["new", "active"]))

    @staticmethod
    def create_id(account_id: UUID) -> UUID:
        return uuid5(NAMESPACE_URL, f"/rewards/{account_id}")

    @event("Started")
    def __init__(self, account_id: UUID) -> None:
        self.account_id = account_id
        self.points = 0
        self.stage = "new"

    @event("Earned")
    def earn(self, points: int) -> None:
        self.points += points
        self.stage = "active"


class Rewards(HybridProcessApplication):
    """A saga: follows the accounts."""

    @singledispatchmethod
    def policy(self, domain_event: Any, processing_event: ProcessingEvent[UUID]) -> None:
        """Do nothing."""

    @policy.register
    def _(self, domain_event: Account.Opened, processing_event: ProcessingEvent[UUID]) -> None:
        processing_event.collect_events(Reward(account_id=domain_event.originator_id))

    @policy.register
    def _(self, domain_event: Account.Deposited, processing_event: ProcessingEvent[UUID]) -> None:
        reward = self.repository.get(Reward.create_id(domain_event.originator_id))
        reward.earn(domain_event.cents // 10)
        processing_event.collect_events(reward)


@pytest.fixture
def runner(database: dict[str, str], tmp_path: Path) -> Iterator[SingleThreadedRunner[UUID]]:
    """Run the two applications as a system; on SQLite each has a file of its own."""
    env = dict(database)
    if "SQLITE_DBNAME" in env:
        env = {f"{name.upper()}_SQLITE_DBNAME": str(tmp_path / name) for name in _NAMES}
    running: SingleThreadedRunner[UUID] = SingleThreadedRunner(System([[Accounts, Rewards]]), env)
    running.start()
    yield running
    running.stop()


_NAMES = ("accounts", "rewards")


def test_a_saga_has_its_states_with_its_tracking(runner: SingleThreadedRunner[UUID]) -> None:
    accounts, rewards = runner.get(Accounts), runner.get(Rewards)
    account = Account("ann")
    account.deposit(100)
    accounts.save(account)
    account.deposit(55)
    accounts.save(account)
    reward = Reward.create_id(account.id)
    assert rewards.current_state(reward) == {"points": 15, "stage": "active"}
    assert rewards.verify(reward) == 3
    assert accounts.current_state(account.id)["balance"] == 155
    tracked = rewards.recorder.max_tracking_id("Accounts")
    assert tracked == accounts.recorder.max_notification_id()
    # The same notification a second time is refused as a whole.
    row = rewards.states.last_row(reward)
    again = rewards.repository.get(reward)
    again.earn(1)
    processing: ProcessingEvent[UUID] = ProcessingEvent(Tracking("Accounts", tracked))
    processing.collect_events(again)
    with pytest.raises(Exception, match=r"(?i)track"):
        rewards._record(processing)
    assert rewards.states.last_row(reward) == row
    assert rewards.current_state(reward)["points"] == 15


def test_an_undo_reaches_the_followers_as_an_event(runner: SingleThreadedRunner[UUID]) -> None:
    accounts, rewards = runner.get(Accounts), runner.get(Rewards)
    account = Account("ann")
    account.deposit(100)
    accounts.save(account)
    accounts.undo(account.id, 2)
    topics = [each.topic for each in accounts.notification_log.select(start=1, limit=9)]
    assert [topic.rpartition(".")[2] for topic in topics] == ["Opened", "Deposited", "Undone"]
    assert rewards.recorder.max_tracking_id("Accounts") == 3


class Balances(POPOTrackingRecorder):
    """A view in memory: the sum of all deposits."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0


class Total(Projection[Balances]):
    """Adds up deposits, as any subscriber of the library does."""

    name = "total"
    topics: ClassVar[tuple[str, ...]] = ()

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        if isinstance(domain_event, Account.Deposited):
            self.view.total += domain_event.cents
        self.view.insert_tracking(tracking)


def test_what_nobody_saved_has_no_state(runner: SingleThreadedRunner[UUID]) -> None:
    with pytest.raises(NoStateError):
        runner.get(Rewards).current_state(Account("ann").id)


if os.name == "posix":

    def test_a_projection_is_fed_by_a_subscription(postgres_env: dict[str, str]) -> None:
        # SQLite's recorder has no subscriptions, hybrid or not.
        with ProjectionRunner(
            application_class=Accounts,
            projection_class=Total,
            view_class=Balances,
            env={**postgres_env, "TOTAL_PERSISTENCE_MODULE": "eventsourcing.popo"},
        ) as running:
            account = Account("ann")
            account.deposit(100)
            account.deposit(23)
            recordings = running.app.save(account)
            running.wait(recordings[-1].notification.id, timeout=20)
            assert running.projection.view.total == 123
            assert running.app.current_state(account.id)["balance"] == 123
