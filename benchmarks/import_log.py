"""How fast `atomik import` takes a log in.

``python -m benchmarks.import_log [--json] [--rows N]``. Parquet with 256 keys and deltas of 64
bits, made here; the file is read from the page cache. Each figure covers all of an import: looking
at the file, reading, XOR by key, and the commits of words and positions. Rows a second of processor
time tell what a busy machine hides; on two cores twice as many are the bound.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import duckdb

from atomik_fpga.eventsourcing.importing import (
    ImportState,
    RowSource,
    import_log,
    verify_import,
)

from .record import Record, report

__all__ = ["measure"]

_KEYS = 256
_ROWS = 40_000_000
_REPEATS = 5
#: Rows a second from Parquet, on two cores.
_TARGET = 20e6


def _write(path: Path, rows: int, key: str, column: str) -> None:
    with duckdb.connect(":memory:") as database:
        database.execute(
            f"COPY (SELECT {key} AS key, hash(n + 1)::UBIGINT AS {column} FROM range({rows}) t(n)) "
            f"TO '{path}'"
        )


def _take_in(folder: Path, path: Path, kind: str, column: str, chunk: int) -> dict[str, int]:
    state_path = folder / "state.db"
    state_path.unlink(missing_ok=True)
    with (
        RowSource(path, kind, 64, column=column, folder=folder) as source,  # type: ignore[arg-type]
        ImportState(state_path, kind, 64) as state,
    ):
        import_log([source], state, chunk=chunk)
        return state.words()


def _rates(action: Callable[[], object], rows: int, repeats: int) -> tuple[float, float]:
    """Return rows a second of the clock and of processor time."""
    wall, processor = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return rows / median(wall), rows / median(processor)


def measure(rows: int = _ROWS, repeats: int = _REPEATS) -> Sequence[Record]:
    """Time imports of deltas and of states, and the verification."""
    records: list[Record] = []
    conditions: dict[str, object] = {
        "keys": _KEYS,
        "rows": rows,
        "repeats": repeats,
        "statistic": "median",
        "duckdb": duckdb.__version__,
        "cpus": os.cpu_count(),
    }

    def add(name: str, rates: tuple[float, float], target: float | None = None) -> None:
        for suffix, rate, goal in (("", rates[0], target), ("_per_cpu_second", rates[1], None)):
            records.append(
                Record(
                    name + suffix, rate / 1e6, "M rows/s", "measured", "higher", conditions, goal
                )
            )

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbers, texts, states = (folder / f"{each}.parquet" for each in "abc")
        _write(numbers, rows, f"(hash(n) % {_KEYS})::USMALLINT", "delta")
        _write(texts, rows, f"'account-' || (hash(n) % {_KEYS})", "delta")
        _write(states, rows, f"(hash(n) % {_KEYS})::USMALLINT", "state")

        def deltas(path: Path, chunk: int) -> Callable[[], object]:
            return lambda: _take_in(folder, path, "deltas", "delta", chunk)

        add("deltas", _rates(deltas(numbers, RowSource.portion), rows, repeats), _TARGET / 1e6)
        add("deltas_chunks_of_a_million", _rates(deltas(numbers, 1_000_000), rows, repeats))
        add("deltas_of_text_keys", _rates(deltas(texts, RowSource.portion), rows, repeats))
        add(
            "states",
            _rates(
                lambda: _take_in(folder, states, "states", "state", RowSource.portion),
                rows,
                repeats,
            ),
        )
        _take_in(folder, numbers, "deltas", "delta", RowSource.portion)
        with (
            RowSource(numbers, "deltas", 64, column="delta", folder=folder) as source,
            ImportState(folder / "state.db", "deltas", 64) as state,
        ):
            add("verify_deltas", _rates(lambda: verify_import([source], state), rows, repeats))
    return records


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.import_log", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rows", type=int, default=_ROWS, help="rows of each file")
    options = parser.parse_args(arguments)
    return report("import_log", measure(options.rows), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
