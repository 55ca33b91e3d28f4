"""The persistence module for PostgreSQL: the library's, with a state beside each event.

An application names it as ``PERSISTENCE_MODULE``; its other variables are the library's own. It
comes with ``pip install "atomik-fpga[postgres]"``. The library wants one factory in such a module,
hence none of its own is imported here by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from eventsourcing import postgres
from eventsourcing.persistence import (
    InterfaceError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
)
from eventsourcing.utils import retry
from psycopg import Cursor
from psycopg.rows import DictRow
from psycopg.sql import SQL, Composed, Identifier

from .rows import StateRow, StateRows

__all__ = [
    "HybridPostgresApplicationRecorder",
    "HybridPostgresFactory",
    "HybridPostgresProcessRecorder",
]

_TABLE = (
    "CREATE TABLE IF NOT EXISTS {name} ("
    "originator_id {id_type} NOT NULL, "
    "originator_version bigint NOT NULL, "
    "timestamp bigint NOT NULL, "
    "delta bytea NOT NULL, "
    "state bytea NOT NULL, "
    "layout text NOT NULL, "
    "PRIMARY KEY (originator_id, originator_version))"
)


class _PostgresRows(StateRows, postgres.PostgresApplicationRecorder):
    """Adds the rows of states to a recorder."""

    def __init__(self, datastore: postgres.PostgresDatastore, **names: str) -> None:
        super().__init__(datastore, **names)
        if datastore.enable_db_functions:
            raise ProgrammingError(
                "POSTGRES_ENABLE_DB_FUNCTIONS inserts events by a function that knows no states: "
                "unset it"
            )
        states = f"{self.events_table_name}_states"
        for name in (states, f"{states}_time", f"{self.events_table_name}_checkpoints"):
            self.check_identifier_length(name)
        id_type = Identifier(datastore.originator_id_type)
        for name in (states, f"{self.events_table_name}_checkpoints"):
            self.sql_create_statements.append(
                SQL(_TABLE).format(name=Identifier(datastore.schema, name), id_type=id_type)
            )
        self.sql_create_statements += [
            SQL(
                "CREATE INDEX IF NOT EXISTS {index} ON {states} "
                "(originator_id, timestamp, originator_version)"
            ).format(
                index=Identifier(f"{states}_time"), states=Identifier(datastore.schema, states)
            ),
            SQL(
                "CREATE TABLE IF NOT EXISTS {layouts} "
                "(hash text PRIMARY KEY, description text NOT NULL)"
            ).format(layouts=Identifier(datastore.schema, f"{self.events_table_name}_layouts")),
        ]

    def _insert_stored_events(
        self, curs: Cursor[DictRow], stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> None:
        super()._insert_stored_events(curs, stored_events, **kwargs)
        rows: Sequence[StateRow] = kwargs.get("state_rows", ())
        # The ids of the events are still to be fetched from the library's cursor.
        with curs.connection.cursor() as own:
            for values in self._inserted(rows):
                own.execute(self._sql(self._INSERT), values, prepare=True)

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def _query(self, statement: str, values: Sequence[Any]) -> list[Sequence[Any]]:
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            cursor.execute(self._sql(statement), values, prepare=True)
            return [tuple(row.values()) for row in cursor.fetchall()]

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def _write(self, statements: Iterable[tuple[str, Sequence[Sequence[Any]]]]) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            for statement, rows in statements:
                cursor.executemany(self._sql(statement), rows)

    def _key(self, originator_id: UUID | str) -> UUID | str:
        return originator_id

    def _id(self, key: Any) -> UUID | str:
        found: UUID | str = key
        return found

    def _sql(self, statement: str) -> Composed:
        # All statements are constants of `StateRows`.
        text: Any = statement.replace("?", "%s")
        return SQL(text).format(
            **{
                each: Identifier(self.datastore.schema, f"{self.events_table_name}_{each}")
                for each in ("states", "checkpoints", "layouts")
            }
        )


class HybridPostgresApplicationRecorder(_PostgresRows):
    """The library's application recorder, with states."""


class HybridPostgresProcessRecorder(_PostgresRows, postgres.PostgresProcessRecorder):
    """The library's process recorder, with states: tracking, events, states, one transaction."""


class HybridPostgresFactory(postgres.PostgresFactory):
    """Makes the library's infrastructure on PostgreSQL with these recorders."""

    application_recorder_class = HybridPostgresApplicationRecorder
    process_recorder_class = HybridPostgresProcessRecorder
