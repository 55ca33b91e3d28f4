"""What is left out at a clock would have changed nothing: designs of all sorts, clock by clock."""

from __future__ import annotations

import ctypes
import random
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from atomik_sim.cxxrtl import Compiler, build, find_compiler
from atomik_sim.cxxrtl.compiler import _of_ziglang
from atomik_sim.cxxrtl.schedule import ScheduleError, schedule

from .simulate import simulate

INPUTS = ("a", "b")
OUTPUTS = ("state", "logic", "mealy", "stored")
CLOCKS = 3000

# Runs a design; tells its outputs before each clock, and whether it was settled then.
DRIVER = """
#include "design.cc"
extern "C" __attribute__((visibility("default")))
void run(const unsigned char *levels, unsigned long count, unsigned char *pins) {
	Design design;
	for (unsigned long n = 0; n < count; n++) {
		design.set_a(levels[n] & 1);
		design.set_b(levels[n] >> 1 & 1);
		design.set_rst(levels[n] >> 2 & 1);
		pins[n] = design.state() | design.logic() << 1 | design.mealy() << 2 |
			design.stored() << 3 | design.settled() << 4;
		design.clock();
	}
}
"""


class Cell(wiring.Component):
    """Registers of random widths that follow random functions, some of the time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        super().__init__({"i": In(8), "go": In(1), "registers": Out(8), "logic": Out(8)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        rng = random.Random(self._seed)
        widths = [rng.choice([1, 3, 8, 33, 70]) for _ in range(4)]
        registers = [
            Signal(width, name=f"r{n}", init=rng.getrandbits(width), reset_less=rng.random() < 0.3)
            for n, width in enumerate(widths)
        ]

        def function(depth: int) -> Any:
            leaf = rng.choice([*registers, self.i, C(rng.getrandbits(9), 9)])
            if depth == 0:
                return leaf
            left, right = function(depth - 1), function(depth - 1)
            return rng.choice(
                [
                    left & right,
                    left ^ right,
                    left + right,
                    left == right,
                    Mux(self.go, left, right),
                    Mux(left.any(), right, leaf),
                    Cat(left, right)[1:40],
                ]
            )

        for register in registers:
            condition = rng.choice([self.go, self.i[0] & self.go, registers[0].any(), C(1)])
            with m.If(condition):
                m.d.sync += register.eq(function(2))
        # A counter that nothing but itself reads, until it is full.
        count = Signal(4)
        with m.If(count != 13):
            m.d.sync += count.eq(count + 1)
        with m.Elif(self.go & self.i.any()):
            m.d.sync += count.eq(0)

        storage = memory.Memory(shape=9, depth=5, init=[rng.getrandbits(9) for _ in range(5)])
        m.submodules.storage = storage
        write, read = storage.write_port(), storage.read_port(domain=rng.choice(["comb", "sync"]))
        m.d.comb += [
            write.en.eq(self.go & (count == 13)),
            write.addr.eq(registers[1]),
            write.data.eq(function(1)),
            read.addr.eq(registers[2]),
        ]
        if read.domain == "sync":
            m.d.comb += read.en.eq(self.i[1])
        m.d.comb += [
            self.registers.eq(registers[3] ^ registers[0]),
            self.logic.eq(Cat((count == 13) ^ read.data.xor(), function(1))),
        ]
        return m


class Chain(wiring.Component):
    """Cells that read each other's registers, and logic of them and of inputs."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        super().__init__({name: In(1) for name in INPUTS} | {name: Out(1) for name in OUTPUTS})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        cells = [Cell(10 * self._seed + n) for n in range(4)]
        for n, cell in enumerate(cells):
            m.submodules[f"cell{n}"] = cell
        # Backwards registers alone, so that there is no loop without one.
        for n, cell in enumerate(cells):
            before = Cat(self.a, self.b, cells[-1].registers) if n == 0 else cells[n - 1].logic
            m.d.comb += cell.i.eq(before)
            m.d.comb += cell.go.eq(self.a ^ self.b if n == 0 else cells[n - 1].registers[0])
        late = Signal()
        m.d.sync += late.eq(cells[1].logic.xor() & self.b)
        m.d.comb += [
            self.state.eq(cells[0].registers.xor()),
            self.logic.eq(cells[2].logic.xor() ^ late),
            self.mealy.eq(cells[3].logic.xor() ^ self.a),
            self.stored.eq(cells[0].logic[0]),
        ]
        return m


def stimulus(seed: int) -> list[int]:
    """Levels of a, b and the reset: bursts, and quiet times in which a design settles."""
    rng = random.Random(seed)
    levels: list[int] = []
    while len(levels) < CLOCKS:
        levels += [rng.getrandbits(2) for _ in range(rng.randrange(1, 20))]
        levels += [rng.getrandbits(2)] * rng.choice([1, 2, 5, 40])
        if rng.random() < 0.1:
            levels += [4 | rng.getrandbits(2)]
    return levels[:CLOCKS]


def expected(seed: int, levels: Sequence[int]) -> list[int]:
    dut = Chain(seed)
    reset = Signal()
    pins: list[int] = []

    async def testbench(ctx: Any) -> None:
        for level in levels:
            ctx.set(Cat(dut.a, dut.b, reset), level)
            pins.append(ctx.get(Cat(getattr(dut, name) for name in OUTPUTS)))
            await ctx.tick()

    simulate(ResetInserter(reset)(dut), testbench, deadline=len(levels) + 1)
    return pins


