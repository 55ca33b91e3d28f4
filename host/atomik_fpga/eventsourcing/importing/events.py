"""Domain events of the `eventsourcing` library as the source of an import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from eventsourcing.application import Application

from ..aggregate import HybridAggregate
from ..errors import ImportFailedError
from ..layout import Layout

__all__ = ["EventSource"]

#: Notifications that are looked at in one query.
_PAGE: Final = 5_000


class EventSource:
    """The log of an application: the word of each aggregate after a replay of its events, in order.

    Keys are the aggregates' ids; positions are ids of notifications.

    Parameters
    ----------
    application : Application
        Whose log it is.
    name : str
        What the state calls it.
    layout : Layout or None
        Where the attributes of aggregates are in the word, by their names; `HybridAggregate` needs
        none.
    """

    kind = "events"

    def __init__(
        self, application: Application[UUID], name: str, layout: Layout | None = None
    ) -> None:
        self._application = application
        self._layout = layout
        self.name = name
        self._total = int(application.recorder.max_notification_id() or 0)

    @property
    def total(self) -> int:
        """The id of the last notification."""
        return self._total

    def identity(self) -> str:
        """Return by what the log is known again: its first event."""
        for each in self._application.recorder.select_notifications(start=1, limit=1):
            return f"{each.originator_id}:{each.topic}"
        return ""

    def check_identity(self, identity: str) -> None:
        """Raise unless this log begins as the one that had this identity.

        Raises
        ------
        ImportFailedError
            If it does not.
        """
        if identity and identity != self.identity():
            raise ImportFailedError(
                f"{self.name} is not the log that it was when a part of it was imported: import "
                "the new one into another state"
            )

    def chunk(self, start: int, stop: int) -> dict[str, int]:
        """Return the words of the aggregates with events from ``start`` to before ``stop``.

        Positions count from 0, ids of notifications from 1.
        """
        versions: dict[UUID | str, int] = {}
        for each in self._notifications(start, stop):
            versions[each.originator_id] = each.originator_version
        words = {}
        for originator_id, version in versions.items():
            aggregate: Any = None
            stored = self._application.events.get(
                originator_id=originator_id,  # type: ignore[arg-type]
                lte=version,
            )
            for event in stored:
                aggregate = event.mutate(aggregate)  # type: ignore[attr-defined]
            words[str(originator_id)] = self._word(aggregate)
        return words

    def recompute(self, stop: int) -> dict[str, int]:
        """Return the words of all aggregates from one pass over the log, in its own order."""
        aggregates: dict[str, Any] = {}
        for each in self._notifications(0, stop):
            event: Any = self._application.mapper.to_domain_event(each)
            key = str(each.originator_id)
            aggregates[key] = event.mutate(aggregates.get(key))
        return {key: self._word(aggregate) for key, aggregate in aggregates.items()}

    def close(self) -> None:
        """Close the application."""
        self._application.close()

    def _notifications(self, start: int, stop: int) -> Iterable[Any]:
        recorder = self._application.recorder
        while start < stop:
            page = recorder.select_notifications(start=start + 1, limit=_PAGE, stop=stop)
            if not page:
                return
            yield from page
            start = page[-1].id

    def _word(self, aggregate: Any) -> int:
        if self._layout is None:
            if isinstance(aggregate, HybridAggregate):
                return aggregate.word()
            raise ImportFailedError(
                f"{type(aggregate).__qualname__} has no layout: name one, whose fields are "
                "attributes of it"
            )
        missing = [name for name in self._layout if not hasattr(aggregate, name)]
        if missing:
            raise ImportFailedError(
                f"{type(aggregate).__qualname__} has no attribute {', '.join(missing)}, which the "
                "layout names"
            )
        return self._layout.pack(**{name: getattr(aggregate, name) for name in self._layout})
