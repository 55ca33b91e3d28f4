"""Simulations of gateware tests: a deadline, and waves of those that fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module

from .simulate import simulate

pytest_plugins = ["pytester"]

FAILING = """
from amaranth.hdl import Module

from tests.simulate import simulate

runs = []


def test_a_run_that_fails(tmp_path):
    async def testbench(ctx):
        await ctx.tick().repeat(3)
        runs.append(tmp_path)
        raise ValueError(f"this is run {len(runs)}")

    simulate(Module(), testbench, deadline=9, tmp_path=tmp_path)


def test_a_failure_of_something_else(tmp_path):
    runs.append(tmp_path)
    assert len(runs) == 0, f"{len(runs)} runs"
"""


def test_a_failed_test_is_run_once_more_for_its_waves(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from tests.conftest import pytest_pyfunc_call as pytest_pyfunc_call")
    pytester.makepyfile(FAILING)
    result = pytester.runpytest("-p", "no:xdist", "--basetemp=made")
    result.assert_outcomes(failed=2)
    # What is reported is the first run, and the other test had one run only.
    result.stdout.fnmatch_lines(["E*ValueError: this is run 1", "E*AssertionError: 3 runs"])
    assert (pytester.path / "made" / "test_a_run_that_fails0" / "waves.vcd").exists()


def test_a_run_that_passes_leaves_nothing(tmp_path: Path) -> None:
    async def testbench(ctx: Any) -> None:
        await ctx.tick()

    simulate(Module(), testbench, deadline=9, tmp_path=tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_testbench_that_does_not_end_is_an_error() -> None:
    async def testbench(ctx: Any) -> None:
        await ctx.tick().repeat(100)

    with pytest.raises(AssertionError, match=r"^A testbench is still running after 9 cycles$"):
        simulate(Module(), testbench, deadline=9)
