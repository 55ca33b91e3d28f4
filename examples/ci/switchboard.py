"""An application: 64 switches that are thrown in one place and looked at in many."""

from __future__ import annotations

from atomik_fpga import AtomikContext


class Switchboard:
    """Switches 0 to 63, a bit each of one context. All are off in a new one."""

    def __init__(self, context: AtomikContext) -> None:
        self._context = context
        self._thrown: list[int] = []

    def throw(self, *switches: int) -> None:
        """Turn the ones that are on off, and the others on."""
        delta = 0
        for switch in switches:
            delta ^= 1 << switch
        self._context.accum(delta)
        self._thrown.append(delta)

    def undo(self) -> None:
        """Take the latest `throw` back. No other state is kept than what was thrown."""
        self._context.rollback(self._thrown.pop())

    def on(self) -> set[int]:
        """Return the switches that are on."""
        return switches_of(self._context.read())

    def changed(self) -> set[int]:
        """Return the switches that are not as they were at the last `settle`."""
        return switches_of(self._context.accumulator)

    def settle(self) -> set[int]:
        """Make all as it is final, and return the switches that are on."""
        self._thrown.clear()
        return switches_of(self._context.swap())


def switches_of(word: int) -> set[int]:
    """Return the numbers of the bits that are set."""
    return {switch for switch in range(word.bit_length()) if word >> switch & 1}


def open_switchboard() -> Switchboard:
    """Return a switchboard on the port that ATOMIK_PORT names; without one, in this process."""
    return Switchboard(AtomikContext(64))
