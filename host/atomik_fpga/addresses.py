"""Which contexts of a device this process uses."""

from __future__ import annotations

from collections import deque

from .errors import ContextInUseError, NoFreeContextError

__all__ = ["AddressBook"]


class AddressBook:
    """The taken addresses of one device.

    Parameters
    ----------
    depth : int
        Contexts of the device.
    url : str
        Its port, for messages.
    """

    def __init__(self, depth: int, url: str) -> None:
        self._depth = depth
        self._url = url
        self._taken: set[int] = set()
        # No address below this one is free, but for those just released.
        self._lowest = 0
        self._released: deque[range] = deque()

    def allocate(self) -> int:
        """Take the lowest free address.

        Raises
        ------
        NoFreeContextError
            If there is none.
        """
        self._take_back()
        while self._lowest in self._taken:
            self._lowest += 1
        if self._lowest >= self._depth:
            raise NoFreeContextError(
                f"All {self._depth} contexts of {self._url} are in use in this process: close "
                "one, or build the board with more"
            )
        self._taken.add(self._lowest)
        return self._lowest

    def allocate_run(self, count: int) -> int:
        """Take ``count`` consecutive addresses, the lowest that are free, and return the first.

        Raises
        ------
        NoFreeContextError
            If there are no such.
        """
        self._take_back()
        first = self._lowest
        address = first
        while address - first < count:
            if address >= self._depth:
                raise NoFreeContextError(
                    f"No {count} consecutive contexts of the {self._depth} of {self._url} are "
                    "free in this process: close what holds others, or ask for fewer"
                )
            if address in self._taken:
                first = address + 1
            address += 1
        self._taken.update(range(first, first + count))
        return first

    def claim(self, addresses: range) -> None:
        """Take addresses.

        Raises
        ------
        ContextInUseError
            If one is taken; then none of them is.
        """
        self._take_back()
        for address in addresses:
            if address in self._taken:
                raise ContextInUseError(
                    f"Context {address} of {self._url} is in use in this process: close the other "
                    "object first, or use that one"
                )
        self._taken.update(addresses)

    def release(self, addresses: range) -> None:
        """Give addresses back; a free one stays free. Needs no lock, and takes none."""
        self._released.append(addresses)

    def _take_back(self) -> None:
        while self._released:
            addresses = self._released.popleft()
            self._taken.difference_update(addresses)
            self._lowest = min(self._lowest, addresses.start)
