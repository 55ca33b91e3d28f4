"""The aggregate that the tests of hybrid applications share, and a fold of its stored events.

The fold reads the rows of the database itself: neither the library nor the code under test has a
part in it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from eventsourcing.domain import event

from atomik_fpga.eventsourcing import (
    HybridAggregate,
    HybridApplication,
    Layout,
    StateRow,
    counter,
    flag,
    value,
)

#: Where the fields of an account are, counted by hand.
FROZEN_BIT = 40
VISITS_BIT = 41
FROZEN, VISIT = 1 << FROZEN_BIT, 1 << VISITS_BIT


class Account(HybridAggregate):
    """An account with something in the word, and something beside it."""

    layout = Layout(balance=value(40), frozen=flag(), visits=counter(16))

    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = 0
        self.frozen = False
        self.visits = 0

    @event("Deposited")
    def deposit(self, cents: int) -> None:
        self.balance += cents

    @event("Frozen")
    def freeze(self) -> None:
        self.frozen = True

    @event("Visited")
    def visit(self) -> None:
        self.visits += 1


class Accounts(HybridApplication):
    """An application of accounts."""

    env: ClassVar[dict[str, str]] = {**HybridApplication.env, "AGGREGATE_CACHE_MAXSIZE": "64"}

    def transfer(self, source: Account, target: Account, cents: int) -> None:
        source.deposit(-cents)
        target.deposit(cents)
        self.save(source, target)


#: Makes an application on a new database, or on one that is there.
MakeApp = Callable[..., Accounts]


def words(rows: list[StateRow]) -> list[tuple[int, int, int]]:
    """Return version, delta and state of each row."""
    return [(row.version, row.delta, row.state) for row in rows]


@dataclass
class Folded:
    """What the events of an account come to."""

    balance: int = 0
    frozen: bool = False
    visits: int = 0
    #: The word after each event, from version 1 on.
    words: list[int] = field(default_factory=list)

    @property
    def word(self) -> int:
        return self.balance | self.frozen << FROZEN_BIT | self.visits << VISITS_BIT

    @property
    def values(self) -> dict[str, Any]:
        return {"balance": self.balance, "frozen": self.frozen, "visits": self.visits}


def fold(stored: Iterable[tuple[str, int, str, bytes]]) -> dict[str, Folded]:
    """Fold rows of (id, version, topic, JSON) in the order of their versions, by id."""
    accounts: dict[str, Folded] = defaultdict(Folded)
    for key, version, topic, state in sorted(stored, key=lambda row: row[:2]):
        account = accounts[key]
        values = json.loads(state)
        match topic.rpartition(".")[2]:
            case "Deposited":
                account.balance += values["cents"]
            case "Frozen":
                account.frozen = True
            case "Visited":
                account.visits += 1
            case "Undone":
                for name, given in values["fields"].items():
                    setattr(account, name, given)
            case other:
                assert other == "Opened"
        account.words.append(account.word)
        assert len(account.words) == version
    return accounts
