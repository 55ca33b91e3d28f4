"""One context of the ATOMiK algebra behind up to 1,024 lanes of deltas."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .core import core_response_layout, core_swap_layout
from .merge import MergeChain, MergeTree

__all__ = ["DeltaBanks"]

_TOPOLOGIES = {"chain": MergeChain, "tree": MergeTree}


def _take(register, value, take):
    """Return the statement that ``register`` becomes ``value`` if ``take`` is set, else stays.

    By gates which Yosys does not make clock enables of. An enable of so many registers is a global
    net on iCE40, which begins somewhere at the edge of the device, and the way there would set the
    clock.
    """
    register, value = Value.cast(register), Value.cast(value)
    return register.eq(register ^ ((register ^ value) & take.replicate(len(register))))


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

        # The registers of the merge have no reset. Each word that comes out goes with one bit that
        # has: it is low while the word may hold deltas from before the end of the reset.
        fresh = Signal(merge.latency)
        delta = Signal(self._width)
        m.d.sync += [
            fresh.eq(Cat(1, fresh)),
            # An AND and not a Mux with 0, for the reason given in `DeltaCore`.
            delta.eq(merge.o & fresh[-1].replicate(self._width)),
        ]

        # A token's last bit is high in the one cycle in which the context has all that the token
        # covers and nothing else. There is no more than one token of a kind, so that its payload
        # can wait where it will be used.
        free, back, token = {}, {}, {}
        for name in ("load", "read", "swap"):
            # Initially low: iCE40 keeps a register that starts high inverted, and the inverter
            # would be in the way of the enables below.
            free[name] = Signal(name=f"{name}_free")
            back[name] = Signal(name=f"{name}_back")
            token[name] = Signal(merge.latency + 2, name=f"{name}_token")
            request = getattr(self, name)
            m.d.comb += request.ready.eq(free[name])
            m.d.sync += [
                free[name].eq((free[name] & ~request.valid) | back[name] | ~fresh[0]),
                token[name].eq(Cat(request.valid & free[name], token[name])),
            ]
        load = Signal(self._width, reset_less=True)
        swap = Signal(core_swap_layout(self._width), reset_less=True)
        m.d.sync += [
            _take(load, self.load.payload, free["load"]),
            _take(swap, self.swap.payload, free["swap"]),
        ]

        # The context, as in `DeltaCore`, with its controls from one cycle before.
        loads, swaps = token["load"][-2], token["swap"][-2]
        clear = Signal()
        replace = Signal()
        value = Signal(self._width, reset_less=True)
        state = Signal(self._width)
        accumulator = Signal(self._width)
        m.d.comb += back["load"].eq(loads)
        m.d.sync += [
            clear.eq(loads | swaps),
            replace.eq(loads | (swaps & ~swap.keep)),
            value.eq(Mux(loads, load, swap.value)),
            state.eq(Mux(replace, value, state) ^ delta),
            accumulator.eq(Mux(clear, 0, accumulator) ^ delta),
        ]

        for name, response in [("read", self.read_response), ("swap", self.swap_response)]:
            full = Signal(name=f"{name}_full")
            valid = Signal(name=f"{name}_valid")
            slot = Signal(response.payload.shape(), reset_less=True, name=f"{name}_slot")
            taken = valid & response.ready
            m.d.comb += [response.valid.eq(valid), response.payload.eq(slot)]
            # The token's last bit once more, so that each drives one word of the slot and nothing
            # else. It has no reset, or synthesis would make one of the two; what it does to the
            # slot in the cycle after a reset is seen by nobody.
            again = Signal(reset_less=True, name=f"{name}_token_again")
            m.d.sync += [
                full.eq(token[name][-2] | (full & ~taken)),
                valid.eq(full & ~taken),
                back[name].eq(taken),
                again.eq(token[name][-2]),
                _take(slot.state, state, token[name][-1]),
                _take(slot.accumulator, accumulator, again),
            ]
        return m
