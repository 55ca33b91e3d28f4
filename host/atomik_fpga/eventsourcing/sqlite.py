"""The persistence module for SQLite: the library's, with a state beside each event.

An application names it as ``PERSISTENCE_MODULE``; its other variables are the library's own. The
library wants one factory in such a module, hence none of its own is imported here by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from eventsourcing import sqlite
from eventsourcing.persistence import StoredEvent

from .rows import StateRow, StateRows

__all__ = [
    "HybridSQLiteApplicationRecorder",
    "HybridSQLiteFactory",
    "HybridSQLiteProcessRecorder",
]

_TABLE = (
    "CREATE TABLE IF NOT EXISTS {name} ("
    "originator_id TEXT NOT NULL, "
    "originator_version INTEGER NOT NULL, "
    "timestamp INTEGER NOT NULL, "
    "delta BLOB NOT NULL, "
    "state BLOB NOT NULL, "
    "layout TEXT NOT NULL, "
    "PRIMARY KEY (originator_id, originator_version)) WITHOUT ROWID"
)


class _SQLiteRows(StateRows, sqlite.SQLiteApplicationRecorder):
    """Adds the rows of states to a recorder."""

    def construct_create_table_statements(self) -> list[str]:
        names = self._names()
        return [
            *super().construct_create_table_statements(),
            _TABLE.format(name=names["states"]),
            f"CREATE INDEX IF NOT EXISTS {names['states']}_time ON {names['states']} "
            "(originator_id, timestamp, originator_version)",
            _TABLE.format(name=names["checkpoints"]),
            f"CREATE TABLE IF NOT EXISTS {names['layouts']} "
            "(hash TEXT PRIMARY KEY, description TEXT NOT NULL) WITHOUT ROWID",
        ]

    def _insert_events(
        self, c: sqlite.SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        returning = super()._insert_events(c, stored_events, **kwargs)
        rows: Sequence[StateRow] = kwargs.get("state_rows", ())
        if rows:
            c.executemany(self._sql(self._INSERT), self._inserted(rows))
        return returning

    def _query(self, statement: str, values: Sequence[Any]) -> list[Sequence[Any]]:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(self._sql(statement), values)
            return [tuple(row) for row in cursor.fetchall()]

    def _write(self, statements: Iterable[tuple[str, Sequence[Sequence[Any]]]]) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            for statement, rows in statements:
                cursor.executemany(self._sql(statement), rows)

    def _key(self, originator_id: UUID | str) -> UUID | str:
        return originator_id.hex if isinstance(originator_id, UUID) else originator_id

    def _id(self, key: Any) -> UUID | str:
        return self.convert_originator_id(key)

    def _sql(self, statement: str) -> str:
        return statement.format_map(self._names())

    def _names(self) -> dict[str, str]:
        return {
            "states": f"{self.events_table_name}_states",
            "checkpoints": f"{self.events_table_name}_checkpoints",
            "layouts": f"{self.events_table_name}_layouts",
        }


class HybridSQLiteApplicationRecorder(_SQLiteRows):
    """The library's application recorder, with states."""


class HybridSQLiteProcessRecorder(_SQLiteRows, sqlite.SQLiteProcessRecorder):
    """The library's process recorder, with states: tracking, events, states, one transaction."""


class HybridSQLiteFactory(sqlite.SQLiteFactory):
    """Makes the library's infrastructure on SQLite with these recorders."""

    application_recorder_class = HybridSQLiteApplicationRecorder
    process_recorder_class = HybridSQLiteProcessRecorder
