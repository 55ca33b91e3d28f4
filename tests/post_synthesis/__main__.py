"""Checks what is flashed: ``python -m tests.post_synthesis [BOARD…] [--json]``."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atomik_boards.catalog import BOARDS, Family, find_board
from atomik_fpga import __version__

from .bench import first_difference
from .check import BoardCheck
from .equivalence import core_cells, is_equivalent
from .netlist import mutate, synthesise
from .ram import RAMS, RamCheck

__all__ = ["main"]

_WIDTH = 64
#: One of each family: the others are the same gateware at other pins.
_BOARDS = ("icebreaker", "ulx3s-25f")


def _check_board(name: str, frames: int, mutants: int) -> dict[str, Any]:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        netlist = synthesise(find_board(name), Path(folder))
        check = BoardCheck(netlist, Path(folder), frames=frames, tail=frames // 2)
        difference = check.difference()
        answered = check.answers() == check.stimulus.answers
        results = list(check.mutants(range(mutants)))
    return {
        "check": f"netlist of {name} against its source and the model",
        "cycles": len(check.stimulus.levels),
        "first_difference": difference,
        "answers_as_the_model": answered,
        "simulator": "compiled" if check.compiled else "Python, fewer frames: no C compiler found",
        "mutants": len(results),
        "mutants_noticed": sum(mutant.noticed for mutant in results),
        "unnoticed": [mutant.fault for mutant in results if not mutant.noticed],
        "passed": difference is None and answered and any(mutant.noticed for mutant in results),
        "seconds": round(time.perf_counter() - start, 1),
    }


def _check_core(family: Family, mutants: int) -> dict[str, Any]:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cells = core_cells(family, _WIDTH, folder)
        proven = is_equivalent(cells, family, folder)
        failed = sum(
            not is_equivalent(mutate(cells, seed)[0], family, folder) for seed in range(mutants)
        )
    return {
        "check": f"DeltaCore({_WIDTH}) on {family.value} is equivalent to its source",
        "proven": proven,
        "mutants": mutants,
        "mutants_noticed": failed,
        "passed": proven and failed == mutants,
        "seconds": round(time.perf_counter() - start, 1),
    }


def _check_ram(check: RamCheck) -> dict[str, Any]:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        model, cells, mutants = check.run(Path(name))
    noticed = sum(shown != model for shown in mutants.values())
    return {
        "check": f"{check} against the model of it in simulations",
        "cycles": len(model),
        "first_difference": first_difference(model, cells),
        "mutants": len(mutants),
        "mutants_noticed": noticed,
        "passed": cells == model and noticed == len(mutants),
        "seconds": round(time.perf_counter() - start, 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.post_synthesis",
        description="Simulate what is flashed, cell by cell, beside its source, and block RAM in "
        "each of its modes; prove the synthesised core equivalent to its source.",
        epilog="Exit code: 0 if all checks pass, 1 if not, 2 for a wrong command line.",
    )
    named = f"{' and '.join(_BOARDS)} unless named"
    parser.add_argument("boards", nargs="*", metavar="BOARD", help=named)
    parser.add_argument("--frames", type=int, default=200, help="frames a board is sent (200)")
    parser.add_argument("--mutants", type=int, default=5, help="mutants of each netlist (5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.boards) - set(BOARDS))
    if unknown:
        parser.error(f"no board is called {unknown[0]!r}; known are: {', '.join(BOARDS)}")
    if options.frames < 8 or options.mutants < 1:
        parser.error("give at least 8 frames and 1 mutant")

    boards = options.boards or _BOARDS
    results = []
    for name in boards:
        results.append(_check_board(name, options.frames, options.mutants))
        print(results[-1], file=sys.stderr, flush=True)
    for family in (Family.ICE40, Family.ECP5):
        results.append(_check_core(family, options.mutants))
        print(results[-1], file=sys.stderr, flush=True)
    for check in RAMS:
        results.append(_check_ram(check))
        print(results[-1], file=sys.stderr, flush=True)
    passed = all(result["passed"] for result in results)
    if options.json:
        report = {
            "suite": "post_synthesis",
            "version": __version__,
            "machine": platform.platform(),
            "passed": passed,
            "checks": results,
        }
        print(json.dumps(report, indent=2))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
