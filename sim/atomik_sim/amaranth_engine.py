"""The device on Amaranth's simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .device import make_device
from .options import BoardOptions
from .pins import CHARACTER_BITS, IDLE, LineReceiver, LineTiming, pulses
from .scheduler import Scheduler

__all__ = ["AmaranthEngine"]


class AmaranthEngine:
    """An `Engine` on Amaranth's simulator.

    Parameters
    ----------
    options : BoardOptions
    device : elaboratable or None
        With the pins of `DeltaDevice`; None for that.
    scheduler : callable
        Makes what runs it, of the device.
    """

    name = "amaranth"
    #: Answers should not wait for what is sent after their questions.
    batch = 1

    def __init__(
        self,
        options: BoardOptions,
        device: Any = None,
        scheduler: Callable[[Any], Scheduler] = Scheduler,
    ) -> None:
        frequency = options.clock_frequency
        if device is None:
            device = make_device(options)
        self._scheduler = scheduler(device)
        self._rx = self._scheduler.slot(device.rx)
        self._tx = self._scheduler.slot(device.tx)
        self._busy = self._scheduler.slot(device.busy)
        line_rate = options.line_rate
        self._timing = LineTiming(frequency, line_rate)
        self._receiver = LineReceiver(frequency, line_rate, tolerant=line_rate != options.baud)
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
        scheduler, receiver = self._scheduler, self._receiver
        receiving = receiver.receiving
        received = bytearray()
        for levels in characters:
            quiet = levels == IDLE and not self._busy.curr
            for bit in range(CHARACTER_BITS):
                for level, clocks in pulses(levels, bit, self._timing.next_bit()):
                    scheduler.update(self._rx, level)
                    for _ in range(clocks):
                        scheduler.clock()
                        self._clocks += 1
                        sent = self._tx.curr
                        if receiving or not sent:
                            byte = receiver.clock(sent)
                            receiving = receiver.receiving
                            quiet = False
                            if byte is not None:
                                received.append(byte)
                if levels != IDLE:
                    self._rx_bits += 1
            self._idle = quiet and not self._busy.curr
        return bytes(received)

    def reset(self) -> None:
        """Hold the device's reset for one clock."""
        self._scheduler.reset()
        self._clocks += 1
        self._idle = False
