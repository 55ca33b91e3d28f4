"""A context of a table, with the surface of any other context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex, cast

from .context import CLOSED, AtomikContext
from .ending import end_block
from .errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import NoReturn, Self

    from .link.stats import LinkStats
    from .table import AtomikTable

__all__ = ["TableContext"]


class TableContext(AtomikContext):
    """One address of a table. Made by `AtomikTable.context`; it holds nothing of its own.

    The end of a ``with`` block loads 0, and so does `close`, which ends this object and not the
    address. Where the table was attached to, both end this object alone.
    """

    __slots__ = ("_closed", "_place", "_table")

    def __new__(cls, table: AtomikTable, place: int) -> Self:
        """Make one whatever port the environment names."""
        return object.__new__(cls)

    def __init__(self, table: AtomikTable, place: int) -> None:
        self._set_word(table.width, strict=False)
        self._table = table
        self._place = place
        self._closed = False

    @classmethod
    def from_snapshot(
        cls,
        snapshot: Mapping[str, Any],
        *,
        port: str | None = None,
        baud: int | None = None,
        coalesce: bool = False,
        strict: bool = False,
    ) -> Self:
        """Return a new context outside of the table, as `AtomikContext.from_snapshot` does."""
        made = AtomikContext.from_snapshot(
            snapshot, port=port, baud=baud, coalesce=coalesce, strict=strict
        )
        return cast("Self", made)

    def load(self, value: SupportsIndex) -> None:
        """Set the reference and clear accumulator and `delta_count`."""
        word = self._operand("Value", value)
        self._live().load(self._place, word)

    def accum(self, delta: SupportsIndex) -> None:
        """XOR ``delta`` into the accumulator."""
        word = self._operand("Delta", delta)
        self._live().accum(self._place, word)

    def read(self) -> int:
        """Return the state."""
        return self._live().read(self._place)

    def swap(self, new_reference: SupportsIndex | None = None) -> int:
        """Return the state, and start a new epoch from it or from ``new_reference``."""
        reference = None if new_reference is None else self._operand("New reference", new_reference)
        return self._live().swap(self._place, reference)

    def flush(self) -> None:
        """Wait until everything posted on the table was executed."""
        self._live().flush()

    def close(self) -> None:
        """Load 0 unless the table was attached to or is closed, and end this object."""
        if self._closed:
            return
        self._closed = True
        table = self._table
        if not table.closed and not table._keeps:
            table.load(self._place, 0)

    @property
    def delta_count(self) -> int:
        """Deltas that came to this address through the table since its last load or swap."""
        return self._live()._count_at(self._place)

    @property
    def port(self) -> str | None:
        """URL of the device's port; ``None`` without one."""
        return self._live().port

    @property
    def address(self) -> int | None:
        """Which context of the device; ``None`` without one."""
        first = self._live().first
        return None if first is None else first + self._place

    @property
    def stats(self) -> LinkStats | None:
        """Counters of the link; ``None`` without a port."""
        return self._live().stats

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Load 0 or, where the table was attached to, close."""
        if self._closed or self._table.closed:
            return
        if self._table._keeps:
            self._closed = True
        else:
            end_block(lambda: self._table.load(self._place, 0), error)

    def __repr__(self) -> str:
        """All values in hexadecimal or, on a device, what is known without asking it."""
        try:
            port, address = self.port, self.address
            if port is None:
                return super().__repr__()
            deltas = self.delta_count
        except ClosedError:
            return "AtomikContext(closed)"
        return (
            f"AtomikContext(port={port!r}, address={address}, width={self._width}, deltas={deltas})"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} can't be copied or pickled: copy its snapshot()")

    def _view(self) -> tuple[int, int, int]:
        return self._live()._view(self._place)

    def _combine(self, accumulator: int, deltas: int) -> None:
        self._live()._combine(self._place, accumulator, deltas)

    def _live(self) -> AtomikTable:
        self._check_open()
        return self._table

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(CLOSED)
        self._table._check_open()
