"""Proofs about `DeltaTable` and its `ResponseQueue`.

Together they say that any traffic equals an array of one-word models: what each request that
responds sends to the queue is the model's, in order and after a fixed time; never is more sent than
has room; and what is sent comes out in order, unchanged, and as soon as it can.
"""

from __future__ import annotations

from collections.abc import Callable

from atomik_hdl.responses import ResponseQueue
from atomik_hdl.table import DeltaTable

from .mutation import Mutation
from .queue_spec import InOrder, ResponsesHold
from .registry import Proof
from .spec import Spec
from .table_spec import ClearTakesDepth, OneWordTable, RoomForResponses

__all__ = ["PROOFS"]

_EQUALS = "what a request sends to the queue, 8 cycles later, is the one-word model's"
_CLEARS = "no request transfers in the cycles, one a context, of a CLEAR or after a reset"
_ROOM = "no more responses are owed than have room, and with few owed requests transfer"
_IN_ORDER = "each response comes in its turn, unchanged, and as soon as it can"
_HOLDS = "a response holds until it is taken"

_OF_THE_TABLE = (
    (
        _EQUALS,
        OneWordTable,
        Mutation(
            "forwards from the request before what that one cleared",
            'register("first_7", first_6 & ~effect[7].clear[part])',
            'register("first_7", first_6)',
        ),
    ),
    (
        _EQUALS + " (a write that a read just misses)",
        OneWordTable,
        Mutation("does not forward over five", "nearest_5.fifth)", "C(0))"),
    ),
    (
        _EQUALS + " (across CLEAR)",
        OneWordTable,
        Mutation(
            "sweeps a context too few",
            "(swept_1 != self._depth - 2)",
            "(swept_1 != self._depth - 3)",
        ),
    ),
    (
        _EQUALS + " (across resets)",
        OneWordTable,
        Mutation("starts no sweep after a reset", "clear_1 = Signal(init=1)", "clear_1 = Signal()"),
    ),
    (_CLEARS, ClearTakesDepth, Mutation("is ready during a sweep", "clear_0 | more_1", "clear_0")),
    (
        _ROOM,
        RoomForResponses,
        Mutation("never stops for room", "~(busy_0 | pending[-1])", "~busy_0"),
    ),
)

_OF_THE_QUEUE = (
    (
        _IN_ORDER,
        InOrder,
        Mutation("fetches one response over another", "ram.fetch.eq(moves)", "ram.fetch.eq(1)"),
    ),
    (
        _IN_ORDER + " (across resets)",
        InOrder,
        Mutation("keeps what is stored over a reset", " & ~drop[1].replicate(_STORED)", ""),
    ),
    (
        _HOLDS,
        ResponsesHold,
        Mutation("keeps it for one clock", "(kept & keeps) | ", ""),
    ),
)

_MUTANT_DEPTH = 40

#: Width and depth, and whether only ``python -m tests.formal`` proves it.
_TABLES = ((1, 2, True), (8, 5, False), (8, 65_536, True), (64, 4096, True))
_QUEUES = ((1, True), (2, False), (128, True))


def _proof(
    claimed: tuple[str, Callable[..., Spec], Mutation],
    component: type,
    cycles: int,
    thorough: bool,
    **size: int,
) -> Proof:
    claim, specification, fault = claimed
    return Proof(
        claim,
        component,
        specification,
        size,
        fault,
        induction_depth=cycles,
        mutant_depth=_MUTANT_DEPTH,
        # From power-up, a sweep of many contexts would take longer.
        mutant_start="invariant" if size.get("depth", 0) > _MUTANT_DEPTH else "power-up",
        thorough=thorough,
    )


#: All proofs about tables. A slot passes 10 stages, of which nothing is stated; pytest does two.
PROOFS = (
    *(
        _proof(
            claimed,
            DeltaTable,
            12,
            thorough or claimed not in (_OF_THE_TABLE[0], _OF_THE_TABLE[4]),
            width=width,
            depth=depth,
        )
        for claimed in _OF_THE_TABLE
        for width, depth, thorough in _TABLES
        # The fault in the sweep is in what it does between its first slot and its last one.
        if depth > 2 or claimed is not _OF_THE_TABLE[2]
    ),
    *(
        _proof(claimed, ResponseQueue, 5, thorough or claimed is _OF_THE_QUEUE[1], shape=width)
        for claimed in _OF_THE_QUEUE
        for width, thorough in _QUEUES
    ),
)
