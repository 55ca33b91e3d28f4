"""Domain events of the `eventsourcing` library as the source of an import."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeGuard
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.utils import get_topic, resolve_topic

from ..aggregate import HybridAggregate
from ..errors import ImportFailedError
from ..layout import Layout, difference

__all__ = ["EventSource", "is_application"]

#: Notifications that are looked at in one query.
_PAGE: Final = 5_000
#: Aggregates that are kept between chunks, so that their next events go on from there.
_KEPT: Final = 10_000
#: What stands for a class where the layout was named.
_NAMED: Final = ""


def is_application(found: object) -> TypeGuard[type[Application[UUID]]]:
    """Return whether ``found`` is a class of applications of the library."""
    return isinstance(found, type) and issubclass(found, Application)


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
    aggregate : type or None
        The class of aggregates that are taken in, others being left out; ``None`` takes all.

    Raises
    ------
    TypeError
        If ``aggregate`` is no class.
    """

    kind = "events"
    #: Events that are taken in at a time, unless told.
    portion = 1 << 14

    def __init__(
        self,
        application: Application[UUID],
        name: str,
        layout: Layout | None = None,
        *,
        aggregate: type | None = None,
    ) -> None:
        if aggregate is not None and not isinstance(aggregate, type):
            raise TypeError(f"Aggregate must be a class, not {aggregate!r}")
        self._application = application
        self._layout = layout
        self._chosen = aggregate
        self.name = name
        self._total = int(application.recorder.max_notification_id() or 0)
        # With their versions, from the least recently used one on.
        self._kept: OrderedDict[UUID | str, tuple[int, Any]] = OrderedDict()
        # Of each class of aggregates that was seen.
        self._layouts: dict[str, str] = {}

    @property
    def total(self) -> int:
        """The id of the last notification."""
        return self._total

    def identity(self) -> str:
        """Return by what the log is known again: its first event, and the layouts seen so far."""
        parts = {"first": self._first(), "chosen": self._choice(), "layouts": self._layouts}
        return json.dumps(parts)

    def had_identity(self, identity: str) -> bool:
        """Return whether this log begins as the one that had an identity."""
        return bool(json.loads(identity)["first"] == self._first())

    def check_identity(self, identity: str) -> None:
        """Raise unless this log begins as the one with this identity, and is read in the same way.

        Raises
        ------
        ImportFailedError
            If it does not, or other aggregates were chosen, or layouts are others: the message
            names the difference.
        """
        if not self.had_identity(identity):
            raise ImportFailedError(
                f"{self.name} is not the log that it was when a part of it was imported: import "
                "the new one into another state"
            )
        before = json.loads(identity)
        if before["chosen"] != self._choice():
            which = f"aggregates of {before['chosen']} only" if before["chosen"] else "all of it"
            raise ImportFailedError(
                f"{self.name} was imported with {which}: choose the same, or import it into "
                "another state"
            )
        layouts: dict[str, str] = before["layouts"]
        for topic, description in layouts.items():
            if topic != _NAMED and self._layout is not None:
                raise ImportFailedError(
                    f"{self.name} was imported with words by the aggregates' own layouts: name "
                    "none, or import it into another state"
                )
            now = self._layout if topic == _NAMED else resolve_topic(topic).layout
            if now is None:
                raise ImportFailedError(
                    f"{self.name} was imported with the layout {description}, and none is named "
                    "now: name it, or import the log into another state"
                )
            if now.description != description:
                changes = "; ".join(difference(Layout.parse(description), now))
                raise ImportFailedError(
                    f"{self.name} was imported with another layout: {changes}. Import it into "
                    "another state"
                )
        self._layouts |= layouts

    def chunk(self, start: int, stop: int) -> dict[str, int]:
        """Return the words of the aggregates with events from ``start`` to before ``stop``.

        Positions count from 0, ids of notifications from 1.
        """
        changed: dict[str, Any] = {}
        for each in self._notifications(start, stop):
            key, version = each.originator_id, each.originator_version
            before, aggregate = self._kept.pop(key, (0, None))
            if aggregate is not None and before == version - 1:
                event: Any = self._application.mapper.to_domain_event(each)
                aggregate = event.mutate(aggregate)
            else:
                aggregate = self._replay(key, version)
            changed[str(key)] = aggregate
            self._kept[key] = (version, aggregate)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._words(changed)

    def recompute(self, stop: int) -> dict[str, int]:
        """Return the words of all aggregates, each replayed on its own from its first event."""
        versions = {
            each.originator_id: each.originator_version for each in self._notifications(0, stop)
        }
        words: dict[str, int] = {}
        for key, version in versions.items():
            words |= self._words({str(key): self._replay(key, version)})
        return words

    def close(self) -> None:
        """Close the application."""
        self._application.close()

    def _first(self) -> str:
        for each in self._application.recorder.select_notifications(start=1, limit=1):
            return f"{each.originator_id}:{each.topic}"
        return ""

    def _replay(self, originator_id: UUID | str, version: int) -> Any:
        aggregate: Any = None
        stored = self._application.events.get(
            originator_id=originator_id,  # type: ignore[arg-type]
            lte=version,
        )
        for event in stored:
            aggregate = event.mutate(aggregate)  # type: ignore[attr-defined]
        return aggregate

    def _notifications(self, start: int, stop: int) -> Iterable[Any]:
        recorder = self._application.recorder
        while start < stop:
            page = recorder.select_notifications(start=start + 1, limit=_PAGE, stop=stop)
            if not page:
                return
            yield from page
            start = page[-1].id

    def _choice(self) -> str | None:
        return None if self._chosen is None else get_topic(self._chosen)

    def _words(self, aggregates: Mapping[str, Any]) -> dict[str, int]:
        """Return the words of those aggregates that are taken in."""
        return {
            key: self._word(aggregate)
            for key, aggregate in aggregates.items()
            if self._chosen is None or isinstance(aggregate, self._chosen)
        }

    def _word(self, aggregate: Any) -> int:
        if self._layout is None:
            if isinstance(aggregate, HybridAggregate):
                self._layouts[get_topic(type(aggregate))] = aggregate.layout.description
                return aggregate.word()
            raise ImportFailedError(
                f"{type(aggregate).__qualname__} has no layout: name one, whose fields are "
                "attributes of it, or choose the aggregates that are taken in (--aggregate)"
            )
        self._layouts[_NAMED] = self._layout.description
        missing = [name for name in self._layout if not hasattr(aggregate, name)]
        if missing:
            raise ImportFailedError(
                f"{type(aggregate).__qualname__} has no attribute {', '.join(missing)}, which the "
                "layout names: name another one, or choose the aggregates that are taken in "
                "(--aggregate)"
            )
        return self._layout.pack(**{name: getattr(aggregate, name) for name in self._layout})
