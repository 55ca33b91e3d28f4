"""Kills a hybrid application, or its database, at random points; contexts must equal the log.

``python -m tests.eventsourcing.crash [--kills N] [--database sqlite|postgresql]
[--victim process|database] [--port URL] [--mutant] [--seed N] [--json]``. After each kill the
application is opened anew, and for each account the context, all stored states and all deltas are
compared with a fold of the raw events that uses nothing of the code under test. The exit code is 1
if any differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from .accounts import Accounts, Folded, fold
from .crash_worker import EXIT_DRIFT
from .postgres_server import PostgresServer, postgres_server

__all__ = ["MUTANT", "Bench", "Result", "main", "on_postgresql", "on_sqlite", "sweep"]

ROOT = Path(__file__).resolve().parents[2]
#: Stores states in a transaction of their own.
MUTANT = "tests.eventsourcing.mutant:LateStatesFactory"
#: Seconds after it began at which a process is killed, at most.
_LONGEST = 0.25
#: The share of kills while the process is still starting.
_EARLY = 0.1
#: Accounts of earlier processes that a new one goes on with.
_KNOWN = 3
_DEADLINE = 60.0


@dataclass(frozen=True)
class Bench:
    """A database to crash on."""

    name: str
    env: dict[str, str]
    #: Returns rows of a query, not through the code under test.
    query: Callable[[str], list[tuple[Any, ...]]]
    events: str
    server: PostgresServer | None = None


@dataclass
class Result:
    """What was seen."""

    kills: int = 0
    events: int = 0
    accounts: int = 0
    faults: list[str] = field(default_factory=list)


@contextmanager
def on_sqlite(module: str = "atomik_fpga.eventsourcing.sqlite") -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="atomik-crash-") as folder:
        path = str(Path(folder) / "events.db")

        def query(text: str) -> list[tuple[Any, ...]]:
            with closing(sqlite3.connect(path)) as connection:
                return connection.execute(text).fetchall()

        env = {"PERSISTENCE_MODULE": module, "SQLITE_DBNAME": path}
        yield Bench(f"SQLite {sqlite3.sqlite_version}", env, query, "stored_events")


@contextmanager
def on_postgresql(*options: str) -> Iterator[Bench]:
    with postgres_server(*options) as server:

        def query(text: str) -> list[tuple[Any, ...]]:
            with server.connect() as connection:
                return connection.execute(text).fetchall()  # type: ignore[arg-type]

        name = f"PostgreSQL {server.version}"
        yield Bench(name, server.env, query, "accounts_events", server)


def sweep(
    bench: Bench,
    kills: int,
    *,
    seed: int = 1,
    victim: str = "process",
    port: str | None = None,
    each: Callable[[Result], None] = lambda result: None,
) -> Result:
    """Kill so many times, and compare each time."""
    source = random.Random(seed)
    result = Result()
    env = {**bench.env, **({"ATOMIK_PORT": port} if port else {})}
    # The tables are there before anything is killed.
    Accounts(env).close()
    known: list[str] = []
    for number in range(kills):
        child = {**env, "KNOWN": " ".join(source.sample(known, min(_KNOWN, len(known))))}
        _kill(bench, child, source, seed + number, victim, result)
        result.kills += 1
        known = _compare(bench, env, result)
        each(result)
        if result.faults:
            break
    return result


def _kill(
    bench: Bench,
    env: dict[str, str],
    source: random.Random,
    seed: int,
    victim: str,
    result: Result,
) -> None:
    command = [sys.executable, "-m", "tests.eventsourcing.crash_worker", str(seed), json.dumps(env)]
    variables = {name: text for name, text in os.environ.items() if name != "ATOMIK_PORT"}
    with subprocess.Popen(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        if source.random() >= _EARLY:
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        time.sleep(source.uniform(0, _LONGEST))
        if victim == "database":
            assert bench.server is not None
            bench.server.kill()
            time.sleep(source.uniform(0, _LONGEST))
            bench.server.start()
            # The process goes on, and finds out by itself.
            time.sleep(source.uniform(0.5, 2.0))
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=_DEADLINE)
    if process.returncode == EXIT_DRIFT:
        result.faults.append(errors)
    elif process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"The process ended by itself:\n{errors}")


def _compare(bench: Bench, env: dict[str, str], result: Result) -> list[str]:
    """Compare log, states and contexts; return the ids of all accounts."""
    if bench.server is not None:
        _wait_for_backends(bench)
    events = [
        (_hex(key), version, topic, bytes(state))
        for key, version, topic, state in bench.query(
            f"SELECT originator_id, originator_version, topic, state FROM {bench.events}"
        )
    ]
    rows: dict[str, list[tuple[int, int, int]]] = {}
    for key, version, delta, state in sorted(
        bench.query(
            f"SELECT originator_id, originator_version, delta, state FROM {bench.events}_states"
        ),
        key=lambda row: (_hex(row[0]), row[1]),
    ):
        words = (int.from_bytes(delta, "big"), int.from_bytes(state, "big"))
        rows.setdefault(_hex(key), []).append((version, *words))
    accounts = fold(events)
    result.events, result.accounts = len(events), len(accounts)
    if set(accounts) != set(rows):
        result.faults.append(f"Events of {len(accounts)} accounts, states of {len(rows)}")
    app = Accounts(env)
    try:
        for key, account in accounts.items():
            _compare_account(app, key, account, rows.get(key, []), result)
    finally:
        app.close()
    return list(accounts)


def _compare_account(
    app: Accounts,
    key: str,
    account: Folded,
    rows: Sequence[tuple[int, int, int]],
    result: Result,
) -> None:
    expected = [
        (version, before ^ after, after)
        for version, (before, after) in enumerate(
            zip([0, *account.words], account.words, strict=False), 1
        )
    ]
    if list(rows) != expected:
        result.faults.append(f"Account {key}: rows {rows}, log {expected}")
        return
    on_context = app.current_state(UUID(key))
    if on_context != account.values:
        result.faults.append(f"Account {key}: context {on_context}, log {account.values}")


def _wait_for_backends(bench: Bench) -> None:
    """Wait until the server has noticed that its client is gone."""
    deadline = time.monotonic() + _DEADLINE
    others = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    while bench.query(others)[0][0]:
        if time.monotonic() > deadline:
            raise RuntimeError("Connections of a killed process are still there")
        time.sleep(0.01)


def _hex(key: object) -> str:
    return key.hex if isinstance(key, UUID) else str(key)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.eventsourcing.crash")
    parser.description = __doc__
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--victim", choices=["process", "database"], default="process")
    parser.add_argument("--port", help="a board that outlives the process")
    parser.add_argument("--mutant", action="store_true", help=f"use {MUTANT}: must end with 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.victim == "database" and options.database == "sqlite":
        parser.error("SQLite runs in the process: --victim database needs --database postgresql")

    def show(result: Result) -> None:
        if not options.json and sys.stderr.isatty():
            print(f"\r{result.kills} kills, {result.events} events", end="", file=sys.stderr)

    if options.mutant:
        opened = on_sqlite(MUTANT)
    else:
        opened = on_sqlite() if options.database == "sqlite" else on_postgresql()
    start = time.monotonic()
    with opened as bench:
        result = sweep(
            bench,
            options.kills,
            seed=options.seed,
            victim=options.victim,
            port=options.port,
            each=show,
        )
    report = {
        "database": bench.name,
        "victim": options.victim,
        "port": options.port,
        "kills": result.kills,
        "events": result.events,
        "accounts": result.accounts,
        "faults": len(result.faults),
        "seconds": round(time.monotonic() - start, 1),
    }
    if options.json:
        print(json.dumps(report))
    else:
        print(", ".join(f"{name} {text}" for name, text in report.items() if text is not None))
    for fault in result.faults:
        print(fault, file=sys.stderr)
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
