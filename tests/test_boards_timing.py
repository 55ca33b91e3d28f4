"""The timing gate, on made-up reports and on those of real runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from amaranth import ClockDomain, Elaboratable, Instance, Module, Signal
from amaranth.build import Clock, Pins, Resource
from amaranth.lib import io
from amaranth.vendor import LatticeICE40Platform

from atomik_boards.catalog import Family
from atomik_boards.errors import TimingError
from atomik_boards.run import run_steps
from atomik_boards.timing import check_timing
from atomik_boards.tools import find_tools

MHZ = 1_000_000


def report(**clocks: tuple[float, float]) -> dict[str, Any]:
    """A report with the constraint and the achieved frequency of each clock, in MHz."""
    return {
        "fmax": {
            name: {"constraint": constraint, "achieved": achieved}
            for name, (constraint, achieved) in clocks.items()
        }
    }


def rejected(made: dict[str, Any], **wanted: int) -> str:
    with pytest.raises(TimingError) as error:
        check_timing(made, wanted)
    return str(error.value)


def test_clocks_constrained_as_intended_and_met_pass_with_both_numbers() -> None:
    made = report(clk=(24.0003, 31.5), fast_clk=(100, 100))

    results = check_timing(made, {"clk": 24 * MHZ, "fast_clk": 100 * MHZ})

    assert list(results) == ["clk", "fast_clk"]
    assert results["clk"].wanted_hz == 24 * MHZ
    assert results["clk"].reached_hz == 31_500_000
    assert results["fast_clk"].reached_hz == 100 * MHZ


#: One net as place and route calls it: as it is, and on its way into the clock network.
NETS = ["clk", "$glbnet$clk", "clk$glb_clk", "clk_$glb_clk", "clk$SB_IO_IN_$glb_clk"]


@pytest.mark.parametrize("net", NETS)
def test_a_clock_is_known_on_the_clock_network_too(net: str) -> None:
    made = report(**{net: (12, 20)})

    assert check_timing(made, {"clk": 12 * MHZ})["clk"].reached_hz == 20 * MHZ


def test_a_clock_that_is_too_slow_is_named_with_both_numbers() -> None:
    assert rejected(report(clk=(50, 49.99)), clk=50 * MHZ) == (
        "Clock 'clk', wanted at 50.00 MHz, reaches only 49.99 MHz: ask for a lower frequency or "
        "line rate, fewer contexts, or another seed"
    )


@pytest.mark.parametrize("constraint", [12, 199, 201])
def test_a_constraint_that_did_not_bind_is_named_with_both_numbers(constraint: float) -> None:
    assert rejected(report(clk=(constraint, 300)), clk=200 * MHZ) == (
        f"Clock 'clk', wanted at 200.00 MHz, was constrained to {constraint:.2f} MHz: "
        "its constraint did not bind"
    )


def test_a_clock_that_is_missing_from_the_report_is_named() -> None:
    assert rejected(report(clk=(12, 20)), clk=12 * MHZ, fast_clk=100 * MHZ) == (
        "Clock 'fast_clk', wanted at 100.00 MHz, is not in the timing report; there are: clk"
    )


def test_a_report_without_clocks_is_rejected() -> None:
    assert rejected(report(), clk=12 * MHZ) == (
        "Clock 'clk', wanted at 12.00 MHz, is not in the timing report; there are: none"
    )


def test_a_clock_that_nobody_intended_is_named() -> None:
    assert rejected(report(clk=(12, 20), rx=(12, 400)), clk=12 * MHZ) == (
        "The timing report has a clock 'rx' that nobody intended; intended were: clk"
    )


def test_two_nets_of_one_name_are_rejected() -> None:
    made = report(**{"clk": (12, 20), "clk$glb_clk": (12, 20)})

    assert rejected(made, clk=12 * MHZ) == "The timing report has two clocks 'clk'"


def test_a_frequency_that_is_no_number_is_rejected() -> None:
    assert "reaches only nan MHz" in rejected(report(clk=(12, float("nan"))), clk=12 * MHZ)


def test_a_report_of_another_form_is_rejected() -> None:
    assert rejected({}, clk=12 * MHZ) == "The timing report has no section 'fmax'"
    assert rejected({"fmax": {"clk": {"achieved": 20}}}, clk=12 * MHZ) == (
        "The timing report gives no 'constraint' for clock 'clk'"
    )


def test_a_gate_with_nothing_to_check_does_not_pass() -> None:
    assert rejected(report()) == "No clock was intended, so none can be checked"


class Counter(Elaboratable):
    """A square in logic, on a 48 MHz clock that a PLL makes of 12 MHz."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = sync = ClockDomain("sync", reset_less=True)
        sync.clk.attrs["keep"] = 1
        m.submodules.pll = Instance(
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=0,
            p_DIVF=63,
            p_DIVQ=4,
            p_FILTER_RANGE=1,
            i_PACKAGEPIN=platform.request("clk12", dir="-").io,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=sync.clk,
        )
        m.submodules.pin = pin = io.Buffer("o", platform.request("out", dir="-"))
        value = Signal(16, init=1)
        m.d.sync += value.eq(value * value + 3)
        m.d.comb += pin.o.eq(value[-1])
        return m


def place(tmp_path: Path, clock: Clock | None) -> dict[str, Any]:
    """Report of a real run, the oscillator constrained by ``clock``."""

    class Platform(LatticeICE40Platform):
        device = "iCE40UP5K"
        package = "SG48"
        default_clk = "clk12"
        resources = (
            Resource("clk12", 0, Pins("35", dir="i"), *([clock] if clock else [])),
            Resource("out", 0, Pins("11", dir="o")),
        )
        connectors = ()

    plan = Platform().prepare(
        Counter(), "top", nextpnr_opts="--seed 1 --report report.json --timing-allow-fail"
    )
    plan.extract(tmp_path)
    commands = json.loads(plan.files["build_top.json"])["commands"]
    run_steps(commands, find_tools(Family.ICE40), tmp_path, lambda line: None)
    made: dict[str, Any] = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    return made


def test_a_real_run_whose_logic_is_too_slow_is_rejected(tmp_path: Path) -> None:
    made = place(tmp_path, Clock(12 * MHZ))

    message = rejected(made, clk=48 * MHZ)

    assert message.startswith("Clock 'clk', wanted at 48.00 MHz, reaches only ")


def test_a_real_run_whose_constraint_bound_to_nothing_is_rejected(tmp_path: Path) -> None:
    made = place(tmp_path, None)

    message = rejected(made, clk=48 * MHZ)

    assert message == (
        "Clock 'clk', wanted at 48.00 MHz, was constrained to 12.00 MHz: its constraint did not "
        "bind"
    )
