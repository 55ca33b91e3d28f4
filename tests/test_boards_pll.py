"""Settings of the clock generators, against the vendors' limits and other people's calculators."""

import re
import shutil
import subprocess
import sysconfig
from fractions import Fraction

import pytest

from atomik_boards.errors import ClockError
from atomik_boards.pll import Ice40Pll, plan_ecp5_pll, plan_ice40_pll

MHZ = 1_000_000


def calculate(program: str, *arguments: str) -> str:
    path = shutil.which(program, path=sysconfig.get_path("scripts"))
    assert path is not None
    return subprocess.run(
        [path, *arguments], check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout


@pytest.mark.parametrize(("source", "output"), [(12, 24), (12, 48), (16, 60), (25, 100), (100, 33)])
def test_an_ice40_pll_gets_the_settings_that_icepll_finds(source: int, output: int) -> None:
    text = calculate("yowasp-icepll", "-i", str(source), "-o", str(output))
    theirs = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) \(", text, re.M)}

    pll = plan_ice40_pll(source * MHZ, output * MHZ)

    assert theirs == {
        "DIVR": pll.divr,
        "DIVF": pll.divf,
        "DIVQ": pll.divq,
        "FILTER_RANGE": pll.filter_range,
    }


@pytest.mark.parametrize("source", [10, 12, 16, 25, 48, 50, 100, 133])
@pytest.mark.parametrize("output", [16, 17, 50, 100, 275])
def test_an_ice40_pll_stays_within_the_limits_of_the_data_sheet(source: int, output: int) -> None:
    pll = plan_ice40_pll(source * MHZ, output * MHZ)

    detector = Fraction(source * MHZ, pll.divr + 1)
    oscillator = detector * (pll.divf + 1)
    assert 10 * MHZ <= detector <= 133 * MHZ
    assert 533 * MHZ <= oscillator <= 1066 * MHZ
    assert pll.divr in range(16)
    assert pll.divf in range(128)
    assert pll.divq in range(1, 7)
    assert pll.output_hz == oscillator / 2**pll.divq
    assert 16 * MHZ <= pll.output_hz <= 275 * MHZ


@pytest.mark.parametrize(
    ("detector", "setting"), [(10, 1), (16.9, 1), (17, 2), (26, 3), (44, 4), (66, 5), (101, 6)]
)
def test_the_loop_filter_of_an_ice40_pll_follows_the_phase_detector(
    detector: float, setting: int
) -> None:
    pll = Ice40Pll(round(detector * MHZ), divr=0, divf=9, divq=3)

    assert pll.filter_range == setting


@pytest.mark.parametrize("source", [10, 12, 25, 48, 100, 400])
@pytest.mark.parametrize("output", [Fraction(25, 8), 16, 48, 60, 133, 400])
def test_an_ecp5_pll_stays_within_the_limits_of_the_data_sheet(
    source: int, output: Fraction | int
) -> None:
    pll = plan_ecp5_pll(source * MHZ, int(output * MHZ))

    detector = Fraction(source * MHZ, pll.clki_div)
    oscillator = detector * pll.clkop_div
    assert 10 * MHZ <= detector <= 400 * MHZ
    assert 400 * MHZ <= oscillator <= 800 * MHZ
    assert {pll.clki_div, pll.clkop_div, pll.clkos_div} <= set(range(1, 129))
    assert pll.output_hz == oscillator / pll.clkos_div
    assert Fraction(25, 8) * MHZ <= pll.output_hz <= 400 * MHZ


@pytest.mark.parametrize("source", [12, 25, 48, 100])
@pytest.mark.parametrize("output", [16, 24, 48, 60, 75, 96, 100, 133, 200])
def test_an_ecp5_pll_comes_as_near_as_ecppll_or_within_one_percent(
    source: int, output: int
) -> None:
    # Theirs lets the phase detector run at 3.125 MHz, the data sheet from 10 MHz on.
    text = calculate("yowasp-ecppll", "-i", str(source), "-o", str(output))
    found = re.search(r"^clkout0 frequency: ([\d.]+) MHz", text, re.M)
    assert found is not None
    theirs = abs(float(found[1]) - output)

    ours = abs(float(plan_ecp5_pll(source * MHZ, output * MHZ).output_hz) / MHZ - output)

    assert ours <= max(theirs, 0.01 * output)


@pytest.mark.parametrize("output", [24, 25, 50, 60, 75, 100, 200])
def test_an_ecp5_pll_makes_simple_fractions_exactly(output: int) -> None:
    assert plan_ecp5_pll(25 * MHZ, output * MHZ).output_hz == output * MHZ


def test_an_ecp5_pll_makes_48_of_25_mhz_within_a_fifth_of_a_percent() -> None:
    assert abs(plan_ecp5_pll(25 * MHZ, 48 * MHZ).output_hz / (48 * MHZ) - 1) < 0.002


def test_an_input_or_output_out_of_range_is_named() -> None:
    with pytest.raises(
        ClockError, match=r"^The PLL of iCE40 has an input of 10 to 133 MHz, not 9\.5 MHz$"
    ):
        plan_ice40_pll(9_500_000, 24 * MHZ)
    with pytest.raises(
        ClockError, match=r"^The PLL of iCE40 has an output of 16 to 275 MHz, not 12 MHz$"
    ):
        plan_ice40_pll(12 * MHZ, 12 * MHZ)
    with pytest.raises(
        ClockError, match=r"^The PLL of ECP5 has an output of 3\.125 to 400 MHz, not 401 MHz$"
    ):
        plan_ecp5_pll(25 * MHZ, 401 * MHZ)
