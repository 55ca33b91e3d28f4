"""What every benchmark prints, and its exit code."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from atomik_fpga import __version__

__all__ = ["EXIT_MET", "EXIT_MISSED", "Label", "Record", "machine", "report", "run"]

#: Exit codes: every target is met; one is not.
EXIT_MET = 0
EXIT_MISSED = 4

#: Where a number comes from: a clock on a named machine or board, cycles of a simulation, the
#: report of a place-and-route tool, or arithmetic.
Label = Literal["measured", "simulated", "place-and-route", "computed"]


@dataclass(frozen=True, slots=True)
class Record:
    """One number.

    Attributes
    ----------
    metric : str
        What was measured; unique within the benchmark.
    value : float
        The number.
    unit : str
        Of value and target.
    label : str
        Where the number comes from.
    better : str
        ``"higher"`` or ``"lower"``.
    conditions : mapping
        What the number depends on: parameters, repeats, statistic, versions of tools. Values that
        JSON has.
    target : float or None
        What it has to reach.
    """

    metric: str
    value: float
    unit: str
    label: Label
    better: Literal["higher", "lower"]
    conditions: Mapping[str, object] = field(default_factory=dict)
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; ``None`` without one."""
        if self.target is None:
            return None
        if self.better == "higher":
            return self.value >= self.target
        return self.value <= self.target

    def as_dict(self) -> dict[str, object]:
        """Return the record as the JSON output has it."""
        return {
            "metric": self.metric,
            "value": self.value,
            "unit": self.unit,
            "label": self.label,
            "conditions": dict(self.conditions),
            "target": self.target,
            "better": self.better,
            "met": self.met,
        }


def machine() -> str:
    """Return processor, system and interpreter in one line."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{processor}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, {python}"


def report(benchmark: str, records: Sequence[Record], *, as_json: bool) -> int:
    """Print the records, as JSON or as a table, and return the exit code."""
    if as_json:
        result = {
            "benchmark": benchmark,
            "version": __version__,
            "machine": machine(),
            "records": [record.as_dict() for record in records],
        }
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print(f"{benchmark} {__version__} on {machine()}")
        for record in records:
            print(_line(record))
    return EXIT_MISSED if any(record.met is False for record in records) else EXIT_MET


def run(
    benchmark: str,
    description: str,
    measure: Callable[[], Sequence[Record]],
    arguments: Sequence[str] | None = None,
) -> int:
    """Be the main program of a benchmark without parameters: parse ``--json``, measure, report."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{benchmark}")
    parser.description = description
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    return report(benchmark, measure(), as_json=options.json)


def _line(record: Record) -> str:
    line = f"  {record.metric:<40} {record.value:>12.4g} {record.unit:<8} {record.label}"
    if record.target is not None:
        sign = "≥" if record.better == "higher" else "≤"
        line += f", target {sign} {record.target:g}: {'met' if record.met else 'MISSED'}"
    if record.conditions:
        line += "  (" + ", ".join(f"{key} {value}" for key, value in record.conditions.items())
        line += ")"
    return line
