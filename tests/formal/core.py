"""Proofs about `DeltaCore`."""

from __future__ import annotations

from atomik_hdl.core import DeltaCore

from . import core_algebra, core_behaviour
from .mutation import Mutation
from .registry import Proof

__all__ = ["PROOFS"]

_WIDTHS = (1, 7, 8, 64)
#: The core whose proofs pytest runs too.
_QUICK = 8

_ACCUMULATE = "Mux(clear, 0, accumulator) ^ delta"
_VALID = "valid.eq(~credit & ~(valid & response.ready))"

#: Property, its specification, and the mutation that it must notice.
_PROPERTIES = (
    (
        "state and accumulator of every response equal the one-word model's",
        core_behaviour.OneWordModel,
        Mutation(
            "answers with the delta of the request's own cycle",
            "slot.accumulator.eq(accumulator)",
            "slot.accumulator.eq(accumulator ^ delta)",
        ),
    ),
    (
        "a delta counts exactly once, in the epoch that it arrived in, across loads and swaps",
        core_behaviour.MarkedDelta,
        Mutation(
            "loses a delta that comes together with a load or a swap",
            _ACCUMULATE,
            "Mux(clear, 0, accumulator ^ delta)",
        ),
    ),
    (
        "no handshake depends on data",
        core_behaviour.LatencyIndependentOfData,
        Mutation(
            "keeps a response back while the accumulator is 0",
            _VALID,
            "valid.eq(~credit & ~(valid & response.ready) & (valid | accumulator.any()))",
        ),
    ),
    (
        "a response is valid two cycles after its request, and ready returns when it was taken",
        core_behaviour.ExactLatency,
        Mutation(
            "keeps a response back while its taker is ready",
            _VALID,
            "valid.eq(~credit & ~response.ready)",
        ),
    ),
    (
        "a response holds until it is taken",
        core_behaviour.ResponsesHold,
        Mutation(
            "overwrites a waiting response when an epoch ends",
            "with m.If(capture):",
            "with m.If(capture | clear):",
        ),
    ),
    (
        "a reset leaves zeros and no response, whatever transferred during it",
        core_behaviour.ResetCore,
        Mutation(
            "keeps a delta that came during the reset",
            "delta = Signal(self._width)",
            "delta = Signal(self._width, reset_less=True)",
        ),
    ),
    (
        "self-inverse: a delta twice in an epoch is as never",
        core_algebra.TwiceIsNever,
        Mutation(
            "sets bits where it should toggle them",
            _ACCUMULATE,
            "Mux(clear, 0, accumulator) | delta",
        ),
    ),
    (
        "commutation: any two deltas of an epoch give the same in either order",
        core_algebra.SameInAnyOrder,
        Mutation("keeps the last delta alone", _ACCUMULATE, "delta"),
    ),
    (
        "identity: an accumulate of 0 changes nothing",
        core_algebra.AccumulateOfZero,
        Mutation(
            "applies a delta again while the port is idle",
            "self.accum.payload & self.accum.valid.replicate(self._width)",
            "Mux(self.accum.valid, self.accum.payload, delta)",
        ),
    ),
    (
        "swap atomicity: a swap that keeps the state changes it in no cycle",
        core_algebra.KeepingSwap,
        Mutation(
            "takes the value of a swap that should keep the state",
            "(swapped & ~self.swap.payload.keep)",
            "swapped",
        ),
    ),
    (
        "swap atomicity: a swap's response is what a read in the same cycle gets",
        core_behaviour.TwinResponses,
        Mutation(
            "answers a swap with the new value",
            "slot.state.eq(state)",
            "slot.state.eq(state if name == 'read' else Mux(replace, value, state))",
        ),
    ),
)

_SLICING = (
    "slicing: bit k is a one-bit core fed with bit k, for every k",
    core_algebra.SliceOfCore,
    Mutation("lets a carry go from bit to bit", _ACCUMULATE, "Mux(clear, 0, accumulator) + delta"),
)


def _proof(claimed: tuple[str, type, Mutation], width: int, *, thorough: bool = False) -> Proof:
    text, specification, mutation = claimed
    return Proof(text, DeltaCore, specification, {"width": width}, mutation, thorough=thorough)


#: All proofs about `DeltaCore`. What holds for one bit holds for any width by the slicing.
PROOFS = (
    *(
        _proof(claimed, width, thorough=width != _QUICK)
        for claimed in _PROPERTIES
        for width in _WIDTHS
    ),
    _proof(_SLICING, 65),
    _proof(_SLICING, 1024, thorough=True),
)
