"""What a call of the embedded model costs, against an ``x ^= d`` on a local in the same process.

``python -m benchmarks.model [--json]``. The cost of the empty loop is subtracted everywhere.
"""

from __future__ import annotations

import random
import sys
import timeit
from collections.abc import Sequence
from statistics import median

from atomik_fpga import AtomikContext
from atomik_fpga.ports import PORT_VARIABLE

from .record import Record, run

__all__ = ["measure"]

_WIDTH = 64
_NUMBER = 2_000
_REPEATS = 1_000

#: Metric, statement, and how many times the cost of `x ^= d` it may cost.
_CALLS = (
    ("accum", "context.accum(d)", 6.5),
    ("read", "context.read()", 4.5),
    ("load", "context.load(d)", None),
    ("swap", "context.swap()", None),
)


def measure(number: int = _NUMBER, repeats: int = _REPEATS) -> Sequence[Record]:
    """Time each call ``repeats`` times, ``number`` executions at a time, in turns."""
    source = random.Random(1)
    context = AtomikContext(_WIDTH, source.getrandbits(_WIDTH))
    if context.port is not None:
        context.close()
        raise ValueError(f"Unset {PORT_VARIABLE}: this benchmark is of the model without a port")
    # The set-up runs inside the timed function, which makes its names locals of the loop.
    setup = "x = x0; d = d0; context = context0"
    names = {
        "context0": context,
        "x0": source.getrandbits(_WIDTH) | 1 << _WIDTH - 1,
        "d0": source.getrandbits(_WIDTH - 1),
    }

    def timer(statement: str) -> timeit.Timer:
        return timeit.Timer(statement, setup, globals=names)

    timers = {"empty": timer("pass"), "xor": timer("x ^= d")}
    timers |= {metric: timer(statement) for metric, statement, _ in _CALLS}
    costs: dict[str, list[float]] = {metric: [] for metric in timers}
    for _ in range(repeats):
        # In turns and in short runs, so that some of each are free of whatever else is going on.
        for metric, each in timers.items():
            costs[metric].append(1e9 * each.timeit(number) / number)
    quickest = {metric: min(values) - min(costs["empty"]) for metric, values in costs.items()}
    usual = {metric: median(values) - median(costs["empty"]) for metric, values in costs.items()}
    conditions = {"width": _WIDTH, "statistic": "minimum", "repeats": repeats, "number": number}
    records = []
    for metric, target in [("xor", None), *((metric, target) for metric, _, target in _CALLS)]:
        also = {**conditions, "median": round(usual[metric], 3)}
        cost = quickest[metric]
        records.append(Record(f"{metric}_cost", cost, "ns", "measured", "lower", also))
        if metric != "xor":
            also = {**conditions, "median": round(usual[metric] / usual["xor"], 3)}
            ratio = cost / quickest["xor"]
            name = f"{metric}_over_xor"
            records.append(Record(name, ratio, "times", "measured", "lower", also, target))
    return records


if __name__ == "__main__":
    sys.exit(run("model", __doc__ or "", measure))
