"""What a context's snapshot holds, and the check of one that comes from outside."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Any, TypedDict

from .words import check_width, shown, shown_hex

__all__ = ["Snapshot", "check_snapshot", "restore"]


class Snapshot(TypedDict):
    """Content of a context at one instant; JSON can carry it.

    ``width`` in bits; ``reference``, ``accumulator`` and ``state`` are integers of ``width`` bits
    with ``state == reference ^ accumulator``; ``delta_count`` is not negative.
    """

    width: int
    reference: int
    accumulator: int
    state: int
    delta_count: int


def check_snapshot(snapshot: Mapping[str, Any], *, strict: bool = False) -> Snapshot:
    """Return the five values of ``snapshot``; other keys are ignored.

    Raises
    ------
    TypeError
        If ``snapshot`` is not a mapping, or a value of it is not an integer or, with ``strict``, a
        ``bool``.
    ValueError
        If a key is missing, a number does not fit in ``width`` bits, ``state`` is another one than
        ``reference ^ accumulator``, or ``delta_count`` is negative.
    """
    if not isinstance(snapshot, Mapping):
        raise TypeError(f"Snapshot must be a mapping, not {snapshot!r}")
    values: Snapshot = {
        "width": check_width(_integer(snapshot, "width", strict)),
        "reference": _integer(snapshot, "reference", strict),
        "accumulator": _integer(snapshot, "accumulator", strict),
        "state": _integer(snapshot, "state", strict),
        "delta_count": _integer(snapshot, "delta_count", strict),
    }
    width, state = values["width"], values["reference"] ^ values["accumulator"]
    words = {key: values[key] for key in ("reference", "accumulator", "state")}
    for key, number in words.items():
        if number < 0 or number.bit_length() > width:
            raise ValueError(
                f"Snapshot's {key!r} must fit in {width} bits, not be {shown_hex(number)}"
            )
    if values["state"] != state:
        raise ValueError(
            "Snapshot's 'state' must be reference ^ accumulator, which is "
            f"{shown_hex(state)}, not {shown_hex(values['state'])}"
        )
    count = values["delta_count"]
    if count < 0:
        raise ValueError(f"Snapshot's 'delta_count' must not be negative: {shown(count)}")
    return values


def restore(base: Any, cls: type, values: Snapshot, strict: bool) -> Any:
    """Make the copy that the reduction of a context describes.

    Parameters
    ----------
    base : class
        The embedded model.
    cls : class
        That, or a subclass of it, whose constructor is not called.
    values, strict
        What is in the copy, and whether it is strict.
    """
    context: Any = object.__new__(cls)
    base.__init__(context, values["width"], values["reference"], strict=strict)
    base._combine(context, values["accumulator"], values["delta_count"])
    return context


def _integer(snapshot: Mapping[str, Any], key: str, strict: bool) -> int:
    if key not in snapshot:
        raise ValueError(f"Snapshot has no {key!r}: it needs every key that snapshot() returns")
    if strict and isinstance(snapshot[key], bool):
        raise TypeError(
            f"Snapshot's {key!r} of a strict context must be an integer, not {snapshot[key]!r}"
        )
    try:
        return index(snapshot[key])
    except TypeError:
        raise TypeError(f"Snapshot's {key!r} must be an integer, not {snapshot[key]!r}") from None
