"""What is stored beside each event: the delta that it was, and the state after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from .errors import NoStateError
from .layout import Layout

__all__ = ["StateRow", "StateRows", "datetime_of", "microseconds_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class StateRow(NamedTuple):
    """One version of one aggregate."""

    #: Of the aggregate, as the library has it.
    originator_id: UUID | str
    #: Of the event that is stored with the row.
    version: int
    #: Microseconds since 1970, never less than those of the version before.
    timestamp: int
    #: What the event was: the state before, XOR the state after.
    delta: int
    #: The state after the event.
    state: int
    #: `Layout.hash`.
    layout: str


class StateRows(ABC):
    """Rows of states in the database of a recorder, which each backend mixes into its own.

    A row is inserted in the transaction that inserts its event, or not at all.
    """

    #: Statements with ``{states}``, ``{layouts}``, ``{checkpoints}`` and ``?`` as the places of
    #: names and values; each backend writes them its own way.
    _INSERT: Final = (
        "INSERT INTO {states} (originator_id, originator_version, timestamp, delta, state, layout)"
        " VALUES (?, ?, ?, ?, ?, ?)"
    )
    _INSERT_CHECKPOINT: Final = (
        "INSERT INTO {checkpoints}"
        " (originator_id, originator_version, timestamp, delta, state, layout)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (originator_id, originator_version) DO NOTHING"
    )
    _INSERT_LAYOUT: Final = (
        "INSERT INTO {layouts} (hash, description) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING"
    )
    _DELETE: Final = "DELETE FROM {states} WHERE originator_id = ?"
    _COLUMNS: Final = "originator_id, originator_version, timestamp, delta, state, layout"
    _SELECT: Final = f"SELECT {_COLUMNS} FROM {{states}} WHERE originator_id = ?"
    _SELECT_CHECKPOINTS: Final = (
        f"SELECT {_COLUMNS} FROM {{checkpoints}} WHERE originator_id = ? ORDER BY 2"
    )
    _LAST: Final = " ORDER BY originator_version DESC LIMIT 1"
    _VERSION: Final = " AND originator_version = ?"
    _UNTIL: Final = " AND timestamp <= ? ORDER BY timestamp DESC, originator_version DESC LIMIT 1"
    _ALL: Final = " ORDER BY originator_version"
    _LAYOUT: Final = "SELECT description FROM {layouts} WHERE hash = ?"

    @abstractmethod
    def _query(self, statement: str, values: Sequence[Any]) -> list[Sequence[Any]]:
        """Run a query and return its rows, of columns in order."""

    @abstractmethod
    def _write(self, statements: Iterable[tuple[str, Sequence[Sequence[Any]]]]) -> None:
        """Run statements, each for many rows, in one transaction of their own."""

    @abstractmethod
    def _key(self, originator_id: UUID | str) -> UUID | str:
        """Return an aggregate's id as the database has it."""

    @abstractmethod
    def _id(self, key: Any) -> UUID | str:
        """Return an aggregate's id as the library has it."""

    def last_row(self, originator_id: UUID | str) -> StateRow | None:
        """Return the row of an aggregate's last version: one index seek."""
        return self._one(self._SELECT + self._LAST, originator_id)

    def row(self, originator_id: UUID | str, version: int) -> StateRow:
        """Return the row of one version.

        Raises
        ------
        NoStateError
            If there is none.
        """
        found = self._one(self._SELECT + self._VERSION, originator_id, version)
        if found is None:
            raise NoStateError(f"Aggregate {originator_id} has no state of version {version}")
        return found

    def row_at(self, originator_id: UUID | str, timestamp: int) -> StateRow | None:
        """Return the last row up to a time in microseconds since 1970: one index seek."""
        return self._one(self._SELECT + self._UNTIL, originator_id, timestamp)

    def rows(self, originator_id: UUID | str) -> list[StateRow]:
        """Return all rows of an aggregate, by version."""
        found = self._query(self._SELECT + self._ALL, (self._key(originator_id),))
        return [self._row(each) for each in found]

    def checkpoints(self, originator_id: UUID | str) -> list[StateRow]:
        """Return the checkpoints of an aggregate, by version; their deltas are 0."""
        found = self._query(self._SELECT_CHECKPOINTS, (self._key(originator_id),))
        return [self._row(each) for each in found]

    def stored_layout(self, layout_hash: str) -> str:
        """Return the description of a layout that a row names.

        Raises
        ------
        NoStateError
            If no row can name it.
        """
        found = self._query(self._LAYOUT, (layout_hash,))
        if not found:
            raise NoStateError(f"No layout {layout_hash} was ever stored here")
        return str(found[0][0])

    def store_layout(self, layout: Layout) -> None:
        """Store what rows with this layout will be read by, once."""
        self._write([(self._INSERT_LAYOUT, [(layout.hash, layout.description)])])

    def store_checkpoint(self, row: StateRow) -> None:
        """Store a checkpoint; a second one of a version changes nothing."""
        self._write([(self._INSERT_CHECKPOINT, [self._values(row, row.state.bit_length())])])

    def replace_rows(self, rows: Sequence[StateRow]) -> None:
        """Put rows of one aggregate in the place of those that it has, in one transaction."""
        key = self._key(rows[0].originator_id)
        self._write([(self._DELETE, [(key,)]), (self._INSERT, self._inserted(rows))])

    def _inserted(self, rows: Iterable[StateRow]) -> list[Sequence[Any]]:
        return [self._values(row, max(row.state, row.delta).bit_length()) for row in rows]

    def _values(self, row: StateRow, bits: int) -> Sequence[Any]:
        size = max(1, (bits + 7) // 8)
        return (
            self._key(row.originator_id),
            row.version,
            row.timestamp,
            row.delta.to_bytes(size, "big"),
            row.state.to_bytes(size, "big"),
            row.layout,
        )

    def _one(self, statement: str, originator_id: UUID | str, *values: Any) -> StateRow | None:
        found = self._query(statement, (self._key(originator_id), *values))
        return self._row(found[0]) if found else None

    def _row(self, columns: Sequence[Any]) -> StateRow:
        key, version, timestamp, delta, state, layout = columns
        return StateRow(
            self._id(key),
            version,
            timestamp,
            int.from_bytes(delta, "big"),
            int.from_bytes(state, "big"),
            layout,
        )


def microseconds_of(moment: datetime) -> int:
    """Return microseconds since 1970, exactly.

    Raises
    ------
    TypeError, ValueError
        If ``moment`` is no datetime; has no time zone.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"Timestamp must be a datetime, not {moment!r}")
    if moment.tzinfo is None:
        raise ValueError(f"Timestamp {moment} has no time zone: pass datetime.now(tz=UTC), say")
    return (moment - _EPOCH) // _MICROSECOND


def datetime_of(microseconds: int) -> datetime:
    """Return the moment, in UTC, that is so many microseconds after 1970."""
    return _EPOCH + microseconds * _MICROSECOND
