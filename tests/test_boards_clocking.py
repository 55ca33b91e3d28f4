"""The reset of a board: long enough after configuration, until the clock is good, on request."""

from pathlib import Path
from typing import Any

import pytest
from amaranth import Elaboratable, IOPort, Module, ResetSignal, Signal
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain
from amaranth.lib import io

from atomik_boards.clocking import ClockGenerator, ResetGenerator
from atomik_boards.pll import plan_ecp5_pll, plan_ice40_pll

from .simulate import simulate


class Observed(Elaboratable):
    """A reset generator, the reset that it makes, and a register that counts without reset."""

    def __init__(self, hold_cycles: int) -> None:
        self.generator = ResetGenerator(hold_cycles)
        self.reset = Signal()
        self.cycles = Signal(16, reset_less=True)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.generator = self.generator
        m.d.comb += self.reset.eq(ResetSignal("sync"))
        m.d.sync += self.cycles.eq(self.cycles + 1)
        return m


async def wait(ctx: Any, dut: Observed, reset: int) -> int:
    """Cycles until the reset has this level."""
    cycles = 0
    while ctx.get(dut.reset) != reset:
        await ctx.tick()
        cycles += 1
    return cycles


@pytest.mark.parametrize("hold_cycles", [1, 2, 7, 180])
def test_after_configuration_reset_lasts_the_hold_time_and_four_cycles(
    hold_cycles: int, tmp_path: Path
) -> None:
    dut = Observed(hold_cycles)

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.generator.locked, 1)
        assert ctx.get(dut.reset) == 1
        assert await wait(ctx, dut, 0) == hold_cycles + 4
        for _ in range(50):
            await ctx.tick()
            assert ctx.get(dut.reset) == 0

    simulate(dut, testbench, deadline=1000, tmp_path=tmp_path)


def test_the_hold_time_counts_from_when_the_clock_is_locked(tmp_path: Path) -> None:
    dut = Observed(20)

    async def testbench(ctx: Any) -> None:
        for _ in range(100):
            await ctx.tick()
            assert ctx.get(dut.reset) == 1
        ctx.set(dut.generator.locked, 1)
        assert await wait(ctx, dut, 0) >= 20

    simulate(dut, testbench, deadline=1000, tmp_path=tmp_path)


def test_a_clock_that_loses_its_lock_resets_at_once_and_for_the_whole_hold_time(
    tmp_path: Path,
) -> None:
    dut = Observed(20)

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.generator.locked, 1)
        await wait(ctx, dut, 0)
        ctx.set(dut.generator.locked, 0)
        await ctx.delay(1e-8)
        assert ctx.get(dut.reset) == 1
        for _ in range(3):
            await ctx.tick()
        ctx.set(dut.generator.locked, 1)
        assert await wait(ctx, dut, 0) >= 20

    simulate(dut, testbench, deadline=1000, tmp_path=tmp_path)


def test_a_request_resets_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    dut = Observed(20)

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.generator.locked, 1)
        await wait(ctx, dut, 0)
        ctx.set(dut.generator.request, 1)
        assert await wait(ctx, dut, 1) <= 3
        for _ in range(40):
            await ctx.tick()
            assert ctx.get(dut.reset) == 1
        ctx.set(dut.generator.request, 0)
        assert await wait(ctx, dut, 0) <= 5

    simulate(dut, testbench, deadline=1000, tmp_path=tmp_path)


@pytest.mark.parametrize("hold_cycles", [0, -1, 1.5])
def test_a_hold_time_that_is_no_positive_integer_is_named(hold_cycles: Any) -> None:
    with pytest.raises(
        TypeError, match=f"^Hold cycles must be a positive integer, not {hold_cycles!r}$"
    ):
        ResetGenerator(hold_cycles)


@pytest.mark.parametrize("hz", [12_000_000, 25_000_000, 66_666_667])
def test_every_board_holds_reset_for_15_microseconds_at_least(hz: int) -> None:
    port = io.SingleEndedPort(IOPort(1, name="clk"), direction="i")

    assert ClockGenerator(port, hz).hold_cycles / hz >= 15e-6


def clock_generator(**options: Any) -> str:
    """RTLIL of a clock generator on its own."""
    pin = IOPort(1, name="pin")
    port = io.SingleEndedPort(pin, direction="i")
    m = Module()
    m.domains.sync = sync = ClockDomain("sync")
    m.submodules.clock = clock = ClockGenerator(port, 24_000_000, **options)
    m.d.comb += sync.clk.eq(clock.clk)
    text: str = rtlil.convert(m, ports=[pin])
    return text


def test_a_pll_at_its_own_pad_takes_the_pin_and_another_takes_a_buffered_clock() -> None:
    pll = plan_ice40_pll(12_000_000, 24_000_000)

    at_pad = clock_generator(pll=pll, at_pad=True)
    in_fabric = clock_generator(pll=pll)

    assert r"cell \SB_PLL40_PAD" in at_pad
    assert r"cell \SB_PLL40_CORE" in in_fabric
    assert r"connect \REFERENCECLK" in in_fabric


def test_an_ecp5_clock_comes_from_the_second_output_of_its_pll() -> None:
    text = clock_generator(pll=plan_ecp5_pll(25_000_000, 24_000_000))

    assert r"cell \EHXPLLL" in text
    assert r"connect \CLKOS" in text
