"""What was reached by each case, and the committed record of it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low
from typing import Any

from ..record import Record
from .cases import CASES, Case
from .devices import DEVICES
from .flow import Netlist, Placement

__all__ = ["RECORD", "Row", "load", "make_row", "merge", "records", "save"]

#: The record that docs and plots are made of.
RECORD = Path(__file__).parents[1] / "results" / "fmax.json"


@dataclass(frozen=True, slots=True)
class Row:
    """A case and its results.

    Attributes
    ----------
    name : str
        Of the case.
    mhz : dict of str to float
        Highest clock of the logic, by seed.
    luts, registers, rams, lut_rams : int
        Of the design without its harness, as `Cells` has them.
    harness : list of int
        LUTs and registers of the harness.
    utilisation : dict of str to list of int
        Used and available cells, harness included.
    critical_path : list of str
        Of the run with the median.
    tools : dict of str to str
        Versions by distribution.
    netlist : str
        Key of the netlist.
    date : str
        Year and month.
    """

    name: str
    mhz: dict[str, float]
    luts: int
    registers: int
    rams: int
    lut_rams: int
    harness: list[int]
    utilisation: dict[str, list[int]]
    critical_path: list[str]
    tools: dict[str, str]
    netlist: str
    date: str

    @property
    def case(self) -> Case:
        """What was measured."""
        return CASES[self.name]

    @property
    def median(self) -> float:
        """Clock of the logic in MHz: the median over the seeds, the lower one of two."""
        return median_low(self.mhz.values())

    @property
    def usable(self) -> float:
        """Clock in MHz that the logic reaches and the clock network allows."""
        return min(self.median, self.case.device.limit_mhz)

    @property
    def rate(self) -> float | None:
        """Accumulates at the usable clock, in 10^9 a second, if these are banks."""
        lanes = self.case.lanes
        return None if lanes is None else self.usable * lanes / 1e3


def make_row(
    case: Case,
    netlist: Netlist,
    placements: Sequence[Placement],
    tools: Mapping[str, str],
) -> Row:
    """Return the row of ``case``."""
    middle = sorted(placements, key=lambda run: run.mhz)[(len(placements) - 1) // 2]
    return Row(
        name=case.name,
        mhz={str(run.seed): round(run.mhz, 2) for run in placements},
        luts=netlist.cells.luts,
        registers=netlist.cells.registers,
        rams=netlist.cells.rams,
        lut_rams=netlist.cells.lut_rams,
        harness=list(netlist.harness),
        utilisation={kind: list(cells) for kind, cells in middle.utilisation.items()},
        critical_path=list(middle.critical_path),
        tools=dict(tools),
        netlist=netlist.key,
        date=f"{datetime.datetime.now(datetime.UTC):%Y-%m}",
    )


def records(rows: Iterable[Row]) -> list[Record]:
    """Return what the benchmark prints: of each row logic, usable clock and, of banks, the rate."""
    return [record for row in rows for record in _records(row)]


def _records(row: Row) -> list[Record]:
    case, device = row.case, row.case.device
    conditions = {
        "device": device.title,
        "statistic": "median",
        "seeds": len(row.mhz),
        "from": min(row.mhz.values()),
        "to": max(row.mhz.values()),
        "luts": row.luts,
        "registers": row.registers,
        "rams": row.rams,
        "harness": "{} LUTs, {} registers".format(*row.harness),
        **row.tools,
        "date": row.date,
    }
    limit = {"limit": device.limit_mhz, "source": device.source}

    def record(kind: str, value: float, unit: str, target: float | None, **more: object) -> Record:
        name = f"{row.name}_{kind}"
        return Record(
            name, value, unit, "place-and-route", "higher", {**conditions, **more}, target
        )

    result = [
        record("logic", row.median, "MHz", case.target_mhz),
        record("usable", row.usable, "MHz", None, **limit),
    ]
    if row.rate is not None:
        result.append(record("accumulates", row.rate, "G/s", case.target_rate, **limit))
    return result


def load(path: Path = RECORD) -> list[Row]:
    """Return the rows of the record; none if there is no record yet.

    Raises
    ------
    ValueError
        If it has a row of no case.
    """
    if not path.exists():
        return []
    rows = [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    for row in rows:
        if row.name not in CASES:
            raise ValueError(f"{path} has a row {row.name!r}, but there is no such case: remove it")
    return rows


def merge(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Return all rows, the new ones in place of old ones of their cases, in the cases' order."""
    rows = {row.name: row for row in (*old, *new)}
    return [rows[name] for name in CASES if name in rows]


def save(rows: Iterable[Row], path: Path = RECORD) -> None:
    """Write the record: one line a row, so that a change shows what changed."""
    lines = ",\n  ".join(json.dumps(asdict(row)) for row in rows)
    devices: dict[str, Any] = {
        name: {"title": it.title, "limit_mhz": it.limit_mhz, "source": it.source}
        for name, it in DEVICES.items()
    }
    text = (
        f'{{"benchmark": "fmax", "devices": {json.dumps(devices)},\n "rows": [\n  {lines}\n ]}}\n'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
