"""How fast core, table and banks run: ``python -m benchmarks.fmax [--json] [--only TEXT] …``.

Each is placed and routed between registers, on each device, with some seeds; the median counts.
What was done before is in the cache, so a sweep that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..record import EXIT_MET, report
from .cases import CASES, Case
from .document import draw
from .rows import load, merge, records, save
from .sweep import sweep

__all__ = ["EXIT_FAILED", "main"]

#: Exit code: a tool failed, or a design does not fit.
EXIT_FAILED = 1


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {value}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fmax", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--only",
        action="append",
        metavar="TEXT",
        help="only cases whose name has TEXT in it; may be given more than once",
    )
    parser.add_argument(
        "--targets", action="store_true", help="only cases with a target, and their neighbours"
    )
    parser.add_argument("--seeds", type=_positive, metavar="N", help="seeds of each case")
    parser.add_argument(
        "--jobs", type=_positive, default=2, metavar="N", help="tools at the same time (default: 2)"
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="put the rows into benchmarks/results/fmax.json, and draw",
    )
    parser.add_argument(
        "--recorded", action="store_true", help="run nothing, print what is in the record"
    )
    parser.add_argument(
        "--draw",
        action="store_true",
        help="run nothing, make tables and plots of docs/performance.md of the record",
    )
    parser.add_argument("--list", action="store_true", help="run nothing, list the cases")
    return parser


def _chosen(only: Sequence[str] | None, targets: bool) -> list[Case]:
    return [
        case
        for name, case in CASES.items()
        if (not only or any(text in name for text in only)) and (not targets or case.seeds > 3)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 4 for a missed target, 1 for a failed run."""
    parser = _parser()
    options = parser.parse_args(arguments)
    chosen = _chosen(options.only, options.targets)
    if not chosen:
        parser.error(f"no case has {' or '.join(options.only)} in its name; --list shows the names")
    if options.list:
        print("\n".join(case.name for case in chosen))
        return EXIT_MET
    if options.draw:
        draw(load())
        return EXIT_MET
    if options.recorded:
        names = {case.name for case in chosen}
        rows = [row for row in load() if row.name in names]
        failed: list[str] = []
    else:
        rows, failed = sweep(chosen, options.seeds, options.jobs)
    if options.record:
        merged = merge(load(), rows)
        save(merged)
        draw(merged)
    code = report("fmax", records(rows), as_json=options.json)
    if failed:
        print(f"No result for {', '.join(failed)}", file=sys.stderr)
        return EXIT_FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())
