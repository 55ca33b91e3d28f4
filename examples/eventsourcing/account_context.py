"""An account on a context: its state is there, and a change is undone by accumulating it again.

Written with what `atomik-core` has, so that this import is the one line that differs. The word has
the balance in its lower bits and a flag above them. No log: who needs one reads
`account_hybrid.py`.
"""

from __future__ import annotations

from atomik_fpga import AtomikContext

FROZEN = 1 << 48
BALANCE = FROZEN - 1


class Account:
    def __init__(self) -> None:
        self.context = AtomikContext(width=64)
        self.context.load(0)

    @property
    def balance(self) -> int:
        return self.context.read() & BALANCE

    @property
    def frozen(self) -> bool:
        return bool(self.context.read() & FROZEN)

    def change(self, cents: int) -> int:
        """Change the balance and return the delta."""
        old = self.context.read()
        delta = (old ^ (old + cents)) & BALANCE
        self.context.accum(delta)
        return delta

    def freeze(self) -> int:
        """Set the flag and return the delta, which is 0 if it was set before."""
        delta = ~self.context.read() & FROZEN
        self.context.accum(delta)
        return delta

    def show(self, title: str) -> None:
        print(f"{title:<24}{self.balance / 100:>8.2f}  {self.frozen!s:<5}  no event read")


def main() -> None:
    account = Account()
    account.show("opened")

    account.change(100_00)
    freezing = account.freeze()
    account.change(-30_00)
    account.show("deposit, freeze, fee")

    # Nothing has touched the flag since: this undo is right. `cancelled_transfer.py` is about
    # those that are not.
    account.context.rollback(freezing)
    account.show("frozen by mistake")
    account.context.load(0)


if __name__ == "__main__":
    main()
