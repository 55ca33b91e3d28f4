"""A context whose word has named fields, and whose changes are undone and merged with a check."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, NamedTuple, Self, SupportsIndex

from ..context import AtomikContext
from ..ending import end_block
from ..errors import WidthError
from . import checks
from .layout import Layout

__all__ = ["Change", "FieldContext"]


class Change(NamedTuple):
    """A change that was applied: what `FieldContext.undo` needs to take it back."""

    #: What was accumulated.
    delta: int
    #: The state right after it.
    state_after: int


class FieldContext:
    """An `AtomikContext` seen through a `Layout`, on the embedded model or on any port.

    It is the context's only writer: each change is a read and an accumulate, and between the two
    nobody else may change the context. Threads may share the object.

    Parameters
    ----------
    layout : Layout
        The fields.
    port, baud
        As for `AtomikContext`.
    context : AtomikContext or None
        A context to be used as it is, instead of a new one; `close` leaves it open.
    **values
        What the fields hold at first; all of them, or none for a word of 0.

    Raises
    ------
    TypeError, ValueError, FieldOverflowError
        If values don't suit the layout, or a context is given and a port too.
    WidthError
        If the layout is wider than the context.
    AtomikError
        As `AtomikContext` does.
    """

    __slots__ = ("_lock", "_owned", "context", "layout")

    def __init__(
        self,
        layout: Layout,
        *,
        port: str | None = None,
        baud: int | None = None,
        context: AtomikContext | None = None,
        **values: Any,
    ) -> None:
        if not isinstance(layout, Layout):
            raise TypeError(f"Layout must be a Layout, not {layout!r}")
        word = layout.pack(**values) if values else 0
        if context is not None:
            if not isinstance(context, AtomikContext):
                raise TypeError(f"Context must be an AtomikContext, not {context!r}")
            if port is not None or baud is not None:
                raise TypeError("Pass a context, or port and baud of a new one, not both")
            if layout.width > context.width:
                raise WidthError(
                    f"A layout of {layout.width} bits does not fit in a context of {context.width}"
                )
        #: The fields.
        self.layout = layout
        self._owned = context is None
        self._lock = threading.RLock()
        if context is None:
            context = AtomikContext(layout.width, word, port=port, baud=baud)
        elif values:
            context.load(word)
        #: The context itself.
        self.context = context

    def read(self) -> dict[str, Any]:
        """Return the value of each field."""
        return self.layout.unpack(self.state)

    @property
    def state(self) -> int:
        """The word."""
        return self.context.read()

    def change(self, /, **changes: Any) -> Change:
        """Set some fields, and return the change.

        Raises
        ------
        TypeError, ValueError, FieldOverflowError
            If values don't suit the layout. Nothing has changed then.
        """
        with self._lock:
            state = self.state
            delta = self.layout.delta(state, **changes)
            self.context.accum(delta)
            return Change(delta, state ^ delta)

    def undo(self, delta: SupportsIndex, state_after: SupportsIndex) -> Change:
        """Take a change back, if XOR is right there; return what was accumulated.

        Raises
        ------
        CounterError, OverlapError
            As `atomik_fpga.eventsourcing.undo` does. Nothing has changed then.
        """
        with self._lock:
            state = self.state
            new = checks.undo(delta, state_after, state, layout=self.layout)
            self.context.rollback(state ^ new)
            return Change(state ^ new, new)

    def merge(self, delta: SupportsIndex, base: SupportsIndex) -> Change:
        """Apply a change that was made from the earlier state ``base``, if XOR is right there.

        Raises
        ------
        CounterError, OverlapError
            As `atomik_fpga.eventsourcing.merge` does, of ``delta`` and what has changed since
            ``base``. Nothing has changed then.
        """
        with self._lock:
            state = self.state
            both = checks.merge(delta, state ^ self.layout.check_word(base), layout=self.layout)
            new = self.layout.check_word(base) ^ both
            self.context.accum(state ^ new)
            return Change(state ^ new, new)

    def swap(self) -> dict[str, Any]:
        """Return the fields' values and start a new epoch from them."""
        return self.layout.unpack(self.context.swap())

    def close(self) -> None:
        """Close the context, unless it was given."""
        if self._owned:
            self.context.close()

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
        end_block(self.close, error)

    def __repr__(self) -> str:
        return f"FieldContext({self.layout!r}, {self.context!r})"
