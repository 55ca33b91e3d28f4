"""Tables and plots of ``docs/performance.md``, made of the record alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from .cases import Case
from .chart import chart
from .devices import DEVICES
from .rows import Row

__all__ = ["PAGE", "draw", "plots", "tables", "with_tables"]

_DOCS = Path(__file__).parents[2] / "docs"
PAGE = _DOCS / "performance.md"
_IMAGES = _DOCS / "images"

_BEGIN, _END = "<!-- table: {} -->", "<!-- end of table -->"

_KINDS = ("core", "table", "chain", "tree")


def draw(rows: Sequence[Row]) -> None:
    """Write all plots, and the tables into the page."""
    for name, text in plots(rows).items():
        (_IMAGES / name).write_text(text, encoding="utf-8", newline="\n")
    text = with_tables(PAGE.read_text(encoding="utf-8"), tables(rows))
    PAGE.write_text(text, encoding="utf-8", newline="\n")


def with_tables(page: str, made: Mapping[str, str]) -> str:
    """Return ``page`` with what is between its marks replaced.

    Raises
    ------
    ValueError
        If the page lacks a mark of a table.
    """
    for name, table in made.items():
        begin = _BEGIN.format(name)
        before, found, rest = page.partition(begin)
        _old, ended, after = rest.partition(_END)
        if not found or not ended:
            raise ValueError(f"{PAGE} has no {begin} with {_END} after it")
        page = f"{before}{begin}\n\n{table}\n{_END}{after}"
    return page


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """Return the tables by name."""
    main = [row for row in rows if row.case.seeds > 3 and row.case.target_rate is None]
    most = [row for row in rows if row.case.target_rate is not None]
    return {
        "clocks": _clocks(main),
        "cells": _cells(main),
        "lanes": _lanes(most),
        "limits": _limits(),
        "paths": _paths([*main, *most]),
        "plots": "\n".join(f"![{title}](images/{name})" for name, title in _titles(rows)) + "\n",
        "growth": _growth([row for row in rows if row not in main and row not in most]),
    }


def _clocks(rows: Iterable[Row]) -> str:
    lines = [
        "| design | device | logic, MHz | seeds from … to | target | usable, MHz |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        case = row.case
        target = "none"
        if case.target_mhz is not None:
            target = f"{case.target_mhz:g}: {_verdict(row.median >= case.target_mhz)}"
        lines.append(
            f"| {case.title} | {case.device.title} | {row.median:.1f} | {_spread(row)} "
            f"| {target} | {row.usable:.0f} |"
        )
    return _join(lines)


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _spread(row: Row) -> str:
    runs = row.mhz.values()
    return f"{len(runs)}: {min(runs):.0f} … {max(runs):.0f}"


def _cells(rows: Iterable[Row]) -> str:
    lines = [
        "| design | device | LUTs | registers | block RAMs | LUT RAM cells | harness | in all |",
        "|---|---|---|---|---|---|---|---|",
    ]
    seen = set()
    for row in rows:
        case = row.case
        if (key := (case.title, case.device.title.rpartition("-")[0] or case.device.title)) in seen:
            continue
        seen.add(key)
        lines.append(
            f"| {case.title} | {case.device.title} | {row.luts:,} | {row.registers:,} | {row.rams} "
            f"| {row.lut_rams} | {_harness(row)} | {_share(row)} |"
        )
    return _join(lines)


def _harness(row: Row) -> str:
    luts, registers = row.harness
    return f"{luts:,} LUTs, {registers:,} registers"


def _share(row: Row) -> str:
    """How much of the device is taken, harness included: the fullest kind of logic cell."""
    kinds = {"ICESTORM_LC": "logic cells", "TRELLIS_COMB": "LUTs", "TRELLIS_FF": "registers"}
    shares = [
        f"{100 * used / available:.0f} % of {kinds[kind]}"
        for kind, (used, available) in row.utilisation.items()
        if kind in kinds
    ]
    return ", ".join(shares)


def _lanes(rows: Iterable[Row]) -> str:
    lines = [
        "| design | device | logic, MHz | seeds from … to | usable, MHz | accumulates | target "
        "| harness | device in all |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        case, rate = row.case, row.rate or 0.0
        target = f"{case.target_rate:g} G/s: {_verdict(rate >= (case.target_rate or 0.0))}"
        lines.append(
            f"| {case.title} | {case.device.title} | {row.median:.1f} | {_spread(row)} "
            f"| {row.usable:.0f} | {rate:.0f} G/s | {target} | {_harness(row)} | {_share(row)} |"
        )
    return _join(lines)


def _limits() -> str:
    lines = ["| device | clock network | from |", "|---|---|---|"]
    lines += [f"| {it.title} | {it.limit_mhz} MHz | {it.source} |" for it in DEVICES.values()]
    return _join(lines)


def _paths(rows: Iterable[Row]) -> str:
    """Return the critical path of each row that misses a target."""
    parts = []
    for row in rows:
        case = row.case
        if case.target_mhz is None or row.median >= case.target_mhz:
            continue
        steps = "\n".join(f"    {step}" for step in row.critical_path)
        parts.append(
            f"{case.title}, {case.device.title}: {row.median:.1f} of {case.target_mhz:g} MHz\n\n"
            f"{steps}\n"
        )
    return "\n".join(parts) if parts else "None is missed.\n"


def _growth(rows: Iterable[Row]) -> str:
    lines = [
        "| design | device | logic, MHz | seeds from … to | usable, MHz | LUTs | registers "
        "| block RAMs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.case.title} | {row.case.device.title} | {row.median:.0f} | {_spread(row)} "
        f"| {row.usable:.0f} | {row.luts:,} | {row.registers:,} | {row.rams} |"
        for row in sorted(rows, key=lambda row: _order(row.case))
    ]
    return _join(lines)


def _order(case: Case) -> tuple[int, int, int, int]:
    device = list(DEVICES).index(case.device.name)
    return _KINDS.index(case.kind), device, case.width, case.size


def _join(lines: Sequence[str]) -> str:
    return "\n".join([*lines, ""])


_LANES, _RATE = "fmax-lanes.svg", "fmax-rate.svg"
_RATE_TITLE = "Accumulates at the usable clock, 64 bit"
#: Points that a plot must have along its axis.
_FEWEST = 2

#: By file: title, name of the axis, what is counted along it, and which cases are in it.
_GROWTH: Mapping[str, tuple[str, str, Callable[[Case], int], Callable[[Case], bool]]] = {
    "fmax-width.svg": (
        "Clock of the logic against width",
        "bits of a context (256 contexts; 16 lanes)",
        lambda case: case.width,
        lambda case: (
            (case.kind, case.size) in (("core", 1), ("table", 256), ("chain", 16))
            and case.device.name in ("hx8k", "up5k", "25f-6")
        ),
    ),
    "fmax-depth.svg": (
        "Clock of the logic against contexts, 64 bit",
        "contexts of a table",
        lambda case: case.size,
        lambda case: (
            (case.kind, case.width) == ("table", 64) and case.device.name in ("hx8k", "85f-6")
        ),
    ),
    _LANES: (
        "Clock of the logic against lanes, 64 bit",
        "lanes",
        lambda case: case.size,
        lambda case: case.lanes is not None and case.width == 64 and case.device.name == "85f-6",
    ),
}


def _titles(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return file and title of each plot that there is."""
    titles = {name: title for name, (title, *_rest) in _GROWTH.items()} | {_RATE: _RATE_TITLE}
    made = plots(rows)
    return [(name, title) for name, title in titles.items() if name in made]


