"""The banks of a device and their registers, in Python: ``docs/link.md``, "Banks"."""

from __future__ import annotations

from atomik_fpga.protocol import LANE_STEP, SEED_STEP, BankRegister

__all__ = ["BanksModel"]

#: The device counts cycles in so many bits.
_COUNT = (1 << 32) - 1
_GROUP = 6


class BanksModel:
    """Banks whose runs take no time. A delta of a lane is an ``^=`` of Python's.

    Parameters
    ----------
    width, lanes : int
        Bits of a delta, and lanes.
    """

    def __init__(self, width: int, lanes: int) -> None:
        self._width = width
        self._lanes = lanes
        self._registers = dict.fromkeys(BankRegister, 0)

    def load(self, register: int, word: int) -> None:
        """Write a register; of those that can't be written nothing changes."""
        if register == BankRegister.SEED:
            self._registers[BankRegister.SEED] = word
        elif register == BankRegister.RUN:
            self._run(word & _COUNT)

    def read(self, register: int) -> int:
        """Return what a register says."""
        return self._registers[BankRegister(register)]

    def _run(self, cycles: int) -> None:
        state = 0
        word = self._registers[BankRegister.SEED]
        for lane in range(self._lanes):
            for _ in range(2 if lane else 1):
                word = self._step(word, *SEED_STEP)
            delta = word
            for _ in range(cycles):
                state ^= delta
                delta = self._step(delta, *LANE_STEP)
        groups = -(-self._lanes // _GROUP)
        self._registers[BankRegister.ELAPSED] = cycles + self._lanes + groups + 5 & _COUNT
        self._registers[BankRegister.STATE] = state

    def _step(self, word: int, rotation: int, shift: int) -> int:
        ones = (1 << self._width) - 1
        word = (word ^ word << shift) & ones
        return (word << rotation | word >> self._width - rotation) & ones
