"""Verilog as a netlist of gates, made by Yosys and run by PyRTL's simulator."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyrtl

from atomik_boards.catalog import Family
from atomik_boards.tools import find_tools

__all__ = ["Netlist"]

#: Gates and flip-flops that BLIF, and PyRTL, know; registers keep their initial values.
_SYNTHESIS = (
    "synth -flatten -top {top}",
    "dfflegalize -cell $_DFF_P_ 01",
    "abc -g AND,OR,XOR",
    "opt_clean -purge",
    "write_blif {blif}",
)


class Netlist:
    """A Verilog design, ready to be stepped.

    Parameters
    ----------
    sources : sequence of Path
        Verilog files.
    top : str
        Name of the top module; its clock is called ``clk``.
    tmp_path : Path
        Where the netlist is written.

    Attributes
    ----------
    inputs, outputs : dict of str to int
        Width of each port by its name, without the clock.
    """

    def __init__(self, sources: Sequence[Path], top: str, tmp_path: Path) -> None:
        blif = tmp_path / f"{top}.blif"
        read = [f"read_verilog {source.name}" for source in sources]
        for source in sources:
            (tmp_path / source.name).write_bytes(source.read_bytes())
        script = "; ".join([*read, *_SYNTHESIS]).format(top=top, blif=blif.name)
        yosys = find_tools(Family.ICE40)["yosys"].path
        subprocess.run([yosys, "-q", "-p", script], cwd=tmp_path, check=True)

        block = pyrtl.Block()
        with pyrtl.set_working_block(block, no_sanity_check=True):
            pyrtl.input_from_blif(blif.read_text(), clock_name="clk", top_model=top)
        self.inputs = {wire.name: len(wire) for wire in block.wirevector_subset(pyrtl.Input)}
        self.outputs = {wire.name: len(wire) for wire in block.wirevector_subset(pyrtl.Output)}
        self._simulation = pyrtl.FastSimulation(tracer=None, block=block)

    def step(self, **inputs: int) -> Mapping[str, int]:
        """Run one cycle with these inputs, all others low; return the outputs in that cycle."""
        self._simulation.step({**dict.fromkeys(self.inputs, 0), **inputs})
        return {name: self._simulation.inspect(name) for name in self.outputs}
