"""One delta-state context as an object: the embedded model, and the way to one on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, SupportsIndex, cast

from .errors import ClosedError
from .placing import device_class
from .ports import find_port, named_port
from .snapshot import check_snapshot, restore
from .words import check_width, hex_word, to_word

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from .link.stats import LinkStats
    from .remote import RemoteContext
    from .snapshot import Snapshot

__all__ = ["CLOSED", "AtomikContext"]

#: Message of `ClosedError`.
CLOSED: Final = "This context is closed: use it before close(), or make a new one"


class AtomikContext:
    """A reference and an accumulator of ``width`` bits; the state is ``reference ^ accumulator``.

    Without a port the object is the embedded model: two integers in this process. With a port it is
    a context on a device behind a serial line, with the same behaviour: still an instance of this
    class, it takes the lowest free address of the device.

    Integers are masked to the width: -1 is all ones, and 0x1FF at width 8 is 0xFF. Whatever has an
    ``__index__`` is an integer here. Two contexts are equal if state and width are; they have no
    hash. The end of a ``with`` block loads 0, and the object may be used again afterwards.

    Threads may share an object, and no delta is lost: without a port this relies on the global
    interpreter lock, so on a free-threaded interpreter they need a lock of their own.

    Parameters
    ----------
    width : int
        Bits of each word; at least 1, and at most 16,777,216 or, on a device, its width.
    initial_state : int
        First reference. The accumulator starts at 0.
    port : str or None
        Any pyserial URL, such as ``/dev/ttyUSB1``, ``COM6``, ``sim://``, or ``auto`` for the one
        board there is. ``None`` stands for the environment variable ``ATOMIK_PORT`` or no port.
    baud : int or None
        Line rate in bit/s; ``None`` is the port's usual one. Means nothing without a port.
    coalesce : bool
        Fold accumulates on the host before they are sent; see `Connection.fold`. Likewise.
    strict : bool
        Raise on integers that don't fit in ``width`` bits, negative ones, and ``bool``.

    Raises
    ------
    TypeError
        If a number is not an integer, or if a subclass is to be on a device.
    ValueError
        If ``width`` is out of its range or, with ``strict``, if a number does not fit.
    AtomikError
        If there is a port, and no context can be had there; see `atomik_fpga.errors`.
    """

    # State and reference, not accumulator and reference: both hot calls touch the state alone.
    # A closed context has no ``_state``, which costs the open ones nothing to find out.
    __slots__ = ("_deltas", "_mask", "_reference", "_state", "_strict", "_width")

    def __new__(
        cls,
        width: SupportsIndex = 64,
        initial_state: SupportsIndex = 0,
        *,
        port: str | None = None,
        baud: int | None = None,
        coalesce: bool = False,
        strict: bool = False,
    ) -> Self:
        """Pick the class: a port makes it a context on a device."""
        if find_port(port) is None:
            return object.__new__(cls)
        return cast("Self", object.__new__(_device_class(cls)))

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
        self._set_word(width, strict)
        word = to_word("Initial state", initial_state, self._width, strict=self._strict)
        self._reference = self._state = word
        self._deltas = 0

    @classmethod
    def attach(
        cls,
        port: str | None,
        address: SupportsIndex,
        *,
        width: SupportsIndex | None = None,
        baud: int | None = None,
        coalesce: bool = False,
        strict: bool = False,
    ) -> Self:
        """Return the context at ``address`` of a device as it is; `delta_count` starts at 0.

        Nothing on the device changes, neither now nor when the object is closed, which the end of a
        ``with`` block does too.

        Parameters
        ----------
        port : str or None
            As for the constructor, but there must be one.
        address : int
            Which context, from 0.
        width : int or None
            Bits; ``None`` is the device's width. A context that holds bits above ``width`` is
            refused, because a load through a narrower object would clear them.
        baud, coalesce, strict
            As for the constructor.

        Raises
        ------
        TypeError, ValueError, IndexError
            If ``address`` or ``width`` is not an integer; is out of range; is not on the device.
        NoBoardError, WidthError, ContextInUseError
            If no port is named; ``width`` is not what the context allows; it is taken already.
        AtomikError
            If there is no device to talk to; see `atomik_fpga.errors`.
        """
        url = named_port(port)
        context = _device_class(cls).attach_to(
            url, address, width=width, baud=baud, coalesce=coalesce, strict=strict
        )
        return cast("Self", context)

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
        """Return a new context with the content of ``snapshot``, its `delta_count` included.

        Parameters
        ----------
        snapshot : mapping
            As `snapshot` returned it; other keys are ignored.
        port, baud, coalesce, strict
            As for the constructor.

        Raises
        ------
        TypeError, ValueError
            If ``snapshot`` is not a mapping of integers; lacks a key or contradicts itself.
        """
        values = check_snapshot(snapshot, strict=strict)
        word = values["width"], values["reference"]
        context = cls(*word, port=port, baud=baud, coalesce=coalesce, strict=strict)
        context._combine(values["accumulator"], values["delta_count"])
        return context

    def load(self, value: SupportsIndex) -> None:
        """Set the reference to ``value`` and clear accumulator and `delta_count`."""
        reference = self._operand("Value", value)
        self._check_open()
        self._reference = self._state = reference
        self._deltas = 0

    def accum(self, delta: SupportsIndex) -> None:
        """XOR ``delta`` into the accumulator, and so into the state."""
        try:
            if not (type(delta) is int and 0 <= delta <= self._mask):
                delta = self._operand("Delta", delta)
            # No call from here on: another thread can't come between load and store.
            self._state ^= delta
            self._deltas += 1
        except AttributeError:
            self._check_open()
            raise

    def read(self) -> int:
        """Return the state, ``reference ^ accumulator``."""
        try:
            return self._state
        except AttributeError:
            self._check_open()
            raise

    def swap(self, new_reference: SupportsIndex | None = None) -> int:
        """Return the state, and start a new epoch from it or from ``new_reference``.

        The reference becomes ``new_reference`` or, with ``None``, the old state; accumulator and
        `delta_count` become 0. All in one step. ``swap(0)`` is not ``swap()``.
        """
        reference = None if new_reference is None else self._operand("New reference", new_reference)
        self._check_open()
        state = self._state
        self._reference = self._state = state if reference is None else reference
        self._deltas = 0
        return state

    def rollback(self, delta: SupportsIndex) -> None:
        """Undo ``accum(delta)``, by accumulating it once more."""
        self.accum(delta)

    def merge(self, other: AtomikContext) -> None:
        """XOR the accumulator of ``other`` into this one, and add its `delta_count`.

        Where both changed the same bit, the changes cancel. ``other`` may be on another device.

        Raises
        ------
        TypeError
            If ``other`` is not a context.
        ValueError
            If width or reference are not the same in both. Nothing has changed then.
        """
        width = self.width
        if not isinstance(other, AtomikContext):
            raise TypeError(f"Only a context can be merged, not {other!r}")
        if width != other.width:
            raise ValueError(
                f"Only contexts of one width can be merged, not of {width} and {other.width} bits"
            )
        mine = self.reference
        state, accumulator, deltas = other._view()
        theirs = state ^ accumulator
        if mine != theirs:
            raise ValueError(
                f"Only contexts of one reference can be merged, not of {hex_word(mine, width)} and "
                f"{hex_word(theirs, width)}; load one value into both before they diverge"
            )
        self._combine(accumulator, deltas)

    def snapshot(self) -> Snapshot:
        """Return width, reference, accumulator, state and count, all of one instant."""
        state, accumulator, deltas = self._view()
        return {
            "width": self._width,
            "reference": state ^ accumulator,
            "accumulator": accumulator,
            "state": state,
            "delta_count": deltas,
        }

    def flush(self) -> None:
        """Wait until everything posted was executed. Without a port nothing ever waits."""
        self._check_open()

    def close(self) -> None:
        """Load 0 and give up the context: every later call but this one raises `ClosedError`.

        On a device the address becomes free, and the port is closed with its last context.
        """
        if hasattr(self, "_state"):
            del self._state

    @property
    def accumulator(self) -> int:
        """XOR of all deltas since the last load or swap."""
        return self._view()[1]

    @property
    def reference(self) -> int:
        """What was last loaded, or set by the last swap."""
        state, accumulator, _ = self._view()
        return state ^ accumulator

    @property
    def is_clean(self) -> bool:
        """True if the accumulator is 0, also where deltas cancelled each other."""
        return self._view()[1] == 0

    @property
    def delta_count(self) -> int:
        """Calls of `accum` and `rollback` on this object since its last load or swap.

        `merge` adds the other's.
        """
        self._check_open()
        return self._deltas

    @property
    def width(self) -> int:
        """Bits of reference, accumulator and state."""
        self._check_open()
        return self._width

    @property
    def port(self) -> str | None:
        """URL of the device's port; ``None`` without one."""
        self._check_open()
        return None

    @property
    def address(self) -> int | None:
        """Which context of the device; ``None`` without one."""
        self._check_open()
        return None

    @property
    def stats(self) -> LinkStats | None:
        """Counters of the link that this context shares; ``None`` without a port."""
        self._check_open()
        return None

    def __enter__(self) -> Self:
        """Return the context itself."""
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Load 0, unless the context is closed already."""
        if hasattr(self, "_state"):
            self.load(0)

    def __eq__(self, other: object) -> bool:
        """Compare width and state. References may differ."""
        if not isinstance(other, AtomikContext):
            return NotImplemented
        return self.width == other.width and self.read() == other.read()

    def __repr__(self) -> str:
        """All values in hexadecimal."""
        try:
            state, accumulator, deltas = self._view()
        except ClosedError:
            return "AtomikContext(closed)"
        return (
            f"AtomikContext(state={hex_word(state, self._width)}, "
            f"ref={hex_word(state ^ accumulator, self._width)}, "
            f"acc={hex_word(accumulator, self._width)}, deltas={deltas})"
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Copy and pickle by value: the copy is an embedded context, whatever the environment."""
        values = self.snapshot()
        made = AtomikContext, type(self), values, self._strict
        return restore, made, getattr(self, "__dict__", None)

    def _set_word(self, width: SupportsIndex, strict: bool) -> None:
        self._width = check_width(width, strict=strict)
        self._mask = (1 << self._width) - 1
        self._strict = bool(strict)

    def _operand(self, name: str, value: SupportsIndex) -> int:
        try:
            return to_word(name, value, self._width, strict=self._strict)
        except (TypeError, ValueError):
            self._check_open()
            raise

    def _view(self) -> tuple[int, int, int]:
        """Return state, accumulator and count of one instant."""
        try:
            state, reference, deltas = self._state, self._reference, self._deltas
        except AttributeError:
            self._check_open()
            raise
        return state, state ^ reference, deltas

    def _combine(self, accumulator: int, deltas: int) -> None:
        """XOR in what ``deltas`` deltas came to."""
        self._check_open()
        self._state ^= accumulator
        self._deltas += deltas

    def _check_open(self) -> None:
        if not hasattr(self, "_state"):
            raise ClosedError(CLOSED) from None


def _device_class(cls: type[AtomikContext]) -> type[RemoteContext]:
    """Return the class that ``cls`` has on a device."""
    # Imported here: the embedded model needs no serial port.
    from .remote import RemoteContext

    return device_class(cls, AtomikContext, RemoteContext)
