"""The simulator of gates: each kind of cell, order of evaluation, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .bench import first_difference, received
from .gates import GateNetlist, NetlistError, Run, find_compiler
from .netlist import run_yosys

#: A counter, a shift register, a register with an asynchronous reset, and a memory.
VERILOG = """
module top (input clk, input a, input b, output p, output q, output r, output s);
    reg [2:0] count = 5;
    reg first = 0, second = 1, kept = 1;
    reg [2:0] memory [0:3];
    reg [1:0] at = 0;
    integer i;
    initial for (i = 0; i < 4; i = i + 1) memory[i] = i;
    always @(posedge clk) begin
        count <= count + a;
        second <= first;
        first <= b;
        at <= at + 1;
        if (b) memory[at] <= count;
    end
    always @(posedge clk, posedge b) if (b) kept <= 0; else kept <= a;
    assign p = ^count;
    assign q = second;
    assign r = kept;
    assign s = ^memory[{a, at[0]}];
endmodule
"""

GATES = """
read_verilog top.v
proc
memory_collect
memory_share
memory_nordff
techmap
dffunmap
simplemap
splitnets -ports
opt_clean -purge
write_json gates.json
"""


def module(folder: Path) -> Any:
    (folder / "top.v").write_text(VERILOG, encoding="utf-8")
    run_yosys(GATES, folder)
    return json.loads((folder / "gates.json").read_text(encoding="utf-8"))["modules"]["top"]


def expected(stimulus: bytes) -> bytes:
    """The same in plain Python."""
    response = bytearray()
    count, first, second, kept, at, memory = 5, 0, 1, 1, 0, [0, 1, 2, 3]
    for pins in stimulus:
        a, b = pins & 1, pins >> 1 & 1
        if b:
            kept = 0
        word = memory[a << 1 | at & 1]
        response.append(
            count.bit_count() & 1 | second << 1 | kept << 2 | (word.bit_count() & 1) << 3
        )
        if b:
            memory[at] = count
        kept = 0 if b else a
        count, second, first, at = (count + a) % 8, first, b, (at + 1) % 4
    return bytes(response)


def runs(gates: GateNetlist, folder: Path) -> list[Run]:
    """All ways in which a netlist can be run on this machine."""
    compiler = find_compiler()
    return [gates.interpret()] + ([gates.compile(folder, compiler)] if compiler else [])


def test_a_netlist_runs_as_the_verilog_that_it_came_from(tmp_path: Path) -> None:
    gates = GateNetlist(module(tmp_path))
    stimulus = bytes((n * n // 3 ^ n >> 2) & 3 for n in range(400))
    assert gates.inputs == ["a", "b"]
    assert gates.outputs == ["p", "q", "r", "s"]
    for run in runs(gates, tmp_path):
        assert run(stimulus) == expected(stimulus)


def test_what_is_undefined_is_drawn_by_the_seed() -> None:
    undefined = {
        "ports": {
            "clk": {"direction": "input", "bits": [2]},
            "q": {"direction": "output", "bits": [3]},
        },
        "cells": {
            "f": {
                "type": "$_DFF_P_",
                "parameters": {},
                "connections": {"C": [2], "D": ["x"], "Q": [3]},
            }
        },
        "netnames": {},
    }
    seen = {GateNetlist(undefined, seed).interpret()(b"\0\0") for seed in range(20)}
    assert seen == {b"\0\0", b"\0\1", b"\1\0", b"\1\1"}


def test_a_cell_that_is_not_simulated_is_refused() -> None:
    strange = {
        "ports": {},
        "cells": {"u": {"type": "SB_PLL40_PAD", "parameters": {}, "connections": {}}},
        "netnames": {},
    }
    with pytest.raises(NetlistError, match=r"^u is a SB_PLL40_PAD, which is not simulated$"):
        GateNetlist(strange)


def test_a_netlist_without_a_clock_is_refused() -> None:
    with pytest.raises(NetlistError, match=r"^There must be one clock, not 0$"):
        GateNetlist({"ports": {}, "cells": {}, "netnames": {}})


def test_characters_are_found_on_a_line() -> None:
    bits = [1, 1] + [
        bit for byte in (0xA5, 0) for bit in (0, *(byte >> n & 1 for n in range(8)), 1)
    ]
    levels = bytes(bit for bit in [*bits, 1] for _ in range(4))
    assert received(levels, 4) == b"\xa5\0"


def test_a_character_without_a_stop_bit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^What starts in cycle 4 is no character$"):
        received(bytes([1] * 4 + [0] * 60), 4)


def test_the_first_cycle_that_differs_is_found() -> None:
    assert first_difference(b"abc", b"abc") is None
    assert first_difference(b"abc", b"axx") == 1
