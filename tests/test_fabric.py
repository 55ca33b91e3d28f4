"""Gateware beside the device: the example's edges, on simulated pins and on a board's."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from atomik_boards.build import build_board, build_files
from atomik_boards.catalog import Family, find_board
from atomik_boards.design import Fabric, plan_design
from atomik_boards.errors import BuildError
from atomik_boards.run import run_steps
from atomik_boards.tools import find_tools
from atomik_fpga import AtomikTable, connect
from atomik_hdl.device import DeltaDevice, accum_layout
from atomik_hdl.fabric import FabricDevice
from atomik_sim.fabric import fabric_board
from atomik_sim.options import url_of
from atomik_sim.registry import drop_board
from atomik_sim.registry import find_board as simulated
from atomik_sim.server import serve

from .simulate import simulate

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "fabric"
SETTLE = 5e-6
#: Clocks of that, at 12 MHz.
CLOCKS = 60
#: Seconds after which the example counts as stuck.
DEADLINE = 120


@pytest.fixture
def example(monkeypatch):
    """Import a module of the example."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    names = ("edges", "build", "simulate")
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def board(example, request):
    """Make a simulated board with the example's edges and three pins."""
    made = []

    def make(script=(), **options):
        name = f"{request.node.name}-{len(made)}"
        edges = partial(example("edges").Edges, 3, settle=SETTLE)
        board = fabric_board(edges, script, contexts=4, name=name, **options)
        made.append(board.options)
        return board, url_of(board.options)

    yield make
    for options in made:
        drop_board(options)


def counts_at(url, board, clock):
    with AtomikTable.attach(url) as table:
        while board.status.clocks < clock:
            table.read_all()
        return table.read_all()


def test_edges_of_a_script_are_counted_through_the_driver(board):
    script = [(1000 + 200 * n, value) for n, value in enumerate((1, 3, 2, 6, 0, 1))]
    made, url = board(script)
    assert counts_at(url, made, 3000) == [3, 2, 2, 0]
    assert url.startswith("sim://")
    assert simulated(url) is made


def test_bouncing_is_one_edge_and_a_glitch_is_none(board):
    bouncing = [(1000 + 10 * n, n % 2 ^ 1) for n in range(9)]
    glitch = [(2000, 0b011), (2000 + CLOCKS - 5, 0b001), (3000, 0b101), (3000 + CLOCKS + 5, 0b001)]
    made, url = board([*bouncing, *glitch])
    assert counts_at(url, made, 3500) == [1, 0, 2, 0]


def test_a_pin_that_is_high_from_the_start_has_no_edge_then(board):
    made, url = board([(0, 0b101), (1000, 0b001)])
    assert counts_at(url, made, 1500) == [0, 0, 1, 0]


def test_edges_of_one_clock_all_count_and_meet_ops_of_the_link(board):
    made, url = board()
    with connect(url) as connection:
        connection.load(3, 1)
        begin = made.status.clocks + 1000
        for n in range(20):
            made.drive(0b111 if n % 2 == 0 else 0, begin + 100 * n)
        for n in range(40):
            connection.accum(3, n)
        while made.status.clocks < begin + 2200:
            connection.read(3)
        assert connection.read_many(0, 4) == [20, 20, 20, 1 ^ 0]


def test_pins_move_from_python_and_the_board_rests_in_between(board):
    made, url = board()
    with AtomikTable.attach(url) as table:
        assert table.read_all() == [0, 0, 0, 0]
        for count in range(1, 4):
            made.drive(count % 2)
            while table.read(0) != count:
                pass
        with connect(url):
            while not made.status.idle:
                pass
    assert made.status.idle


def test_a_reset_counts_from_zero(board):
    made, url = board([(1000, 1), (1200, 0)])
    assert counts_at(url, made, 1500) == [2, 0, 0, 0]
    made.reset()
    # Not at once: the level that a pin has after a reset is no edge.
    begin = made.status.clocks + 10 * CLOCKS
    made.drive(1, begin)
    with connect(url) as connection:
        while made.status.clocks < begin + 2 * CLOCKS:
            connection.read(0)
        assert connection.read_many(0, 4) == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("levels", "clock", "message"),
    [
        (8, 10, "Levels must be those of 3 pins, not 0x8"),
        (-1, 10, "Levels must be those of 3 pins, not -0x1"),
        (1, 99, "Clock 99 is before clock 100, which was asked for"),
    ],
)
def test_a_wrong_script_is_named(board, levels, clock, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        board([(100, 0), (clock, levels)] if levels == 1 else [(clock, levels)])
    made, _ = board([(100, 0)])
    with pytest.raises(ValueError, match=f"^{message}$"):
        made.drive(levels, clock)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "A board with a fabric must have a name: give it name=…"),
        (
            {"name": "a", "engine": "cxxrtl"},
            "A board with a fabric runs on engine amaranth, not cxxrtl",
        ),
    ],
)
def test_a_board_that_can_not_have_a_fabric_is_refused(example, options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        fabric_board(partial(example("edges").Edges, 3), **options)


def test_a_component_with_other_members_is_refused():
    class Empty(wiring.Component):
        def elaborate(self, platform):
            return Module()

    accum = Out(stream.Signature(accum_layout(8, 4)))
    device = DeltaDevice(12_000_000, 1_000_000, 8, 5)
    with pytest.raises(TypeError, match=r"^The fabric's accum must be Out\("):
        FabricDevice(device, Empty({"pins": In(1), "accum": accum}))
    for wrong in (Empty({"pins": In(1)}), object()):
        with pytest.raises(TypeError, match=r"^A fabric must be a component with pins and accum"):
            FabricDevice(device, wrong)


def test_what_waits_at_the_port_holds_and_loses_no_edge(example):
    dut = example("edges").Edges(2, 1, 8, 4, settle=1)
    taken = [0, 0]

    async def port(ctx):
        for n in range(90):
            ctx.set(dut.accum.ready, n % 7 == 6)
            _, _, valid, ready, payload = await ctx.tick().sample(
                dut.accum.valid, dut.accum.ready, dut.accum.payload
            )
            if valid and ready:
                taken[payload.address] ^= payload.delta

    async def pins(ctx):
        await ctx.tick().repeat(5)
        for n in range(10):
            ctx.set(dut.pins, 0b11 if n % 2 == 0 else 0b00)
            await ctx.tick().repeat(4)

    simulate(dut, port, pins, deadline=200)
    assert taken == [10, 10]


def test_the_simulation_and_the_watching_script_run_in_two_processes():
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, EXAMPLE / "simulate.py"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=EXAMPLE,
    ) as simulation:
        watch = None
        # A process that says nothing is ended, and its line is empty then.
        deadline = threading.Timer(DEADLINE, simulation.kill)
        deadline.start()
        try:
            name, _, url = simulation.stdout.readline().strip().partition("=")
            assert name == "ATOMIK_PORT"
            watch = subprocess.Popen(
                [sys.executable, EXAMPLE / "watch.py"],
                stdout=subprocess.PIPE,
                text=True,
                env={**environment, name: url},
            )
            seen = [list(map(int, watch.stdout.readline().split())) for _ in range(3)]
        finally:
            deadline.cancel()
            for process in filter(None, (watch, simulation)):
                process.send_signal(signal.SIGTERM)
            if watch is not None:
                watch.stdout.close()
                watch.wait()
    assert all(len(counts) == 11 for counts in seen)
    assert seen[0] != seen[1] != seen[2]
    assert all(sum(now) > sum(before) for before, now in pairwise(seen))
    # Only the button and the pin that the script moves.
    assert all(not sum(counts[1:8]) + sum(counts[9:]) for counts in seen)


