"""The example of a core in a design of one's own, in Amaranth and in Verilog."""

import importlib.util
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from atomik_hdl.core import DeltaCore
from atomik_hdl.export import export_verilog

from .netlist import Netlist
from .simulate import simulate

EXAMPLE = Path(__file__).parents[1] / "examples" / "embed"

#: One cycle: the inputs, whether a glance is asked for, whether a view would be taken.
Cycle = tuple[int, int, int]
#: Inputs and changes.
View = tuple[int, int]


def change_mask(width: int) -> Any:
    spec = importlib.util.spec_from_file_location("change_mask", EXAMPLE / "change_mask.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ChangeMask(width)


def traffic(width: int, seed: int) -> list[Cycle]:
    """Random inputs and glances, then idle cycles in which the last view is taken."""
    rng = random.Random(seed)
    cycles = []
    inputs = 0
    for _ in range(300):
        if rng.random() < 0.4:
            inputs ^= 1 << rng.randrange(width)
        cycles.append((inputs, rng.randrange(2), rng.randrange(2)))
    return [*cycles, *[(inputs, 0, 1)] * 6]


def expected_views(cycles: Sequence[Cycle], glances: Sequence[int]) -> list[View]:
    """Views for glances that transferred in these cycles."""
    views = []
    seen = 0
    for cycle in glances:
        now = cycles[cycle - 1][0] if cycle else 0
        views.append((now, now ^ seen))
        seen = now
    return views


@pytest.mark.parametrize("width", [1, 7, 65])
def test_every_view_tells_the_inputs_and_what_changed_since_the_last_one(
    width: int, tmp_path: Path
) -> None:
    cycles = traffic(width, seed=width)
    glances: list[int] = []
    views: list[View] = []
    dut = change_mask(width)

    async def testbench(ctx: Any) -> None:
        for number, (inputs, glance, take) in enumerate(cycles):
            ctx.set(dut.inputs, inputs)
            ctx.set(dut.glance.valid, glance)
            ctx.set(dut.view.ready, take)
            if glance and ctx.get(dut.glance.ready):
                glances.append(number)
            if take and ctx.get(dut.view.valid):
                payload = dut.view.payload
                views.append((ctx.get(payload.inputs), ctx.get(payload.changed)))
            await ctx.tick()

    simulate(dut, testbench, deadline=1000, tmp_path=tmp_path)

    assert len(glances) > 20
    assert views == expected_views(cycles, glances)


def test_the_verilog_example_around_the_exported_core_does_the_same(tmp_path: Path) -> None:
    core = tmp_path / "export" / "delta_core.v"
    core.parent.mkdir()
    core.write_text(export_verilog(DeltaCore(16), "delta_core"), encoding="utf-8")
    netlist = Netlist([core, EXAMPLE / "change_mask.v"], "change_mask", tmp_path)
    cycles = traffic(16, seed=16)
    glances: list[int] = []
    views: list[View] = []

    for number, (inputs, glance, take) in enumerate(cycles):
        outputs = netlist.step(inputs=inputs, glance_valid=glance, view_ready=take)
        if glance and outputs["glance_ready"]:
            glances.append(number)
        if take and outputs["view_valid"]:
            views.append((outputs["view_inputs"], outputs["view_changed"]))

    assert len(glances) > 20
    assert views == expected_views(cycles, glances)
