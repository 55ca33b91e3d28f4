"""What the event-sourcing tools raise of their own. Each message says what was seen and what to do.

Wrong arguments raise Python's own ``TypeError``, ``ValueError`` and ``KeyError``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import AtomikError

__all__ = [
    "CounterError",
    "DriftError",
    "FieldOverflowError",
    "ImportFailedError",
    "LayoutChangedError",
    "MembershipError",
    "NoStateError",
    "OverlapError",
]


class FieldOverflowError(AtomikError, OverflowError):
    """A value does not fit in its field."""


class LayoutChangedError(AtomikError, ValueError):
    """A saved word has another layout than the one that is to read it."""


class OverlapError(AtomikError, ValueError):
    """XOR of two changes would not be what arithmetic makes of them: both touched the same bits.

    Attributes
    ----------
    fields : tuple of str
        The fields in which they meet; empty where no layout was given.
    bits : int
        The bits of the word in which they meet.
    """

    def __init__(self, message: str, fields: Iterable[str] = (), bits: int = 0) -> None:
        super().__init__(message)
        self.fields = tuple(fields)
        self.bits = bits


class CounterError(OverlapError):
    """A counter was to be merged, or undone though it has changed since."""


class MembershipError(AtomikError, ValueError):
    """An element was added that is there already, or removed that is not."""


class NoStateError(AtomikError, LookupError):
    """There is no committed state: no such aggregate, version, or nothing that early."""


class DriftError(AtomikError):
    """Log, stored states and context don't say the same."""


class ImportFailedError(AtomikError):
    """A log could not be imported; what was committed before is as it was."""
