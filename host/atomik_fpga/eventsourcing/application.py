"""Applications of the `eventsourcing` library that keep the state beside the event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.application import Application, ProcessingEvent
from eventsourcing.persistence import Recording
from eventsourcing.system import Leader, ProcessApplication
from eventsourcing.utils import EnvType

from ..words import check_positive
from . import checks
from .aggregate import HybridAggregate
from .errors import DriftError, NoStateError
from .keeper import StateKeeper
from .migration import Migration
from .rows import StateRow, StateRows, microseconds_of

__all__ = ["HybridApplication", "HybridProcessApplication", "HybridStates"]


class HybridStates(Application[UUID]):
    """What `HybridApplication` and `HybridProcessApplication` share.

    Saving works as in the library. In the same transaction as an event go its delta and the state
    after it, keyed by (id, version); then the delta is accumulated on a context. The context is a
    cache: what is not there, or was lost with a process, a database or a board, is loaded from the
    last committed row. This application is the only one that writes its aggregates while it runs;
    after another one wrote, call `reload`.

    Besides the library's, these variables of the environment count, and the application's ``env``:
    ``ATOMIK_PORT`` and ``ATOMIK_BAUD``, as for `AtomikContext`; ``ATOMIK_WIDTH``, bits of a context
    (64); ``ATOMIK_CONTEXTS``, how many at most (those that are free, 256 without a port): with more
    aggregates than that, the least recently used one is loaded again when it is needed.

    Parameters
    ----------
    env : mapping or None
        As in the library.

    Raises
    ------
    TypeError
        If the persistence module stores no states.
    OSError, ValueError
        If a variable is missing or wrong.
    """

    env: ClassVar[dict[str, str]] = {"PERSISTENCE_MODULE": "atomik_fpga.eventsourcing.sqlite"}

    #: How to read rows of earlier layouts: see `migrate`.
    migrations: ClassVar[Sequence[Migration]] = ()

    def __init__(self, env: EnvType | None = None) -> None:
        super().__init__(env)
        if not isinstance(self.recorder, StateRows):
            raise TypeError(
                f"{type(self.recorder).__name__} stores no states: set PERSISTENCE_MODULE to "
                "atomik_fpga.eventsourcing.sqlite or atomik_fpga.eventsourcing.postgres"
            )
        self.states: StateRows = self.recorder
        self._keeper = StateKeeper(self.states, self.events, self.env, type(self).migrations)

    def current_state(self, aggregate_id: UUID) -> dict[str, Any]:
        """Return the fields of an aggregate as they are on its context, in O(1).

        Raises
        ------
        NoStateError
            If it has no committed state.
        AtomikError
            If the context was lost and can't be had again.
        """
        layout, word = self._keeper.read(aggregate_id)
        return layout.unpack(word)

    def audit_at(self, aggregate_id: UUID, timestamp: datetime) -> dict[str, Any]:
        """Return the fields as they were at a time: an index seek to the stored state.

        Raises
        ------
        NoStateError
            If there was no state yet.
        TypeError, ValueError
            If ``timestamp`` is no datetime, or has no time zone.
        """
        row = self._row_at(aggregate_id, timestamp)
        return self._keeper.layout_of(row).unpack(row.state)

    def replay_to(self, aggregate_id: UUID, timestamp: datetime) -> HybridAggregate:
        """Return the aggregate as it was at a time, by a replay of its events from the first on.

        No snapshot is used. What comes out is compared with the stored state.

        Raises
        ------
        NoStateError, TypeError, ValueError
            As `audit_at` does.
        DriftError
            If the stored state is another one.
        """
        row = self._row_at(aggregate_id, timestamp)
        aggregate = self._replay(aggregate_id, row.version)
        self._keeper.compare(aggregate, row)
        return aggregate

    def undo(self, aggregate_id: UUID, version: int) -> int:
        """Take back what one version did to the fields, if XOR is right there; return the new one.

        The undo is an event, ``Undone``, with a delta and a state as every other. Attributes that
        are in no field stay as they are.

        Raises
        ------
        CounterError, OverlapError
            As `atomik_fpga.eventsourcing.undo` does. Nothing has changed then.
        TypeError, ValueError
            If ``version`` is no positive integer; is the one that created the aggregate.
        NoStateError
            If there is no such version.
        """
        version = check_positive("Version", version)
        row = self.states.row(aggregate_id, version)
        if version == HybridAggregate.INITIAL_VERSION:
            raise ValueError(f"Version {version} created the aggregate: that can't be undone")
        aggregate: HybridAggregate = self.repository.get(aggregate_id)
        layout = aggregate.layout
        after = self._keeper.in_layout(row, row.state, layout)
        before = self._keeper.in_layout(row, row.state ^ row.delta, layout)
        now = aggregate.word()
        new = checks.undo(before ^ after, after, now, layout=layout)
        fields = {
            name: layout.places[name].field.plain(given)
            for name, given in layout.unpack(new).items()
            if name in layout.touched(now ^ new)
        }
        aggregate.trigger_event(type(aggregate).Undone, undone_version=version, fields=fields)
        self.save(aggregate)
        return aggregate.version

    def checkpoint(self, aggregate_id: UUID) -> StateRow:
        """Start a new epoch on the context from its state, store and return that as a row.

        A second one of the same version starts an epoch too, and stores nothing more.

        Raises
        ------
        NoStateError
            If the aggregate has no committed state.
        DriftError
            If the context held another state than the last committed one. It is loaded again.
        """
        row = self._keeper.swap(aggregate_id)
        now = max(row.timestamp, microseconds_of(datetime.now(tz=UTC)))
        kept = row._replace(delta=0, timestamp=now)
        self.states.store_checkpoint(kept)
        return kept

    def verify(self, aggregate_id: UUID) -> int:
        """Compare log, stored states and context; return the version that they all are at.

        Raises
        ------
        DriftError
            If any two of them differ.
        NoStateError
            If the aggregate has no committed state.
        """
        rows = self.states.rows(aggregate_id)
        if not rows:
            raise self._keeper.no_state(aggregate_id)
        events = list(self.events.get(originator_id=aggregate_id))
        if len(events) != len(rows):
            raise DriftError(
                f"Aggregate {aggregate_id} has {len(events)} events and {len(rows)} stored states: "
                "rebuild() makes them"
            )
        aggregate: HybridAggregate | None = None
        for event, row in zip(events, rows, strict=True):
            aggregate = event.mutate(aggregate)  # type: ignore[attr-defined]
            if aggregate is None or aggregate.version != row.version:
                raise DriftError(f"Event and state of version {row.version} are not of one version")
            self._keeper.compare(aggregate, row)
        layout, word = self._keeper.read(aggregate_id)
        if word != self._keeper.in_layout(rows[-1], rows[-1].state, layout):
            raise DriftError(
                f"The context of aggregate {aggregate_id} holds {word:#x}, and its last committed "
                f"state is {rows[-1].state:#x}: call reload()"
            )
        return rows[-1].version

    def rebuild(self, aggregate_id: UUID) -> int:
        """Make the stored states of an aggregate anew from its events; return how many.

        For events from before the states were kept, and after a change of what events mean. All are
        of the present layout then.

        Raises
        ------
        NoStateError
            If the aggregate has no events.
        """
        rows = self._keeper.rows_from(aggregate_id, self.events.get(originator_id=aggregate_id))
        if not rows:
            raise NoStateError(f"There is no aggregate {aggregate_id}")
        self.states.replace_rows(rows)
        self._keeper.forget([aggregate_id])
        return len(rows)

    def reload(self) -> None:
        """Give up the contexts: each is loaded from its last committed row when it is needed."""
        self._keeper.forget_all()

    def close(self) -> None:
        """Close database and contexts."""
        keeper = getattr(self, "_keeper", None)
        if keeper is not None:
            keeper.forget_all()
        super().close()

    def _record(self, processing_event: ProcessingEvent[UUID]) -> list[Recording[UUID]]:
        rows, layouts = self._keeper.pending(processing_event)
        if not rows:
            return super()._record(processing_event)
        processing_event.saved_kwargs["state_rows"] = rows
        posted = False
        try:
            recordings = super()._record(processing_event)
            self._keeper.post(rows, layouts)
            posted = True
        finally:
            if not posted:
                # It may have been committed, all the same; the database knows.
                self._keeper.forget([row.originator_id for row in rows])
        return recordings

    def _row_at(self, aggregate_id: UUID, timestamp: datetime) -> StateRow:
        row = self.states.row_at(aggregate_id, microseconds_of(timestamp))
        if row is None:
            raise NoStateError(f"Aggregate {aggregate_id} has no state as early as {timestamp}")
        return row

    def _replay(self, aggregate_id: UUID, version: int) -> HybridAggregate:
        aggregate: HybridAggregate | None = None
        for event in self.events.get(originator_id=aggregate_id, lte=version):
            aggregate = event.mutate(aggregate)  # type: ignore[attr-defined]
        if aggregate is None:
            raise NoStateError(f"There is no aggregate {aggregate_id}")
        return aggregate


class HybridApplication(HybridStates, Leader[UUID]):
    """An application of the library, or a leader in a system of it, with states on contexts."""


class HybridProcessApplication(HybridStates, ProcessApplication[UUID]):
    """A process application, of a saga say: tracking, events and states in one transaction."""
