"""UART: one receiver and one transmitter, 8 data bits, no parity, one stop bit.

The bit clock is a phase accumulator, so that the clock need not be a multiple of the baud rate.
"""

from dataclasses import dataclass
from functools import cached_property

from amaranth import *
from amaranth.lib import cdc, data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BaudPlan", "UartReceiver", "UartTransmitter"]

_MIN_CLOCKS_A_BIT = 4
_MAX_BAUD_ERROR = 0.02
# The accumulator gets as many bits as this error needs: 0.1 % is a hundredth of a bit by the end
# of a character. Wider than the limit it would only serve baud rates that nobody uses.
_WANTED_BAUD_ERROR = 0.001
_MAX_PHASE_BITS = 24


@dataclass(frozen=True)
class BaudPlan:
    """How a clock makes a baud rate.

    Each clock adds ``step`` to a phase of ``phase_bits`` bits; each overflow is a bit.
    ``phase_bits`` is the smallest number that reaches the baud rate within 0.1 %, or 24.

    Parameters
    ----------
    clock_frequency : int or float
        Frequency of the ``sync`` domain in hertz.
    baud : int or float
        Wanted line rate in bit/s.

    Raises
    ------
    TypeError
        If a parameter is not a positive number.
    ValueError
        If there are fewer than 4 clocks a bit, or if the baud rate reached is over 2 % off.
    """

    clock_frequency: int | float
    baud: int | float

    def __post_init__(self):
        for name, value in (
            ("Clock frequency", self.clock_frequency),
            ("Baud rate", self.baud),
        ):
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise TypeError(f"{name} must be a positive number, not {value!r}")
        if self.clock_frequency < _MIN_CLOCKS_A_BIT * self.baud:
            raise ValueError(
                f"Baud rate {self.baud} needs a clock of at least "
                f"{_MIN_CLOCKS_A_BIT * self.baud} Hz ({_MIN_CLOCKS_A_BIT} clocks a bit), not "
                f"{self.clock_frequency} Hz; use a faster clock (a PLL) or a baud rate of at most "
                f"{int(self.clock_frequency / _MIN_CLOCKS_A_BIT)}"
            )
        if abs(self.baud_error) > _MAX_BAUD_ERROR:
            raise ValueError(
                f"Baud rate {self.baud} is {self.baud_error:+.1%} off with a clock of "
                f"{self.clock_frequency} Hz (at most {_MAX_BAUD_ERROR:.0%} allowed); use a slower "
                f"clock or a higher baud rate"
            )

    @cached_property
    def phase_bits(self):
        """Bits of the phase accumulator."""
        return next(
            (bits for bits in range(2, _MAX_PHASE_BITS) if self._error(bits) <= _WANTED_BAUD_ERROR),
            _MAX_PHASE_BITS,
        )

    @cached_property
    def step(self):
        """What each clock adds to the phase."""
        return self._step(self.phase_bits)

    @property
    def reached_baud(self):
        """Mean line rate reached, in bit/s."""
        return self.clock_frequency * self.step / 2**self.phase_bits

    @property
    def baud_error(self):
        """Error of the mean line rate, as a signed fraction of the wanted one."""
        return self.reached_baud / self.baud - 1

    def _step(self, bits):
        return round(2**bits * self.baud / self.clock_frequency)

    def _error(self, bits):
        return abs(self._step(bits) * self.clock_frequency / (2**bits * self.baud) - 1)


class _Uart(wiring.Component):
    def __init__(self, signature, clock_frequency, baud):
        self._plan = BaudPlan(clock_frequency, baud)
        super().__init__(signature)

    @property
    def clock_frequency(self):
        """Frequency of the ``sync`` domain in hertz."""
        return self._plan.clock_frequency

    @property
    def baud(self):
        """Wanted line rate in bit/s."""
        return self._plan.baud

    @property
    def baud_error(self):
        """Error of the mean line rate, as a signed fraction of the wanted one."""
        return self._plan.baud_error


