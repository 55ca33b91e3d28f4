"""The block RAM's cells do what the model of it does that simulations use."""

from __future__ import annotations

from pathlib import Path

import pytest

from .ram import QUICK_RAMS, RamCheck


# The other modes take longer: `python -m tests.post_synthesis`, in the workflow.
@pytest.mark.parametrize("check", QUICK_RAMS, ids=str)
def test_the_cells_do_what_the_model_does_and_mutants_do_not(
    check: RamCheck, tmp_path: Path
) -> None:
    model, cells, mutants = check.run(tmp_path)
    assert len(set(model)) > 100
    assert cells == model
    for fault, shown in mutants.items():
        assert shown != model, fault
