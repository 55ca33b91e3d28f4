"""A context on a device, with the surface of the embedded model."""

from __future__ import annotations

from contextlib import ExitStack
from operator import index
from typing import TYPE_CHECKING, SupportsIndex

from .context import CLOSED, AtomikContext
from .ending import end_block
from .errors import ClosedError, WidthError
from .locks import ForkLock
from .ports import AUTO, find_port
from .shared import share
from .words import check_width, hex_word

if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn

    from .link.stats import LinkStats
    from .shared import SharedConnection

__all__ = ["RemoteContext"]


class RemoteContext(AtomikContext):
    """A context on a device. Made by `AtomikContext`, with a port, and by `AtomikContext.attach`.

    `accum`, `load` and `rollback` post and return; `read`, `swap`, `flush`, `close` and the
    properties that tell of reference or accumulator wait for the device. Shorter words than the
    device's are masked on the host: bits above stay 0, and are not looked at.

    A constructed context holds an address from the constructor to `close` or the end of ``with``.
    If it is used after a ``with`` block, it takes the lowest free address anew. One that is dropped
    without `close` sends nothing: its word stays as it is, and its address is given back when the
    next context of the port is made or closed. Without such a one the port stays open until the
    process ends.

    Parameters are those of `AtomikContext`; here ``port``, or the environment, names a port.
    """

    # `_connection` is None while no address is held: after a with block, and for ever once closed.
    __slots__ = (
        "_address",
        "_attached",
        "_baud",
        "_closed",
        "_coalesce",
        "_connection",
        "_lock",
        "_url",
    )

    _connection: SharedConnection | None
    _lock: ForkLock

    def __init__(
        self,
        width: SupportsIndex = 64,
        initial_state: SupportsIndex = 0,
        *,
        port: str | None = None,
        baud: int | None = None,
        coalesce: bool = False,
        strict: bool = False,
    ) -> None:
        url = find_port(port)
        if url is None:
            raise TypeError("RemoteContext needs a port; AtomikContext works without one")
        self._set_up(url, baud, coalesce, attached=False)
        self._set_word(width, strict)
        self._take(self._operand("Initial state", initial_state))

    @classmethod
    def attach_to(
        cls,
        url: str,
        address: SupportsIndex,
        *,
        width: SupportsIndex | None,
        baud: int | None,
        coalesce: bool,
        strict: bool,
    ) -> RemoteContext:
        """Return the context at ``address`` as it is; see `AtomikContext.attach`."""
        try:
            number = index(address)
        except TypeError:
            raise TypeError(f"Address must be an integer, not {address!r}") from None
        if width is not None:
            width = check_width(width, strict=strict)
        context = object.__new__(cls)
        context._set_up(url, baud, coalesce, attached=True)
        with ExitStack() as undo:
            connection = share(url, baud=baud)
            undo.callback(connection.close)
            context._name_port(connection)
            context._set_word(connection.info.width if width is None else width, strict)
            context._check_width(connection)
            connection.take_back()
            connection.claim(number)
            undo.callback(connection.release, number)
            if context._width < connection.info.width:
                context._check_upper_bits(connection, number)
            context._address = number
            context._connection = connection
            undo.pop_all()
        return context

    def load(self, value: SupportsIndex) -> None:
        """Post a load."""
        reference = self._operand("Value", value)
        with self._lock:
            self._live().load(self._address, reference)
            self._deltas = 0

    def accum(self, delta: SupportsIndex) -> None:
        """Post an accumulate."""
        if not (type(delta) is int and 0 <= delta <= self._mask):
            delta = self._operand("Delta", delta)
        lock = self._lock
        # Spelled out: a with statement would call Python code at either end.
        if not lock.acquire(False):
            lock.wait()
        try:
            connection = self._connection or self._live()
            if self._coalesce:
                connection.fold(self._address, delta)
            else:
                connection.post_accum(self._address, delta)
            self._deltas += 1
        finally:
            lock.release()

    def read(self) -> int:
        """Return the state after all that was posted."""
        with self._lock:
            return self._live().read(self._address) & self._mask

    def swap(self, new_reference: SupportsIndex | None = None) -> int:
        """Start a new epoch after all that was posted; return the state before."""
        reference = None if new_reference is None else self._operand("New reference", new_reference)
        with self._lock:
            state = self._live().swap(self._address, reference)
            self._deltas = 0
        return state & self._mask

    def flush(self) -> None:
        """Wait until all that was posted on this port has acted."""
        with self._lock:
            self._live().flush()

    def close(self) -> None:
        """Load 0 unless attached, wait for all that was posted, and give the address back."""
        with self._lock:
            self._closed = True
            self._give_up()

    @property
    def port(self) -> str:
        """URL of the device's port."""
        self._check_open()
        return self._url

    @property
    def address(self) -> int:
        """Which context of the device."""
        with self._lock:
            self._live()
            return self._address

    @property
    def stats(self) -> LinkStats:
        """Counters of the link, which all contexts of the port share."""
        with self._lock:
            return self._live().stats

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closed = self._closed or self._attached
            end_block(self._give_up, error)

    def __repr__(self) -> str:
        # Of what the object knows by itself, no more: a repr in a traceback or a debugger must
        # neither wait for a device nor take an address.
        if getattr(self, "_closed", True):
            return "AtomikContext(closed)"
        where = "" if self._connection is None else f", address={self._address}"
        return (
            f"AtomikContext(port={self._url!r}{where}, width={self._width}, deltas={self._deltas})"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} can't be copied or pickled: copy its snapshot()")

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.drop(range(self._address, self._address + 1))

    def _set_up(self, url: str, baud: int | None, coalesce: bool, *, attached: bool) -> None:
        self._url = url
        self._baud = baud
        self._coalesce = bool(coalesce)
        self._attached = attached
        self._connection = None
        self._closed = False
        self._deltas = 0
        self._lock = ForkLock()

    def _live(self) -> SharedConnection:
        """Return the connection that the address is of; called with the lock held."""
        connection = self._connection
        if connection is None:
            self._check_open()
            connection = self._take(0)
        return connection

    def _take(self, reference: int) -> SharedConnection:
        """Take the lowest free address, and load ``reference`` there."""
        with ExitStack() as undo:
            connection = share(self._url, baud=self._baud)
            undo.callback(connection.close)
            self._name_port(connection)
            self._check_width(connection)
            connection.take_back()
            address = connection.allocate()
            undo.callback(connection.release, address)
            connection.load(address, reference)
            undo.pop_all()
        self._address = address
        self._connection = connection
        return connection

    def _name_port(self, connection: SharedConnection) -> None:
        """Call a port that was found by the name it was found under."""
        if self._url == AUTO:
            self._url = connection.url

    def _give_up(self) -> None:
        """Give the address back, with 0 in it unless it was attached to."""
        connection = self._connection
        if connection is None:
            return
        self._connection = None
        self._deltas = 0
        with ExitStack() as at_last:
            at_last.callback(connection.close)
            at_last.callback(connection.take_back)
            at_last.callback(connection.release, self._address)
            if not self._attached:
                connection.load(self._address, 0)
            connection.flush()

    def _check_width(self, connection: SharedConnection) -> None:
        width = connection.info.width
        if self._width > width:
            raise WidthError(
                f"A context of {self._width} bits does not fit the device at {self._url}, which "
                f"has {width} bits: pass width={width} or less, or use a wider device"
            )

    def _check_upper_bits(self, connection: SharedConnection, address: int) -> None:
        width = connection.info.width
        state, accumulator = connection.peek(address)
        if (state | accumulator) > self._mask:
            raise WidthError(
                f"Context {address} of {self._url} holds bits above the {self._width} asked for "
                f"(state {hex_word(state, width)}, accumulator {hex_word(accumulator, width)}): "
                "attach without width, and mask what is read"
            )

    def _view(self) -> tuple[int, int, int]:
        with self._lock:
            state, accumulator = self._live().peek(self._address)
            return state & self._mask, accumulator & self._mask, self._deltas

    def _combine(self, accumulator: int, deltas: int) -> None:
        with self._lock:
            self._live().accum(self._address, accumulator)
            self._deltas += deltas

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(CLOSED)
