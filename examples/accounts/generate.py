"""Write the account events again: the same 3,000 records every time.

``python examples/accounts/generate.py`` writes ``events.csv`` here and the copy of it that
`atomik demo` carries in the installed package. Only `random.Random.random` is used, whose
sequence for a seed is the same in every version of Python.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

ACCOUNTS = 16
EVENTS = 3_000
SEED = 2024

HERE = Path(__file__).resolve().parent
FILES = (
    HERE / "events.csv",
    HERE.parents[1] / "host" / "atomik_fpga" / "cli" / "account_events.csv",
)


def events(count: int = EVENTS, accounts: int = ACCOUNTS, seed: int = SEED) -> list[str]:
    """Return the CSV lines, the header first.

    Three in five events are deposits, three in ten withdrawals that the balance covers, one in ten
    a reversal of the account's latest change.
    """
    rng = random.Random(seed)
    balance = [0] * accounts
    before: list[int | None] = [None] * accounts
    lines = ["account,kind,cents"]
    for _ in range(count):
        account = int(rng.random() * accounts)
        draw = rng.random()
        size = 1 + int(10 ** (1 + 4 * rng.random()))
        undo = before[account]
        if draw < 0.1 and undo is not None:
            balance[account], before[account] = undo, None
            lines.append(f"{account},reversal,")
            continue
        before[account] = balance[account]
        if draw < 0.4 and size <= balance[account]:
            balance[account] -= size
            lines.append(f"{account},withdrawal,{size}")
        else:
            balance[account] += size
            lines.append(f"{account},deposit,{size}")
    return lines


def main() -> None:
    """Write both files."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    text = "\n".join(events()) + "\n"
    for file in FILES:
        file.write_text(text, encoding="ascii", newline="\n")
        print(f"{file}: {EVENTS} events, {ACCOUNTS} accounts")


if __name__ == "__main__":
    main()
