"""A block RAM as cells of a vendor beside the model that everything else is simulated with."""

from __future__ import annotations

import json
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from atomik_boards.catalog import Family
from atomik_hdl.export import export_verilog
from atomik_hdl.ram import BlockRam

from .gates import GateNetlist, find_compiler
from .netlist import model_gates, run_yosys

__all__ = ["RamBench", "ram_cells", "ram_source", "run_gates"]

_PINS = 8


class RamBench(wiring.Component):
    """A block RAM with 8 pins in, from which all its inputs come, and 8 out, which hold all bits.

    Addresses are 0 and the powers of 2: a bit of an address that is not looked at, or that is
    mistaken for another one, makes two of them one. What is read without a meaning is left out.
    """

    def __init__(self, width: int, depth: int, technology: str, *, stalls: bool = True) -> None:
        self._ram = BlockRam(width, depth, technology=technology, stalls=stalls)
        self._width = width
        self._depth = depth
        self._stalls = stalls
        super().__init__({"i": In(_PINS), "o": Out(_PINS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ram = ram = self._ram
        bits = ceil_log2(self._depth)
        feed = Signal(-(-(self._width + 11) // _PINS) * _PINS)
        m.d.sync += feed.eq(Cat(self.i, feed))
        choices = feed[3:7], feed[7:11]
        for address, choice in zip((ram.read_address, ram.write_address), choices, strict=True):
            power = (1 << choice)[:bits]
            m.d.comb += address.eq(Mux(power < self._depth, power, 0))
        m.d.comb += [
            ram.fetch.eq(feed[0] | (not self._stalls)),
            ram.show.eq(feed[1] | (not self._stalls)),
            ram.write_enable.eq(feed[2]),
            ram.write_data.eq(feed[11 : 11 + self._width]),
        ]

        at = Signal.like(ram.read_address)
        sound, shown = Signal(), Signal()
        hit = ram.write_enable & (ram.write_address == Mux(ram.fetch, ram.read_address, at))
        old_hit = ram.write_enable & (ram.write_address == at)
        with m.If(ram.fetch):
            m.d.sync += at.eq(ram.read_address)
        m.d.sync += sound.eq((sound | ram.fetch) & ~hit)
        with m.If(ram.show):
            m.d.sync += shown.eq(sound & ~old_hit)
        for pin in range(_PINS):
            part = reduce(xor, ram.read_data[pin::_PINS], 0)
            m.d.comb += self.o[pin].eq(part & shown)
        return m


def ram_cells(
    family: Family, width: int, depth: int, folder: Path, *, stalls: bool = True
) -> dict[str, Any]:
    """Return the bench with a vendor's cells, by the synthesis that builds use."""
    bench = RamBench(width, depth, family.value, stalls=stalls)
    (folder / "ram.v").write_text(export_verilog(bench, "top"), encoding="utf-8")
    synthesis = {Family.ICE40: "synth_ice40", Family.ECP5: "synth_ecp5"}[family]
    script = f"read_verilog ram.v\n{synthesis} -top top\nsplitnets -ports\nwrite_json ram.json"
    run_yosys(script, folder)
    modules = json.loads((folder / "ram.json").read_text(encoding="utf-8"))["modules"]
    top: dict[str, Any] = modules["top"]
    return top


def ram_source(
    family: Family, width: int, depth: int, folder: Path, *, stalls: bool = True
) -> GateNetlist:
    """Return the bench with the model that all simulations use."""
    bench = RamBench(width, depth, "generic", stalls=stalls)
    (folder / "model.il").write_text(rtlil.convert(bench, name="top"), encoding="utf-8")
    return GateNetlist(model_gates("model.il", family, folder), 2)


def run_gates(gates: GateNetlist, folder: Path, stimulus: bytes) -> bytes:
    """Run gates as machine code if there is a compiler, else as Python."""
    compiler = find_compiler()
    if compiler is None:
        return gates.interpret()(stimulus)
    folder.mkdir()
    return gates.compile(folder, compiler)(stimulus)
