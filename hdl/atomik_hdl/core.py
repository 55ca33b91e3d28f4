"""One context of the ATOMiK algebra behind four independent stream ports."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["DeltaCore", "core_response_layout", "core_swap_layout"]

_MAX_WIDTH = 1024


def core_response_layout(width):
    """Layout of a response of `DeltaCore`: ``state`` and ``accumulator``, ``width`` bits each."""
    return data.StructLayout({"state": width, "accumulator": width})


def core_swap_layout(width):
    """Layout of a swap request of `DeltaCore`: ``keep``, and ``value`` for a swap without it."""
    return data.StructLayout({"keep": 1, "value": width})


class DeltaCore(wiring.Component):
    """One context: a reference and an accumulator, whose XOR is the state.

    The four ports can all transfer in one cycle. What transfers together acts in the order read,
    swap, load, accum: a delta that comes with a load or a swap belongs to the new epoch, and a load
    that comes with a swap wins over the swap's value. No delta is lost or counted twice.

    - ``load`` makes its payload the reference and clears the accumulator.
    - ``accum`` XORs its payload into the accumulator.
    - ``read`` changes nothing.
    - ``swap`` clears the accumulator. With ``keep`` set, the old state becomes the reference and
      the state stays what it was; else ``value`` becomes the reference.

    A response of ``read`` or ``swap`` holds the state and the accumulator from before anything that
    transferred in the cycle of its request.

    What is stored is the state and the accumulator; the reference is their XOR. An accumulate is
    then the same for both, and each bit of either needs one 4-input LUT between its register and
    itself.

    Latency and throughput
    ----------------------
    ``load`` and ``accum`` are always ready: one transfer each in every cycle. Either is seen by the
    requests of the next cycle.

    A response is valid two cycles after its request transferred, whatever the data and the traffic
    of the other ports, and holds until it transfers. Each of the two ports has room for one
    response. Its ``ready`` is a register that is low from a request's transfer until the cycle
    after its response's transfer, so at most one request transfers in three cycles: the most
    that a single slot allows when ``ready`` is a register.

    Reset
    -----
    A reset sets reference and accumulator to 0. It drops what transfers during it, requests in
    flight and responses not yet taken.

    Parameters
    ----------
    width : int
        Bits of the context, 1 to 1024.

    Members
    -------
    load : In(stream.Signature(width))
        New reference. Always ready.
    accum : In(stream.Signature(width))
        Delta. Always ready.
    read : In(stream.Signature(data.StructLayout({})))
        Request without a payload.
    read_response : Out(stream.Signature(core_response_layout(width)))
        Values for ``read``.
    swap : In(stream.Signature(core_swap_layout(width)))
        Request; ``value`` is ignored when ``keep`` is set.
    swap_response : Out(stream.Signature(core_response_layout(width)))
        Values from before the swap.

    Raises
    ------
    TypeError
        If ``width`` is not an integer.
    ValueError
        If ``width`` is not between 1 and 1024.
    """

    def __init__(self, width):
        if not isinstance(width, int) or isinstance(width, bool):
            raise TypeError(f"Width must be an integer, not {width!r}")
        if not 1 <= width <= _MAX_WIDTH:
            raise ValueError(f"Width must be between 1 and {_MAX_WIDTH}, not {width}")
        self._width = width
        super().__init__(
            {
                "load": In(stream.Signature(width)),
                "accum": In(stream.Signature(width)),
                "read": In(stream.Signature(data.StructLayout({}))),
                "read_response": Out(stream.Signature(core_response_layout(width))),
                "swap": In(stream.Signature(core_swap_layout(width))),
                "swap_response": Out(stream.Signature(core_response_layout(width))),
            }
        )

    @property
    def width(self):
        """Bits of the context."""
        return self._width

    def elaborate(self, platform):
        m = Module()

        # First stage: what transferred in the last cycle. Nothing here depends on stored values,
        # and each control is a register of its own beside what it drives.
        clear = Signal()
        replace = Signal()
        value = Signal(self._width, reset_less=True)
        delta = Signal(self._width)

        swapped = Signal()
        m.d.comb += [
            self.load.ready.eq(1),
            self.accum.ready.eq(1),
            swapped.eq(self.swap.valid & self.swap.ready),
        ]
        m.d.sync += [
            clear.eq(self.load.valid | swapped),
            replace.eq(self.load.valid | (swapped & ~self.swap.payload.keep)),
            value.eq(Mux(self.load.valid, self.load.payload, self.swap.payload.value)),
            # An AND and not a Mux with 0: Yosys makes a Mux with 0 a synchronous reset of the
            # register, and its inverter and net then set the clock.
            delta.eq(self.accum.payload & self.accum.valid.replicate(self._width)),
        ]

        # Second stage: the context.
        state = Signal(self._width)
        accumulator = Signal(self._width)
        m.d.sync += [
            state.eq(Mux(replace, value, state) ^ delta),
            accumulator.eq(Mux(clear, 0, accumulator) ^ delta),
        ]

        for name, request, response in [
            ("read", self.read, self.read_response),
            ("swap", self.swap, self.swap_response),
        ]:
            # Exactly one of the three is set: the port is free, the request is in the first stage,
            # the response waits.
            credit = Signal(init=1, name=f"{name}_credit")
            capture = Signal(name=f"{name}_capture")
            valid = Signal(name=f"{name}_valid")
            slot = Signal(response.payload.shape(), reset_less=True, name=f"{name}_slot")
            m.d.comb += [
                request.ready.eq(credit),
                response.valid.eq(valid),
                response.payload.eq(slot),
            ]
            # The next values of `credit` and `valid` do without `capture`, so that it drives
            # nothing but the clock enables of the slot.
            m.d.sync += [
                credit.eq(Mux(credit, ~request.valid, valid & response.ready)),
                capture.eq(credit & request.valid),
                valid.eq(~credit & ~(valid & response.ready)),
            ]
            with m.If(capture):
                m.d.sync += [slot.state.eq(state), slot.accumulator.eq(accumulator)]
        return m
