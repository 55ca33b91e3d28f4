"""What `tests.eventsourcing.crash` kills: changes accounts at random until its end.

``python -m tests.eventsourcing.crash_worker SEED ENV``, the application's environment as JSON. It
writes ``ready`` when it begins; if a state is ever not the log's, it ends with an exit code of 3.
"""

from __future__ import annotations

import json
import random
import sys
from contextlib import suppress
from typing import NoReturn
from uuid import UUID

from eventsourcing.persistence import PersistenceError

from atomik_fpga.eventsourcing import DriftError, OverlapError

from .accounts import Account, Accounts

__all__ = ["EXIT_DRIFT"]

EXIT_DRIFT = 3
_ACCOUNTS = 4


def change(app: Accounts, ids: list[UUID], source: random.Random) -> None:
    """Do one thing."""
    first, second = source.sample(ids, 2)
    account: Account = app.repository.get(first)
    match source.randrange(10):
        case 0 | 1 | 2:
            account.deposit(source.randrange(1, 1 << 20))
            if source.random() < 0.5:
                # Several events in one transaction.
                account.visit()
                account.deposit(source.randrange(1, 1 << 20))
            app.save(account)
        case 3 | 4 | 5:
            app.transfer(account, app.repository.get(second), min(account.balance, 1_000))
        case 6:
            account.freeze()
            app.save(account)
        case 7:
            app.checkpoint(first)
        case 8:
            if account.version > 1:
                with suppress(OverlapError):
                    app.undo(first, source.randrange(2, account.version + 1))
        case _:
            app.verify(first)


def main(seed: str, env: str) -> NoReturn:
    source = random.Random(int(seed))
    app = Accounts(json.loads(env))
    ids = [UUID(key) for key in json.loads(env)["KNOWN"].split()]
    try:
        while len(ids) < _ACCOUNTS or source.random() < 0.5:
            account = Account("crash")
            app.save(account)
            ids.append(account.id)
        print("ready", flush=True)
        while True:
            # The database is gone for a while, or did commit what it could not acknowledge.
            with suppress(PersistenceError):
                change(app, ids, source)
    except DriftError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_DRIFT)


if __name__ == "__main__":
    main(*sys.argv[1:])
