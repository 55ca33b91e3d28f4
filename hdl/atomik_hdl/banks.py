"""One context of the ATOMiK algebra behind up to 1,024 lanes of deltas."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .core import core_response_layout, core_swap_layout
from .merge import MergeChain, MergeTree

__all__ = ["DeltaBanks"]

_TOPOLOGIES = {"chain": MergeChain, "tree": MergeTree}

#: Bits of the context with one copy of each control.
_PART = 16


def _take(register, value, take):
    """Return the statement that each bit of ``register`` whose bit of ``take`` is set becomes that
    of ``value``, and the others stay.

    By gates which Yosys does not make clock enables of. An enable of so many registers is a global
    net on iCE40, which begins somewhere at the edge of the device, and the way there would set the
    clock.
    """
    register, value = Value.cast(register), Value.cast(value)
    return register.eq(register ^ ((register ^ value) & take))


def _copies(m, pulses, name):
    """Return registers that follow ``pulses``, of which none is high twice in a row.

    Each depends on itself, so that synthesis does not make one of those that are equal.
    """
    copies = Signal(len(pulses), reset_less=True, name=name)
    m.d.sync += copies.eq(pulses & ~copies)
    return copies


class DeltaBanks(wiring.Component):
    """One context that takes a delta a cycle from each of its lanes.

    The lanes are merged into one word a cycle, which is accumulated as in `DeltaCore`. Loads, reads
    and swaps are tokens: each is on its way for as long as the deltas that it has to come after,
    and then acts on the context. No signal goes to all lanes.

    A token accepted in cycle t covers exactly the deltas that the lanes of group g accepted up to
    and including cycle t + ``skew(g)``. A read's response has what is covered and no more. What
    a load or a swap covers belongs to the epoch that it ends, and all later deltas to the new one.
    Tokens accepted in the same cycle act in the order read, swap, load; those of different cycles
    in the order of their cycles. With ``keep`` set, a swap makes the old state the reference, else
    ``value``. So where all skews are 0, one cycle's order is accum, read, swap, load; in
    `DeltaCore` the delta comes last.

    ``topology`` is how lanes are merged:

    - ``"chain"``: lane n is in group n // 6, and ``skew(g)`` is g. Each group has to do with its
      two neighbours alone, whatever the number of lanes.
    - ``"tree"``: all lanes are in group 0, whose skew is 0. The latency grows with the logarithm of
      the lanes, but the last levels have long wires.

    Latency and throughput
    ----------------------
    Each lane is always ready: one transfer in every cycle, whatever the other ports do.

    A response is valid `latency` cycles after its request transferred, whatever the data and the
    traffic of the other ports, and holds until it transfers. For ``"chain"`` that is the number of
    groups plus 4; for ``"tree"`` it is 4, and 1 more for each level above the pairs of lanes: 1
    level up to 8 lanes, 2 up to 32, 3 up to 128, 4 up to 512, 5 beyond; none up to 2.

    One token of each kind may be on its way. ``ready`` of ``read`` and of ``swap`` is a register
    that is low from a request's transfer until two cycles after its response's transfer, so at
    most one request transfers in `latency` + 2 cycles. ``ready`` of ``load`` returns without a
    response: at most one load transfers in `latency` - 1 cycles.

    Reset
    -----
    A reset drops what transfers during it, requests on their way and responses not yet taken. Else
    it acts as a load of 0 accepted in its last cycle: what group g accepts in the ``skew(g)``
    cycles after it is dropped. ``load``, ``read`` and ``swap`` are not ready in the first cycle
    after it. The same holds after configuration.

    Parameters
    ----------
    width : int
        Bits of the context, 1 to 1024.
    banks : int
        Lanes, 1 to 1024.
    topology : str
        ``"chain"`` or ``"tree"``.

    Members
    -------
    lanes : In(stream.Signature(width)).array(banks)
        Deltas. Always ready.
    load : In(stream.Signature(width))
        New reference.
    read : In(stream.Signature(data.StructLayout({})))
        Request without a payload.
    read_response : Out(stream.Signature(core_response_layout(width)))
        State and accumulator for ``read``.
    swap : In(stream.Signature(core_swap_layout(width)))
        Request; ``value`` is ignored when ``keep`` is set.
    swap_response : Out(stream.Signature(core_response_layout(width)))
        State and accumulator from before the swap.

    Raises
    ------
    TypeError
        If ``width`` or ``banks`` is not an integer.
    ValueError
        If ``width`` or ``banks`` is out of range, or ``topology`` is none of those above.
    """

    def __init__(self, width, banks, *, topology="chain"):
        if topology not in tuple(_TOPOLOGIES):
            names = " or ".join(map(repr, _TOPOLOGIES))
            raise ValueError(f"Topology must be {names}, not {topology!r}")
        self._merge = _TOPOLOGIES[topology](width, banks)
        self._width = width
        self._banks = banks
        self._topology = topology
        super().__init__(
            {
                "lanes": In(stream.Signature(width)).array(banks),
                "load": In(stream.Signature(width)),
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

    @property
    def banks(self):
        """Number of lanes."""
        return self._banks

    @property
    def topology(self):
        """How lanes are merged: ``"chain"`` or ``"tree"``."""
        return self._topology

    @property
    def latency(self):
        """Cycles from the transfer of a read or a swap to its valid response."""
        return self._merge.latency + 3

    @property
    def groups(self):
        """Number of groups of lanes: lanes of one group have one skew."""
        return self._merge.groups

    def group_of(self, lane):
        """Return the group that ``lane`` is in.

        Raises
        ------
        IndexError
            If there is no such lane.
        """
        if not 0 <= lane < self._banks:
            raise IndexError(f"Lane must be between 0 and {self._banks - 1}, not {lane}")
        return self._merge.group_of(lane)

    def skew(self, group):
        """Return how many cycles after a token's own one it still covers deltas of ``group``.

        Raises
        ------
        IndexError
            If there is no such group.
        """
        if not 0 <= group < self.groups:
            raise IndexError(f"Group must be between 0 and {self.groups - 1}, not {group}")
        return self._merge.skew(group)

    def elaborate(self, platform):
        m = Module()

        m.submodules.merge = merge = self._merge
        for outer, inner in zip(self.lanes, merge.lanes, strict=True):
            wiring.connect(m, wiring.flipped(outer), inner)

        # Neither merged words nor tokens on their way nor the context have a reset: that would be
        # one net all over the device. A count of cycles since the reset tells instead whether what
        # comes out of the merge is from after it. The count ends when its last bit is set.
        latency = merge.latency
        size = (latency - 1).bit_length()
        since = Signal(size + 1, init=2**size - latency)
        fresh = since[-1]
        begun = Signal()
        delta = Signal(self._width, reset_less=True)
        m.d.sync += [since.eq(since + ~fresh), begun.eq(1), delta.eq(merge.o)]

        # The bits of the context are in parts. Each has controls of its own, as a net from one
        # register to all bits would be longer than anything in the merge.
        parts = -(-self._width // _PART)

        def spread(controls):
            return Cat(controls[bit // _PART] for bit in range(self._width))

        # While it is low, the context is held at 0. The last delta that this drops is the last
        # one from before the end of the reset. It is `fresh` one cycle later, which it tells from
        # itself: equal registers would be made one again. So it is with all copies below.
        settled = Signal(parts, reset_less=True)
        m.d.sync += settled.eq(fresh.replicate(parts) & (settled | begun.replicate(parts)))

        # A token arrives one cycle before the context has all that the token covers and nothing
        # else. There is no more than one token of a kind, so that its payload can wait where it
        # will be used, and none arrives in two cycles in a row.
        free, back, arrives, arrived = {}, {}, {}, {}
        for name in ("load", "read", "swap"):
            # Initially low: iCE40 keeps a register that starts high inverted, and the inverter
            # would be in the way of the enables below.
            free[name] = Signal(parts, name=f"{name}_free")
            back[name] = Signal(name=f"{name}_back")
            token = Signal(latency, reset_less=True, name=f"{name}_token")
            arrives[name] = token[-1] & fresh
            arrived[name] = Signal(name=f"{name}_arrived")
            request = getattr(self, name)
            m.d.comb += request.ready.eq(free[name][0])
            again = (back[name] | ~begun).replicate(parts)
            m.d.sync += [
                free[name].eq((free[name] & ~request.valid.replicate(parts)) | again),
                token.eq(Cat(request.valid & free[name][0], token)),
                arrived[name].eq(arrives[name]),
            ]
        load = Signal(self._width, reset_less=True)
        keep = Signal(reset_less=True, name="swap_keep")
        swap = Signal(self._width, reset_less=True)
        m.d.sync += [
            _take(load, self.load.payload, spread(free["load"])),
            _take(keep, self.swap.payload.keep, free["swap"][0]),
            _take(swap, self.swap.payload.value, spread(free["swap"])),
        ]

        # The context, as in `DeltaCore`, with its controls from one cycle before.
        acts = {
            name: _copies(m, pulse.replicate(parts), f"{name}_acts")
            for name, pulse in arrives.items()
        }
        loads, swaps = acts["load"], acts["swap"]
        clear = Signal(parts, reset_less=True)
        replace = Signal(parts, reset_less=True)
        value = Signal(self._width, reset_less=True)
        state = Signal(self._width, reset_less=True)
        accumulator = Signal(self._width, reset_less=True)
        m.d.comb += back["load"].eq(arrived["load"])
        m.d.sync += [
            clear.eq(loads | swaps | ~settled),
            replace.eq(loads | (swaps & ~keep.replicate(parts)) | ~settled),
            value.eq((swap ^ ((swap ^ load) & spread(loads))) & spread(settled)),
            state.eq(state ^ ((state ^ value) & spread(replace)) ^ delta),
            accumulator.eq((accumulator & ~spread(clear)) ^ delta),
        ]

        for name, response in [("read", self.read_response), ("swap", self.swap_response)]:
            full = Signal(name=f"{name}_full")
            valid = Signal(name=f"{name}_valid")
            slot = Signal(response.payload.shape(), reset_less=True, name=f"{name}_slot")
            taken = valid & response.ready
            m.d.comb += [response.valid.eq(valid), response.payload.eq(slot)]
            m.d.sync += [
                full.eq(arrived[name] | (full & ~taken)),
                valid.eq(full & ~taken),
                back[name].eq(taken),
            ]
            # What the copies do to the slot in the first cycles after a reset is seen by nobody.
            for field, source in [("state", state), ("accumulator", accumulator)]:
                takes = _copies(m, acts[name], f"{name}_{field}_takes")
                m.d.sync += _take(slot[field], source, spread(takes))
        return m
