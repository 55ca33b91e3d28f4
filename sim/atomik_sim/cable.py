"""What is between a simulated board's port and the pins of its device."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .pins import IDLE, character

__all__ = ["Cable"]


def _characters(data: bytes) -> Iterable[int]:
    return map(character, data)


def _same(data: bytes) -> bytes:
    return data


class Cable:
    """A cable that hands on at once what it is given; used in the board's thread alone.

    Parameters
    ----------
    to_device : callable of bytes that returns an iterable of int
        Makes the characters (`atomik_sim.pins`) that go over the line to the device. Called with at
        least one byte.
    from_device : callable of bytes that returns bytes
        Likewise, on what was received from the device.
    """

    def __init__(
        self,
        to_device: Callable[[bytes], Iterable[int]] = _characters,
        from_device: Callable[[bytes], bytes] = _same,
    ) -> None:
        self._to_device = to_device
        self._from_device = from_device

    @property
    def pending(self) -> bool:
        """Something will come out, though nothing more is put in."""
        return False

    @property
    def full(self) -> bool:
        """What was put in towards the device is not yet on the line."""
        return False

    def drive(self, data: bytes, limit: int) -> list[int]:
        """Return what the device receives next, now that ``data`` has been sent to it.

        Parameters
        ----------
        data : bytes
            ``limit`` of them at most; none while the cable is `full`.
        limit : int
            About as many characters are wanted, so that answers are prompt.
        """
        return list(self._to_device(data)) if data else [IDLE]

    def receive(self, data: bytes) -> bytes:
        """Return what the host receives next, now that the device has sent ``data``, if any."""
        return self._from_device(data) if data else b""
