"""The fit gate: what a netlist takes once packed, and what is said of one that is too large."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from atomik_boards.board import Family
from atomik_boards.catalog import BOARDS
from atomik_boards.errors import FitError, TooSmallError
from atomik_boards.fit import (
    CAPACITIES,
    LOGIC,
    RAM,
    SMALLEST,
    Need,
    check_fit,
    check_part,
    count_needs,
    find_lack,
    list_logic_cells,
)


def netlist(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"modules": {"top": {"cells": {f"cell{n}": cell for n, cell in enumerate(cells)}}}}


def cell(kind: str, outputs: str = "", **pins: Any) -> dict[str, Any]:
    """A cell whose pins are given with their bits; those in ``outputs`` drive them."""
    return {
        "type": kind,
        "port_directions": {pin: "output" if pin in outputs else "input" for pin in pins},
        "connections": {pin: [bit] for pin, bit in pins.items()},
    }


def lut(out: int, *inputs: Any) -> dict[str, Any]:
    pins = dict(zip(("I0", "I1", "I2", "I3"), (*inputs, "0", "0", "0", "0"), strict=False))
    return cell("SB_LUT4", "O", O=out, **pins)


def test_a_register_shares_the_cell_of_the_lut_that_feeds_it_alone() -> None:
    fed = cell("SB_DFFESR", "Q", D=10, Q=20, C=1)

    assert count_needs(netlist(lut(10, 5), fed), Family.ICE40)[LOGIC] == 1
    # Something else reads the LUT too.
    assert count_needs(netlist(lut(10, 5), fed, lut(11, 10)), Family.ICE40)[LOGIC] == 3
    # No LUT at all.
    assert count_needs(netlist(cell("SB_DFF", "Q", D=9, Q=20)), Family.ICE40)[LOGIC] == 1


def test_a_carry_shares_the_cell_of_the_lut_that_adds_the_same_bits() -> None:
    carry = cell("SB_CARRY", "CO", I0=1, I1=2, CI=3, CO=4)

    assert count_needs(netlist(lut(10, "0", 1, 2, 3), carry), Family.ICE40)[LOGIC] == 1
    assert count_needs(netlist(lut(10, "0", 1, 2, 7), carry), Family.ICE40)[LOGIC] == 2


def test_each_logic_cell_has_the_name_of_what_it_is_taken_for() -> None:
    cells = {
        "adder": lut(10, "0", 1, 2, 3),
        "its_carry": cell("SB_CARRY", "CO", I0=1, I1=2, CI=3, CO=4),
        "its_register": cell("SB_DFF", "Q", D=10, Q=20),
        "carry": cell("SB_CARRY", "CO", I0=5, I1=6, CI=4, CO=7),
        "register": cell("SB_DFF", "Q", D=9, Q=21),
        "pin": cell("SB_IO", "D_IN_0", D_IN_0=9),
    }
    assert list_logic_cells({"modules": {"top": {"cells": cells}}}) == [
        "adder",
        "carry",
        "register",
    ]


def test_block_rams_of_both_families_are_counted() -> None:
    rams = [cell("SB_RAM40_4K"), cell("SB_RAM40_4K")]
    assert count_needs(netlist(*rams), Family.ICE40) == {LOGIC: 0, RAM: 2}
    wide = [cell("DP16KD"), cell("PDPW16KD"), cell("LUT4"), cell("CCU2C"), cell("TRELLIS_DPR16X4")]
    assert count_needs(netlist(*wide), Family.ECP5) == {LOGIC: 7, RAM: 2}
    assert count_needs(netlist(*[cell("TRELLIS_FF")] * 3), Family.ECP5) == {LOGIC: 3, RAM: 0}
    gowin = [cell(kind) for kind in ("LUT1", "LUT4", "ALU", "MUX2_LUT5", "DFF", "SDPX9B", "DPX9B")]
    assert count_needs(netlist(*gowin), Family.GOWIN) == {LOGIC: 3, RAM: 2}


def test_a_netlist_that_fits_is_told_with_what_it_needs() -> None:
    needs = check_fit(netlist(lut(10, 5), cell("SB_RAM40_4K")), BOARDS["icestick"])

    assert [(need.kind, need.needed, need.available) for need in needs] == [
        ("logic cells", 1, 1280),
        ("block RAMs", 1, 16),
    ]


def test_a_netlist_that_is_too_large_is_refused_with_all_numbers_and_the_remedy() -> None:
    luts = [lut(n, 0) for n in range(5281)]
    rams = [cell("SB_RAM40_4K")] * 31

    with pytest.raises(FitError) as caught:
        check_fit(netlist(*luts), BOARDS["icebreaker"])
    assert str(caught.value) == (
        "This does not fit in the iCE40UP5K-SG48 of icebreaker: it needs 5,281 logic cells of "
        "5,280. Ask for narrower contexts, or for fewer lanes of banks if it has some"
    )
    with pytest.raises(FitError, match=r"it needs 31 block RAMs of 30\. Ask for fewer contexts, "):
        check_fit(netlist(*rams), BOARDS["icebreaker"])
    with pytest.raises(FitError, match=r"5,281 logic cells of 5,280 and 31 block RAMs of 30\."):
        check_fit(netlist(*luts, *rams), BOARDS["icebreaker"])
    # One less of each is no reason.
    check_fit(netlist(*luts[1:], *rams[1:]), BOARDS["icebreaker"])


def test_a_part_in_which_no_size_fits_is_known_before_anything_is_built() -> None:
    with pytest.raises(TooSmallError) as caught:
        check_part(BOARDS["icestick"])
    assert str(caught.value) == (
        "No size of the device fits in the iCE40HX1K-TQ144 of icestick: it has 1,280 logic cells, "
        f"and 2 contexts of 8 bits with one reply slot need {SMALLEST:,}. iCE40UP5K, HX4K, HX8K "
        "and LP8K and all parts of ECP5 hold the device (`atomik boards` lists boards with them); "
        "this one has room for DeltaCore in a design of your own (docs/boards.md)"
    )
    assert find_lack(BOARDS["icestick"]) == Need(LOGIC, SMALLEST, 1280)


def test_the_boards_that_are_too_small_are_those_with_a_part_of_1280_logic_cells() -> None:
    small = {name for name, board in BOARDS.items() if find_lack(board) is not None}
    assert small == {"icestick", "nandland-go", "ice40-hx1k-blink-evn", "icesugar-nano"}
    for name in set(BOARDS) - small:
        check_part(BOARDS[name])
    # Of a part that is not known nothing is claimed.
    check_part(replace(BOARDS["icestick"], part="iCE40LP384-QN32"))


def test_every_board_has_a_part_whose_size_is_known_and_others_are_left_alone() -> None:
    assert {board.device for board in BOARDS.values()} <= set(CAPACITIES)
    other = replace(BOARDS["icestick"], part="iCE40LP384-QN32")
    assert check_fit(netlist(*[cell("SB_RAM40_4K")] * 99), other) == []
