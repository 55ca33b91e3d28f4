"""The fault campaign of the serial link: ``python -m benchmarks.link_faults [--trials N]``.

Each trial runs random ops of one host, or more, over a line with faults, and compares every value
that a READ, PEEK or SWAP brings, and all contexts in the end, with plain integers. Two levels: the
device model, and the gateware, compiled, driven at its pins. ``docs/faults.md`` has the classes of
faults and what counts as which outcome.

A trial follows from its level, seed and number alone. One that misses is told with the command that
repeats it and with all frames in words; ``--trial K`` does the same for any trial.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from time import monotonic
from typing import Literal

from atomik_sim.cxxrtl import library_of
from tests.fault_classes import FAST, LEVELS, SLOW, Result, classes_of, run_trial
from tests.gateware_variants import near_wrap_library
from tests.trials import NEEDLESS, REPAIRED, REPORTED, STUCK, UNDISTURBED, WRONG

from .record import EXIT_MET, EXIT_MISSED, Label, Record, report

__all__ = ["TRIALS", "Campaign", "main"]

#: Trials of each level.
TRIALS = {"model": 20_000, "gateware": 2_000}
_MISSES = (WRONG, STUCK, NEEDLESS)
_VERDICTS = (REPAIRED, REPORTED, UNDISTURBED, *_MISSES)
_BETTER_LOW = (*_MISSES, UNDISTURBED, "time")
_BATCH = 20
_PROCESSES = 2
_PROGRESS_SECONDS = 10.0
#: Misses that are told in full.
_MOST_TOLD = 5

#: Number, class, verdict and faults that came to pass, of a trial.
_Line = tuple[int, str, str, int]


@dataclass
class Campaign:
    """What became of the trials of a level.

    Attributes
    ----------
    counts : dict of str to Counter
        How many trials of each class ended how.
    hits : int
        Faults that came to pass on the line.
    missed : list of int
        Numbers of the trials that ended as none should.
    seconds : float
        Of wall time.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    hits: int = 0
    missed: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def total(self) -> Counter[str]:
        """All classes together."""
        return sum(self.counts.values(), Counter())


def _run_batch(level: str, seed: int, numbers: range) -> list[_Line]:
    lines = []
    for number in numbers:
        try:
            result = run_trial(seed, number, level)
        except Exception as error:
            raise RuntimeError(f"{_command(level, seed, number)} failed, see above") from error
        outcome = result.outcome
        lines.append((number, result.row.name, outcome.verdict, outcome.hits.total()))
    return lines


def _prepare(level: str) -> None:
    """Compile what is needed before the processes start, so that none of them has to wait."""
    if level == "gateware":
        for options in (FAST, SLOW):
            library_of(options)
        near_wrap_library(FAST)


def run_campaign(level: str, seed: int, trials: int, *, processes: int = _PROCESSES) -> Campaign:
    """Run the trials 0 to ``trials`` of a level; progress goes to stderr."""
    _prepare(level)
    campaign = Campaign({row.name: Counter() for row in classes_of(level)})
    start = told = monotonic()
    done = 0
    for lines in _batches(level, seed, trials, processes):
        for number, name, verdict, hits in lines:
            campaign.counts[name][verdict] += 1
            campaign.hits += hits
            if verdict in _MISSES:
                campaign.missed.append(number)
                _say(f"{verdict}: {_command(level, seed, number)}")
        done += len(lines)
        if monotonic() - told > _PROGRESS_SECONDS or done == trials:
            told = monotonic()
            _say(f"{level}: {done:,} of {trials:,} trials, {len(campaign.missed)} misses")
    campaign.seconds = monotonic() - start
    return campaign


def _batches(level: str, seed: int, trials: int, processes: int) -> Iterator[list[_Line]]:
    batches = [range(n, min(n + _BATCH, trials)) for n in range(0, trials, _BATCH)]
    if processes == 1:
        for batch in batches:
            yield _run_batch(level, seed, batch)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(_run_batch, repeat(level), repeat(seed), batches)


def _records(level: str, seed: int, campaign: Campaign) -> list[Record]:
    total = campaign.total
    conditions = {"trials": total.total(), "seed": seed}

    def record(what: str, value: float, unit: str, target: float | None = None) -> Record:
        better: Literal["higher", "lower"] = "lower" if what in _BETTER_LOW else "higher"
        label: Label = "measured" if unit == "s" else "simulated"
        return Record(f"{level}: {what}", value, unit, label, better, conditions, target)

    records = [
        record(verdict, total[verdict], "trials", 0.0 if verdict in _MISSES else None)
        for verdict in _VERDICTS
    ]
    records.append(record("faults", campaign.hits, ""))
    records.append(record("time", round(campaign.seconds, 1), "s"))
    for name, counts in campaign.counts.items():
        misses = sum(counts[verdict] for verdict in _MISSES)
        shares = {verdict: counts[verdict] for verdict in _VERDICTS}
        records.append(
            Record(f"{level}: {name}", misses, "misses", "simulated", "lower", shares, 0.0)
        )
    return records


def _table(level: str, campaign: Campaign) -> str:
    """Return the counts as a table."""
    lines = [f"| {level} | trials | " + " | ".join(_VERDICTS) + " |"]
    lines.append("|---" * (len(_VERDICTS) + 2) + "|")
    for name, counts in [*campaign.counts.items(), ("all", campaign.total)]:
        cells = [counts.total(), *(counts[verdict] for verdict in _VERDICTS)]
        lines.append(f"| {name} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    return "\n".join(lines)


def _command(level: str, seed: int, number: int) -> str:
    return f"python -m benchmarks.link_faults --level {level} --seed {seed} --trial {number}"


def _tell(level: str, seed: int, number: int) -> Result:
    """Run a trial again, and say what happened in it."""
    result = run_trial(seed, number, level, journal=True)
    outcome = result.outcome
    _say(f"{_command(level, seed, number)}")
    _say(f"class {result.row.name!r}, line with {result.faults or 'no faults'}")
    for line in result.notes:
        _say(line)
    _say(f"outcome: {outcome.verdict}" + (f": {outcome.detail}" if outcome.detail else ""))
    return result


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.link_faults")
    parser.description = "Random ops over lines with faults: repaired, reported, or a miss."
    parser.add_argument("--level", choices=LEVELS, help="one level instead of both")
    parser.add_argument("--trials", type=_count, help="of each level, instead of 20,000 and 2,000")
    parser.add_argument("--seed", type=int, default=1, help="of all trials; 1 by default")
    parser.add_argument(
        "--trial", type=_number, metavar="K", help="repeat one, and tell all frames"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _count(text: str) -> int:
    if not _number(text):
        raise argparse.ArgumentTypeError("there must be at least one trial, not 0")
    return int(text)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"must be a number from 0 up, not {text!r}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Be the main program; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    levels = LEVELS if options.level is None else (options.level,)
    if options.trial is not None:
        if options.level is None:
            parser.error("--trial needs --level: a trial has one")
        verdict = _tell(options.level, options.seed, options.trial).outcome.verdict
        return EXIT_MISSED if verdict in _MISSES else EXIT_MET
    records: list[Record] = []
    for level in levels:
        campaign = run_campaign(level, options.seed, options.trials or TRIALS[level])
        for number in sorted(campaign.missed)[:_MOST_TOLD]:
            _tell(level, options.seed, number)
        if not options.json:
            print(_table(level, campaign), end="\n\n")
        records += _records(level, options.seed, campaign)
    if not options.json:
        records = [record for record in records if "misses" not in record.unit]
    return report("link_faults", records, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
