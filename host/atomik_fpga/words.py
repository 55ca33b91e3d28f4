"""Words: the integers of a given width that contexts are made of."""

from __future__ import annotations

from operator import index
from typing import Final, SupportsIndex

__all__ = [
    "MAX_CONTEXTS",
    "MAX_MODEL_WIDTH",
    "check_positive",
    "check_width",
    "hex_word",
    "shown",
    "shown_hex",
    "to_word",
]

#: Widest word of the embedded model, in bits, and the most contexts that its table has: far more
#: than any device, and far less than what makes Python run out of memory.
MAX_MODEL_WIDTH: Final = 1 << 24
MAX_CONTEXTS: Final = 1 << 24

#: Longer numbers are shortened in messages.
_SHOWN_BITS: Final = 128


def check_width(width: SupportsIndex, *, strict: bool = False) -> int:
    """Return ``width`` in bits as an ``int``; raise as `check_positive` does.

    With ``strict`` a ``bool`` is a TypeError too.
    """
    if strict and isinstance(width, bool):
        raise TypeError(f"Width of a strict context must be a positive integer, not {width!r}")
    return check_positive("Width", width, MAX_MODEL_WIDTH, " bits")


def check_positive(name: str, value: SupportsIndex, most: int | None = None, unit: str = "") -> int:
    """Return ``value`` as an ``int``; ``name`` is what messages call it, ``unit`` what it counts.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is less than 1, or more than ``most``.
    """
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be a positive integer, not {value!r}") from None
    if number < 1:
        raise ValueError(f"{name} must be a positive integer, not {shown(value)}")
    if most is not None and number > most:
        raise ValueError(f"{name} must be at most {most:,}{unit}, not {shown(value)}")
    return number


def shown(value: object) -> str:
    """Return ``value`` for a message; integers of many digits are shortened."""
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return f"{'-' * (value < 0)}{hex(abs(value))[:10]}... ({value.bit_length()} bits)"
    return repr(value)


def shown_hex(number: int) -> str:
    """Return an integer in hexadecimal for a message; of many digits, shortened."""
    return shown(number) if number.bit_length() > _SHOWN_BITS else f"{number:#x}"


def to_word(name: str, value: SupportsIndex, width: int, *, strict: bool = False) -> int:
    """Return ``value`` masked to ``width`` bits; ``name`` is what messages call it.

    Raises
    ------
    TypeError
        If it is not an integer or, with ``strict``, a ``bool``.
    ValueError
        With ``strict``, if it is negative or wider.
    """
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
    mask = (1 << width) - 1
    if strict:
        if isinstance(value, bool):
            raise TypeError(f"{name} of a strict context must be an integer, not {value!r}")
        if not 0 <= number <= mask:
            raise ValueError(
                f"{name} of a strict context of {width} bits must be between 0 and "
                f"{hex_word(mask, width)}, not {shown_hex(number)}"
            )
    return number & mask


def hex_word(value: int, width: int) -> str:
    """Return ``value`` in hexadecimal, with as many digits as ``width`` bits need."""
    return f"0x{value:0{(width + 3) // 4}x}"