class UartReceiver(_Uart):
    """Receives characters from a serial line.

    A falling edge starts a character. The start bit is checked again at its middle: a line that is
    high there was a glitch, and nothing is received. The data bits and the stop bit are sampled at
    their middles, and right after the middle of the stop bit the next start bit is looked for, so
    that a sender may be faster than this side. A low stop bit is a framing error: the character is
    reported with ``error`` set, and the line has to go high before the next character can start,
    so that a break is one error, however long it is.

    A reset drops the character that is being received, and waits for a high line as well.

    The start of a character is known to one clock, so sampling points are meant for the middle of
    that clock, and rounded to the nearest clock one by one: errors do not add up in a character.

    Latency from the middle of the stop bit to the transfer: 3 clocks. Throughput: one character
    every 10 bits.

    Parameters
    ----------
    clock_frequency : int or float
        Frequency of the ``sync`` domain in hertz.
    baud : int or float
        Line rate in bit/s.

    Members
    -------
    rx : ``In(1, init=1)``
        Serial line, asynchronous to the clock.
    o : ``Out(stream.Signature(StructLayout({"data": 8, "error": 1}), always_ready=True))``
        One transfer a character. After a framing error ``error`` is 1 and ``data`` meaningless.

    Raises
    ------
    TypeError, ValueError
        As `BaudPlan`.
    """

    def __init__(self, clock_frequency, baud):
        payload = data.StructLayout({"data": 8, "error": 1})
        super().__init__(
            {
                "rx": In(1, init=1),
                "o": Out(stream.Signature(payload, always_ready=True)),
            },
            clock_frequency,
            baud,
        )

    def elaborate(self, platform):
        """Elaborate the component."""
        m = Module()

        # It starts low, as after a framing error: a line that is low at configuration is no start.
        rx = Signal()
        m.submodules.rx_sync = cdc.FFSynchronizer(self.rx, rx, init=0)

        # The edge came between the last high and the first low sample, half a clock before the
        # latter on average. The accumulator starts one clock after that sample. Half a bit less
        # that clock and half, and another half to round to the nearest, leaves this to start with.
        plan = self._plan
        phase_start = 2 ** (plan.phase_bits - 1) + plan.step
        phase = Signal(plan.phase_bits, init=phase_start)
        next_phase = Signal(plan.phase_bits)
        middle = Signal()
        m.d.comb += Cat(next_phase, middle).eq(phase + plan.step)

        # Data enter at the top; the lowest bit marks that all eight are in.
        shift = Signal(9, reset_less=True)
        m.d.comb += self.o.payload.data.eq(shift[1:])
        m.d.sync += self.o.valid.eq(0)

        with m.FSM():
            with m.State("WAIT"):
                with m.If(rx):
                    m.next = "IDLE"
            with m.State("IDLE"):
                m.d.sync += phase.eq(phase_start)
                with m.If(~rx):
                    m.next = "START"
            with m.State("START"):
                m.d.sync += phase.eq(next_phase)
                m.d.sync += shift.eq(0b1_0000_0000)
                with m.If(middle):
                    m.next = "DATA"
                    with m.If(rx):
                        m.next = "IDLE"
            with m.State("DATA"):
                m.d.sync += phase.eq(next_phase)
                with m.If(middle):
                    with m.If(~shift[0]):
                        m.d.sync += shift.eq(Cat(shift[1:], rx))
                    with m.Else():
                        m.d.sync += self.o.valid.eq(1)
                        m.d.sync += self.o.payload.error.eq(~rx)
                        m.next = "WAIT"
                        with m.If(rx):
                            m.next = "IDLE"

        return m


class UartTransmitter(_Uart):
    """Sends characters over a serial line.

    A character is taken in as soon as the stop bit of the one before has begun, so characters that
    are ready in time follow each other without a gap. Every edge is rounded to the nearest clock,
    and errors do not add up.

    A reset cuts the character that is being sent short: the line goes high.

    Latency from the transfer to the start bit: 2 clocks on an idle line. Throughput: one character
    every 10 bits.

    Parameters
    ----------
    clock_frequency : int or float
        Frequency of the ``sync`` domain in hertz.
    baud : int or float
        Line rate in bit/s.

    Members
    -------
    i : ``In(stream.Signature(8))``
        Characters to send.
    tx : ``Out(1, init=1)``
        Serial line.

    Raises
    ------
    TypeError, ValueError
        As `BaudPlan`.
    """

    def __init__(self, clock_frequency, baud):
        super().__init__(
            {"i": In(stream.Signature(8)), "tx": Out(1, init=1)}, clock_frequency, baud
        )

    def elaborate(self, platform):
        """Elaborate the component."""
        m = Module()

        # An idle line overflows in its first clock and leaves half a step: edges are rounded.
        plan = self._plan
        phase_start = 2**plan.phase_bits - plan.step + plan.step // 2
        phase = Signal(plan.phase_bits, init=phase_start)
        next_phase = Signal(plan.phase_bits)
        edge = Signal()
        m.d.comb += Cat(next_phase, edge).eq(phase + plan.step)

        # Start bit, data and stop bit; the last 1 leaves the register when the stop bit begins.
        shift = Signal(10)
        busy = Signal()
        m.d.comb += self.i.ready.eq(shift == 0)

        with m.If(busy):
            m.d.sync += phase.eq(next_phase)
            with m.If(edge):
                with m.If(shift == 0):
                    m.d.sync += phase.eq(phase_start)
                    m.d.sync += busy.eq(0)
                with m.Else():
                    m.d.sync += Cat(self.tx, shift).eq(shift)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += shift.eq(Cat(C(0, 1), self.i.payload, C(1, 1)))
            m.d.sync += busy.eq(1)

        return m
