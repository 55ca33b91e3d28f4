"""What a build chooses, and what it refuses before any tool runs."""

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atomik_boards.build import build_board
from atomik_boards.catalog import BOARDS, Board, Family, find_board
from atomik_boards.design import plan_clock, plan_design
from atomik_boards.errors import BaudError, BuildError, ClockError, UnknownBoardError
from atomik_fpga.errors import AtomikError

ICEBREAKER = BOARDS["icebreaker"]
ULX3S = BOARDS["ulx3s-25f"]


def platform_of(board: Board) -> Any:
    module, _, name = board.platform.partition(":")
    return getattr(importlib.import_module(module), name)()


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_catalog_agrees_with_the_board_definition(board: Board) -> None:
    platform = platform_of(board)

    assert platform.default_clk_frequency == board.clock_hz
    assert platform.device.lower() in board.part.lower()
    resources = [board.uart, *board.leds.values(), *([board.reset] if board.reset else [])]
    assert all(resource in platform.resources for resource in resources)
    assert set(board.leds) <= {"session", "activity", "error"}


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_board_runs_on_its_oscillator_at_its_default_baud_rate(board: Board) -> None:
    design = plan_design(board)

    assert design.clock.pll is None
    assert design.clock.hz == board.clock_hz >= 8 * board.default_baud
    assert design.baud == board.default_baud
    assert (design.contexts, design.width) == (board.contexts, board.width)
    assert abs(design.baud_error) < 0.002


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_table_has_as_many_contexts_as_its_family_is_good_for(board: Board) -> None:
    design = plan_design(board)

    assert design.contexts == {Family.ICE40: 256, Family.ECP5: 4096}[board.family]
    assert plan_design(board, contexts=17).contexts == 17


def test_an_unknown_board_is_named_with_those_that_are_known() -> None:
    with pytest.raises(
        UnknownBoardError,
        match=r"^No board is called 'icebraker'; known are: icebreaker, ulx3s-25f$",
    ):
        find_board("icebraker")


def test_a_pll_gives_a_fast_line_8_clocks_a_bit() -> None:
    clock = plan_clock(ULX3S, 5_000_000)

    assert clock.pll is not None
    assert clock.hz == 40_000_000


def test_where_8_clocks_a_bit_are_too_fast_the_fastest_clock_of_the_board_is_used() -> None:
    board = replace(ICEBREAKER, max_clock_hz=18_000_000)

    clock = plan_clock(board, 4_000_000)

    assert clock.pll is not None
    assert clock.hz == 18_000_000


def test_a_clock_that_is_asked_for_is_made_within_one_percent() -> None:
    design = plan_design(ICEBREAKER, freq=17_000_000)

    assert design.clock.pll is not None
    assert abs(design.clock.hz / 17_000_000 - 1) < 0.01
    assert plan_design(ICEBREAKER, freq=12_000_000).clock.pll is None


def test_a_clock_that_the_board_cannot_make_is_refused() -> None:
    with pytest.raises(
        ClockError, match=r"^The PLL of iCE40 has an output of 16 to 275 MHz, not 14 MHz$"
    ):
        plan_design(ICEBREAKER, freq=14_000_000)
    with pytest.raises(
        ClockError,
        match=r"^The PLL of icebreaker makes 266 MHz of 19 MHz at the nearest, not 271 MHz: "
        r"ask for that, or for another frequency$",
    ):
        plan_design(replace(ICEBREAKER, clock_hz=19_000_000), freq=271_000_000)


def test_a_line_rate_beyond_the_bridge_is_refused_with_the_highest() -> None:
    with pytest.raises(
        BaudError,
        match=r"^Baud rate 3500000 is more than the FT231X of ulx3s-25f makes: "
        "ask for at most 3000000$",
    ):
        plan_design(ULX3S, baud=3_500_000)


def test_a_line_rate_beyond_the_clock_is_refused_with_clock_and_nearest() -> None:
    with pytest.raises(
        BaudError,
        match=r"^Baud rate 4000000 can't be made within 2 % from the 12 MHz clock of icebreaker; "
        "the nearest that can is 3000000. Ask for that, or for another frequency$",
    ):
        plan_design(ICEBREAKER, baud=4_000_000, freq=12_000_000)


def test_a_line_rate_that_is_over_2_percent_off_is_refused_with_clock_and_nearest() -> None:
    with pytest.raises(
        BaudError,
        match=r"^Baud rate 1 can't be made within 2 % from the 12 MHz clock of icebreaker; "
        r"the nearest that can is \d+. Ask for that, or for another frequency$",
    ):
        plan_design(ICEBREAKER, baud=1)


@pytest.mark.parametrize("baud", [9600, 57600, 115200, 921600, 1_500_000, 3_000_000])
@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_usual_line_rates_are_met_within_2_percent(board: Board, baud: int) -> None:
    design = plan_design(board, baud=baud)

    assert abs(design.baud_error) <= 0.02
    assert design.clock.hz >= 4 * baud


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("contexts", 0, "Contexts must be 1 to 65536, not 0"),
        ("contexts", 65537, "Contexts must be 1 to 65536, not 65537"),
        ("width", 257, "Width must be 1 to 256, not 257"),
        ("lanes", 0, "Lanes must be 1 to 1024, not 0"),
        ("lanes", 1025, "Lanes must be 1 to 1024, not 1025"),
        ("seed", -1, "Seed must be 0 to 2147483647, not -1"),
        ("baud", 0, "Baud rate must be at least 1, not 0"),
        ("freq", -5, "Frequency must be at least 1, not -5"),
    ],
)
def test_an_option_out_of_its_range_is_named(option: str, value: int, message: str) -> None:
    with pytest.raises(BuildError) as error:
        plan_design(ICEBREAKER, **{option: value})

    assert str(error.value) == message


def test_banks_leave_room_for_their_registers_and_need_words_for_their_counts() -> None:
    assert plan_design(ULX3S).lanes == 0
    assert plan_design(ULX3S, lanes=128).lanes == 128
    with pytest.raises(BuildError, match=r"^Contexts must be 1 to 65532, not 65533$"):
        plan_design(ULX3S, lanes=1, contexts=65533)
    with pytest.raises(BuildError, match=r"^Width must be 32 to 256, not 31$"):
        plan_design(ULX3S, lanes=1, width=31)


def test_an_option_that_is_no_integer_is_named() -> None:
    with pytest.raises(TypeError, match=r"^Baud rate must be an integer, not 1000000\.0$"):
        plan_design(ICEBREAKER, baud=1e6)  # type: ignore[arg-type]


def test_a_refused_build_leaves_no_folder_and_runs_nothing(tmp_path: Path) -> None:
    out = tmp_path / "build"
    lines: list[str] = []

    with pytest.raises(AtomikError):
        build_board("icebreaker", out=out, baud=4_000_000, freq=12_000_000, progress=lines.append)

    assert not out.exists()
    assert lines == []
