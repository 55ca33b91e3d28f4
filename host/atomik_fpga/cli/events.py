"""The account events of the demo, and the plain fold that its balances are compared with.

The records are ``examples/accounts/events.csv``; the package carries a copy.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources
from typing import Final

__all__ = ["Event", "Kind", "Ledger", "load_events"]

_FILE: Final = "account_events.csv"


class Kind(StrEnum):
    """What happened to an account."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    #: The account's latest change did not count.
    REVERSAL = "reversal"


@dataclass(frozen=True, slots=True)
class Event:
    """One record: which account, what, and how many cents (0 for a reversal)."""

    account: int
    kind: Kind
    cents: int


def load_events() -> list[Event]:
    """Read the events of the package, in their order."""
    text = resources.files(__package__).joinpath(_FILE).read_text(encoding="ascii")
    return [
        Event(int(row["account"]), Kind(row["kind"]), int(row["cents"] or 0))
        for row in csv.DictReader(text.splitlines())
    ]


@dataclass(slots=True)
class Ledger:
    """Balances in cents by arithmetic alone: no XOR, nothing of the library."""

    balances: dict[int, int] = field(default_factory=dict)
    _before: dict[int, int] = field(default_factory=dict)

    def apply(self, event: Event) -> tuple[int, int]:
        """Apply ``event`` and return the account's old and new balance."""
        old = self.balances.get(event.account, 0)
        match event.kind:
            case Kind.DEPOSIT:
                new = old + event.cents
            case Kind.WITHDRAWAL:
                new = old - event.cents
            case Kind.REVERSAL:
                new = self._before[event.account]
        self._before[event.account] = old
        self.balances[event.account] = new
        return old, new
