"""When XOR of changes is what arithmetic makes of them: undo and merge, checked in O(1).

A change of a word from ``old`` to ``new`` is the delta ``old ^ new``, and arithmetic's inverse of
it is the addition of ``old - new`` to each field. Both agree where nothing that came later touched
the bits of the delta; `docs/event-sourcing.md` has the proof and the counter-examples.
"""

from __future__ import annotations

from operator import index
from typing import SupportsIndex

from ..words import check_width
from .errors import CounterError, OverlapError
from .layout import Layout

__all__ = ["merge", "undo"]


def undo(
    delta: SupportsIndex,
    state_after: SupportsIndex,
    state: SupportsIndex,
    *,
    layout: Layout | None = None,
    width: SupportsIndex | None = None,
) -> int:
    """Return the state without one of the changes that led to it.

    Allowed where ``delta & (state ^ state_after) == 0``: then the result is what subtracting the
    change's amount from each of its fields would give. The rule is sufficient, and but for a
    field's top bit it is necessary too. It needs states: accumulators from before and after a swap
    or a load belong to different epochs, and would pass wrong undos.

    Counters and choices of a layout have a stricter one: a field that the change touched, and that
    has another value now, is not undone even where no bit meets. Codes of a choice have no amounts:
    the bits of two of them make a third one.

    Parameters
    ----------
    delta : int
        The change.
    state_after : int
        The state right after it.
    state : int
        The state now.
    layout : Layout or None
        Whose fields messages name, and whose counters and choices are undone as a whole.
    width : int or None
        Bits of the words; not needed with a layout. ``None`` sets no limit.

    Raises
    ------
    TypeError, ValueError
        If a word is not an integer; is negative or wider than the layout, or ``width``.
    CounterError
        If the change touched a counter that has changed since.
    OverlapError
        If later changes touched bits of this one, or a choice that it touched.
    """
    change, then, now = _words(layout, width, delta=delta, state_after=state_after, state=state)
    later = then ^ now
    if layout is not None:
        both = _both(layout, "counter", change, later)
        if both:
            raise CounterError(
                f"The counter{_s(both)} {', '.join(both)} changed after the change that is to be "
                "undone: compute a new delta from the current state, "
                "layout.delta(state, ...), that takes the amount back",
                both,
                change & later,
            )
    meeting = _meeting(layout, change, later)
    if meeting:
        raise _overlap(
            "Later changes touched {where}, which the change to be undone touched too: undo those "
            "first, or compute a new delta from the current state",
            meeting,
            layout,
        )
    return now ^ change


def merge(
    first: SupportsIndex,
    second: SupportsIndex,
    *,
    layout: Layout | None = None,
    width: SupportsIndex | None = None,
) -> int:
    """Return two changes of one and the same state as one delta.

    Allowed where ``first & second == 0``: then it is what adding both amounts to that state would
    give. The rule is sufficient, and but for a field's top bit it is necessary too. Counters and
    choices of a layout must not be touched by both, even where no bit meets.

    Parameters
    ----------
    first, second : int
        The deltas, both made from the same state.
    layout : Layout or None
        Whose fields messages name, and whose counters and choices are each taken as a whole.
    width : int or None
        As for `undo`.

    Raises
    ------
    TypeError, ValueError
        As `undo` does.
    CounterError
        If both touch a counter.
    OverlapError
        If both touch the same bits, or the same choice.
    """
    one, other = _words(layout, width, first=first, second=second)
    if layout is not None:
        both = _both(layout, "counter", one, other)
        if both:
            raise CounterError(
                f"Both changes count in {', '.join(both)}: apply one, and compute the other's "
                "delta anew from the state after it, layout.delta(state, ...)",
                both,
                one & other,
            )
    meeting = _meeting(layout, one, other)
    if meeting:
        raise _overlap(
            "Both changes touch {where}: apply one, and compute the other's delta anew from the "
            "state after it",
            meeting,
            layout,
        )
    return one ^ other


def _words(
    layout: Layout | None, width: SupportsIndex | None, **words: SupportsIndex
) -> tuple[int, ...]:
    if layout is not None:
        bits: int | None = layout.width
    else:
        bits = None if width is None else check_width(width)
    checked = []
    for name, word in words.items():
        try:
            number = index(word)
        except TypeError:
            raise TypeError(f"{name} must be an integer, not {word!r}") from None
        if number < 0 or (bits is not None and number >> bits):
            size = "" if bits is None else f" of {bits} bits"
            raise ValueError(f"{name} must be a word{size}, not {number:#x}")
        checked.append(number)
    return tuple(checked)


def _both(layout: Layout, kind: str, one: int, other: int) -> list[str]:
    """Return the names of the fields of a kind that both words have bits in."""
    return [
        name
        for name in layout.touched(one)
        if layout.places[name].field.kind == kind and layout.places[name].mask & other
    ]


def _meeting(layout: Layout | None, one: int, other: int) -> int:
    """Return the bits in which two changes meet, those of a choice that both touched included."""
    bits = one & other
    if layout is not None:
        for name in _both(layout, "choice", one, other):
            bits |= layout.places[name].mask & (one | other)
    return bits


def _overlap(message: str, bits: int, layout: Layout | None) -> OverlapError:
    fields = () if layout is None else layout.touched(bits)
    where = f"the bits {bits:#x}" + (f" of {', '.join(fields)}" if fields else "")
    return OverlapError(message.format(where=where), fields, bits)


def _s(names: list[str]) -> str:
    return "" if len(names) == 1 else "s"
