"""The synthesised core is proven equal to its source; mutants of it are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from atomik_boards.catalog import Family

from .equivalence import core_cells, is_equivalent
from .netlist import mutate


@pytest.mark.parametrize("width", [8])
@pytest.mark.parametrize("family", [Family.ICE40, Family.ECP5])
def test_the_synthesised_core_is_equivalent_to_its_source_and_a_mutant_is_not(
    family: Family, width: int, tmp_path: Path
) -> None:
    cells = core_cells(family, width, tmp_path)
    assert is_equivalent(cells, family, tmp_path)
    for seed in range(2):
        mutant, fault = mutate(cells, seed)
        assert not is_equivalent(mutant, family, tmp_path), fault
