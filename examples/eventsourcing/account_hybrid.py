"""An account with both: the log of the library for audit, and its state on a context.

Each event's delta and the state after it are committed with the event. Any version is undone by its
number, where XOR is right; what an undo means stands in the log as an event too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from uuid import UUID

from eventsourcing.domain import event

from atomik_fpga.eventsourcing import HybridAggregate, HybridApplication, Layout, flag, value


class Account(HybridAggregate):
    layout = Layout(balance=value(48), frozen=flag())

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


class Bank(HybridApplication):
    def open(self, owner: str) -> UUID:
        account = Account(owner)
        self.save(account)
        return account.id

    def show(self, title: str, account_id: UUID) -> None:
        state = self.current_state(account_id)
        print(f"{title:<24}{state['balance'] / 100:>8.2f}  {state['frozen']!s:<5}  no event read")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bank = Bank({"SQLITE_DBNAME": str(Path(folder) / "bank.db")})
        ann = bank.open("ann")
        bank.show("opened", ann)

        account: Account = bank.repository.get(ann)
        account.deposit(100_00)
        account.freeze()
        frozen_in = account.version
        account.withdraw(30_00)
        then = account.modified_on
        bank.save(account)
        bank.show("deposit, freeze, fee", ann)

        bank.undo(ann, frozen_in)
        bank.show("frozen by mistake", ann)

        before = bank.audit_at(ann, then)
        print(
            f"{'audit: before the undo':<24}{before['balance'] / 100:>8.2f}  {before['frozen']!s}"
        )
        names = [type(each).__name__ for each in bank.events.get(originator_id=ann)]
        print(f"{'the log':<24}{', '.join(names)}")
        print(f"{'log, states and context':<24}agree at version {bank.verify(ann)}")
        bank.close()


if __name__ == "__main__":
    main()
