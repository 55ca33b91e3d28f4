"""What the command's tests share: how one is run, and what is in the device's context 3."""

from __future__ import annotations

from collections.abc import Callable

from atomik_sim.model import DeviceModel

__all__ = ["ACCUMULATOR", "REFERENCE", "STATE", "Run", "table"]

REFERENCE = 0x0123_4567_89AB_CDEF
ACCUMULATOR = 0xFF
STATE = 0x0123_4567_89AB_CD10

#: Runs a command line: exit code, stdout, stderr.
Run = Callable[..., tuple[int, str, str]]


def table(model: DeviceModel) -> list[tuple[int, int]]:
    """Return reference and accumulator of every context."""
    return list(zip(model.references, model.accumulators, strict=True))
