"""Proofs about `DeltaBanks` and what merges its lanes.

What a group does is proven for each size that occurs, that groups and levels are put together right
for some numbers of lanes, and what the context makes of merged words and tokens for the latencies
up to that of the most lanes. The three compose: a chain of any length is groups in a row, and what
is claimed of the context holds whatever its words are. All of it at once is proven for some sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from atomik_hdl.banks import DeltaBanks
from atomik_hdl.merge import LaneGroup, MergeChain, MergeTree

from .banks_spec import (
    GroupContract,
    MergedWord,
    OneWordBanks,
    OneWordContext,
    ResponsesHold,
)
from .mutation import Mutation
from .registry import Proof
from .spec import Spec

__all__ = ["PROOFS"]

#: Property of `DeltaBanks`, its specification, and the mutation that it must notice.
_PROPERTIES: tuple[tuple[str, type[Spec], Mutation], ...] = (
    (
        "each response equals the one-word model's of the covered deltas, in exact time",
        OneWordBanks,
        Mutation(
            "has loads and swaps clear the first delta of the new epoch too",
            "(accumulator & ~spread(clear)) ^ delta",
            "(accumulator ^ delta) & ~spread(clear)",
        ),
    ),
    (
        "a load's value is that of its own cycle",
        OneWordBanks,
        Mutation(
            "takes the value while the token arrives",
            '_take(load, self.load.payload, spread(free["load"]))',
            "load.eq(self.load.payload)",
        ),
    ),
    (
        "a reset is a load of 0 accepted in its last cycle",
        OneWordBanks,
        Mutation(
            "counts deltas from before a reset",
            "clear.eq(loads | swaps | ~settled)",
            "clear.eq(loads | swaps)",
        ),
    ),
    (
        "a reset drops tokens on their way",
        OneWordBanks,
        Mutation("lets a token from before a reset arrive", "token[-1] & fresh", "token[-1]"),
    ),
    (
        "a response holds until it is taken",
        ResponsesHold,
        Mutation(
            "takes its slot for free before the response was taken",
            "back[name].eq(taken)",
            "back[name].eq(valid)",
        ),
    ),
)

#: Bits of lanes up to which the solver has room for a mutant's way from power-up.
_FROM_POWER_UP = 128

_MERGED = "each merged word is the XOR of what each group accepted at its skew"
_CHAIN = Mutation(
    "adds what is on a lane that is not valid",
    "wiring.connect(m, wiring.flipped(outer), inner)",
    "m.d.comb += [inner.payload.eq(outer.payload), inner.valid.eq(1), outer.ready.eq(1)]",
)
_TREE = Mutation(
    "leaves out the first lane",
    "_pairs(m, self.lanes, self._width)",
    "_pairs(m, [*self.lanes][1:], self._width)",
)
#: Sizes, as width and banks, and those of them that pytest proves too.
_SMALL = ((1, 1), (1, 13), (8, 1), (8, 3), (8, 4), (8, 5), (8, 9), (8, 13))
_QUICK = ((8, 5),)
_ONE_PART = Mutation(
    "clears the first part alone", "clear.eq(loads | swaps |", "clear.eq((loads | swaps)[0] |"
)
_CLOSED = Mutation("opens no port after a reset", " | ~begun)", ")")
_LATER = "group g of a chain is g cycles later than group 0"
_SKEW = Mutation("tells the skew of a tree", "return group\n", "return 0\n")


def _proof(
    claim: str,
    component: type,
    specification: Callable[..., Spec],
    mutation: Mutation,
    thorough: bool = False,
    **parameters: int | str,
) -> Proof:
    # No way from a lane to a response is longer than 7 cycles for the sizes below.
    return Proof(
        claim,
        component,
        specification,
        parameters,
        mutation,
        induction_depth=8,
        mutant_depth=18,
        thorough=thorough,
    )


def _group(width: int, banks: int, *, thorough: bool = False) -> Proof:
    claim = "a group adds to the passing word what its lanes accepted the cycle before"
    fault = Mutation("forgets the word that passes", "self._width), self.i)", "self._width))")
    return _proof(
        claim, LaneGroup, GroupContract, fault, width=width, banks=banks, thorough=thorough
    )


def _context(
    width: int, latency: int, fault: Mutation = _PROPERTIES[0][2], *, thorough: bool = False
) -> Proof:
    claim = "each response equals the one-word model's of the merged words it covers, in exact time"
    return Proof(
        claim,
        DeltaBanks,
        OneWordContext,
        {"width": width, "latency": latency},
        fault,
        induction_depth=2,
        mutant_depth=min(latency, 8) + 8,
        thorough=thorough,
    )


def _banks(
    claimed: tuple[str, type[Spec], Mutation],
    width: int,
    banks: int,
    topology: str,
    *,
    thorough: bool,
) -> Proof:
    claim, specification, fault = claimed
    size: dict[str, int | str] = {"width": width, "banks": banks, "topology": topology}
    proof = _proof(claim, DeltaBanks, specification, fault, thorough=thorough, **size)
    if width * banks <= _FROM_POWER_UP:
        return proof
    return replace(proof, mutant_depth=6, mutant_start="invariant")


#: All proofs about `DeltaBanks`, `MergeChain`, `MergeTree` and `LaneGroup`.
PROOFS = (
    *(_group(8, banks, thorough=banks != 5) for banks in range(1, 7)),
    _group(64, 6, thorough=True),
    *(
        _proof(_MERGED, component, MergedWord, fault, thorough=banks != 5, width=8, banks=banks)
        for component, fault, sizes in (
            (MergeChain, _CHAIN, (1, 5, 7, 33)),
            (MergeTree, _TREE, (3, 5, 9, 33)),
        )
        for banks in sizes
    ),
    # Of the shortest way there is, also with two parts; of the most lanes in a tree, and of the
    # most in a chain, where only a fault that shows before the first response is looked for.
    _context(8, 2),
    _context(17, 2, _ONE_PART),
    _context(64, 4, _ONE_PART, thorough=True),
    _context(8, 6, thorough=True),
    _context(1, 172, _CLOSED, thorough=True),
    _proof(_LATER, MergeChain, MergedWord, _SKEW, width=8, banks=33),
    *(
        _banks(_PROPERTIES[0], width, banks, topology, thorough=(width, banks) not in _QUICK)
        for topology in ("chain", "tree")
        for width, banks in (*_SMALL, (64, 16))
    ),
    *(
        _banks(claimed, width, banks, topology, thorough=(width, banks) not in _QUICK)
        for claimed in _PROPERTIES[1:]
        for topology in ("chain", "tree")
        for width, banks in ((1, 1), (8, 13))
    ),
)
