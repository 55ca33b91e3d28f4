"""Contexts are in block RAM: not in registers, not in memory made of lookup tables."""

import json
from pathlib import Path

import pytest

from atomik_boards.catalog import Family
from atomik_hdl.export import export_verilog
from atomik_hdl.table import DeltaTable

from .post_synthesis.netlist import run_yosys

#: Synthesis, block RAM, registers and memory of lookup tables.
_CELLS = {
    Family.ICE40: ("synth_ice40", "SB_RAM40_4K", "SB_DFF", "none"),
    Family.ECP5: ("synth_ecp5", "DP16KD", "TRELLIS_FF", "TRELLIS_DPR16X4"),
}


def cells(family: Family, width: int, depth: int, folder: Path) -> dict[str, int]:
    """Return how many cells of each type a table takes."""
    table = DeltaTable(width, depth, technology=family.value)
    (folder / "table.v").write_text(export_verilog(table, "top"), encoding="utf-8")
    run_yosys(
        f"read_verilog table.v\n{_CELLS[family][0]} -top top\ntee -q -o stat.json stat -json",
        folder,
    )
    report = json.loads((folder / "stat.json").read_text(encoding="utf-8"))
    counts: dict[str, int] = report["design"]["num_cells_by_type"]
    return counts


@pytest.mark.parametrize("family", [Family.ICE40, Family.ECP5])
def test_contexts_take_block_ram_alone(family: Family, tmp_path: Path) -> None:
    # Fewer contexts may be in registers.
    width, depth = 16, 65
    _, block_ram, register, lookup_ram = _CELLS[family]
    counts = cells(family, width, depth, tmp_path)
    # State and accumulator of the contexts, and of the responses.
    assert counts[block_ram] == 4
    assert counts.get(lookup_ram, 0) == 0
    registers = sum(number for name, number in counts.items() if name.startswith(register))
    # 8 stages of the operand, 8 or fewer registers a part and bit, and 250 for all the rest.
    assert registers < 8 * width + 2 * 8 * width + 250
