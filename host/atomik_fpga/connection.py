"""A device as its user has it: one hold on the session that the process shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self, SupportsIndex

from .banks import Banks
from .bulk import to_integer
from .ending import end_block
from .errors import AtomikError, ClosedError
from .locks import ForkLock
from .protocol import Op
from .shared import SharedConnection, share

if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn

    from .bulk import Integers
    from .link import LinkStats
    from .protocol import Info

__all__ = ["Connection", "connect"]


def connect(port: str | None = None, *, baud: SupportsIndex | None = None) -> Connection:
    """Return a connection to the device at ``port``.

    A process has one session with a device, whatever its port is called: all connections, contexts
    and tables of the port share it, and it ends when the last of them is closed. A session that has
    failed is replaced by a new one; who holds the old one keeps getting its error.

    Parameters
    ----------
    port : str, optional
        A serial port's name, a pyserial URL, or ``auto`` for the one board that is plugged in; else
        the environment variable ``ATOMIK_PORT``.
    baud : int, optional
        Rate of a real line in bit/s; else that of the board table, 1 M, 115,200 and 3 M are tried.
        Means nothing at ``socket://`` and ``sim://``, whose line has the rate of its far end.

    Raises
    ------
    TypeError, ValueError
        If ``port`` is no string or an empty one; ``baud`` is no rate, or not that of a port that is
        open.
    NoBoardError, SeveralBoardsError, PortBusyError, PortPermissionError, UnsupportedPortError
        If the port can't be opened; with ``auto``, if none or several answer.
    WrongDeviceError, ProtocolVersionError, LinkLostError
        If no device answers there that this driver can use.
    """
    return Connection(share(port, baud=baud))


class Connection:
    """A hold on an open session with a device. Made by `connect`; for several threads too.

    Posted ops are handed to the operating system within 10 ms, with no further call, unless the
    device has more to do than fits the window; then posting waits. They act in the order of the
    calls. Barriers return when all that was posted before them has acted. An error is raised by
    the next call and by every later one: nothing goes on until `connect` is called again.

    Addresses are integers from 0 to ``info.depth - 1``, operands and values integers of
    ``info.width`` bits. IndexError and ValueError are raised before anything is sent. The ops work
    at any address, whoever holds it: `allocate` finds one that is nobody else's.

    A connection that is dropped without `close` leaves the port open until the process ends.

    Parameters
    ----------
    session : SharedConnection
        Counted for this connection.
    """

    # `_told` is set once a call has raised what ended the session. The lock is for addresses and
    # the end: none of them may be taken while others are given back.
    __slots__ = ("_addresses", "_banks", "_lock", "_open", "_shared", "_told")

    def __init__(self, session: SharedConnection) -> None:
        self._shared = session
        self._open = True
        self._addresses: set[int] = set()
        self._banks: Banks | None = None
        self._told = False
        self._lock = ForkLock()

    @property
    def url(self) -> str:
        """The port's name or URL."""
        return self._shared.url

    @property
    def info(self) -> Info:
        """What the device said of itself before the session was opened."""
        return self._shared.info

    @property
    def baud(self) -> int:
        """Rate of the line in bit/s."""
        return self._shared.baud

    @property
    def stats(self) -> LinkStats:
        """What went over the link until now, for all who share it."""
        return self._shared.stats

    @property
    def error(self) -> AtomikError | None:
        """What every call raises from now on; None while all is well."""
        return self._shared.error if self._open else self._closed()

    def link_clock(self) -> float:
        """Return the time in which the device runs, in seconds: a simulated board has its own."""
        return self._shared.link_clock()

    @property
    def banks(self) -> Banks:
        """The banks of the device.

        Raises
        ------
        BanksError
            If it has none.
        """
        with self._lock:
            session = self._session()
            if self._banks is None:
                self._banks = Banks(session, session.banks_turn, self._note)
            return self._banks

    def __repr__(self) -> str:
        if not self._open:
            return f"<Connection {self.url} closed>"
        error, info = self.error, self.info
        state = "open" if error is None else type(error).__name__
        return f"<Connection {self.url} {info.depth} x {info.width} bit, {state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} can't be copied or pickled: connect once more instead")

    # Posted ops.

    def accum(self, address: int, delta: int) -> None:
        """Post A ^= ``delta``."""
        try:
            self._session().accum(address, delta)
        except AtomikError as error:
            self._note(error)
            raise

    def fold(self, address: int, delta: int) -> None:
        """Post A ^= ``delta``, folded with those of the same context that are not sent yet.

        The device gets one accumulate for all of them; any other op comes behind it.
        """
        try:
            self._session().fold(address, delta)
        except AtomikError as error:
            self._note(error)
            raise

    def load(self, address: int, value: int) -> None:
        """Post R := ``value``, A := 0."""
        try:
            self._session().load(address, value)
        except AtomikError as error:
            self._note(error)
            raise

    def clear(self) -> None:
        """Post R := 0, A := 0 for every context of the device."""
        try:
            self._session().clear()
        except AtomikError as error:
            self._note(error)
            raise

    def load_many(self, first: int, values: Integers) -> None:
        """Post a load of each value into consecutive contexts. All is checked before."""
        try:
            self._session().load_many(first, values)
        except AtomikError as error:
            self._note(error)
            raise

    def accum_many(self, addresses: Integers, deltas: Integers) -> None:
        """Post A ^= delta for each pair. All are checked before the first is posted.

        Arrays of NumPy are posted many times as fast as other iterables.

        Raises
        ------
        TypeError
            If one is not an integer.
        ValueError
            Also if the lengths differ.
        """
        try:
            self._session().accum_many(addresses, deltas)
        except AtomikError as error:
            self._note(error)
            raise

    # Barriers.

    def read(self, address: int) -> int:
        """Return the state R ^ A."""
        try:
            return self._session().read(address)
        except AtomikError as error:
            self._note(error)
            raise

    def peek(self, address: int) -> tuple[int, int]:
        """Return state R ^ A and accumulator A of one instant."""
        try:
            return self._session().peek(address)
        except AtomikError as error:
            self._note(error)
            raise

    def swap(self, address: int, new_reference: int | None = None) -> int:
        """Start a new epoch in one step and return the state before.

        The reference becomes ``new_reference``, or that state if it is None; A becomes 0.
        """
        try:
            return self._session().swap(address, new_reference)
        except AtomikError as error:
            self._note(error)
            raise

    def read_many(self, first: int, count: int, op: Op = Op.READ) -> list[int]:
        """Return the words of ``count`` consecutive contexts, several replies under way at once.

        These are the states or, with ``op=Op.PEEK``, state and accumulator of each. Each reply is
        of one instant; different replies are of different ones.

        Raises
        ------
        ValueError
            If ``op`` is neither `Op.READ` nor `Op.PEEK`.
        """
        try:
            return self._session().read_many(first, count, op)
        except AtomikError as error:
            self._note(error)
            raise

    def read_each(self, addresses: Iterable[int]) -> dict[int, int]:
        """Return the states of contexts anywhere, by address; those nearby may be among them.

        Neighbours share a reply, also where it costs fewer bytes to read what is between them.
        """
        try:
            return self._session().read_each(addresses)
        except AtomikError as error:
            self._note(error)
            raise

    def flush(self) -> None:
        """Return when all that was posted has acted, also by others who share the session."""
        try:
            self._session().flush()
        except AtomikError as error:
            self._note(error)
            raise

    # Addresses.

    def allocate(self) -> int:
        """Take the lowest free address; it is nobody else's until `release` or `close`.

        Raises
        ------
        NoFreeContextError
            If there is none.
        """
        with self._lock:
            try:
                address = self._session().allocate()
            except AtomikError as error:
                self._note(error)
                raise
            self._addresses.add(address)
        return address

    def claim(self, address: SupportsIndex) -> int:
        """Take an address and return it; likewise.

        Raises
        ------
        ContextInUseError
            If it is taken.
        """
        with self._lock:
            try:
                number = self._session().claim(address)
            except AtomikError as error:
                self._note(error)
                raise
            self._addresses.add(number)
        return number

    def release(self, address: SupportsIndex) -> None:
        """Give back an address that this connection took; what it holds stays.

        Raises
        ------
        ValueError
            If it took no such address.
        """
        with self._lock:
            session = self._session()
            number = to_integer(address, "Address")
            if number not in self._addresses:
                raise ValueError(f"This connection to {self.url} has not taken address {address!r}")
            self._addresses.remove(number)
            session.release(number)

    # The end.

    def close(self) -> None:
        """Let go when all that was posted has acted. Closing again does nothing.

        The last who lets go of the port closes it. In any case this connection is closed, and the
        addresses that it took are given back, as they are.

        Raises
        ------
        AtomikError
            What went wrong, unless a call of this connection has raised it before: what was posted
            may not have acted.
        """
        with self._lock:
            if not self._open:
                return
            self._open = False
            settled = False
            try:
                self._shared.settle(told=self._told)
                settled = True
            finally:
                while self._addresses:
                    self._shared.release(self._addresses.pop())
                # Who interrupted it does not want to wait again.
                self._shared.close(flush=settled)

    def __enter__(self) -> Self:
        self._session()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end_block(self.close, error)

    def _session(self) -> SharedConnection:
        if not self._open:
            raise self._closed()
        return self._shared

    def _note(self, error: AtomikError) -> None:
        """Keep in mind that a call raises an error, if that is what ended the session."""
        if error is self._shared.error:
            self._told = True

    def _closed(self) -> ClosedError:
        return ClosedError(f"The connection to {self.url} is closed: connect again")
