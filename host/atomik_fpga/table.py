"""Many delta-state contexts as one object: the embedded model, and the way to a device's."""

from __future__ import annotations

import threading
from collections.abc import Mapping, MutableSequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, SupportsIndex, cast

from .bulk import (
    ARRAY_BITS,
    Integers,
    bad_address,
    check_addresses,
    check_batch,
    count_many,
    take_many,
    to_integer,
    xor_many,
    zero_words,
)
from .errors import ClosedError
from .placing import device_class
from .ports import find_port, named_port
from .words import MAX_CONTEXTS, check_positive, check_width, to_word

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .link.stats import LinkStats
    from .remote_table import RemoteTable
    from .table_context import TableContext

__all__ = ["CLOSED", "AtomikTable"]

#: Message of `ClosedError`.
CLOSED: Final = "This table is closed: use it before close(), or make a new one"


class AtomikTable:
    """``num_contexts`` independent contexts of ``width`` bits, addressed from 0.

    Without a port the object is the embedded model, in this process. With a port it is a run of
    consecutive contexts of a device, the lowest that are free, with the same behaviour: all are 0
    at first; `close`, which the end of a ``with`` block is too, makes them 0 again and frees them.

    Words are masked to the width, as those of an `AtomikContext` are. Addresses that are not from 0
    to ``num_contexts - 1`` are an IndexError. All arguments are checked before anything changes or
    is sent, those of a batch as a whole.

    The bulk calls take iterables of integers, or NumPy arrays of one dimension and any integer
    type: an array acts as its ``tolist()`` would. NumPy is not needed otherwise.

    Threads may share a table.

    Parameters
    ----------
    num_contexts : int
        At least 1, and at most 16,777,216 or, on a device, its contexts.
    width : int
        Bits of each; at least 1, and at most 16,777,216 or, on a device, its width.
    port : str or None
        Any pyserial URL, or ``auto`` for the one board there is. ``None`` stands for the
        environment variable ``ATOMIK_PORT`` or no port.
    baud : int or None
        Line rate in bit/s; ``None`` is the port's usual one. Means nothing without a port.
    coalesce : bool
        Fold what `accum` posts on the host before it is sent; see `Connection.fold`. Likewise.

    Raises
    ------
    TypeError
        If a number is not an integer, or if a subclass is to be on a device.
    ValueError
        If ``num_contexts`` or ``width`` is out of its range.
    AtomikError
        If there is a port, and such a table can't be had there: `WidthError` if the device is
        narrower, `NoFreeContextError` if it has fewer contexts, or fewer free ones in a row.
    """

    __slots__ = (
        "__weakref__",
        "_counts",
        "_lock",
        "_mask",
        "_num",
        "_references",
        "_states",
        "_width",
    )

    _lock: AbstractContextManager[Any]
    _states: MutableSequence[int] | None

    def __new__(
        cls,
        num_contexts: SupportsIndex = 256,
        width: SupportsIndex = 64,
        *,
        port: str | None = None,
        baud: int | None = None,
        coalesce: bool = False,
    ) -> Self:
        """Pick the class: a port makes it a table on a device."""
        if find_port(port) is None:
            return object.__new__(cls)
        return cast("Self", object.__new__(_device_class(cls)))

    def __init__(
        self,
        num_contexts: SupportsIndex = 256,
        width: SupportsIndex = 64,
        *,
        port: str | None = None,
        baud: int | None = None,
        coalesce: bool = False,
    ) -> None:
        self._set_shape(num_contexts, width)
        self._lock = threading.Lock()
        self._states = zero_words(self._num, self._width)
        self._references = zero_words(self._num, self._width)

    @classmethod
    def attach(
        cls,
        port: str | None,
        first: SupportsIndex = 0,
        num_contexts: SupportsIndex | None = None,
        *,
        width: SupportsIndex | None = None,
        baud: int | None = None,
        coalesce: bool = False,
    ) -> Self:
        """Return contexts of a device as they are; address 0 of the table is ``first`` there.

        Nothing on the device changes, neither now nor when the table is closed.

        Parameters
        ----------
        port, baud, coalesce
            As for the constructor, but there must be a port.
        first : int
            The first of the contexts.
        num_contexts : int or None
            How many; ``None`` is all from ``first`` on.
        width : int or None
            Bits; ``None`` is the device's width. Contexts that hold bits above ``width`` are
            refused, because a load through a narrower table would clear them.

        Raises
        ------
        TypeError, ValueError, IndexError
            If a number is not an integer; is less than 1; leads beyond the device's last context.
        NoBoardError, WidthError, ContextInUseError
            If no port is named; ``width`` is not what the contexts allow; one is taken already.
        AtomikError
            If there is no device to talk to; see `atomik_fpga.errors`.
        """
        url = named_port(port)
        run = url, first, num_contexts
        table = _device_class(cls).attach_to(*run, width=width, baud=baud, coalesce=coalesce)
        return cast("Self", table)

    # One context.

    def load(self, addr: SupportsIndex, initial_state: SupportsIndex) -> None:
        """Set the reference at ``addr`` and clear the accumulator there."""
        place, word = self._place(addr), self._word("Initial state", initial_state)
        with self._lock:
            self._live()[place] = self._references[place] = word
            self._counts[place] = 0

    def accum(self, addr: SupportsIndex, delta: SupportsIndex) -> None:
        """XOR ``delta`` into the accumulator at ``addr``."""
        place, word = self._place(addr), self._word("Delta", delta)
        with self._lock:
            self._live()[place] ^= word
            self._counts[place] += 1

    def read(self, addr: SupportsIndex) -> int:
        """Return the state at ``addr``."""
        place = self._place(addr)
        with self._lock:
            return self._live()[place]

    def swap(self, addr: SupportsIndex, new_reference: SupportsIndex | None = None) -> int:
        """Return the state at ``addr``, and start a new epoch from it or from ``new_reference``."""
        place = self._place(addr)
        word = None if new_reference is None else self._word("New reference", new_reference)
        with self._lock:
            states = self._live()
            state = states[place]
            states[place] = self._references[place] = state if word is None else word
            self._counts[place] = 0
        return state

    def context(self, addr: SupportsIndex) -> TableContext:
        """Return the context at ``addr`` as an `AtomikContext`: what one does the other sees.

        Its `close` and the end of its ``with`` load 0, unless the table was attached to. The
        address stays the table's.
        """
        from .table_context import TableContext

        place = self._place(addr)
        self._check_open()
        return TableContext(self, place)

    # Many.

    def accum_many(self, addresses: Integers, deltas: Integers) -> None:
        """XOR each delta into the accumulator at its address; each of equal addresses counts.

        On a device each delta is one op, in the order given.

        Raises
        ------
        ValueError
            If there are not as many deltas as addresses, or one is an array of more dimensions.
        """
        self._check_open()
        places, words = check_batch(addresses, deltas, self._num, self._width)
        with self._lock:
            xor_many(self._live(), places, words)
            count_many(self._counts, places)

    def batch_accum(self, deltas: Mapping[int, SupportsIndex]) -> None:
        """XOR each delta into the accumulator at the address that is its key."""
        self.accum_many(deltas.keys(), deltas.values())

    def read_many(self, addresses: Integers) -> Any:
        """Return the states at ``addresses``, in their order.

        Returns
        -------
        list of int, or array of uint64
            An array if ``addresses`` is an array of integers and the width is at most 64.
        """
        self._check_open()
        places = check_addresses(addresses, self._num)
        with self._lock:
            return take_many(self._live(), places, self._width)

    def read_all(self) -> list[int]:
        """Return the states of all contexts."""
        with self._lock:
            return list(self._live())

    def snapshot(self) -> dict[int, int]:
        """Return the states that are not zero, by address."""
        return {address: state for address, state in enumerate(self.read_all()) if state}

    def clear(self) -> None:
        """Load 0 into every context."""
        with self._lock:
            self._live()
            self._states = zero_words(self._num, self._width)
            self._references = zero_words(self._num, self._width)
            self._clear_counts()

    def flush(self) -> None:
        """Wait until everything posted was executed. Without a port nothing ever waits."""
        self._check_open()

    def close(self) -> None:
        """Make all contexts 0, unless attached to, and give them up.

        Every later call but this one raises `ClosedError`, and so do the table's contexts.
        """
        self._states = None

    @property
    def closed(self) -> bool:
        """Whether the table was closed."""
        return self._states is None

    @property
    def num_contexts(self) -> int:
        """How many contexts there are."""
        self._check_open()
        return self._num

    @property
    def width(self) -> int:
        """Bits of each context."""
        self._check_open()
        return self._width

    @property
    def port(self) -> str | None:
        """URL of the device's port; ``None`` without one."""
        self._check_open()
        return None

    @property
    def first(self) -> int | None:
        """Which context of the device address 0 is; ``None`` without one."""
        self._check_open()
        return None

    @property
    def stats(self) -> LinkStats | None:
        """Counters of the link that the table shares; ``None`` without a port."""
        self._check_open()
        return None

    def __enter__(self) -> Self:
        """Return the table itself."""
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the table."""
        self.close()

    def __repr__(self) -> str:
        """How many contexts there are, and how many of them are not as after `clear`."""
        states = self._states
        if states is None:
            return "AtomikTable(closed)"
        active = sum(map(any, zip(states, self._references, strict=True)))
        return f"AtomikTable(contexts={self._num}, width={self._width}, active={active})"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} can't be copied or pickled: copy its snapshot()")

    # For contexts of the table.

    @property
    def _keeps(self) -> bool:
        """Whether the contexts stay as they are when they are closed."""
        return False

    def _view(self, place: int) -> tuple[int, int, int]:
        """Return state, accumulator and count of one instant."""
        with self._lock:
            state = self._live()[place]
            return state, state ^ self._references[place], self._counts[place]

    def _count_at(self, place: int) -> int:
        """Return how many deltas came to an address since its last load or swap."""
        return self._counts[place]

    def _combine(self, place: int, accumulator: int, deltas: int) -> None:
        """XOR in what ``deltas`` deltas came to."""
        with self._lock:
            self._live()[place] ^= accumulator
            self._counts[place] += deltas

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedError(CLOSED)

    def _set_shape(self, num_contexts: SupportsIndex, width: SupportsIndex) -> None:
        """Take in what was checked, and count no deltas yet."""
        self._num = check_positive("Number of contexts", num_contexts, MAX_CONTEXTS)
        self._width = check_width(width)
        self._mask = (1 << self._width) - 1
        self._clear_counts()

    def _clear_counts(self) -> None:
        # What this object posted since the last load or swap of each context.
        self._counts = zero_words(self._num, ARRAY_BITS)

    def _live(self) -> MutableSequence[int]:
        """Return the states; called with the lock held."""
        states = self._states
        if states is None:
            raise ClosedError(CLOSED)
        return states

    def _place(self, addr: SupportsIndex) -> int:
        if type(addr) is int and 0 <= addr < self._num:
            return addr
        self._check_open()
        place = to_integer(addr, "Address")
        if not 0 <= place < self._num:
            raise bad_address(place, self._num)
        return place

    def _word(self, name: str, value: SupportsIndex) -> int:
        try:
            return to_word(name, value, self._width)
        except TypeError:
            self._check_open()
            raise


def _device_class(cls: type[AtomikTable]) -> type[RemoteTable]:
    """Return the class that ``cls`` has on a device."""
    # Imported here: the embedded model needs no serial port.
    from .remote_table import RemoteTable

    return device_class(cls, AtomikTable, RemoteTable)