def plots(rows: Sequence[Row]) -> dict[str, str]:
    """Return the plots by name of their file; those with less than two points are left out."""
    files = {}
    for name, (title, along, position, shown) in _GROWTH.items():
        picked = [row for row in rows if shown(row.case)]
        if len({position(row.case) for row in picked}) < _FEWEST:
            continue
        files[name] = _plot(title, (along, "MHz"), picked, position, lambda row: row.median)
        if name == _LANES:
            rates = (along, "G/s")
            files[_RATE] = _plot(_RATE_TITLE, rates, picked, position, lambda row: row.rate or 0.0)
    return files


def _plot(
    title: str,
    axes: tuple[str, str],
    rows: Iterable[Row],
    position: Callable[[Case], int],
    value: Callable[[Row], float],
) -> str:
    lines: dict[str, list[tuple[int, float]]] = {}
    looks: dict[str, tuple[int, int]] = {}
    devices: list[str] = []
    for row in sorted(rows, key=lambda row: _order(row.case)):
        case = row.case
        design, _bits, _size = case.title.partition(f", {case.width} bit")
        name = f"{design}, {case.device.title}"
        if case.device.name not in devices:
            devices.append(case.device.name)
        lines.setdefault(name, []).append((position(case), value(row)))
        looks[name] = _KINDS.index(case.kind) % 3, devices.index(case.device.name)
    return chart(title, axes, lines, looks)
