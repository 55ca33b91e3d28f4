"""From a board to its netlist as place and route gets it, and from there to single-bit gates."""

from __future__ import annotations

import copy
import json
import random
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atomik_boards.build import build_files
from atomik_boards.catalog import Board, Family
from atomik_boards.design import Design, plan_design
from atomik_boards.tools import find_tools

__all__ = [
    "MODELS",
    "OUR_MODELS",
    "Netlist",
    "cell_gates",
    "model_gates",
    "mutate",
    "run_yosys",
    "source_gates",
    "synthesise",
]

_TOP = "top"

#: The cell models, as Yosys ships them, and ours where those don't do.
MODELS = {
    Family.ICE40: "read_verilog -defer -overwrite +/ice40/cells_sim.v",
    Family.ECP5: "read_verilog -defer -overwrite +/ecp5/cells_sim.v; "
    "read_verilog -defer -overwrite dp16kd.v trellis_io.v",
}
OUR_MODELS = [Path(__file__).with_name(name) for name in ("dp16kd.v", "trellis_io.v")]

_LOOKUP_TABLES = {"SB_LUT4": ("LUT_INIT", "I0", "I1", "I2", "I3"), "LUT4": ("INIT", *"ABCD")}

#: From cells, or from the source, to gates. Nothing here maps or restructures anything: what has a
#: model is replaced by it, words become bits, and constants are propagated.
_GATES = """
{read}
{models}
hierarchy -check -top top
proc
flatten -wb
opt_expr
opt_clean -purge
memory_collect
memory_share
memory_nordff
opt_dff -nodffe -nosdff
techmap
dffunmap
simplemap
opt_expr -mux_bool
opt_merge
opt_expr -mux_bool
splitnets
opt_clean -purge
check -assert
rename -hide w:* w:*__io %d
rename -enumerate
write_json -noscopeinfo gates.json
"""


@dataclass(frozen=True)
class Netlist:
    """A synthesised board.

    Attributes
    ----------
    design : Design
        What was synthesised.
    build_id : int
        As in the bitstream.
    source : str
        RTLIL that synthesis started from.
    cells : dict
        The netlist of vendor cells: what place and route gets, as ``write_json`` of Yosys has it.
    """

    design: Design
    build_id: int
    source: str
    cells: dict[str, Any]

    @property
    def board(self) -> Board:
        """What it was made for."""
        return self.design.board

    def gates(self, folder: Path) -> dict[str, Any]:
        """Return the cells as gates, by the vendor's cell models; made in ``folder``.

        Raises
        ------
        ValueError
            If a block RAM has content, which is not modelled.
        """
        return cell_gates({**self.cells, "ports": _directed(self.cells)}, self.board.family, folder)


def cell_gates(module: Mapping[str, Any], family: Family, folder: Path) -> dict[str, Any]:
    """Return a module of vendor cells as gates, by the vendor's cell models; made in ``folder``.

    Raises
    ------
    ValueError
        If a block RAM has content, which is not modelled.
    """
    top = copy.deepcopy(dict(module))
    for name, cell in top["cells"].items():
        contents = [p for p in cell["parameters"] if p.startswith("INITVAL_")]
        if cell["type"] == "DP16KD" and any("1" in cell["parameters"].pop(p) for p in contents):
            raise ValueError(f"{name} has content, which is not modelled")
    text = json.dumps({"modules": {_TOP: top}})
    (folder / "cells.json").write_text(text, encoding="utf-8")
    return _gates("read_json cells.json", family, folder)


def model_gates(name: str, family: Family, folder: Path) -> dict[str, Any]:
    """Return the RTLIL in the file ``name`` of ``folder`` as gates, without synthesis."""
    return _gates(f"read_rtlil {name}\nproc\nsplitnets -ports", family, folder)


def run_yosys(script: str, folder: Path) -> None:
    """Run a script in ``folder``.

    Raises
    ------
    subprocess.CalledProcessError
        If Yosys fails; its output is on the error.
    """
    (folder / "script.ys").write_text(script, encoding="utf-8")
    yosys = find_tools(Family.ICE40)["yosys"].path
    command = [str(yosys), "-q", "-s", "script.ys"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        done.check_returncode()


def synthesise(board: Board, folder: Path, *, width: int | None = None) -> Netlist:
    """Synthesise ``board`` with the very files and script that its build has.

    ``width`` is that of a context; None for the board's own.
    """
    design = plan_design(board, width=width)
    build_id, files = build_files(design)
    for name in (f"{_TOP}.il", f"{_TOP}.ys"):
        (folder / name).write_text(files[name], encoding="utf-8")
    run_yosys(files[f"{_TOP}.ys"], folder)
    modules = json.loads((folder / f"{_TOP}.json").read_text(encoding="utf-8"))["modules"]
    return Netlist(design, build_id, files[f"{_TOP}.il"], modules[_TOP])


def source_gates(netlist: Netlist, folder: Path) -> dict[str, Any]:
    """Return what synthesis started from as gates, without synthesis; made in ``folder``."""
    text = netlist.source
    for name, port in _directed(netlist.cells).items():
        text = re.sub(
            rf"^(  wire .*)(?:inout|input|output)( \d+ +\\{name})$",
            rf"\g<1>{port['direction']}\2",
            text,
            flags=re.MULTILINE,
        )
    (folder / "source.il").write_text(text, encoding="utf-8")
    return _gates("read_rtlil source.il", netlist.board.family, folder)


def mutate(module: Mapping[str, Any], seed: int, within: str = "") -> tuple[dict[str, Any], str]:
    """Return a module of vendor cells with one fault, and what that is: a table's bit flipped.

    The table is drawn by ``seed`` from those whose names begin with ``within``.
    """
    rng = random.Random(seed)
    cells: dict[str, Any] = copy.deepcopy(dict(module))
    tables = sorted(
        name
        for name, cell in cells["cells"].items()
        if cell["type"] in _LOOKUP_TABLES and name.startswith(within)
    )
    name = rng.choice(tables)
    cell = cells["cells"][name]
    parameter, *inputs = _LOOKUP_TABLES[cell["type"]]
    table = cell["parameters"][parameter]
    # An entry that can be looked up: inputs that are constant choose it.
    entry = rng.randrange(16)
    for n, port in enumerate(inputs):
        (bit,) = cell["connections"].get(port, ["0"])
        if bit in ("0", "1", "x"):
            entry = entry & ~(1 << n) | (bit == "1") << n
    position = len(table) - 1 - entry
    cell["parameters"][parameter] = (
        table[:position] + str(1 - int(table[position])) + table[position + 1 :]
    )
    return cells, f"entry {entry} of {name}"


def _directed(top: Mapping[str, Any]) -> dict[str, Any]:
    """The ports, each an input or an output, as its pad's mode says."""
    ports: dict[str, Any] = copy.deepcopy(top["ports"])
    for port in ports.values():
        for cell in top["cells"].values():
            if cell["connections"].get("PACKAGE_PIN") == port["bits"]:
                drives = cell["parameters"]["PIN_TYPE"].startswith("1")
                port["direction"] = "output" if drives else "input"
    return ports


def _gates(read: str, family: Family, folder: Path) -> dict[str, Any]:
    for model in OUR_MODELS:
        (folder / model.name).write_bytes(model.read_bytes())
    run_yosys(_GATES.format(read=read, models=MODELS[family]), folder)
    text = (folder / "gates.json").read_text(encoding="utf-8")
    module: dict[str, Any] = json.loads(text)["modules"][_TOP]
    return module
