"""What the state of an aggregate costs after n events: by replay, and where it is kept.

``python -m benchmarks.replay [--json] [--plot FILE] [--largest N]``. One account with n deposits,
n from 10 to 100,000, in SQLite files: of the `eventsourcing` library, of it with snapshots, of a
hybrid application, and of a table that somebody wrote by hand. Snapshots are taken every 100
versions, the last one 50 before n. Times to the state are of the processor, minima of up to 21
runs: files are in the page cache, and nothing waits. The simulated board's are of the clock on the
wall. Appends are of both: medians on the wall, with the disk in them, and minima of the processor.
``--plot`` draws time and storage against n; `docs/images/replay.svg` is made that way.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from atomik_fpga import AtomikContext
from atomik_fpga.eventsourcing import HybridAggregate, HybridApplication, Layout, value

from .plot import Panel, draw
from .record import Record, report

__all__ = ["measure", "plot"]

_SIZES = (10, 100, 1_000, 10_000, 100_000)
_INTERVAL = 100
#: Events after the last snapshot.
_AFTER = 50
#: Seconds that the repeats of one figure may take, and how many there are at most.
_PATIENCE = 3.0
_REPEATS = 21
_APPENDS = 200
_URL = "sim://icebreaker"
#: How much longer `current_state()` may take at the most events than at the fewest.
_GROWTH = 3.0

_TIMES = {
    "library_replay": "library, replay",
    "library_snapshots": "library, snapshots",
    "sqlite_fold": "SQLite, sum by hand",
    "sqlite_seek": "SQLite, index seek of a state",
    "hybrid_current_state": "hybrid, current_state()",
    "simulated_read": "read(), simulated board",
    "model_read": "read(), embedded model",
    "bare_int": "an int",
}
_STORAGES = {
    "library_storage": "library",
    "library_snapshots_storage": "library, snapshots",
    "hybrid_storage": "hybrid",
    "sqlite_storage": "SQLite, by hand",
}


class Account(Aggregate):
    """An account of the library."""

    @event("Opened")
    def __init__(self) -> None:
        self.balance = 0

    @event("Deposited")
    def deposit(self, cents: int) -> None:
        self.balance += cents


class HybridAccount(HybridAggregate):
    """The same account, with a place in a word."""

    layout = Layout(balance=value(64))

    @event("Opened")
    def __init__(self) -> None:
        self.balance = 0

    @event("Deposited")
    def deposit(self, cents: int) -> None:
        self.balance += cents


class Plain(Application[UUID]):
    """The library's application."""


class Snapshots(Application[UUID]):
    """The same with snapshots."""

    is_snapshotting_enabled = True


class Hybrid(HybridApplication):
    """With a state beside each event."""


def _cents(number: int) -> int:
    return number * 7 % 1_000 + 1


