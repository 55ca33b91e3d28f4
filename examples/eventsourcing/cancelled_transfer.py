"""A transfer that is cancelled after a later deposit: where XOR would create money.

`account_hybrid.py` undoes by the number of a version; here it is done by hand on two contexts, to
see why an undo is checked.
"""

from __future__ import annotations

from atomik_fpga.eventsourcing import FieldContext, Layout, OverlapError, flag, value

ACCOUNT = Layout(balance=value(48), frozen=flag())


def deposit(account: FieldContext, cents: int) -> tuple[int, int]:
    return account.change(balance=account.read()["balance"] + cents)


def show(title: str, alice: FieldContext, bob: FieldContext) -> None:
    balances = [account.read()["balance"] for account in (alice, bob)]
    print(f"{title:<32}{balances[0]:>5}{balances[1]:>5}{sum(balances):>6}")


def main() -> None:
    with (
        FieldContext(ACCOUNT, balance=100, frozen=False) as alice,
        FieldContext(ACCOUNT, balance=100, frozen=False) as bob,
    ):
        print(f"{'':<32}alice  bob   sum")
        show("opened", alice, bob)
        sent, received = deposit(alice, -10), deposit(bob, 10)
        show("alice sends bob 10", alice, bob)
        deposit(bob, 5)
        show("bob pays in 5", alice, bob)

        # The transfer is cancelled. XOR alone would leave bob with this, 16 too much:
        print(f"{'XOR alone, on bob':<37}{bob.state ^ received[0]:>5}")
        try:
            bob.undo(*received)
        except OverlapError as error:
            print(f"refused: {', '.join(error.fields)} changed since")

        # Take the amount back from what is there now: a new delta, from the current state.
        alice.undo(*sent)
        deposit(bob, -10)
        show("cancelled by new deltas", alice, bob)


if __name__ == "__main__":
    main()
