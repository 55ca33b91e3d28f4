"""Words: the integers of a given width that contexts are made of."""

from __future__ import annotations

from operator import index
from typing import SupportsIndex

__all__ = ["check_positive", "check_width", "hex_word", "to_word"]


def check_width(width: SupportsIndex) -> int:
    """Return ``width`` in bits as an ``int``; raise as `check_positive` does."""
    return check_positive("Width", width)


def check_positive(name: str, value: SupportsIndex) -> int:
    """Return ``value`` as an ``int``; ``name`` is what messages call it.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is less than 1.
    """
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be a positive integer, not {value!r}") from None
    if number < 1:
        raise ValueError(f"{name} must be a positive integer, not {value!r}")
    return number


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
                f"{hex_word(mask, width)}, not {number:#x}"
            )
    return number & mask


def hex_word(value: int, width: int) -> str:
    """Return ``value`` in hexadecimal, with as many digits as ``width`` bits need."""
    return f"0x{value:0{(width + 3) // 4}x}"