def _seconds(action: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the least time of an action, of as many runs as there is patience for."""
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < _REPEATS and time.perf_counter() - started < _PATIENCE:
        start = clock()
        action()
        times.append(clock() - start)
    return min(times)


def _quick(statement: str, number: int = 1_000, **names: object) -> float:
    """Return the least time of a statement that is too short for the clock, without its loop."""
    timers = [
        timeit.Timer(each, timer=time.process_time, globals=names) for each in (statement, "pass")
    ]
    # In turns, so that some of each are free of whatever else is going on.
    runs = [[timer.timeit(number) for timer in timers] for _ in range(_REPEATS)]
    whole, empty = (min(times) for times in zip(*runs, strict=True))
    return max(whole - empty, 1e-9) / number


def _plain_env(path: Path) -> dict[str, str]:
    return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}


def _grow(account: Any, events: int, save: Callable[[Any], object]) -> None:
    """Add deposits up to a version, saved a hundred at a time."""
    while account.version < events:
        for _ in range(min(_INTERVAL, events - account.version)):
            account.deposit(_cents(account.version))
        save(account)


def _size(path: Path) -> int:
    """Return the bytes of a database, all of its log taken in."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def _time(name: str, events: int, seconds: float, clock: str = "processor") -> Record:
    conditions = {"events": events, "statistic": "minimum", "clock": clock}
    return Record(f"{name}_{events}", 1e6 * seconds, "us", "measured", "lower", conditions)


def _storage(name: str, events: int, path: Path) -> Record:
    return Record(
        f"{name}_{events}", _size(path) / 1e3, "kB", "measured", "lower", {"events": events}
    )


def _of_library(folder: Path, events: int) -> Iterator[Record]:
    for name, kind in (("library", Plain), ("library_snapshots", Snapshots)):
        path = folder / f"{name}-{events}.db"
        app = kind(_plain_env(path))
        account = Account()
        app.save(account)
        if kind is Plain:
            _grow(account, events, app.save)
        else:
            first = (events - _AFTER) % _INTERVAL if events > _AFTER else events
            for each in range(first, events, _INTERVAL):
                _grow(account, each, app.save)
                app.take_snapshot(account.id)
            _grow(account, events, app.save)
        found: Account = app.repository.get(account.id)
        if found.balance != _balance(events):
            raise ValueError(f"{name} comes to {found.balance}, not {_balance(events)}")
        metric = "library_replay" if kind is Plain else name
        yield _time(metric, events, _seconds(lambda: app.repository.get(account.id)))  # noqa: B023
        app.close()
        yield _storage(f"{name}_storage", events, path)


def _of_hybrid(folder: Path, events: int) -> Iterator[Record]:
    path = folder / f"hybrid-{events}.db"
    app = Hybrid({"SQLITE_DBNAME": str(path)})
    account = HybridAccount()
    app.save(account)
    _grow(account, events, app.save)
    if app.current_state(account.id)["balance"] != _balance(events):
        raise ValueError(f"The hybrid's state is not {_balance(events)}")
    yield _time(
        "hybrid_current_state", events, _quick("app.current_state(key)", app=app, key=account.id)
    )
    app.close()
    yield _storage("hybrid_storage", events, path)


def _of_sqlite(folder: Path, events: int) -> Iterator[Record]:
    """Measure what somebody would write who needs nothing else."""
    path = folder / f"sqlite-{events}.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(
            "CREATE TABLE deposits (account INTEGER, version INTEGER, cents INTEGER, "
            "balance INTEGER, PRIMARY KEY (account, version)) WITHOUT ROWID"
        )
        rows, balance = [], 0
        for number in range(1, events):
            balance += _cents(number)
            rows.append((1, number, _cents(number), balance))
        database.executemany("INSERT INTO deposits VALUES (?, ?, ?, ?)", rows)
        database.commit()
        fold = "SELECT sum(cents) FROM deposits WHERE account = 1"
        seek = "SELECT balance FROM deposits WHERE account = 1 ORDER BY version DESC LIMIT 1"
        for name, query in (("sqlite_fold", fold), ("sqlite_seek", seek)):

            def ask(query: str = query) -> int:
                return int(database.execute(query).fetchone()[0])

            if ask() != _balance(events):
                raise ValueError(f"{name} comes to {ask()}, not {_balance(events)}")
            yield _time(
                name, events, _seconds(ask) if events > 1_000 else _quick("ask()", 20, ask=ask)
            )
    yield _storage("sqlite_storage", events, path)


def _of_contexts(events: int) -> Iterator[Record]:
    balance = 0
    with AtomikContext() as model, AtomikContext(port=_URL) as board:
        for number in range(1, events):
            new = balance + _cents(number)
            model.accum(balance ^ new)
            balance = new
        # The board has seen as many; it keeps their XOR alone.
        board.accum(balance)
        if not model.read() == board.read() == _balance(events):
            raise ValueError(f"A context does not hold {_balance(events)}")
        yield _time("model_read", events, _quick("model.read()", model=model))
        yield _time("simulated_read", events, _seconds(board.read, time.perf_counter), "wall")
    states = {1: balance}
    yield _time("bare_int", events, _quick("states[1]", states=states))


def _balance(events: int) -> int:
    return sum(_cents(number) for number in range(1, events))


