"""Proves that the synthesised core does what its source does, in every state and for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atomik_boards.catalog import Family
from atomik_hdl.core import DeltaCore
from atomik_hdl.export import export_verilog

from .netlist import MODELS, OUR_MODELS, run_yosys

__all__ = ["core_cells", "is_equivalent"]

_SYNTHESIS = {Family.ICE40: "synth_ice40", Family.ECP5: "synth_ecp5"}

_PREPARE = """
hierarchy -check -top core
proc
flatten -wb
opt_expr
opt_clean
async2sync
dffunmap
opt_clean
"""

_PROVE = """
read_verilog core.v
{prepare}
rename core gold
design -stash gold
read_json cells.json
{models}
{prepare}
rename core gate
design -stash gate
design -copy-from gold -as gold gold
design -copy-from gate -as gate gate
equiv_make gold gate equiv
hierarchy -top equiv
opt_clean
equiv_simple -undef
equiv_induct -undef
tee -o status.txt equiv_status
"""


def core_cells(family: Family, width: int, folder: Path) -> dict[str, Any]:
    """Return the core as cells of a vendor, by the synthesis that builds use; made in ``folder``.

    ``folder`` keeps its source, as ``core.v``, for `is_equivalent`.
    """
    text = export_verilog(DeltaCore(width), "core")
    (folder / "core.v").write_text(text, encoding="utf-8")
    run_yosys(
        f"read_verilog core.v\n{_SYNTHESIS[family]} -top core\nwrite_json synthesised.json", folder
    )
    modules = json.loads((folder / "synthesised.json").read_text(encoding="utf-8"))["modules"]
    core: dict[str, Any] = modules["core"]
    return core


def is_equivalent(cells: Mapping[str, Any], family: Family, folder: Path) -> bool:
    """Return whether the cells do what ``core.v`` in ``folder`` does, by temporal induction.

    Yosys pairs registers and other wires by their names, and proves each pair equal in a cycle if
    all pairs are in the cycles before, starting from any state: no length of time bounds it.
    """
    (folder / "cells.json").write_text(json.dumps({"modules": {"core": cells}}), encoding="utf-8")
    for model in OUR_MODELS:
        (folder / model.name).write_bytes(model.read_bytes())
    run_yosys(_PROVE.format(prepare=_PREPARE, models=MODELS[family]), folder)
    status = (folder / "status.txt").read_text(encoding="utf-8")
    return "Equivalence successfully proven!" in status