#: The command line as a program that Ctrl-C reaches: who is started in the background ignores it,
#: and so do the programs that it starts.
COMMAND = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("atomik_fpga", run_name="__main__", alter_sys=True)
"""


@contextmanager
def watching(url, address):
    """Run ``atomik ctx watch`` until the end of the block, and yield what it says."""
    arguments = ["ctx", "watch", str(address), "--port", url, "--interval=0.05", "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        deadline = threading.Timer(DEADLINE, process.kill)
        deadline.start()
        try:
            yield map(json.loads, process.stdout)
        finally:
            # As Ctrl-C does; Windows can't send that to one process.
            process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
            process.stdout.close()
            process.wait()
            deadline.cancel()
    assert process.returncode == (0 if os.name == "posix" else 1)


def test_ctx_watch_shows_the_deltas_of_the_example_live(example):
    simulation = example("simulate")
    board = simulation.board(rounds=0, name="watched")
    try:
        with serve(board) as server, watching(server.url, 0) as lines:
            counts = [int(next(lines)["accumulator"], 16)]
            for level in (1, 0, 1, 0):
                board.drive(level)
                counts.append(int(next(lines)["accumulator"], 16))
            assert counts == [0, 1, 2, 3, 4]
            start = board.status.clocks
            for clock, levels in simulation.levels(2):
                board.drive(levels, start + clock)
            while counts[-1] < 8:
                line = next(lines)
                counts.append(int(line["accumulator"], 16))
                assert counts[-1] > counts[-2]
                assert (line["state"], line["reference"]) == (line["accumulator"], f"0x{0:016x}")
        with AtomikTable.attach(url_of(board.options)) as table:
            assert table.snapshot() == {0: 8, 8: 3}
    finally:
        drop_board(board.options)
        board.close()


#: Reads a design and looks at what is synthesised, without the time that synthesis takes.
CHECK = """
read_verilog -lib +/ice40/cells_sim.v
read_rtlil top.il
hierarchy -check -top top
proc
check -assert
select top
write_json -selected top.json
"""


def test_the_design_of_the_example_is_elaborated_with_its_pins(example, tmp_path):
    """Its bitstream is built in the workflow."""
    build = example("build")
    design = plan_design(find_board("icebreaker"), **build.SIZE)
    _, files = build_files(replace(design, fabric=build.FABRIC))
    constraints = files["top.pcf"]
    # Buttons 1 to 3 are on PMOD2, the eight inputs on PMOD 1A.
    for pin in (20, 19, 18, 4, 2, 47, 45, 3, 48, 46, 44):
        assert constraints.count(f" {pin}\n") == 1, pin
    (tmp_path / "top.il").write_text(files["top.il"], encoding="utf-8")
    (tmp_path / "check.ys").write_text(CHECK, encoding="utf-8")
    command = ("yosys", "-q", "check.ys")
    run_steps([command], find_tools(Family.ICE40), tmp_path, lambda line: None)
    (module,) = json.loads((tmp_path / "top.json").read_text(encoding="utf-8"))["modules"].values()
    ports = {name: len(port["bits"]) for name, port in module["ports"].items()}
    assert {name: ports[name] for name in ports if "button" in name or "input" in name} == {
        # The reset button of the board, those of the break-off section, and the PMOD.
        **{f"button_{n}__io": 1 for n in range(4)},
        "inputs_0__io": 8,
    }


def test_a_fabric_with_another_number_of_pins_is_refused(example, tmp_path):
    fabric = Fabric(partial(example("edges").Edges, 2), (("button", 0),))
    board = find_board("icebreaker")
    with pytest.raises(BuildError, match=r"^The fabric has 2 pins, and the board's resources 1$"):
        build_board(replace(board, reset=None), out=tmp_path, fabric=fabric)
