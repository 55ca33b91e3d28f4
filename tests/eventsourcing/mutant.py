"""A persistence module that stores the states right after the events: what must not be done.

The crash test has to notice it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import StoredEvent

from atomik_fpga.eventsourcing import sqlite


class LateStatesRecorder(sqlite.HybridSQLiteApplicationRecorder):
    """Two transactions in place of one."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        rows = kwargs.pop("state_rows", ())
        returning = super().insert_events(stored_events, **kwargs)
        if rows:
            self._write([(self._INSERT, self._inserted(rows))])
        return returning


class LateStatesFactory(sqlite.HybridSQLiteFactory):
    application_recorder_class = LateStatesRecorder
