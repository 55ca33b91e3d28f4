"""The one way in which gateware tests run a design on Amaranth's simulator."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.sim import Simulator

__all__ = ["Testbench", "lacks_waves", "simulate", "with_waves"]

#: An async function of Amaranth's simulator context.
Testbench = Callable[[Any], Coroutine[Any, Any, None]]

# Any period does: nothing in a design knows it, and wave viewers read microseconds well.
_PERIOD = 1e-6

#: Waves take two to three times as long as the simulation, so a run has none until it has failed.
_waves_wanted = ContextVar("waves_wanted", default=False)
_lacks_waves = ContextVar("lacks_waves", default=False)


def lacks_waves() -> bool:
    """Return whether a run failed that was to leave waves; until this is asked again, no more."""
    failed = _lacks_waves.get()
    _lacks_waves.set(False)
    return failed


@contextmanager
def with_waves() -> Iterator[None]:
    """Let runs that fail leave their waves."""
    before = _waves_wanted.set(True)
    try:
        yield
    finally:
        _waves_wanted.reset(before)


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
        Where the waves of a failed run are left, as ``waves.vcd``: within `with_waves`, under which
        pytest runs a failed test once more. Without it none are made.

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

    waves = tmp_path / "waves.vcd" if tmp_path is not None and _waves_wanted.get() else None
    try:
        with nullcontext() if waves is None else sim.write_vcd(str(waves)):
            sim.run()
    except BaseException:
        _lacks_waves.set(tmp_path is not None and waves is None)
        raise
    finally:
        # A coroutine left in `tick().repeat()` or `.until()` raises RuntimeError when it is closed;
        # left to the garbage collector it would do so as a warning, in a later test.
        for coroutine in running:
            with suppress(RuntimeError):
                coroutine.close()
    # Reached only by a run that passed: a failed one leaves its waves.
    if waves is not None:
        waves.unlink()
