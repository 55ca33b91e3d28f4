"""A run of contexts on a device, with the surface of the embedded table."""

from __future__ import annotations

from contextlib import ExitStack
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex

from .bulk import (
    ARRAY_BITS,
    Integers,
    check_addresses,
    check_batch,
    count_many,
    is_array,
    loaded_numpy,
)
from .ending import end_block
from .errors import ClosedError, NoFreeContextError, WidthError
from .locks import ForkLock
from .ports import AUTO, find_port
from .protocol import Op
from .shared import share
from .table import CLOSED, AtomikTable
from .words import MAX_CONTEXTS, check_positive, check_width, hex_word

if TYPE_CHECKING:
    from types import TracebackType

    from .link.stats import LinkStats
    from .shared import SharedConnection

__all__ = ["RemoteTable"]


class RemoteTable(AtomikTable):
    """A run of contexts on a device. Made by `AtomikTable`, with a port, and `AtomikTable.attach`.

    `load`, `accum`, their bulk forms and `clear` post and return; `read`, `swap`, `flush`, `close`
    and reads of many wait for the device. A whole table that is read is not of one instant: each
    reply of at most 32 words is. Shorter words than the device's are masked on the host: bits above
    stay 0, and are not looked at.

    A table that is dropped without `close` sends nothing: its words stay as they are, and its
    addresses are given back when the next object of the port is made or closed.

    Parameters are those of `AtomikTable`; here ``port``, or the environment, names a port.
    """

    # `_connection` is None once closed.
    __slots__ = ("_attached", "_coalesce", "_connection", "_first", "_url")

    _connection: SharedConnection | None

    def __init__(
        self,
        num_contexts: SupportsIndex = 256,
        width: SupportsIndex = 64,
        *,
        port: str | None = None,
        baud: int | None = None,
        coalesce: bool = False,
    ) -> None:
        url = find_port(port)
        if url is None:
            raise TypeError("RemoteTable needs a port; AtomikTable works without one")
        self._set_up(url, coalesce, attached=False)
        self._set_shape(num_contexts, width)
        with ExitStack() as undo:
            connection = share(url, baud=baud)
            undo.callback(connection.close)
            self._name_port(connection)
            self._check_width(connection)
            depth = connection.info.depth
            if self._num > depth:
                raise NoFreeContextError(
                    f"A table of {self._num} contexts does not fit the device at {self._url}, "
                    f"which has {depth}: pass num_contexts={depth} or less, or use a deeper device"
                )
            connection.take_back()
            self._first = connection.allocate_run(self._num)
            undo.callback(connection.release_run, self._addresses)
            self._post_zeros(connection)
            undo.pop_all()
        self._connection = connection

    @classmethod
    def attach_to(
        cls,
        url: str,
        first: SupportsIndex,
        num_contexts: SupportsIndex | None,
        *,
        width: SupportsIndex | None,
        baud: int | None,
        coalesce: bool,
    ) -> RemoteTable:
        """Return a run of contexts as it is; see `AtomikTable.attach`."""
        try:
            start = index(first)
        except TypeError:
            raise TypeError(f"First address must be an integer, not {first!r}") from None
        if num_contexts is not None:
            num_contexts = check_positive("Number of contexts", num_contexts, MAX_CONTEXTS)
        if width is not None:
            width = check_width(width)
        table = object.__new__(cls)
        table._set_up(url, coalesce, attached=True)
        with ExitStack() as undo:
            connection = share(url, baud=baud)
            undo.callback(connection.close)
            table._name_port(connection)
            info = connection.info
            if not 0 <= start < info.depth:
                raise IndexError(f"First address must be 0 to {info.depth - 1}, not {start}")
            table._set_shape(
                info.depth - start if num_contexts is None else num_contexts,
                info.width if width is None else width,
            )
            table._check_width(connection)
            table._first = start
            connection.take_back()
            connection.claim_run(table._addresses)
            undo.callback(connection.release_run, table._addresses)
            if table._width < info.width:
                table._check_upper_bits(connection)
            table._connection = connection
            undo.pop_all()
        return table

    def load(self, addr: SupportsIndex, initial_state: SupportsIndex) -> None:
        """Post a load."""
        place, word = self._place(addr), self._word("Initial state", initial_state)
        with self._lock:
            self._link().load(self._first + place, word)
            self._counts[place] = 0

    def accum(self, addr: SupportsIndex, delta: SupportsIndex) -> None:
        """Post an accumulate."""
        place, word = self._place(addr), self._word("Delta", delta)
        with self._lock:
            connection = self._link()
            post = connection.fold if self._coalesce else connection.accum
            post(self._first + place, word)
            self._counts[place] += 1

    def read(self, addr: SupportsIndex) -> int:
        """Return the state at ``addr`` after all that was posted."""
        place = self._place(addr)
        with self._lock:
            return self._link().read(self._first + place) & self._mask

    def swap(self, addr: SupportsIndex, new_reference: SupportsIndex | None = None) -> int:
        """Start a new epoch at ``addr`` after all that was posted; return the state before."""
        place = self._place(addr)
        word = None if new_reference is None else self._word("New reference", new_reference)
        with self._lock:
            state = self._link().swap(self._first + place, word)
            self._counts[place] = 0
        return state & self._mask

    def accum_many(self, addresses: Integers, deltas: Integers) -> None:
        """Post an accumulate for each pair."""
        self._check_open()
        places, words = check_batch(addresses, deltas, self._num, self._width)
        first = self._first
        if is_array(places):
            targets = places + first if first else places
        else:
            targets = [place + first for place in places] if first else places
        with self._lock:
            self._link().accum_many(targets, words)
            count_many(self._counts, places)

    def read_many(self, addresses: Integers) -> Any:
        """Return the states at ``addresses`` after all that was posted, each context read once."""
        self._check_open()
        places = check_addresses(addresses, self._num)
        wanted = places.tolist() if is_array(places) else places
        first, mask = self._first, self._mask
        with self._lock:
            states = self._link().read_each({first + place for place in wanted})
        words = [states[first + place] & mask for place in wanted]
        if is_array(places) and self._width <= ARRAY_BITS:
            return loaded_numpy().array(words, loaded_numpy().uint64)
        return words

    def read_all(self) -> list[int]:
        """Return the states of all contexts after all that was posted."""
        with self._lock:
            words = self._link().read_many(self._first, self._num)
        return [word & self._mask for word in words]

    def clear(self) -> None:
        """Post a load of 0 for every context: one op where they are all of the device's."""
        with self._lock:
            self._post_zeros(self._link())
            self._clear_counts()

    def flush(self) -> None:
        """Wait until all that was posted on this port has acted."""
        with self._lock:
            self._link().flush()

    def close(self) -> None:
        """Post zeros unless attached, wait for all that was posted, and give the addresses back."""
        with self._lock:
            connection = self._connection
            if connection is None:
                return
            self._connection = None
            with ExitStack() as at_last:
                at_last.callback(connection.close)
                at_last.callback(connection.take_back)
                at_last.callback(connection.release_run, self._addresses)
                if not self._attached:
                    self._post_zeros(connection)
                connection.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the table."""
        end_block(self.close, error)

    @property
    def closed(self) -> bool:
        """Whether the table was closed."""
        return self._connection is None

    @property
    def port(self) -> str:
        """URL of the device's port."""
        self._check_open()
        return self._url

    @property
    def first(self) -> int:
        """Which context of the device address 0 is."""
        self._check_open()
        return self._first

    @property
    def stats(self) -> LinkStats:
        """Counters of the link, which all objects of the port share."""
        return self._link().stats

    def __repr__(self) -> str:
        # Of what the object knows by itself: a repr must not wait for a device.
        if getattr(self, "_connection", None) is None:
            return "AtomikTable(closed)"
        return (
            f"AtomikTable(port={self._url!r}, first={self._first}, contexts={self._num}, "
            f"width={self._width})"
        )

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.drop(self._addresses)

    @property
    def _keeps(self) -> bool:
        return self._attached

    def _view(self, place: int) -> tuple[int, int, int]:
        with self._lock:
            state, accumulator = self._link().peek(self._first + place)
            return state & self._mask, accumulator & self._mask, self._counts[place]

    def _combine(self, place: int, accumulator: int, deltas: int) -> None:
        with self._lock:
            self._link().accum(self._first + place, accumulator)
            self._counts[place] += deltas

    @property
    def _addresses(self) -> range:
        return range(self._first, self._first + self._num)

    def _set_up(self, url: str, coalesce: bool, *, attached: bool) -> None:
        self._url = url
        self._coalesce = bool(coalesce)
        self._attached = attached
        self._connection = None
        self._lock = ForkLock()

    def _name_port(self, connection: SharedConnection) -> None:
        """Call a port that was found by the name it was found under."""
        if self._url == AUTO:
            self._url = connection.url

    def _link(self) -> SharedConnection:
        connection = self._connection
        if connection is None:
            raise ClosedError(CLOSED)
        return connection

    def _post_zeros(self, connection: SharedConnection) -> None:
        if self._num == connection.info.depth:
            connection.clear()
        else:
            connection.load_many(self._first, [0] * self._num)

    def _check_width(self, connection: SharedConnection) -> None:
        width = connection.info.width
        if self._width > width:
            raise WidthError(
                f"A table of {self._width} bits does not fit the device at {self._url}, which has "
                f"{width} bits: pass width={width} or less, or use a wider device"
            )

    def _check_upper_bits(self, connection: SharedConnection) -> None:
        width = connection.info.width
        words = connection.read_many(self._first, self._num, op=Op.PEEK)
        for place, address in enumerate(self._addresses):
            state, accumulator = words[2 * place : 2 * place + 2]
            if (state | accumulator) > self._mask:
                raise WidthError(
                    f"Context {address} of {self._url} holds bits above the {self._width} asked "
                    f"for (state {hex_word(state, width)}, accumulator "
                    f"{hex_word(accumulator, width)}): attach without width, and mask what is read"
                )
