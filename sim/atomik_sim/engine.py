"""What a simulated board needs of whatever runs its gateware."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Protocol

from atomik_fpga.errors import UnsupportedPortError

from .options import BoardOptions

__all__ = ["Engine", "make_engine"]

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """One device with its clock, driven at its pins. Used by one thread at a time.

    The clock runs only in `transfer` and `reset`.
    """

    @property
    def name(self) -> str:
        """Which engine it is: one of `atomik_sim.options.ENGINES`."""
        ...

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

    Where it can't be compiled, Amaranth's simulator takes the place of the engine ``cxxrtl``, and a
    warning in the log says so and why. That device does the same, clock by clock, but slower.

    Raises
    ------
    UnsupportedPortError
        If the simulator is not installed.
    ValueError
        If no device has these options.
    """
    if find_spec("amaranth") is None:
        raise UnsupportedPortError(
            "Simulated boards need the Amaranth package, which is not installed. "
            'Install it with: pip install "atomik-fpga[sim]"'
        )
    if options.engine == "cxxrtl":
        from .cxxrtl_engine import CxxrtlEngine

        try:
            return CxxrtlEngine(options)
        except OSError as error:
            # No compiler, or one that fails; no place for what it makes, or a disk that is full.
            _log.warning(
                "The simulated board runs on Amaranth's simulator, hundreds of times slower than "
                "compiled gateware: %s",
                error,
            )
    from .amaranth_engine import AmaranthEngine

    return AmaranthEngine(options)
