"""Aggregates of the `eventsourcing` library whose state has a place in a word."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self
from uuid import UUID

from eventsourcing.domain import Aggregate, CanInitAggregate, CanMutateAggregate

from .layout import Layout
from .rows import microseconds_of

__all__ = ["HybridAggregate", "PendingState"]


class PendingState(NamedTuple):
    """What an event that is not yet saved did to the word."""

    version: int
    timestamp: int
    before: int
    after: int


class HybridAggregate(Aggregate):
    """An aggregate of the library with a `Layout`: each of its events is a delta of a word too.

    Subclasses set ``layout``. Its fields are attributes of the aggregate by the same names, unless
    `layout_values` and `set_layout_values` say otherwise; other attributes are the library's
    business alone. Events, commands and decorators are those of the library. `HybridApplication`
    saves such aggregates.

    An event after which a field does not fit raises `FieldOverflowError`. It is taken back then, as
    is every event that raises, and so are the fields, but not what else it did to the object.

    Raises
    ------
    TypeError
        By a subclass whose fields have names that aggregates use for something else, or that has
        an event ``Undone`` of its own.
    """

    __slots__ = ("_pending_states",)

    #: Where the state is in the word.
    layout: ClassVar[Layout]

    class Undone(Aggregate.Event):
        """The effect of an earlier event was taken back. Triggered by `HybridApplication.undo`."""

        #: The version whose change it was.
        undone_version: int
        #: What the fields that it had touched hold now, by name.
        fields: dict[str, Any]

        def apply(self, aggregate: Any) -> None:
            """Set the fields."""
            layout: Layout = aggregate.layout
            word = aggregate.word()
            delta = layout.delta(word, **self.fields)
            aggregate.set_layout_values(layout.unpack(word ^ delta))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check the names of the fields, and that undo has its event."""
        super().__init_subclass__(**kwargs)
        if not issubclass(cls.Undone, HybridAggregate.Undone):
            raise TypeError(
                f"{cls.__qualname__}.Undone is an event of undo: give yours another name"
            )
        layout = getattr(cls, "layout", None)
        if isinstance(layout, Layout) and cls.layout_values is HybridAggregate.layout_values:
            for name in layout:
                if name == "layout" or hasattr(HybridAggregate, name):
                    raise TypeError(
                        f"{cls.__qualname__} has an attribute {name!r} of its own: give the field "
                        "another name, or define layout_values and set_layout_values"
                    )

    def layout_values(self) -> dict[str, Any]:
        """Return the value of each field of the layout."""
        return {name: getattr(self, name) for name in self.layout}

    def set_layout_values(self, values: dict[str, Any]) -> None:
        """Set the state from the value of each field of the layout."""
        for name, given in values.items():
            setattr(self, name, given)

    def word(self) -> int:
        """Return the state as a word.

        Raises
        ------
        TypeError, ValueError, FieldOverflowError
            If a value does not suit its field.
        """
        return self.layout.pack(**self.layout_values())

    @classmethod
    def _create(cls, event_class: type[CanInitAggregate[UUID]], **kwargs: Any) -> Self:
        if not isinstance(getattr(cls, "layout", None), Layout):
            raise TypeError(
                f"{cls.__qualname__} has no layout: set it, layout = Layout(balance=value(48)), say"
            )
        aggregate = super()._create(event_class, **kwargs)
        aggregate._note(0, aggregate.word())
        return aggregate

    def trigger_event(self, event_class: type[CanMutateAggregate[UUID]], **kwargs: Any) -> None:
        """Trigger an event as the library does, and note what it does to the word."""
        before, fields = self.word(), self.layout_values()
        version, modified_on = self.version, self.modified_on
        events = len(self.pending_events)
        try:
            super().trigger_event(event_class, **kwargs)
            after = self.word()
        except BaseException:
            del self.pending_events[events:]
            self.set_layout_values(fields)
            self.version, self.modified_on = version, modified_on
            raise
        self._note(before, after)

    def collect_states(self) -> list[PendingState]:
        """Return what the events since the last call did to the word, for the application."""
        pending: list[PendingState] = getattr(self, "_pending_states", [])
        self._pending_states: list[PendingState] = []
        return pending

    def _note(self, before: int, after: int) -> None:
        if not hasattr(self, "_pending_states"):
            self._pending_states = []
        moment = microseconds_of(self.modified_on)
        self._pending_states.append(PendingState(self.version, moment, before, after))
