"""Logs of rows for the tests of imports, and what a fold in plain Python makes of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb

Row = tuple[Any, Any]

MASK = (1 << 64) - 1
SUFFIXES = [".parquet", ".csv", ".jsonl"]


def write(
    path: Path, rows: Iterable[Row], column: str = "delta", sql_type: str = "UBIGINT"
) -> Path:
    """Write rows of (key, word), as Parquet or as text."""
    rows = list(rows)
    if path.suffix == ".csv":
        lines = [f"key,{column}", *(f'"{key}",{word}' for key, word in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"key": k, column: w}) + "\n" for k, w in rows))
    else:
        key_type = "VARCHAR" if any(isinstance(key, str) for key, _ in rows) else "INTEGER"
        text = write(path.with_suffix(".csv"), rows, column)
        with duckdb.connect(":memory:") as database:
            database.execute(
                f"COPY (SELECT key::{key_type} AS key, {column}::{sql_type} AS {column} FROM "
                f"read_csv('{text}', all_varchar = true, header = true)) "
                f"TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
            )
        text.unlink()
    return path


def random_rows(count: int, keys: int, seed: int = 1) -> list[Row]:
    source = random.Random(seed)
    return [(f"k{source.randrange(keys)}", source.getrandbits(64)) for _ in range(count)]


def xor_of(rows: Iterable[Row], mask: int = MASK) -> dict[str, int]:
    words: dict[str, int] = {}
    for key, word in rows:
        words[str(key)] = words.get(str(key), 0) ^ (word & mask)
    return words


def last_of(rows: Iterable[Row]) -> dict[str, int]:
    return {str(key): word & MASK for key, word in rows}


#: What imports a file into the test's state, verifies it, and returns the words.
Take = Callable[..., dict[str, int]]
