"""The one way in which gateware tests run a design on Amaranth's simulator."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.sim import Simulator

__all__ = ["Testbench", "simulate"]

#: An async function of Amaranth's simulator context.
Testbench = Callable[[Any], Coroutine[Any, Any, None]]

# Any period does: nothing in a design knows it, and wave viewers read microseconds well.
_PERIOD = 1e-6


def simulate(
    dut: Elaboratable,
    *testbenches: Testbench,
    deadline: int,
    background: Sequence[Testbench] = (),
    tmp_path: Path | None = None,
) -> None:
    """Run ``testbenches`` side by side on ``dut`` until all of them have returned.

    The clock domain is ``sync``; it starts out of reset, with every register at its initial value.

    Parameters
    ----------
    dut : elaboratable
        The design, made for this call alone.
    testbenches : async functions of the simulator's context
    deadline : int
        Cycles of ``sync`` after which the run fails.
    background : async functions of the simulator's context
        Testbenches that need not return.
    tmp_path : path
        Where the waves of a failed run are left, as ``waves.vcd``. Without it none are made.

    Raises
    ------
    AssertionError
        If a testbench is still running after ``deadline`` cycles, or if it raises it itself.
    """
    if not testbenches:
        raise TypeError("simulate() needs at least one testbench")

    running: list[Coroutine[Any, Any, None]] = []

    def start(testbench: Testbench) -> Testbench:
        async def started(ctx: Any) -> None:
            coroutine = testbench(ctx)
            running.append(coroutine)
            await coroutine

        return started

    async def watch(ctx: Any) -> None:
        await ctx.delay(deadline * _PERIOD)
        raise AssertionError(f"A testbench is still running after {deadline} cycles")

    # The domain is declared here so that designs without a register can be run as well.
    m = Module()
    m.domains.sync = ClockDomain("sync")
    m.submodules.dut = dut
    sim = Simulator(m)
    sim.add_clock(_PERIOD)
    for testbench in testbenches:
        sim.add_testbench(start(testbench))
    for testbench in (*background, watch):
        sim.add_testbench(start(testbench), background=True)

    waves = None if tmp_path is None else tmp_path / "waves.vcd"
    try:
        with nullcontext() if waves is None else sim.write_vcd(str(waves)):
            sim.run()
    finally:
        # A coroutine left in `tick().repeat()` or `.until()` raises RuntimeError when it is closed;
        # left to the garbage collector it would do so as a warning, in a later test.
        for coroutine in running:
            with suppress(RuntimeError):
                coroutine.close()
    # Reached only by a run that passed: a failed one leaves its waves.
    if waves is not None:
        waves.unlink()
