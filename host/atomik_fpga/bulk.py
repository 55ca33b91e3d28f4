"""Addresses and words in bulk: integers from any iterable, or NumPy arrays.

NumPy is used where it is there already, and never imported: who passes an array has done so.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, MutableSequence, Sequence
from operator import index
from typing import Any, SupportsIndex

from .words import shown, shown_hex

__all__ = [
    "ARRAY_BITS",
    "Integers",
    "bad_address",
    "bad_operand",
    "check_addresses",
    "check_batch",
    "check_operands",
    "count_many",
    "is_array",
    "loaded_numpy",
    "take_many",
    "to_integer",
    "xor_many",
    "zero_words",
]

#: Widest words that arrays hold.
ARRAY_BITS = 64

#: What bulk calls take: an iterable of integers, or a NumPy array of one dimension, whose own
#: elements are what its stubs say.
Integers = Iterable[SupportsIndex]


def loaded_numpy() -> Any:
    """Return the module NumPy if the program has imported it, else None."""
    return sys.modules.get("numpy")


def is_array(values: object) -> bool:
    """Return whether ``values`` is a NumPy array."""
    numpy = loaded_numpy()
    return numpy is not None and isinstance(values, numpy.ndarray)


def to_integer(value: SupportsIndex, what: str) -> int:
    """Return ``value`` as an ``int``; TypeError that names it if it is no integer."""
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, not {value!r}") from None


def bad_address(address: object, limit: int) -> IndexError:
    """Return the error for an address that is not from 0 to ``limit - 1``."""
    return IndexError(f"Address must be 0 to {limit - 1}, not {shown(address)}")


def bad_operand(operand: int, width: int) -> ValueError:
    """Return the error for an operand that is not of ``width`` bits."""
    return ValueError(f"Operand must have at most {width} bits, not {shown_hex(operand)}")


def check_addresses(addresses: Integers, limit: int) -> Any:
    """Return addresses as a list of ``int``, or as an array of NumPy's ``intp`` if they are one.

    Raises
    ------
    TypeError
        If one of them is not an integer.
    ValueError
        If they are an array of another number of dimensions than one.
    IndexError
        If one of them is not from 0 to ``limit - 1``.
    """
    if _is_flat("Addresses", addresses):
        given: Any = addresses
        numpy = loaded_numpy()
        # Of an unsigned view negative numbers are the largest ones.
        if given.dtype == numpy.int64:
            wrong = given.view(numpy.uint64) >= limit if given.size else given
        else:
            wrong = (given < 0) | (given >= limit)
        if wrong.any():
            raise bad_address(int(given[wrong.argmax()]), limit)
        return given.astype(numpy.intp, copy=False)
    numbers = _numbers("Address", addresses)
    if numbers and not (min(numbers) >= 0 and max(numbers) < limit):
        raise bad_address(next(it for it in numbers if not 0 <= it < limit), limit)
    return numbers


def check_batch(addresses: Integers, deltas: Integers, limit: int, width: int) -> tuple[Any, Any]:
    """Return the addresses and deltas of a batch, the deltas masked to ``width`` bits.

    Both are lists of ``int``, or arrays of ``intp`` and ``uint64``: these if one of them is an
    array and the words fit in `ARRAY_BITS`.

    Raises
    ------
    TypeError, ValueError, IndexError
        As `check_addresses`; also if the lengths differ.
    """
    places = check_addresses(addresses, limit)
    words = _words(deltas, width)
    if len(places) != len(words):
        raise ValueError(f"{len(places)} addresses for {len(words)} deltas")
    arrays = is_array(places), is_array(words)
    if not any(arrays):
        return places, words
    if width > ARRAY_BITS:
        return places.tolist() if arrays[0] else places, words
    numpy = loaded_numpy()
    return numpy.asarray(places, numpy.intp), numpy.asarray(words, numpy.uint64)


def check_operands(operands: Integers, width: int) -> Any:
    """Return operands as a list of ``int``, or as an array of ``uint64`` if they are an given.

    Raises
    ------
    TypeError, ValueError
        If one of them is not an integer; is negative or has more than ``width`` bits.
    """
    largest = (1 << width) - 1
    if _is_flat("Operands", operands):
        given: Any = operands
        if given.dtype.kind == "u" and 8 * given.dtype.itemsize <= width <= ARRAY_BITS:
            # Whatever is in it fits.
            return given.astype(loaded_numpy().uint64, copy=False)
        wrong = given < 0 if given.dtype.kind == "i" else given > largest
        if not wrong.any():
            words = given.astype(loaded_numpy().uint64, copy=False)
            wrong = words > largest
        if wrong.any():
            raise bad_operand(int(given[wrong.argmax()]), width)
        return words if width <= ARRAY_BITS else words.tolist()
    numbers = _numbers("Operand", operands)
    if numbers and not (min(numbers) >= 0 and max(numbers) <= largest):
        raise bad_operand(next(it for it in numbers if not 0 <= it <= largest), width)
    return numbers


def _words(deltas: Integers, width: int) -> Any:
    mask = (1 << width) - 1
    if _is_flat("Deltas", deltas):
        given: Any = deltas
        if width > ARRAY_BITS:
            return [number & mask for number in given.tolist()]
        # Two's complement, whatever the size: masked like any other negative integer.
        words = given.astype(loaded_numpy().uint64, copy=False)
        return words if width == ARRAY_BITS else words & mask
    return [number & mask for number in _numbers("Delta", deltas)]


def _numbers(name: str, values: Integers) -> list[int]:
    """Return the integers of an iterable."""
    items = list(values)
    try:
        return list(map(index, items))
    except TypeError:
        wrong = next(it for it in items if not hasattr(type(it), "__index__"))
        raise TypeError(f"{name} must be an integer, not {wrong!r}") from None


def _is_flat(name: str, values: object) -> bool:
    """Return whether this is an array of NumPy's integers; one of objects is like any iterable."""
    if not is_array(values):
        return False
    given: Any = values
    if given.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not the shape {given.shape}")
    if given.dtype.kind == "O":
        return False
    if given.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not an array of {given.dtype}")
    return True


def zero_words(number: int, width: int) -> MutableSequence[int]:
    """Return words of 0 that `xor_many` can work on; arrays are used up to `ARRAY_BITS`."""
    return [0] * number if width > ARRAY_BITS else array("Q", bytes(8 * number))


def xor_many(words: MutableSequence[int], places: Any, deltas: Any) -> None:
    """XOR each delta of a batch that `check_batch` returned into the word at its place."""
    if is_array(places):
        numpy = loaded_numpy()
        numpy.bitwise_xor.at(numpy.frombuffer(words, numpy.uint64), places, deltas)
    else:
        for place, delta in zip(places, deltas, strict=True):
            words[place] ^= delta


def count_many(counts: MutableSequence[int], places: Any) -> None:
    """Add 1 to the count at each place, once for each time that it is there."""
    if is_array(places):
        numpy = loaded_numpy()
        total = numpy.frombuffer(counts, numpy.uint64)
        total += numpy.bincount(places, minlength=len(counts)).view(numpy.uint64)
    else:
        for place in places:
            counts[place] += 1


def take_many(words: Sequence[int], places: Any, width: int) -> Any:
    """Return the words at places that `check_addresses` returned: as they are, list or array."""
    if not is_array(places):
        return [words[place] for place in places]
    if width > ARRAY_BITS:
        return [words[place] for place in places.tolist()]
    numpy = loaded_numpy()
    return numpy.frombuffer(words, numpy.uint64)[places]
