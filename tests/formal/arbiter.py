"""Proofs about `TableArbiter`: who gets the table, and how long the other one waits."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal

from atomik_hdl.arbiter import TableArbiter
from atomik_hdl.table import TableOp

from .mutation import Mutation
from .registry import Proof
from .spec import Spec, free_inputs

__all__ = ["PROOFS"]


class ArbiterSpec(Spec):
    """A specification of one arbiter, whose sides and table do what they like in each cycle."""

    def __init__(self, component: Any, width: int, depth: int) -> None:
        super().__init__({"p": component(width, depth)}, {"p": {"owed": 1}})


class OneAtATime(ArbiterSpec):
    """Each request of the table is one op of the link or one delta, and none of them is lost."""

    def specify(self, m: Module) -> None:
        arbiter = self.designs["p"]
        free_inputs(m, arbiter)
        link, accum, o = arbiter.link, arbiter.accum, arbiter.o
        op_taken, delta_taken = link.valid & link.ready, accum.valid & accum.ready
        self.claim(m, ~(op_taken & delta_taken))
        self.claim(m, (o.valid & o.ready) == (op_taken | delta_taken))
        self.claim(m, ~op_taken | (o.payload.as_value() == link.payload.as_value()))
        self.claim(
            m,
            ~delta_taken
            | (
                (o.payload.op == TableOp.ACCUM)
                & (o.payload.address == accum.payload.address)
                & (o.payload.data == accum.payload.delta)
            ),
        )


class OneTurn(ArbiterSpec):
    """Nobody waits for more than one request of the other side."""

    def specify(self, m: Module) -> None:
        arbiter = self.designs["p"]
        free_inputs(m, arbiter)
        ready = arbiter.o.ready
        for name in ("accum", "link"):
            side = getattr(arbiter, name)
            waited = Signal(name=f"{name}_waited")
            with m.If(side.valid & side.ready):
                m.d.sync += waited.eq(0)
            with m.Elif(side.valid & ready):
                m.d.sync += waited.eq(1)
            owed = self.register("p", "owed")
            self.lemma(m, ~waited | (owed if name == "accum" else ~owed))
            self.claim(m, ~(waited & side.valid & ready) | side.ready)


def _proof(claim: str, specification: type[Spec], mutation: Mutation) -> Proof:
    return Proof(claim, TableArbiter, specification, {"width": 8, "depth": 5}, mutation)


#: All proofs about `TableArbiter`.
PROOFS = (
    _proof(
        "each request is one op of the link or one delta, none lost, none twice",
        OneAtATime,
        Mutation(
            "takes a delta beside an op of the link",
            "(self.o.ready & (owed | ~self.link.valid))",
            "(self.o.ready)",
        ),
    ),
    _proof(
        "a delta waits for at most one op of the link, and an op for at most one delta",
        OneTurn,
        Mutation(
            "always lets the link go first",
            "owed.eq(~(self.accum.valid & self.accum.ready))",
            "owed.eq(0)",
        ),
    ),
)
