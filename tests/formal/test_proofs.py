"""Each property is proven, and its mutant breaks it.

Proofs that take more than a few seconds are left to ``python -m tests.formal``, which runs all.
"""

from __future__ import annotations

import pytest

from .catalog import PROOFS
from .mutation import Mutation
from .registry import Outcome, Proof


@pytest.mark.parametrize(
    "proof", [pytest.param(proof, id=proof.name) for proof in PROOFS if not proof.thorough]
)
def test_is_proven_and_its_mutant_fails(proof: Proof) -> None:
    outcome = proof.run()
    assert outcome.proven
    assert outcome.mutant_failed


def test_each_record_tells_its_bound_and_where_it_starts() -> None:
    records = [Outcome(proof, True, True, 0.0).as_dict() for proof in PROOFS]
    assert {type(it["bound"]) for it in records if it["start"] == "any state"} == {int}
    assert {it["bound"] for it in records if it["start"] == "power-up"} == {"unbounded"}
    (opened,) = (it for it in records if "OPEN opens its session" in it["property"])
    assert (opened["bound"], opened["component"]) == (16, "FrameExecutor")


def test_names_are_unique() -> None:
    names = [proof.name for proof in PROOFS]
    assert len(set(names)) == len(names)


def test_mutation_of_text_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^'no such text' occurs 0 times in Mutation, not once$"):
        Mutation("does nothing", "no such text", "").apply(Mutation)
