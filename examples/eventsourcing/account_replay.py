"""An account the usual way: its state is the fold of its events, and undo is code of its own.

The `eventsourcing` library, its store in memory. Nothing of ATOMiK is in here: it is what the other
pages start from.
"""

from __future__ import annotations

from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event


class Account(Aggregate):
    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = 0
        self.frozen = False

    @event("Deposited")
    def deposit(self, cents: int) -> None:
        self.balance += cents

    @event("Withdrawn")
    def withdraw(self, cents: int) -> None:
        self.balance -= cents

    @event("Frozen")
    def freeze(self) -> None:
        self.frozen = True

    # Compensation: an event and a method for each thing that may be taken back.
    @event("Unfrozen")
    def unfreeze(self) -> None:
        self.frozen = False


class Bank(Application[UUID]):
    def open(self, owner: str) -> UUID:
        account = Account(owner)
        self.save(account)
        return account.id

    def show(self, title: str, account_id: UUID) -> None:
        account: Account = self.repository.get(account_id)
        events = account.version
        print(
            f"{title:<24}{account.balance / 100:>8.2f}  {account.frozen!s:<5}  {events} events read"
        )


def main() -> None:
    bank = Bank()
    ann = bank.open("ann")
    bank.show("opened", ann)

    account: Account = bank.repository.get(ann)
    account.deposit(100_00)
    account.freeze()
    account.withdraw(30_00)
    bank.save(account)
    bank.show("deposit, freeze, fee", ann)

    account = bank.repository.get(ann)
    account.unfreeze()
    bank.save(account)
    bank.show("frozen by mistake", ann)


if __name__ == "__main__":
    main()
