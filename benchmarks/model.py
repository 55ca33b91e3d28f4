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
_NUMBER = 50_000
_REPEATS = 25

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
        # One round after the other, so that a busy moment of the machine hits all of them.
        for metric, each in timers.items():
            costs[metric].append(each.timeit(number) / number)

    def net(metric: str) -> list[float]:
        return [cost - empty for cost, empty in zip(costs[metric], costs["empty"], strict=True)]

    def record(metric: str, values: list[float], unit: str, target: float | None = None) -> Record:
        return Record(
            metric=metric,
            value=median(values),
            unit=unit,
            label="measured",
            better="lower",
            conditions={
                "width": _WIDTH,
                "statistic": "median",
                "min": round(min(values), 3),
                "repeats": repeats,
                "number": number,
            },
            target=target,
        )

    xor = net("xor")
    records = [record("xor_cost", [1e9 * cost for cost in xor], "ns")]
    for metric, _, target in _CALLS:
        values = net(metric)
        ratios = [value / base for value, base in zip(values, xor, strict=True)]
        records.append(record(f"{metric}_cost", [1e9 * value for value in values], "ns"))
        records.append(record(f"{metric}_over_xor", ratios, "times", target))
    return records


if __name__ == "__main__":
    sys.exit(run("model", __doc__ or "", measure))
