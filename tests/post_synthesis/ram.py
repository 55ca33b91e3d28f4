"""A block RAM as cells of a vendor beside the model that everything else is simulated with."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from atomik_boards.catalog import Family
from atomik_hdl.ram import BlockRam

from .gates import GateNetlist, find_compiler
from .netlist import cell_gates, model_gates, run_yosys

__all__ = ["QUICK_RAMS", "RAMS", "RamBench", "RamCheck"]

_PINS = 8
_BLOCK_RAM = ("DP16KD", "SB_RAM40_4K")


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
        super().__init__({"clk": In(1), "i": In(_PINS), "o": Out(_PINS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain(reset_less=True)
        m.d.comb += ClockSignal().eq(self.clk)
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


@dataclass(frozen=True)
class RamCheck:
    """A block RAM of one size as a vendor's cells, run beside the model of all simulations.

    Attributes
    ----------
    family : Family
    width, depth : int
    stalls : bool
        As in `BlockRam`.
    """

    family: Family
    width: int
    depth: int
    stalls: bool = True

    def run(self, folder: Path, cycles: int = 3000) -> tuple[bytes, bytes, dict[str, bytes]]:
        """Return what the pins of the model, of the cells and of mutants of these show."""
        stimulus = random.Random(self.depth).randbytes(cycles)
        text = rtlil.convert(self._bench("generic"), name="top")
        (folder / "model.il").write_text(text, encoding="utf-8")
        model = GateNetlist(model_gates("model.il", self.family, folder), 2)
        cells = self._cells(folder)
        shown = {}
        for number, (fault, module) in enumerate({"": cells, **self._mutants(cells)}.items()):
            gates = GateNetlist(cell_gates(module, self.family, folder), 1)
            if (gates.inputs, gates.outputs) != (model.inputs, model.outputs):
                raise ValueError(
                    f"The pins are {gates.inputs} and {gates.outputs}, not the model's"
                )
            shown[fault] = _run(gates, folder / f"cells{number}", stimulus)
        return _run(model, folder / "model", stimulus), shown.pop(""), shown

    def _bench(self, technology: str) -> RamBench:
        return RamBench(self.width, self.depth, technology, stalls=self.stalls)

    def _cells(self, folder: Path) -> dict[str, Any]:
        """The bench as cells, by the synthesis that builds use."""
        text = rtlil.convert(self._bench(self.family.value), name="top")
        (folder / "ram.il").write_text(text, encoding="utf-8")
        synthesis = {Family.ICE40: "synth_ice40", Family.ECP5: "synth_ecp5"}[self.family]
        run_yosys(
            f"read_rtlil ram.il\n{synthesis} -top top\nsplitnets -ports\nwrite_json ram.json",
            folder,
        )
        text = (folder / "ram.json").read_text(encoding="utf-8")
        top: dict[str, Any] = json.loads(text)["modules"]["top"]
        return top

    def _mutants(self, cells: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Faults of one cell: no output register, or two pins exchanged."""
        name = next(n for n, cell in cells["cells"].items() if cell["type"] in _BLOCK_RAM)
        mutants = {}
        if self.family is Family.ECP5:
            mutants["no output register"] = copy.deepcopy(cells)
            parameters = mutants["no output register"]["cells"][name]["parameters"]
            parameters["REGMODE_B"] = "NOREG"
            for first, second in (("ADB12", "ADB13"), ("OCEB", "CEB")):
                fault = f"{first} and {second} exchanged"
                mutants[fault] = copy.deepcopy(cells)
                pins = mutants[fault]["cells"][name]["connections"]
                pins[first], pins[second] = pins[second], pins[first]
        else:
            mutants["bits of RADDR exchanged"] = copy.deepcopy(cells)
            pins = mutants["bits of RADDR exchanged"]["cells"][name]["connections"]["RADDR"]
            pins[0], pins[1] = pins[1], pins[0]
        return mutants


#: Checks that pytest does too, and all: each mode of the cells, more than one bank, and an output
#: register of logic.
QUICK_RAMS = (
    RamCheck(Family.ECP5, 20, 1000),
    RamCheck(Family.ICE40, 20, 17),
    RamCheck(Family.ICE40, 20, 256, stalls=False),
)
RAMS = (
    *QUICK_RAMS,
    RamCheck(Family.ECP5, 10, 2048),
    RamCheck(Family.ECP5, 5, 4096),
    RamCheck(Family.ECP5, 3, 8192),
    RamCheck(Family.ECP5, 1, 16_385),
    RamCheck(Family.ICE40, 9, 512),
    RamCheck(Family.ICE40, 5, 1024),
    RamCheck(Family.ICE40, 3, 2048),
    RamCheck(Family.ICE40, 3, 5000),
)


def _run(gates: GateNetlist, folder: Path, stimulus: bytes) -> bytes:
    """Run gates as machine code if there is a compiler, else as Python."""
    compiler = find_compiler()
    if compiler is None:
        return gates.interpret()(stimulus)
    folder.mkdir()
    return gates.compile(folder, compiler)(stimulus)
