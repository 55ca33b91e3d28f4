"""Where an object is: in this process, or on a device."""

from __future__ import annotations

from typing import TypeVar

from .ports import PORT_VARIABLE

__all__ = ["device_class"]

T = TypeVar("T")


def device_class(cls: type, base: type, remote: type[T]) -> type[T]:
    """Return the class that ``cls`` has on a device.

    Parameters
    ----------
    cls, base, remote : class
        The class asked for; what users import; what that is on a device.

    Raises
    ------
    TypeError
        If ``cls`` is a subclass of its own.
    """
    if cls is base:
        return remote
    if not issubclass(cls, remote):
        raise TypeError(
            f"{cls.__name__} is a subclass of {base.__name__}, and those have no port; use "
            f"{base.__name__} itself on a device, or unset {PORT_VARIABLE}"
        )
    return cls
