"""The report as one page of HTML: no script, nothing that is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from .data import Facts, TimingPath, Use
from .floorplan import COLOURS, draw
from .style import STYLE

__all__ = ["render"]

#: Characters of a name that are shown, and how many of them are its end.
_LONGEST_NAME = 64
_END_OF_NAME = 16
#: Of which kinds there are so many that how full they are says whether more has room.
_ROOM = ("logic cells", "LUTs", "registers", "carry cells", "block RAMs", "pins")


def render(facts: Facts) -> str:
    """Return the page, well-formed as XML too."""
    manifest = facts.manifest
    title = f"{manifest['title']}: build {manifest['build_id']}"
    sections = [
        _head(facts),
        _section("Clocks", _clocks(manifest["clocks"], facts.seeds)),
        _section("Utilisation", _uses(facts.uses)),
        _section("Floorplan", _floorplan(facts)),
        _section(
            "Slowest paths", "".join(_path(path, n == 0) for n, path in enumerate(facts.paths))
        ),
        _section("Serial line", _pairs(facts.line)),
        _section("Notes", _notes(manifest["notes"])) if manifest["notes"] else "",
        _section("Manifest", _pairs(_flat(manifest))),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body>\n</html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _head(facts: Facts) -> str:
    manifest = facts.manifest
    cards = [
        ("met", f"{clock['reached_hz'] / 1e6:.2f} MHz", f"{name}, needs {_mhz(clock['wanted_hz'])}")
        for name, clock in manifest["clocks"].items()
    ]
    fullest = next((use for use in facts.uses if use.name in _ROOM), None)
    if fullest is not None:
        share = f"{fullest.used / fullest.available:.0%}"
        cards.append(("", share, f"of the {fullest.name}, the fullest kind"))
    cards += [
        ("", f"{manifest['contexts']:,}", f"contexts of {manifest['width']} bits"),
        ("", f"{manifest['baud']:,}", f"baud, {manifest['baud_error']:+.2%} off"),
    ]
    boxes = "\n".join(
        f'<div class="card {kind}"><b>{escape(value)}</b>{escape(text)}</div>'
        for kind, value, text in cards
    )
    return (
        f"<header>\n<h1>{escape(manifest['title'])}</h1>\n"
        f'<p class="soft">{escape(manifest["part"])}, seed {manifest["seed"]}, '
        f"atomik-fpga {escape(manifest['version'])}; place and route, not measured on a board</p>\n"
        f'<div class="cards">\n{boxes}\n</div>\n</header>'
    )


def _clocks(clocks: Mapping[str, Mapping[str, int]], seeds: Mapping[int, int]) -> str:
    rows = [
        (
            f"<code>{escape(name)}</code>",
            _mhz(clock["wanted_hz"]),
            _mhz(clock["reached_hz"]),
            f"{clock['reached_hz'] / clock['wanted_hz'] - 1:+.0%}",
            _bar(clock["wanted_hz"] / clock["reached_hz"]),
        )
        for name, clock in clocks.items()
    ]
    table = _table(("clock", "#target", "#reached", "#margin", "target of reached"), rows)
    if len(seeds) < 2:
        return table
    tried = ", ".join(f"{seed}: {_mhz(hz)}" for seed, hz in sorted(seeds.items()))
    return f"{table}\n<p>Of {len(seeds)} seeds the best was kept. By seed: {tried}.</p>"


def _path(path: TimingPath, is_open: bool) -> str:
    rows = [
        (
            str(number),
            escape(hop.kind),
            f"{hop.ns:.2f}",
            f"{hop.total_ns:.2f}",
            _name(hop.cell),
            _name(hop.net),
            "<br/>".join(f"<code>{escape(source)}</code>" for source in hop.sources),
        )
        for number, hop in enumerate(path.hops, 1)
    ]
    head = ("#", "step", "#ns", "#in all", "to cell", "net", "source")
    opened = ' open="open"' if is_open else ""
    words = f"{path.title}: {path.ns:.2f} ns, {path.routing_ns:.2f} ns of it wires"
    return (
        f"<details{opened}>\n<summary>{escape(words)}</summary>\n"
        f"{_table(head, rows, kind='hops')}\n</details>\n"
    )


def _name(name: str) -> str:
    """Return the name of a cell or a net; the middle of one that is long shows when pointed at."""
    if len(name) <= _LONGEST_NAME:
        return f"<code>{escape(name)}</code>" if name else ""
    shown = f"{name[: _LONGEST_NAME - _END_OF_NAME]}…{name[-_END_OF_NAME:]}"
    return f'<code title="{escape(name)}">{escape(shown)}</code>'


def _uses(uses: Iterable[Use]) -> str:
    rows = [
        (
            escape(use.name),
            f"<code>{escape(use.cell)}</code>",
            f"{use.used:,}",
            f"{use.available:,}",
            f"{use.used / use.available:.0%}",
            _bar(use.used / use.available),
        )
        for use in uses
    ]
    return _table(("what", "cell", "#used", "#of", "#part", ""), rows)


def _floorplan(facts: Facts) -> str:
    there = {part for parts in facts.placement.tiles.values() for part in parts}
    key = "".join(
        f'<li><i style="background:{colour}"></i>{escape(part)}</li>'
        for part, colour in COLOURS.items()
        if part in there
    )
    tiles = [hop.tile for hop in facts.paths[0].hops] if facts.paths else []
    return (
        f'{draw(facts.placement, tiles)}\n<ul class="key">{key}</ul>\n'
        '<p class="soft">A square is a tile, in the colour of what has most of its cells, stronger '
        "the fuller it is; framed are block RAMs; the line is the slowest path.</p>"
    )


def _notes(notes: Iterable[str]) -> str:
    return "".join(f"<p>{escape(note)}.</p>" for note in notes)


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Return the manifest's entries, those of an entry under its name."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name} ")
        elif isinstance(value, list):
            flat[before + name] = "; ".join(map(str, value))
        else:
            flat[before + name] = str(value)
    return flat


def _pairs(values: Mapping[str, str]) -> str:
    entries = "".join(
        f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>\n"
        for name, value in values.items()
    )
    return f"<dl>\n{entries}</dl>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "") -> str:
    """Return a table; columns whose head begins with ``#`` hold numbers."""
    columns = list(head)
    classes = [' class="number"' if column.startswith("#") else "" for column in columns]
    headers = "".join(
        f"<th{css}>{escape(column.removeprefix('#') or column)}</th>"
        for column, css in zip(columns, classes, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{css}>{cell}</td>" for cell, css in zip(row, classes, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table class="{kind}">\n<thead><tr>{headers}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _bar(part: float) -> str:
    return f'<div class="bar"><i style="width:{min(part, 1) * 100:.1f}%"></i></div>'


def _mhz(hz: int) -> str:
    return f"{hz / 1e6:.2f} MHz"
