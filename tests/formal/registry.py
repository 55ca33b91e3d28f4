"""What a proof is, and how it is run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .engine import prove, refute
from .mutation import Mutation
from .spec import Spec

__all__ = ["Outcome", "Proof"]


@dataclass(frozen=True)
class Proof:
    """One property of one component at one size.

    Attributes
    ----------
    claim : str
        What is claimed, as a sentence.
    component : class
        Design under proof.
    specification : function of a class and the parameters
        Makes the specification for the component or for a mutant of it.
    parameters : dict of str to int or str
        Parameters of the component.
    mutation : Mutation
        Fault that the specification must notice.
    induction_depth : int
        Cycles of the induction step.
    mutant_depth : int
        Cycles after power-up at which the mutant must break a claim.
    thorough : bool
        Whether only ``python -m tests.formal`` runs it, for its cost, and pytest does not.
    """

    claim: str
    component: type
    specification: Callable[..., Spec]
    parameters: Mapping[str, int | str]
    mutation: Mutation
    induction_depth: int = 1
    mutant_depth: int = 8
    thorough: bool = field(default=False, kw_only=True)

    @property
    def name(self) -> str:
        """The claim with its component and size: unique, and what ``-k`` looks at."""
        size = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.component.__name__}({size}): {self.claim}"

    def run(self) -> Outcome:
        """Prove the property, and look for a counterexample in the mutant."""
        start = time.perf_counter()
        proven = prove(self.specification(self.component, **self.parameters), self.induction_depth)
        mutant = self.mutation.apply(self.component)
        failed = refute(self.specification(mutant, **self.parameters), self.mutant_depth)
        return Outcome(self, proven, failed, time.perf_counter() - start)


@dataclass(frozen=True)
class Outcome:
    """What running a proof gave.

    Attributes
    ----------
    proof : Proof
    proven : bool
        The property holds for unbounded time.
    mutant_failed : bool
        The mutant broke a claim.
    seconds : float
        Wall clock of both.
    """

    proof: Proof
    proven: bool
    mutant_failed: bool
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether it is proven, and its mutant failed."""
        return self.proven and self.mutant_failed

    def as_dict(self) -> dict[str, Any]:
        """Return the record that ``--json`` prints."""
        return {
            "property": self.proof.claim,
            "component": self.proof.component.__name__,
            **self.proof.parameters,
            "bound": "unbounded",
            "proven": self.proven,
            "mutant": self.proof.mutation.fault,
            "mutant_failed": self.mutant_failed,
            "seconds": round(self.seconds, 3),
        }
