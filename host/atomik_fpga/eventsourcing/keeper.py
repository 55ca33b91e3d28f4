"""Keeps contexts in step with the committed states of aggregates."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from eventsourcing.application import ProcessingEvent
from eventsourcing.persistence import EventStore
from eventsourcing.utils import resolve_topic

from ..errors import AtomikError, WidthError
from ..words import check_positive
from .aggregate import HybridAggregate
from .cache import ContextCache
from .errors import DriftError, FieldOverflowError, LayoutChangedError, NoStateError
from .layout import Layout, difference
from .migration import Migration
from .rows import StateRow, StateRows, microseconds_of

__all__ = ["StateKeeper"]

_logger = logging.getLogger(__name__)

_WIDTH: Final = 64


class _Entry(NamedTuple):
    """What the context of an aggregate holds."""

    row: StateRow
    layout: Layout


class StateKeeper:
    """The states of an application's aggregates: rows in its database, words on its contexts.

    Parameters
    ----------
    states : StateRows
        Where the rows are.
    events : EventStore
        Where the events are.
    env : mapping
        The application's environment.
    migrations : sequence of Migration
        From earlier layouts.

    Raises
    ------
    ValueError
        If a variable of the environment is wrong.
    """

    def __init__(
        self,
        states: StateRows,
        events: EventStore[UUID],
        env: Mapping[str, str],
        migrations: Sequence[Migration],
    ) -> None:
        self._states = states
        self._events = events
        self._cache = ContextCache(
            _positive(env, "ATOMIK_WIDTH") or _WIDTH,
            _positive(env, "ATOMIK_CONTEXTS"),
            env.get("ATOMIK_PORT") or None,
            _positive(env, "ATOMIK_BAUD"),
        )
        self._entries: dict[UUID | str, _Entry] = {}
        self._migrations = migrations
        self._stored: set[str] = set()
        self._lock = threading.RLock()

    # Saving.

    def pending(
        self, processing_event: ProcessingEvent[UUID]
    ) -> tuple[list[StateRow], dict[UUID | str, Layout]]:
        """Return the rows that go with events that are about to be saved, and their layouts.

        Raises
        ------
        DriftError
            If an aggregate was not in its committed state before its first new event, or changed
            between two new events without one.
        NoStateError
            If it has events without a state.
        TypeError
            If events of such an aggregate were collected without it.
        """
        rows: list[StateRow] = []
        layouts: dict[UUID | str, Layout] = {}
        for aggregate in processing_event.aggregates.values():
            if not isinstance(aggregate, HybridAggregate):
                continue
            pending = aggregate.collect_states()
            if not pending:
                continue
            layout = aggregate.layout
            self._check_width(layout)
            self._store(layout)
            layouts[aggregate.id] = layout
            timestamp = self._check_before(aggregate, pending[0].version, pending[0].before)
            state = pending[0].before
            for version, moment, before, after in pending:
                if before != state:
                    fields = ", ".join(layout.touched(before ^ state))
                    raise DriftError(
                        f"Aggregate {aggregate.id} was not in the state of version {version - 1} "
                        f"before its event of version {version}: {fields} differ. A field was set "
                        "without an event: get the aggregate again, and set fields in events only"
                    )
                state = after
                timestamp = max(timestamp, moment)
                rows.append(
                    StateRow(aggregate.id, version, timestamp, before ^ after, after, layout.hash)
                )
        saved = {(row.originator_id, row.version) for row in rows}
        for event in processing_event.events:
            if isinstance(event, HybridAggregate.Event) and (
                (event.originator_id, event.originator_version) not in saved
            ):
                raise TypeError(
                    f"{type(event).__qualname__} of version {event.originator_version} has no "
                    "state: save the aggregate, not its events"
                )
        return rows, layouts

    def post(self, rows: Iterable[StateRow], layouts: Mapping[UUID | str, Layout]) -> None:
        """Accumulate deltas that were committed. A board that fails is noted, and no error."""
        with self._lock:
            try:
                for row in rows:
                    self._post(row, layouts[row.originator_id])
            except AtomikError as error:
                # The events are committed: to raise would say that they are not.
                _logger.warning("contexts are lost and will be loaded again: %s", error)
                self.forget_all()

    # Looking.

    def read(self, aggregate_id: UUID) -> tuple[Layout, int]:
        """Return the word on an aggregate's context, and its layout."""
        with self._lock:
            try:
                return self._entry(aggregate_id).layout, self._cache.read(aggregate_id)
            except (NoStateError, LayoutChangedError, FieldOverflowError, WidthError):
                # Of this aggregate alone, and not of the board.
                raise
            except AtomikError as error:
                _logger.warning("contexts are lost and loaded again: %s", error)
            self.forget_all()
            return self._entry(aggregate_id).layout, self._cache.read(aggregate_id)

    def swap(self, aggregate_id: UUID) -> StateRow:
        """Start a new epoch on the context; return the row whose state it held."""
        with self._lock:
            # A lost board is found and opened again here.
            self.read(aggregate_id)
            row, layout = self._entries[aggregate_id]
            committed = self.in_layout(row, row.state, layout)
            word = self._cache.swap(aggregate_id)
            if word != committed:
                self.forget([aggregate_id])
                raise DriftError(
                    f"The context of aggregate {aggregate_id} held {word:#x}, and its last "
                    f"committed state is {committed:#x}; it will be loaded again"
                )
            return row

    def forget(self, aggregate_ids: Iterable[UUID | str]) -> None:
        """Give up contexts: they are loaded when they are needed."""
        with self._lock:
            for aggregate_id in aggregate_ids:
                self._entries.pop(aggregate_id, None)
                self._cache.drop(aggregate_id)

    def forget_all(self) -> None:
        """Give up all contexts, and the connection to the board."""
        with self._lock:
            self._entries.clear()
            self._cache.drop_all()

    # Words and layouts.

    def compare(self, aggregate: HybridAggregate, row: StateRow) -> None:
        """Raise `DriftError`, which names the fields, unless a replay came to the stored state."""
        layout = aggregate.layout
        stored, replayed = self.in_layout(row, row.state, layout), aggregate.word()
        if stored != replayed:
            fields = ", ".join(layout.touched(stored ^ replayed))
            raise DriftError(
                f"Replay of aggregate {aggregate.id} to version {row.version} gives "
                f"{layout.unpack(replayed)}, and the stored state differs in {fields}: what events "
                "do has changed since. rebuild() makes the stored states anew"
            )

    def in_layout(self, row: StateRow, word: int, layout: Layout) -> int:
        """Return a word of ``row`` as a word of ``layout``.

        Raises
        ------
        LayoutChangedError
            If the row has another layout, and no migrations lead from it. The message names the
            difference.
        """
        path = self._path(row.layout, layout.hash)
        if path is None:
            old = Layout.parse(self._states.stored_layout(row.layout))
            raise LayoutChangedError(
                f"The state of version {row.version} has layout {row.layout}, and this is "
                f"{layout.hash}: {'; '.join(difference(old, layout))}. Put migrate(old, new) into "
                "the application's migrations, or rebuild() the states"
            )
        for migration in path:
            word = migration(word)
        return word

    def layout_of(self, row: StateRow) -> Layout:
        """Return the layout that reads ``row``: the aggregate's, or an earlier one as stored."""
        layout = self._class_of(row.originator_id).layout
        if layout.hash == row.layout:
            return layout
        return Layout.parse(self._states.stored_layout(row.layout))

    def rows_from(self, aggregate_id: UUID, events: Iterable[Any]) -> list[StateRow]:
        """Return the rows that go with an aggregate's events, and store their layout."""
        rows: list[StateRow] = []
        aggregate: HybridAggregate | None = None
        word = 0
        for event in events:
            aggregate = event.mutate(aggregate)
            if not isinstance(aggregate, HybridAggregate):
                raise TypeError(f"{type(aggregate).__qualname__} is no HybridAggregate")
            after, moment = aggregate.word(), microseconds_of(aggregate.modified_on)
            timestamp = max(moment, rows[-1].timestamp) if rows else moment
            layout = aggregate.layout
            rows.append(
                StateRow(
                    aggregate_id, aggregate.version, timestamp, word ^ after, after, layout.hash
                )
            )
            word = after
        if aggregate is not None:
            self._store(aggregate.layout)
        return rows

    def no_state(self, aggregate_id: UUID | str) -> NoStateError:
        """Return the error for an aggregate without a committed state."""
        return NoStateError(
            f"Aggregate {aggregate_id} has no committed state: there is none of that id, or its "
            "events are from before states were kept, and rebuild() makes them"
        )

    def _entry(self, aggregate_id: UUID | str) -> _Entry:
        """Return what is on the context of an aggregate, which is loaded if need be."""
        entry = self._entries.get(aggregate_id)
        if entry is None or aggregate_id not in self._cache:
            row = self._states.last_row(aggregate_id)
            if row is None:
                raise self.no_state(aggregate_id)
            layout = self._class_of(aggregate_id).layout
            self._check_width(layout)
            entry = _Entry(row, layout)
            self._load(entry)
        return entry

    def _path(self, old: str, new: str) -> list[Migration] | None:
        """Return the fewest migrations, one after the other, from a layout to another."""
        paths: dict[str, list[Migration]] = {old: []}
        ends = [old]
        for end in ends:
            if end == new:
                return paths[end]
            for migration in self._migrations:
                if migration.old.hash == end and migration.new.hash not in paths:
                    paths[migration.new.hash] = [*paths[end], migration]
                    ends.append(migration.new.hash)
        return None

    def _post(self, row: StateRow, layout: Layout) -> None:
        entry = self._entries.get(row.originator_id)
        if entry is None or row.originator_id not in self._cache:
            if row.version == HybridAggregate.INITIAL_VERSION:
                self._load(_Entry(row, layout))
        elif row.version == entry.row.version + 1 and row.layout == entry.row.layout:
            self._cache.accum(row.originator_id, row.delta)
            self._entries[row.originator_id] = _Entry(row, layout)
        elif row.version > entry.row.version:
            self.forget([row.originator_id])

    def _load(self, entry: _Entry) -> None:
        row = entry.row
        lost = self._cache.load(row.originator_id, self.in_layout(row, row.state, entry.layout))
        self._entries[row.originator_id] = entry
        if lost is not None:
            self._entries.pop(lost, None)  # type: ignore[call-overload]

    def _check_before(self, aggregate: HybridAggregate, version: int, before: int) -> int:
        """Check the state that new events start from; return when it was."""
        if version == HybridAggregate.INITIAL_VERSION:
            return 0
        with self._lock:
            entry = self._entries.get(aggregate.id)
        row = entry.row if entry is not None else None
        if row is None or row.version != version - 1:
            row = self._states.last_row(aggregate.id)
        if row is None:
            raise self.no_state(aggregate.id)
        if row.version < version - 1:
            raise NoStateError(
                f"Aggregate {aggregate.id} has no committed state of version {version - 1}, which "
                f"its new event follows, but one of version {row.version}: if an earlier save of "
                "this object was refused, get the aggregate again; if its events are from before "
                "states were kept, rebuild() makes them"
            )
        # A later row is a conflict of versions, which the database finds.
        if row.version == version - 1:
            committed = self.in_layout(row, row.state, aggregate.layout)
            if committed != before:
                fields = ", ".join(aggregate.layout.touched(committed ^ before))
                raise DriftError(
                    f"Aggregate {aggregate.id} was not in the committed state of version "
                    f"{version - 1} before its new event: {fields} differ. If an earlier save of "
                    "this object was refused, or a field was set without an event, get the "
                    "aggregate again; if what events do has changed since, rebuild() the states"
                )
        return row.timestamp

    def _class_of(self, aggregate_id: UUID | str) -> type[HybridAggregate]:
        for event in self._events.get(originator_id=aggregate_id, lte=1):  # type: ignore[arg-type]
            found = resolve_topic(event.originator_topic)  # type: ignore[attr-defined]
            if isinstance(found, type) and issubclass(found, HybridAggregate):
                return found
        raise self.no_state(aggregate_id)

    def _store(self, layout: Layout) -> None:
        if layout.hash not in self._stored:
            self._states.store_layout(layout)
            self._stored.add(layout.hash)

    def _check_width(self, layout: Layout) -> None:
        if layout.width > self._cache.width:
            raise WidthError(
                f"A layout of {layout.width} bits does not fit in contexts of {self._cache.width}: "
                f"set ATOMIK_WIDTH={layout.width} or more"
            )


def _positive(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name)
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"{name} must be a positive integer, not {text!r}") from None
    return check_positive(name, number)
