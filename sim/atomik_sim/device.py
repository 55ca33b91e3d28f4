"""The device of a simulated board, whatever runs it."""

from __future__ import annotations

from atomik_hdl.device import DeltaDevice

from .options import BoardOptions

__all__ = ["make_device"]


def make_device(options: BoardOptions) -> DeltaDevice:
    """Return a device as ``options`` say, to be elaborated.

    Raises
    ------
    ValueError
        If no device has these options.
    """
    return DeltaDevice(**options.device)
