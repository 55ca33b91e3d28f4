"""Which key goes to which context, and the words on a table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...table import AtomikTable
from ..errors import ImportFailedError

__all__ = ["choose_addresses", "load_table", "read_map"]


def choose_addresses(
    keys: Iterable[str], contexts: int, before: Mapping[str, int]
) -> dict[str, int]:
    """Return an address for each key: the one it had before, or the lowest that is free.

    New keys are taken in their order: numbers first, by value, then texts.

    Raises
    ------
    ImportFailedError
        If there are more keys than contexts, or one had an address that is no more.
    """
    chosen = dict(before)
    for key, address in chosen.items():
        if address >= contexts:
            raise ImportFailedError(
                f"Key {key!r} had address {address}, and there are {contexts} contexts: name a map"
            )
    taken = set(chosen.values())
    free = (address for address in range(contexts) if address not in taken)
    for key in sorted(set(keys) - set(chosen), key=_order):
        try:
            chosen[key] = next(free)
        except StopIteration:
            raise ImportFailedError(
                f"There are more keys than the {contexts} contexts: choose keys with a map (--map),"
                " or use a device with more contexts"
            ) from None
    return chosen


def read_map(path: str | Path, contexts: int) -> dict[str, int]:
    """Return the addresses by key in a CSV file with the columns ``key`` and ``address``.

    Raises
    ------
    ImportFailedError
        If the file is not there or not like that, or if an address is no context's, or a key's or
        an address comes twice.
    """
    addresses: dict[str, int] = {}
    owners: dict[int, str] = {}
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if rows.fieldnames is None or not {"key", "address"} <= set(rows.fieldnames):
                raise ImportFailedError(f"{path} needs a first line with key,address")
            for row in rows:
                key, text = row["key"], row["address"]
                if not (text or "").strip().isdecimal():
                    raise ImportFailedError(f"{path} gives {key!r} the address {text!r}")
                address = int(text)
                if address >= contexts:
                    raise ImportFailedError(
                        f"{path} gives {key!r} the address {address}, and there are {contexts} "
                        "contexts, from 0 on"
                    )
                if key in addresses:
                    raise ImportFailedError(f"{path} has the key {key!r} twice")
                if address in owners:
                    raise ImportFailedError(
                        f"{path} gives the address {address} to {owners[address]!r} and {key!r}"
                    )
                addresses[key] = address
                owners[address] = key
    except OSError as error:
        raise ImportFailedError(f"{path} can't be read: {error.strerror}") from None
    return addresses


def load_table(table: AtomikTable, words: Mapping[str, int], addresses: Mapping[str, int]) -> int:
    """Load the words of the keys that have an address, read them back, and return how many.

    Contexts without a key stay as they are.

    Raises
    ------
    ImportFailedError
        If a key has no word, or the table does not hold what was loaded.
    AtomikError
        If the device fails.
    """
    unknown = [key for key in addresses if key not in words]
    if unknown:
        raise ImportFailedError(
            f"No row has the key{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown))}, "
            "which the map names"
        )
    for key, address in addresses.items():
        table.load(address, words[key])
    held = table.read_many(list(addresses.values()))
    for (key, address), word in zip(addresses.items(), held, strict=True):
        if word != words[key]:
            raise ImportFailedError(
                f"Context {address} holds {word:#x} after {words[key]:#x} of {key!r} was loaded"
            )
    return len(addresses)


def _order(key: str) -> tuple[bool, int, str]:
    number = key.removeprefix("-").isdecimal()
    return not number, int(key) if number else 0, key
