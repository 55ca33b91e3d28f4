"""The block RAM's cells do what the model of it does that simulations use."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest

from atomik_boards.catalog import Family

from .gates import GateNetlist
from .netlist import cell_gates
from .ram import ram_cells, ram_source, run_gates

#: One size for each mode of the cells, and more than one bank.
SIZES = [
    (Family.ECP5, 20, 1000, True),
    (Family.ECP5, 10, 2048, True),
    (Family.ECP5, 5, 4096, True),
    (Family.ECP5, 3, 40_000, True),
    (Family.ICE40, 20, 17, True),
    (Family.ICE40, 3, 1024, True),
    (Family.ICE40, 3, 5000, True),
    (Family.ICE40, 20, 256, False),
]


def mutants(cells: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Faults of one cell: no output register, two bits of an address or of a word exchanged."""
    name = next(
        n for n, cell in cells["cells"].items() if cell["type"] in ("DP16KD", "SB_RAM40_4K")
    )
    result = []
    if cells["cells"][name]["type"] == "DP16KD":
        changed = copy.deepcopy(cells)
        changed["cells"][name]["parameters"]["REGMODE_B"] = "NOREG"
        result.append(("no output register", changed))
        for first, second in (("ADB12", "ADB13"), ("OCEB", "CEB")):
            changed = copy.deepcopy(cells)
            pins = changed["cells"][name]["connections"]
            pins[first], pins[second] = pins[second], pins[first]
            result.append((f"{first} and {second} exchanged", changed))
    else:
        changed = copy.deepcopy(cells)
        pins = changed["cells"][name]["connections"]["RADDR"]
        pins[0], pins[1] = pins[1], pins[0]
        result.append(("bits of RADDR exchanged", changed))
    return result


@pytest.mark.parametrize(("family", "width", "depth", "stalls"), SIZES)
def test_the_cells_do_what_the_model_does_and_mutants_do_not(
    family: Family, width: int, depth: int, stalls: bool, tmp_path: Path
) -> None:
    cells = ram_cells(family, width, depth, tmp_path, stalls=stalls)
    stimulus = random.Random(depth).randbytes(3000)
    source = ram_source(family, width, depth, tmp_path, stalls=stalls)
    expected = run_gates(source, tmp_path / "model", stimulus)
    assert len(set(expected)) > min(width, 4)

    gates = GateNetlist(cell_gates(cells, family, tmp_path), 1)
    assert (gates.inputs, gates.outputs) == (source.inputs, source.outputs)
    assert run_gates(gates, tmp_path / "cells", stimulus) == expected
    for number, (fault, mutant) in enumerate(mutants(cells)):
        gates = GateNetlist(cell_gates(mutant, family, tmp_path), 1)
        assert run_gates(gates, tmp_path / f"mutant{number}", stimulus) != expected, fault
