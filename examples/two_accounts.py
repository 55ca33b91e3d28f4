"""Two accounts, a context each, and the changes between them.

The same script, unchanged, with the same output: on no board, on the simulated board
(``ATOMIK_PORT=sim://``), over the port that ``atomik sim`` prints, and on a real board.
"""

from __future__ import annotations

from atomik_fpga import AtomikContext


def change(account: AtomikContext, cents: int) -> int:
    """Change a balance and return the delta, which undoes it as long as it is the latest."""
    old = account.read()
    delta = old ^ (old + cents)
    account.accum(delta)
    return delta


def row(title: str, alice: str, bob: str) -> None:
    print(f"{title:<28}{alice:>10}{bob:>10}")


def balances(title: str, alice: int, bob: int) -> None:
    row(title, f"{alice / 100:.2f}", f"{bob / 100:.2f}")


def main() -> None:
    row("", "alice", "bob")
    with AtomikContext() as alice, AtomikContext() as bob:
        alice.load(100_00)
        bob.load(25_00)
        balances("opened", alice.read(), bob.read())

        change(alice, -12_50)
        change(bob, +12_50)
        balances("alice pays bob 12.50", alice.read(), bob.read())

        delta = change(bob, -30_00)
        balances("bob is charged 30.00", alice.read(), bob.read())
        bob.rollback(delta)
        balances("which is reversed", alice.read(), bob.read())

        row("changes since opened", str(alice.delta_count), str(bob.delta_count))
        row("all of them as one delta", f"{alice.accumulator:#x}", f"{bob.accumulator:#x}")
        balances("closing balances", alice.swap(), bob.swap())
        row("nothing open", str(alice.is_clean), str(bob.is_clean))


if __name__ == "__main__":
    main()
