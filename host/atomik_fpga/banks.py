"""The banks of a device: many lanes with a generator each, run for a number of cycles.

``docs/link.md`` says what a run does. It is linear over the bits, so that this module tells the
state after any number of cycles without stepping through them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import SupportsIndex

from .bulk import to_integer
from .errors import AtomikError, BanksError
from .ops import Ops
from .protocol import (
    FEATURE_BANKS,
    LANE_STEP,
    MAX_LANES,
    MAX_RUN_CYCLES,
    MAX_WIDTH,
    MIN_BANKS_WIDTH,
    SEED_STEP,
    BankRegister,
)

__all__ = ["Banks", "BanksResult", "banks_state"]

#: Longest time between two looks at a run, in seconds.
_LOOK = 0.05
#: Seconds beyond twice its own time after which a run should have ended.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class BanksResult:
    """What a device says of a run.

    Attributes
    ----------
    lanes, cycles : int
        A delta a lane was accumulated in each of so many cycles.
    elapsed : int
        Clock cycles that the device counted from the first delta until the state was there.
    state : int
        XOR of all deltas.
    """

    lanes: int
    cycles: int
    elapsed: int
    state: int

    @property
    def accumulates(self) -> int:
        """Deltas that were accumulated."""
        return self.lanes * self.cycles


class Banks:
    """The banks of a connection; `Connection.banks` makes it. Safe to use from several threads.

    Parameters
    ----------
    ops : Ops
        Of the device.
    turn : lock
        One for the device: it does one run at a time.
    note : callable of AtomikError
        Told of each error of the driver that `run` raises.

    Raises
    ------
    BanksError
        If the device has none.
    """

    def __init__(
        self, ops: Ops, turn: threading.Lock, note: Callable[[AtomikError], object]
    ) -> None:
        info = ops.device_info
        if not info.features & FEATURE_BANKS:
            raise BanksError(
                f"The device at {ops.url} has no banks: build one with `atomik build ulx3s-25f "
                "--lanes 64`, or simulate one with sim://?lanes=16"
            )
        self._ops = ops
        self._info = info
        self._turn = turn
        self._note = note

    @property
    def lanes(self) -> int:
        """Number of lanes."""
        return self._info.lanes

    @property
    def width(self) -> int:
        """Bits of a delta."""
        return self._info.width

    def __repr__(self) -> str:
        return f"<Banks {self._ops.url} {self.lanes} x {self.width} bit>"

    def run(self, cycles: SupportsIndex, seed: SupportsIndex = 1) -> BanksResult:
        """Let each lane accumulate a delta in every one of ``cycles`` cycles; wait for the state.

        Parameters
        ----------
        cycles : int
            0 to 2**31.
        seed : int
            1 to 2**width - 1: of 0 all deltas would be 0.

        Raises
        ------
        TypeError, ValueError
            If an argument is none of these; nothing was sent then.
        BanksError
            If the run does not end in its time.
        AtomikError
            If the link fails, or the device was reset.
        """
        count = _within("Cycles", cycles, 0, MAX_RUN_CYCLES)
        start = _within("Seed", seed, 1, (1 << self.width) - 1)
        with self._turn:
            try:
                return self._run(count, start)
            except AtomikError as error:
                self._note(error)
                raise

    def _run(self, count: int, seed: int) -> BanksResult:
        ops, seconds = self._ops, count / self._info.clock_hz
        ops.load_registers(BankRegister.SEED, (seed, count))
        begin = ops.link_clock()
        while True:
            running, elapsed, state = ops.read_registers(BankRegister.RUN, 3)
            if not running:
                return BanksResult(self.lanes, count, elapsed, state)
            passed = ops.link_clock() - begin
            if passed > 2 * seconds + _PATIENCE:
                raise BanksError(
                    f"A run of {count} cycles at {self._info.clock_hz} Hz has not ended after "
                    f"{passed:.1f} s, {elapsed} cycles: reset the device at {ops.url}"
                )
            time.sleep(min(_LOOK, max(0.0, seconds - passed)))

    def expected(self, cycles: SupportsIndex, seed: SupportsIndex = 1) -> int:
        """Return the state that a run must give; see `banks_state`."""
        return banks_state(self.width, self.lanes, cycles, seed)


def banks_state(
    width: SupportsIndex, lanes: SupportsIndex, cycles: SupportsIndex, seed: SupportsIndex
) -> int:
    """Return the state of banks after a run from ``seed``, in Python alone.

    The time that this takes grows with the logarithm of ``cycles``, with the square of ``width``
    and with ``lanes``: some 10 ms for 64 bits.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer, or out of the range that devices have.
    """
    bits = _within("Width", width, MIN_BANKS_WIDTH, MAX_WIDTH)
    number = _within("Lanes", lanes, 1, MAX_LANES)
    count = _within("Cycles", cycles, 0, MAX_RUN_CYCLES)
    word = _step(_within("Seed", seed, 1, (1 << bits) - 1), bits, SEED_STEP)
    delta = 0
    for _ in range(number):
        delta ^= word
        word = _step(_step(word, bits, SEED_STEP), bits, SEED_STEP)

    # The deltas of all lanes together take the step A, as those of each lane do. With powers[k] =
    # A^(2^k), the sum of the first 2^k deltas from one on is (1 + A^(2^(k-1))) ... (1 + A) of it.
    powers: list[list[int]] = []
    power = [_step(1 << bit, bits, LANE_STEP) for bit in range(bits)]
    state = 0
    for k in range(count.bit_length()):
        if count >> k & 1:
            part = delta
            for each in powers:
                part ^= _image(each, part)
            state ^= part
            delta = _image(power, delta)
        powers.append(power)
        power = [_image(power, column) for column in power]
    return state


def _step(word: int, width: int, amounts: tuple[int, int]) -> int:
    rotation, shift = amounts
    ones = (1 << width) - 1
    word = (word ^ word << shift) & ones
    return (word << rotation | word >> (width - rotation)) & ones


def _image(columns: list[int], word: int) -> int:
    """Return what the matrix with these columns makes of a word."""
    image = 0
    while word:
        lowest = word & -word
        image ^= columns[lowest.bit_length() - 1]
        word ^= lowest
    return image


def _within(name: str, value: SupportsIndex, lowest: int, highest: int) -> int:
    number = to_integer(value, name)
    if not lowest <= number <= highest:
        raise ValueError(f"{name} must be between {lowest} and {highest}, not {number}")
    return number
