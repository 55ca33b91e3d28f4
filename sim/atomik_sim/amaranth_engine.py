"""The device on Amaranth's simulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.sim import Simulator

from atomik_hdl.device import DeltaDevice

from .options import BoardOptions
from .pins import CHARACTER_BITS, IDLE, LineReceiver, LineTiming

__all__ = ["AmaranthEngine"]


class AmaranthEngine:
    """An `Engine` on Amaranth's simulator.

    It takes the processes that Amaranth compiles from the design, and runs them in an order of its
    own: the clock has rising edges only, no testbench and no timeline stand between two clocks,
    and a combinational process sees what the others did before it at once. Registers take their
    new values together, as ever, and what settles is the same. Amaranth does not promise these
    internals; the package requires one exact version of it, and a test holds what the pins do
    against Amaranth's own order, clock by clock.

    Parameters
    ----------
    options : BoardOptions
    """

    #: Answers should not wait for what is sent after their questions.
    batch = 1

    def __init__(self, options: BoardOptions) -> None:
        frequency = options.clock_frequency
        device = DeltaDevice(frequency, options.baud, options.width, options.contexts)
        domain = ClockDomain("sync")
        top = Module()
        top.domains.sync = domain
        top.submodules.device = device

        engine = Simulator(top)._engine
        engine.step_design()
        state = engine.state
        self._pending = state.pending

        def slot(signal: Signal) -> Any:
            return state.slots[state.get_signal(signal)]

        self._rx = slot(device.rx)
        self._tx = slot(device.tx)
        self._busy = slot(device.busy)
        self._rst = slot(domain.rst)
        self._registers = [process.run for process in engine._processes if not process.is_comb]
        self._combinational = [process for process in engine._processes if process.is_comb]

        self._timing = LineTiming(frequency, options.baud)
        self._receiver = LineReceiver(frequency, options.baud)
        self._clocks = 0
        self._rx_bits = 0
        self._idle = False

    @property
    def clocks(self) -> int:
        """Clocks since the device was configured."""
        return self._clocks

    @property
    def pin_bits(self) -> tuple[int, int]:
        """Bits driven on ``rx`` and sampled on ``tx`` so far."""
        return self._rx_bits, self._receiver.bits

    @property
    def idle(self) -> bool:
        """True once nothing has happened for the length of a character.

        The device has no timers: with its inputs at rest and ``busy`` low, all that can still come
        is the end of what went into its pipelines, and that takes fewer clocks.
        """
        return self._idle

    def transfer(self, characters: Sequence[int]) -> bytes:
        """Drive ``characters`` on ``rx``; return the bytes that came on ``tx`` meanwhile."""
        received = bytearray()
        for levels in characters:
            quiet = levels == IDLE and not self._busy.curr and not self._receiver.receiving
            bits = self._receiver.bits
            for bit in range(CHARACTER_BITS):
                self._drive(levels >> bit & 1)
                for _ in range(self._timing.next_bit()):
                    self._clock()
                    byte = self._receiver.clock(self._tx.curr)
                    if byte is not None:
                        received.append(byte)
            if levels != IDLE:
                self._rx_bits += CHARACTER_BITS
            self._idle = (
                quiet
                and not self._busy.curr
                and not self._receiver.receiving
                and self._receiver.bits == bits
            )
        return bytes(received)

    def reset(self) -> None:
        """Hold the device's reset for one clock."""
        self._idle = False
        self._rst.update(1)
        self._settle()
        self._clock()
        self._rst.update(0)
        self._settle()

    def _drive(self, level: int) -> None:
        if level != self._rx.curr:
            self._rx.update(level)
            self._settle()

    def _clock(self) -> None:
        for register in self._registers:
            register()
        self._settle()
        self._clocks += 1

    def _settle(self) -> None:
        self._commit()
        again = True
        while again:
            again = False
            for process in self._combinational:
                if process.runnable:
                    process.runnable = False
                    process.run()
                    if self._pending:
                        self._commit()
                        again = True

    def _commit(self) -> None:
        changed = list(self._pending)
        self._pending.clear()
        for state in changed:
            state.commit()
