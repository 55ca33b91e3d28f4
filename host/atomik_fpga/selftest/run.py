"""The steps of the self-test in their order, and what came of each."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..connection import Connection
from ..errors import AtomikError
from ..protocol import FEATURE_BANKS
from .bench import Bench, Difference, Figure
from .soak import link_statistics, soak, throughput
from .steps import algebra, banks, contexts, identity, walking_bits

__all__ = ["STEPS", "Step", "StepResult", "run_selftest", "run_step"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step.

    Attributes
    ----------
    name : str
        In lower case, for people.
    run : callable of Bench
        Compares and measures.
    needs : int
        Bits of `Info.features` that a device must have for it.
    """

    name: str
    run: Callable[[Bench], None]
    needs: int = 0


#: All steps. Each but the first and the last clears contexts or leaves words in them.
STEPS = (
    Step("identity", identity),
    Step("walking ones and zeros", walking_bits),
    Step("algebra", algebra),
    Step("all contexts", contexts),
    Step("random soak", soak),
    Step("banks", banks, needs=FEATURE_BANKS),
    Step("throughput", throughput),
    Step("link", link_statistics),
)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of a step.

    Attributes
    ----------
    name : str
    passed : bool or None
        None if the device lacks what the step is about.
    checks, wrong : int
        Values that were compared, and those that differed.
    differences : tuple of Difference
        The first of these.
    figures : mapping
        What was measured.
    seconds : float
    error : AtomikError or None
        What ended it.
    """

    name: str
    passed: bool | None
    checks: int = 0
    wrong: int = 0
    differences: tuple[Difference, ...] = ()
    figures: Mapping[str, Figure] | None = None
    seconds: float = 0.0
    error: AtomikError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "name": self.name,
            "passed": self.passed,
            "checks": self.checks,
            "wrong": self.wrong,
            "differences": [str(it) for it in self.differences],
            "figures": dict(self.figures or {}),
            "seconds": round(self.seconds, 3),
            "error": None if self.error is None else str(self.error),
        }


def run_step(step: Step, bench: Bench) -> StepResult:
    """Run one step; errors of the link are a result too."""
    info = bench.connection.info
    if info.features & step.needs != step.needs:
        return StepResult(step.name, None)
    bench.checks = bench.wrong = 0
    bench.differences, bench.figures = [], {}
    error: AtomikError | None = None
    start = time.monotonic()
    try:
        step.run(bench)
        bench.connection.flush()
    except AtomikError as caught:
        error = caught
    return StepResult(
        name=step.name,
        passed=error is None and not bench.wrong,
        checks=bench.checks,
        wrong=bench.wrong,
        differences=tuple(bench.differences),
        figures=bench.figures,
        seconds=time.monotonic() - start,
        error=error,
    )


def run_selftest(
    connection: Connection,
    *,
    seconds: float = 5.0,
    quick: bool = False,
    seed: int = 1,
    build_id: int | None = None,
) -> Iterator[StepResult]:
    """Run all steps and yield what came of each.

    They leave words in contexts, so that the caller clears them, as `put_back` does. The step whose
    result has an error is the last one.

    Parameters
    ----------
    connection : Connection
        Open, and used by nobody else.
    seconds : float
        How long the random soak lasts; with ``quick`` the whole of it, about.
    quick : bool
        Take a sample of the contexts.
    seed : int
        Of all that is random.
    build_id : int or None
        What the device must say of its design; None if anything will do.

    Raises
    ------
    ValueError
        If ``seconds`` is negative, or no finite number. Nothing was sent.
    """
    if not 0 <= seconds < math.inf:
        raise ValueError(f"Seconds must be a finite number from 0 on, not {seconds!r}")
    bench = Bench(connection, random.Random(seed), seconds, quick, build_id)
    start = time.monotonic()
    for step in STEPS:
        if quick:
            bench.seconds = max(0.0, seconds - (time.monotonic() - start))
        result = run_step(step, bench)
        yield result
        if result.error is not None:
            return
