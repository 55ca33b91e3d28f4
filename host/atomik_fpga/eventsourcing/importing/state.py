"""The file that an import writes: words by key, and in the same transaction how far it came."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from ...words import check_width
from ..errors import ImportFailedError

__all__ = ["ImportState", "SourceRecord"]

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS settings (kind TEXT NOT NULL, width INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sources (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    position INTEGER NOT NULL,
    identity TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS words (
    key TEXT PRIMARY KEY,
    word BLOB NOT NULL,
    source INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS addresses (key TEXT PRIMARY KEY, address INTEGER NOT NULL UNIQUE)
    WITHOUT ROWID;
"""


class SourceRecord(NamedTuple):
    """How far a source was read."""

    position: int
    #: By what the source is known again.
    identity: str


class ImportState:
    """Words by key, sources with their positions, and addresses, in a file of SQLite.

    Parameters
    ----------
    path : path
        The file, which is made if it is not there.
    kind : str
        What all of its sources hold: ``deltas``, ``states`` or ``events``.
    width : int
        Bits of a word.

    Raises
    ------
    ImportFailedError
        If the file is none of these, or was made for another kind or width, or can't be opened.
    """

    def __init__(self, path: str | Path, kind: str, width: int) -> None:
        self.kind = kind
        self.width = check_width(width)
        self._path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            raise ImportFailedError(f"{path} can't be opened: {error}") from None
        try:
            self._connection.execute("PRAGMA synchronous = FULL")
            with self._transaction() as run:
                for statement in _TABLES.split(";"):
                    run.execute(statement)
                found = run.execute("SELECT kind, width FROM settings").fetchone()
                if found is None:
                    run.execute("INSERT INTO settings VALUES (?, ?)", (kind, width))
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise ImportFailedError(f"{path} is no state of an import: {error}") from None
        if found is not None and found != (kind, width):
            self._connection.close()
            raise ImportFailedError(
                f"{path} holds {found[1]} bit words of {found[0]}, not {width} bit words of {kind}:"
                " name another file"
            )

    def source(self, name: str) -> SourceRecord | None:
        """Return how far a source was read, if it ever was."""
        found = self._connection.execute(
            "SELECT position, identity FROM sources WHERE name = ?", (name,)
        ).fetchone()
        return None if found is None else SourceRecord(*found)

    def sources(self) -> list[str]:
        """Return the names of all sources, in the order in which they came."""
        found = self._connection.execute("SELECT name FROM sources ORDER BY number")
        return [name for (name,) in found]

    def words(self) -> dict[str, int]:
        """Return all words by key, in the order of the keys."""
        found = self._connection.execute("SELECT key, word FROM words ORDER BY key")
        return {key: int.from_bytes(word, "big") for key, word in found}

    def addresses(self) -> dict[str, int]:
        """Return which key has which address."""
        return dict(self._connection.execute("SELECT key, address FROM addresses"))

    def commit(self, name: str, start: int, record: SourceRecord, words: Mapping[str, int]) -> None:
        """Take a part of a source in, all of it or nothing: its words and the position behind it.

        Words of deltas are XORed into those that are there. Others take the place of those from
        the same source or an earlier one: what an earlier one has grown by since is not later.

        Raises
        ------
        ImportFailedError
            If the source's position is not ``start``: somebody else took it in meanwhile. If a word
            does not fit in the width; if the file can't be written.
        """
        for key, word in words.items():
            if word >> self.width:
                raise ImportFailedError(
                    f"{name} gives {key!r} the word {word:#x}, which does not fit in {self.width} "
                    "bits: name a greater width"
                )
        with self._transaction() as run:
            before = self.source(name)
            position = 0 if before is None else before.position
            if position != start:
                raise ImportFailedError(
                    f"{name} was imported up to {position} meanwhile, not to {start}: another "
                    "import into this state is running"
                )
            if self.kind == "deltas":
                words = {key: word ^ self._word(run, key) for key, word in words.items()}
            run.execute(
                "INSERT INTO sources (name, position, identity) VALUES (?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE"
                " SET position = excluded.position, identity = excluded.identity",
                (name, *record),
            )
            found = run.execute("SELECT number FROM sources WHERE name = ?", (name,)).fetchone()
            number = 0 if self.kind == "deltas" else int(found[0])
            size = (self.width + 7) // 8
            run.executemany(
                "INSERT INTO words VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE"
                " SET word = excluded.word, source = excluded.source"
                " WHERE excluded.source >= words.source",
                [(key, word.to_bytes(size, "big"), number) for key, word in words.items()],
            )

    def store_addresses(self, addresses: Mapping[str, int]) -> None:
        """Put addresses in the place of those that are there."""
        with self._transaction() as run:
            run.execute("DELETE FROM addresses")
            run.executemany("INSERT INTO addresses VALUES (?, ?)", addresses.items())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    @staticmethod
    def _word(run: sqlite3.Connection, key: str) -> int:
        found = run.execute("SELECT word FROM words WHERE key = ?", (key,)).fetchone()
        return 0 if found is None else int.from_bytes(found[0], "big")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()
        except sqlite3.OperationalError as error:
            raise ImportFailedError(
                f"{self._path} can't be written: {error}; what was committed before is as it was"
            ) from error
