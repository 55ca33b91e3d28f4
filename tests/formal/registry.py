"""What a proof is, and how it is run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .engine import check, prove, refute
from .mutation import Mutation
from .spec import Spec

__all__ = ["Outcome", "Proof", "Start"]


#: What the registers hold in the first cycle of a proof.
Start = Literal["power-up", "any state", "invariant"]


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
        Cycles after the start at which the mutant must break a claim.
    bound : int or None
        Cycles that it is proven for; None if it is proven by induction, so for unbounded time.
    start : str
        ``"power-up"`` or, for a bounded proof, ``"any state"`` of the designs' registers.
    mutant_start : str
        ``"power-up"`` or ``"any state"``; ``"invariant"``, any state that claims and lemmas allow,
        where it takes the mutant a long life to come to the one in which it goes wrong.
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
    bound: int | None = field(default=None, kw_only=True)
    start: Start = field(default="power-up", kw_only=True)
    mutant_start: Start = field(default="power-up", kw_only=True)
    thorough: bool = field(default=False, kw_only=True)

    @property
    def name(self) -> str:
        """The claim with its component and size: unique, and what ``-k`` looks at."""
        size = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.component.__name__}({size}): {self.claim}"

    @property
    def bound_in_words(self) -> str:
        """For how long it is proven."""
        return "unbounded" if self.bound is None else f"{self.bound} cycles from {self.start}"

    def run(self) -> Outcome:
        """Prove the property, and look for a counterexample in the mutant."""
        start = time.perf_counter()
        specification = self._specify(self.component, self.start)
        if self.bound is None:
            proven = prove(specification, self.induction_depth)
        else:
            proven = check(specification, self.bound)
        mutant = self.mutation.apply(self.component)
        failed = refute(self._specify(mutant, self.mutant_start), self.mutant_depth)
        return Outcome(self, proven, failed, time.perf_counter() - start)

    def _specify(self, component: type, start: Start) -> Spec:
        specification = self.specification(component, **self.parameters)
        specification.from_any_state = start == "any state"
        specification.from_invariant = start == "invariant"
        return specification


@dataclass(frozen=True)
class Outcome:
    """What running a proof gave.

    Attributes
    ----------
    proof : Proof
    proven : bool
        The property holds, as far as `bound` says.
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
            "bound": "unbounded" if self.proof.bound is None else self.proof.bound,
            "start": self.proof.start,
            "proven": self.proven,
            "mutant": self.proof.mutation.fault,
            "mutant_failed": self.mutant_failed,
            "seconds": round(self.seconds, 3),
        }