def translated(seed: int) -> str:
    dut = Chain(seed)
    ports = [getattr(dut, name) for name in (*INPUTS, *OUTPUTS)]
    return build._cxxrtl(rtlil.convert(dut, ports=ports, emit_src=False))


Runner = Callable[..., list[int]]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    def run(
        source: str, levels: Sequence[int], compiler: Callable[[], Compiler] = find_compiler
    ) -> list[int]:
        (tmp_path / "design.cc").write_text(source)
        driver = tmp_path / "driver.cc"
        driver.write_text(DRIVER)
        # Loaded once for each name.
        library = tmp_path / f"{abs(hash(source))}.so"
        build._compile(compiler(), driver, library)
        pins = ctypes.create_string_buffer(len(levels))
        ctypes.CDLL(str(library)).run(bytes(levels), ctypes.c_ulong(len(levels)), pins)
        return list(pins.raw)

    return run


# The package ziglang has another way of linking, without the C++ library.
@pytest.mark.parametrize(
    ("seed", "compiler"),
    [(0, find_compiler), (1, _of_ziglang)],
    ids=["the_usual_compiler", "ziglang"],
)
def test_a_design_does_at_each_clock_what_it_does_on_amaranths_simulator(
    seed: int, compiler: Callable[[], Compiler], runner: Runner
) -> None:
    levels = stimulus(seed)
    pins = expected(seed, levels)
    for bit in range(len(OUTPUTS)):
        assert {value >> bit & 1 for value in pins} == {0, 1}
    found = runner(schedule(translated(seed)), levels, compiler)
    assert [value & 0xF for value in found] == pins
    # Once it is settled, nothing changes until an input does.
    for _, times in groupby(zip(levels, found, strict=True), key=lambda pair: pair[0]):
        still = [value for _, value in times if value & 0x10]
        assert len(set(still)) <= 1


def test_a_part_that_is_not_told_of_a_change_is_found(runner: Runner) -> None:
    levels = stimulus(0)
    source, count = re.subn(r"changed \|= 0x\w+u", "changed |= 0x1u", schedule(translated(0)))
    assert count > 4
    assert [value & 0xF for value in runner(source, levels)] != expected(0, levels)


# What CXXRTL writes of a register and its output, and what it does not write.

TEXT = """
struct p_top : public module {
	wire<1> p_register;
	/*output*/ value<1> p_o;
	/*input*/ value<1> p_clk;
	/*input*/ value<1> p_i;
	p_top(interior) {}
};

void p_top::reset() {
	p_register = wire<1>{0u};
}

bool p_top::eval(performer *performer) {
	bool converged = true;
	bool posedge_p_clk = this->posedge_p_clk();
	value<1> i_1;
	// cell $1
	i_1 = not_u<1>(p_i);
	if (posedge_p_clk) {
		p_register.next = xor_uu<1>(p_register.curr, i_1);
	}
	p_o = p_register.curr;
	return converged;
}
"""


def test_what_reads_itself_is_evaluated_again_after_a_change() -> None:
    commit = (
        schedule(TEXT).partition("void commit_0(uint64_t &changed) {")[2].partition("\n\t}\n")[0]
    )
    assert "if (p_register.commit(unobserved)) {\n\t\tchanged |= 0x1u;" in commit


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "struct p_top :",
            "struct other :",
            "CXXRTL wrote no 'struct p_top : public module {' that ends with ",
        ),
        (
            "converged = true",
            "converged = false",
            "CXXRTL's function begins with ['\\tbool converged = false;', "
            "'\\tbool posedge_p_clk = this->posedge_p_clk();']",
        ),
        ("value<1> p_i;", "value<2> p_i;", "Port p_i has 2 bits, not 1"),
        ("\tp_o = ", "\tp_register.next = ", "Something else than a register is kept: "),
        (
            "if (posedge_p_clk) {",
            "if (negedge_p_clk) {",
            "Something else than a register is kept: ",
        ),
        ("\ti_1 = not_u<1>(p_i);", "\tsurprise(p_i);", "CXXRTL wrote 'surprise(p_i);'"),
        (
            "\twire<1> p_register;",
            "\twire<1> p_register;\n\twire<1> p_x;",
            "Wire p_x is not a register",
        ),
    ],
)
def test_another_text_than_the_known_one_is_refused(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ScheduleError) as raised:
        schedule(TEXT.replace(old, new))
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(("components", "parts"), [(63, 64), (64, 2)])
def test_there_are_no_more_parts_than_bits_of_a_word(components: int, parts: int) -> None:
    names = [f"p_many_2e_c{n}_2e_r" for n in range(components)]
    wires = "".join(f"\twire<1> {name};\n" for name in names)
    edges = "".join(f"\tif (posedge_p_clk) {{\n\t\t{name}.next = p_i;\n\t}}\n" for name in names)
    text = TEXT.replace("\tp_top(interior)", f"{wires}\tp_top(interior)")
    source = schedule(text.replace("\tp_o = ", f"{edges}\tp_o = "))
    assert source.count("void evaluate_") == parts
    assert all(f"{name}.next = p_i;" in source for name in names)
