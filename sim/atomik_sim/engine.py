"""What a simulated board needs of whatever runs its gateware."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from atomik_fpga.errors import UnsupportedPortError

from .options import BoardOptions

__all__ = ["Engine", "make_engine"]


class Engine(Protocol):
    """One device with its clock, driven at its pins. Used by one thread at a time.

    The clock runs only in `transfer` and `reset`.
    """

    @property
    def clocks(self) -> int:
        """Clocks since the device was configured. May be read by any thread."""
        ...

    @property
    def pin_bits(self) -> tuple[int, int]:
        """Bits driven on ``rx`` and sampled on ``tx`` so far, start and stop bits included."""
        ...

    @property
    def batch(self) -> int:
        """Most characters that one `transfer` should be given, for answers to be prompt."""
        ...

    @property
    def idle(self) -> bool:
        """Without further characters, the device would do nothing but wait."""
        ...

    def transfer(self, characters: Sequence[int]) -> bytes:
        """Drive ``characters`` on ``rx``, one after the other; return the bytes sent meanwhile.

        Raises
        ------
        LineError
            If the device's ``tx`` did what no UART does.
        """
        ...

    def reset(self) -> None:
        """Hold the device's reset for one clock."""
        ...


def make_engine(options: BoardOptions) -> Engine:
    """Return a device as ``options`` say, just configured.

    Raises
    ------
    UnsupportedPortError
        If the simulator is not installed.
    """
    try:
        from .amaranth_engine import AmaranthEngine
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "amaranth":
            raise
        raise UnsupportedPortError(
            "Simulated boards need the Amaranth package, which is not installed. "
            'Install it with: pip install "atomik-fpga[sim]"'
        ) from error
    return AmaranthEngine(options)