def _appends(folder: Path, appends: int) -> Iterator[Record]:
    """Measure a deposit that is saved: trigger, commit, and the context where there is one."""
    hybrid = {"SQLITE_DBNAME": str(folder / "append-hybrid.db")}
    board = {"SQLITE_DBNAME": str(folder / "append-board.db"), "ATOMIK_PORT": _URL}
    plain = Plain(_plain_env(folder / "append-plain.db"))
    apps: list[tuple[str, Application[UUID], Any]] = [
        ("append_library", plain, Account()),
        ("append_hybrid", Hybrid(hybrid), HybridAccount()),
        ("append_hybrid_simulated", Hybrid(board), HybridAccount()),
    ]
    wall: dict[str, list[float]] = {name: [] for name, _, _ in apps}
    used: dict[str, list[float]] = {name: [] for name, _, _ in apps}
    for _, app, account in apps:
        app.save(account)
    for number in range(appends):
        # In turns, and each of them first at times: what else the machine does falls on all alike.
        first = number % len(apps)
        for name, app, account in apps[first:] + apps[:first]:
            start, before = time.perf_counter(), time.process_time()
            account.deposit(5)
            app.save(account)
            wall[name].append(time.perf_counter() - start)
            used[name].append(time.process_time() - before)
    for _, app, _ in apps:
        app.close()
    for clock, suffix, statistic, times in (
        ("wall", "", median, wall),
        ("processor", "_processor", min, used),
    ):
        conditions = {
            "appends": appends,
            "statistic": "median" if statistic is median else "minimum",
            "clock": clock,
            "journal": "WAL",
        }
        costs = {name: statistic(each) for name, each in times.items()}
        for name, cost in costs.items():
            yield Record(name + suffix, 1e6 * cost, "us", "measured", "lower", conditions)
        for name in ("append_hybrid", "append_hybrid_simulated"):
            ratio = costs[name] / costs["append_library"]
            title = f"{name}_over_library{suffix}"
            yield Record(title, ratio, "times", "measured", "lower", conditions)


def measure(sizes: Sequence[int] = _SIZES, appends: int = _APPENDS) -> Sequence[Record]:
    """Measure all; the figures against n, then the cost of an append."""
    records: list[Record] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for events in sizes:
            records += _of_library(folder, events)
            records += _of_sqlite(folder, events)
            records += _of_hybrid(folder, events)
            records += _of_contexts(events)
        records += _appends(folder, appends)
    by_name = {record.metric: record.value for record in records}
    growth = (
        by_name[f"hybrid_current_state_{sizes[-1]}"] / by_name[f"hybrid_current_state_{sizes[0]}"]
    )
    conditions = {
        "events": f"{sizes[-1]} over {sizes[0]}",
        "eventsourcing": version("eventsourcing"),
    }
    records.append(
        Record(
            "hybrid_current_state_growth",
            growth,
            "times",
            "measured",
            "lower",
            conditions,
            _GROWTH,
        )
    )
    return records


def plot(records: Sequence[Record], sizes: Sequence[int] = _SIZES) -> str:
    """Return time and storage against n as SVG."""
    values = {record.metric: record.value for record in records}

    def lines(names: dict[str, str], scale: float) -> dict[str, list[tuple[float, float]]]:
        return {
            title: [(events, scale * values[f"{name}_{events}"]) for events in sizes]
            for name, title in names.items()
        }

    seconds = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
    bytes_ = ((1e6, "MB"), (1e3, "kB"))
    across = "events of the aggregate"
    return draw(
        [
            Panel("Time to the state", across, "", lines(_TIMES, 1e-6), 380, seconds),
            # What is in both panels has one colour.
            Panel("Storage", across, "", lines(_STORAGES, 1e3), 220, bytes_, (0, 1, 4, 2)),
        ],
        "State of an account against its number of events",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure, report, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the plot as SVG")
    parser.add_argument("--largest", type=int, default=_SIZES[-1], help="the most events")
    options = parser.parse_args(arguments)
    sizes = [size for size in _SIZES if size <= options.largest]
    records = measure(sizes)
    if options.plot is not None:
        options.plot.write_text(plot(records, sizes), encoding="utf-8")
    return report("replay", records, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
