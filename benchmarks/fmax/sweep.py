"""Running many cases, with progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from atomik_boards.tools import find_tools, tool_versions
from atomik_fpga.errors import AtomikError

from .cases import Case
from .flow import Netlist, Placement, place, synthesise
from .rows import Row, make_row

__all__ = ["sweep"]

_Result = TypeVar("_Result")
_Job = tuple[str, Callable[[], _Result]]


def sweep(cases: Sequence[Case], seeds: int | None, jobs: int) -> tuple[list[Row], list[str]]:
    """Synthesise, place and route.

    Parameters
    ----------
    cases : sequence of Case
    seeds : int or None
        Of each case; None for as many as it has.
    jobs : int
        Tools that run at the same time.

    Returns
    -------
    rows : list of Row
        Of the cases whose runs all succeeded.
    failed : list of str
        Names of the others; what went wrong was printed.
    """
    progress = _Progress()
    netlists = progress.run("synthesis", [_synthesis(case) for case in cases], jobs)
    made = [(case, netlist) for case, netlist in zip(cases, netlists, strict=True) if netlist]
    runs: list[_Job[Placement]] = []
    for case, netlist in made:
        runs += [_placement(case, netlist, seed) for seed in _seeds(case, seeds)]
    results = iter(progress.run("place and route", runs, jobs))
    rows = []
    for case, netlist in made:
        placed = [next(results) for _ in _seeds(case, seeds)]
        succeeded = [run for run in placed if run is not None]
        if len(succeeded) == len(placed):
            rows.append(make_row(case, netlist, succeeded, _versions(case)))
    there = {row.name for row in rows}
    return rows, [case.name for case in cases if case.name not in there]


def _seeds(case: Case, seeds: int | None) -> range:
    return range(1, 1 + (seeds or case.seeds))


def _versions(case: Case) -> dict[str, str]:
    versions = tool_versions(find_tools(case.device.family).values())
    return {name: version for name, version in versions.items() if name != "amaranth-boards"}


def _synthesis(case: Case) -> _Job[Netlist]:
    def work() -> Netlist:
        return synthesise(case.harness(), case.device.family, _say)

    return case.name, work


def _placement(case: Case, netlist: Netlist, seed: int) -> _Job[Placement]:
    def work() -> Placement:
        return place(netlist, case.device, seed, _say)

    return f"{case.name}, seed {seed}", work


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class _Progress:
    """Says on standard error what is done, how long it took, and what is left."""

    def __init__(self) -> None:
        self._lock = Lock()

    def run(self, title: str, jobs: Iterable[_Job[_Result]], workers: int) -> list[_Result | None]:
        """Return the results of ``jobs`` in their order; None for one that failed."""
        listed = list(jobs)
        done = 0

        def timed(name: str, work: Callable[[], _Result]) -> _Result | None:
            nonlocal done
            begin = time.monotonic()
            result, said = None, ""
            try:
                result = work()
            except AtomikError as error:
                said = f" FAILED: {error}"
            if isinstance(result, Placement):
                said = f": {result.mhz:.1f} MHz"
            with self._lock:
                done += 1
                seconds = time.monotonic() - begin
                _say(f"{title} {done}/{len(listed)}: {name}{said} ({seconds:.0f} s)")
            return result

        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(timed, *job) for job in listed]
            try:
                return [future.result() for future in futures]
            finally:
                # After an interrupt nothing new begins; else there is nothing left to cancel.
                pool.shutdown(wait=False, cancel_futures=True)
