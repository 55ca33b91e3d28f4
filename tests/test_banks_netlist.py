"""Synthesis leaves each part of the context its own controls."""

import json
from pathlib import Path

import pytest

from atomik_hdl.banks import DeltaBanks
from atomik_hdl.export import export_verilog

from .post_synthesis.netlist import run_yosys


@pytest.mark.parametrize(("family", "register"), [("ice40", "SB_DFF"), ("ecp5", "TRELLIS_FF")])
def test_no_copy_of_a_control_is_merged(family: str, register: str, tmp_path: Path) -> None:
    (tmp_path / "banks.v").write_text(export_verilog(DeltaBanks(64, 1), "top"), encoding="utf-8")
    run_yosys(
        f"read_verilog banks.v\nsynth_{family} -top top\ntee -q -o stat.json stat -json", tmp_path
    )
    counts = json.loads((tmp_path / "stat.json").read_text(encoding="utf-8"))["design"]
    registers = sum(
        number for name, number in counts["num_cells_by_type"].items() if name.startswith(register)
    )
    # The lane and its group, the context with three payloads, and two slots of two words.
    words = 2 + 6 + 4
    # Three tokens, each two cycles on its way, and as it arrives; two bits of the count, and that
    # it has begun; two each of `full`, `valid` and `back`; one ready, and what the swap keeps.
    single = 3 * 3 + 2 + 1 + 3 * 2 + 1 + 1
    # Of 4 parts: two that are ready, `settled`, three that act, `clear` and `replace`, and two
    # takes for each slot.
    copies = 4 * (2 + 1 + 3 + 2 + 4)
    assert registers == 64 * words + single + copies
