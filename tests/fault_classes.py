"""The classes of faults, alone and mixed, and one trial of any of them by its number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from atomik_fpga.link import Engine, Session
from atomik_sim import BoardOptions
from atomik_sim.cxxrtl_engine import CxxrtlEngine
from atomik_sim.faults import FAULTS, Scope
from atomik_sim.model import DeviceModel

from .events import EVENTS, STARTS
from .gateware_variants import FIRST_NEXT, FIRST_OPCOUNT, near_wrap_engine
from .trials import UNDISTURBED, Outcome, Trial
from .virtual_line import GatewareDevice, Journal

__all__ = [
    "CLASSES",
    "FAST",
    "LEVELS",
    "SLOW",
    "FaultClass",
    "Result",
    "classes_of",
    "run_trial",
]

LEVELS = ("model", "gateware")

_WIDTHS = (1, 7, 16, 65)
_DEPTH = 4
#: Of all faults of characters together: few enough for each frame to get through in some tries.
_CHARACTER_RATE = (0.0005, 0.002)
_FRAME_RATE = (0.03, 0.15)
_ENDS = ("", "@device", "@host")

#: What a trial of the gateware runs on: 4 clocks a bit, and 12.
FAST = BoardOptions(contexts=_DEPTH, width=16)
SLOW = BoardOptions(contexts=_DEPTH, width=65, baud=1_000_000)

MakeFaults = Callable[[Random], str]


@dataclass(frozen=True)
class FaultClass:
    """A row of the tables.

    Attributes
    ----------
    name : str
    faults : callable of Random
        Makes the faults of the line.
    event : str
        A key of `EVENTS` or `STARTS`; empty for none, ``any`` for a random one.
    to_repair : bool
        An error is a miss.
    gateware : bool
        There is no such thing on the model's line.
    near_wrap : bool
        Sequence numbers and op counts wrap.
    """

    name: str
    faults: MakeFaults
    event: str = ""
    to_repair: bool = True
    gateware: bool = False
    near_wrap: bool = False


def _clean(_: Random) -> str:
    return ""


def _alone(name: str, frame: str = "", rate: tuple[float, float] | None = None) -> MakeFaults:
    scope = FAULTS[name][0]
    usual = _CHARACTER_RATE if scope is Scope.CHARACTER else _FRAME_RATE

    def make(rng: Random) -> str:
        narrowed = f"/{frame}" if frame else ""
        end = "" if frame else rng.choice(_ENDS)
        return f"{name}{narrowed}:{rng.uniform(*(rate or usual)):.5f}{end}"

    return make


def _baud(percent: float) -> MakeFaults:
    return lambda rng: f"baud:{rng.choice([-percent, percent])}"


#: How often a trial without any fault is made again.
_ATTEMPTS = 20
_SLOW_SHARE = 0.3
_WRAP = {"next_index": FIRST_NEXT, "opcount": FIRST_OPCOUNT}


def _mixed(times: float) -> MakeFaults:
    """Return what makes several faults, ``times`` as many of them as are sure to be repaired."""

    def make(rng: Random) -> str:
        names = rng.sample(list(FAULTS), rng.randint(3, 6))
        items = []
        for name in names:
            scope = FAULTS[name][0]
            least, most = _CHARACTER_RATE if scope is Scope.CHARACTER else _FRAME_RATE
            rate = min(times * rng.uniform(least, most) / 3, 0.9)
            items.append(f"{name}:{rate:.5f}{rng.choice(_ENDS)}")
        return ",".join(items)

    return make


def _all_classes() -> list[FaultClass]:
    rows = [
        FaultClass(name, _alone(name)) for name in FAULTS if name not in ("lose", "repeat", "late")
    ]
    for name, words in (("lose", "lost"), ("repeat", "duplicated"), ("late", "late duplicate of")):
        rows += [
            FaultClass(f"{words} {frame}", _alone(name, frame))
            for frame in ("DATA", "ACK", "VALUES")
        ]
        rate = (0.2, 0.4) if name == "lose" else (0.9, 1.0)
        rows.append(FaultClass(f"{words} OPEN", _alone(name, "OPEN", rate)))
    rows += [
        FaultClass("baud ±2 %", _baud(2), gateware=True),
        FaultClass("baud ±4 %", _baud(4), gateware=True, to_repair=False),
        FaultClass("sequence and op counter wrap", _mixed(1), near_wrap=True),
    ]
    unrepaired = {"two hosts", "error status in a lost ack", "unplug", "partial write"}
    unrepaired |= {name for name in EVENTS if name.startswith("device reset")}
    rows += [FaultClass(name, _clean, name) for name in STARTS]
    rows += [FaultClass(name, _clean, name, name not in unrepaired) for name in EVENTS]
    rows += [
        FaultClass("flip, heavy", _alone("flip", rate=(0.005, 0.02)), to_repair=False),
        FaultClass("mixed", _mixed(1)),
        FaultClass("mixed, heavy", _mixed(10), to_repair=False),
        FaultClass("mixed, with any of the events", _mixed(1), "any", to_repair=False),
    ]
    return rows


CLASSES = tuple(_all_classes())


def classes_of(level: str) -> list[FaultClass]:
    """Return the classes that there are at a level."""
    return [row for row in CLASSES if level == "gateware" or not row.gateware]


class _NearWrap(DeviceModel):
    """A session's counters begin near their wrap."""

    def _start_session(self, mask: int | None) -> None:
        super()._start_session(mask)
        if mask is not None:
            self.next, self.opcount = FIRST_NEXT, FIRST_OPCOUNT


@dataclass(frozen=True)
class Result:
    """What became of a trial.

    Attributes
    ----------
    row : FaultClass
    faults : str
        Of the line.
    outcome : Outcome
    notes : list of str
        What went over the line, in words, if that was asked for.
    """

    row: FaultClass
    faults: str
    outcome: Outcome
    notes: list[str]


def run_trial(
    seed: int,
    number: int,
    level: str,
    *,
    row: FaultClass | None = None,
    model: type[DeviceModel] = DeviceModel,
    engine: Callable[[Session], Engine] = Engine,
    gateware: Callable[[BoardOptions], Any] | None = None,
    ops: int = 60,
    journal: bool = False,
) -> Result:
    """Run the trial that ``seed``, ``number`` and ``level`` determine.

    Where no fault came to pass, another one takes its place, some times over.

    Parameters
    ----------
    seed, number : int
    level : str
        One of `LEVELS`.
    row : FaultClass
        By default its number's.
    model, engine, gateware : callable
        Make the device model, the host's engine, and the engine that runs the gateware: mutants.
    ops : int
        How many of them.
    journal : bool
        Whether notes are wanted.
    """
    rows = classes_of(level)
    row = rows[number % len(rows)] if row is None else row
    for attempt in range(_ATTEMPTS):
        rng = Random(f"{seed} {number} {attempt} {row.name}")
        faults = row.faults(rng)
        if level == "model":
            device_type = type("Model", (_NearWrap, model), {}) if row.near_wrap else model
            width = rng.choice(_WIDTHS)
            end: Any = device_type(width, _DEPTH, reply_slots=rng.randint(1, 4))
        else:
            options = SLOW if row.gateware or rng.random() < _SLOW_SHARE else FAST
            make: Callable[[BoardOptions], Any] = CxxrtlEngine if gateware is None else gateware
            if row.near_wrap:
                options, make = FAST, near_wrap_engine
            if row.gateware:
                options = replace(options, faults=faults)
            width = options.width
            end = GatewareDevice(make(options), options.clock_frequency)
        name = rng.choice([*EVENTS, *STARTS]) if row.event == "any" else row.event
        notes = Journal(width) if journal else None
        trial = Trial(
            rng,
            end,
            width=width,
            depth=_DEPTH,
            # The rate of the line is the engine's.
            faults="" if row.gateware else faults,
            ops=ops,
            engine=engine,
            event=EVENTS.get(name),
            at_start=STARTS.get(name),
            to_repair=row.to_repair,
            start=_WRAP if row.near_wrap else {},
            journal=notes,
        )
        trial.disturbed = row.near_wrap or row.gateware
        outcome = trial.run()
        if outcome.verdict != UNDISTURBED:
            break
    return Result(row, faults, outcome, notes.lines if notes is not None else [])
