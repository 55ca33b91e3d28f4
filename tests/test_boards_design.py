"""What a build chooses, and what it refuses before any tool runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from atomik_boards.build import build_board
from atomik_boards.catalog import BOARDS, Board, UartPins
from atomik_boards.design import ClockPlan, highest_baud, plan_clock, plan_design
from atomik_boards.errors import BaudError, BuildError, ClockError
from atomik_fpga.errors import AtomikError

ICEBREAKER = BOARDS["icebreaker"]
ULX3S = BOARDS["ulx3s-25f"]


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
        ClockError,
        match=r"^The PLL of iCE40 has an output of 16 to 275 MHz, not 14 MHz: ask for one of "
        r"these, or for the 12 MHz of the oscillator of icebreaker$",
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
@pytest.mark.parametrize("board", [ICEBREAKER, ULX3S], ids=lambda board: board.name)
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


def test_a_board_whose_oscillator_is_too_fast_runs_on_its_pll() -> None:
    design = plan_design(BOARDS["ecpix5-45f"])

    assert BOARDS["ecpix5-45f"].clock_hz == 100_000_000
    assert design.clock.pll is not None
    assert design.clock.hz == 80_000_000


def test_the_oscillator_inside_of_the_part_is_divided() -> None:
    upduino = BOARDS["upduino-v3"]

    assert plan_design(upduino).clock == ClockPlan(24_000_000, None, 1)
    assert plan_design(upduino, freq=6_000_000).clock == ClockPlan(6_000_000, None, 3)
    with pytest.raises(
        ClockError,
        match=r"^The oscillator inside of iCE40UP5K makes 48, 24, 12, 6 MHz, not 16 MHz$",
    ):
        plan_design(upduino, freq=16_000_000)


def test_another_clock_of_the_board_may_be_asked_for() -> None:
    design = plan_design(BOARDS["upduino-v3"], clock="clk12")

    assert design.clock == ClockPlan(12_000_000, None)
    assert design.board.clock == "clk12"
    # What was said of the oscillator inside does not hold for this one.
    assert design.board.notes == ()
    with pytest.raises(ClockError, match=r"^upduino-v3 has no clock 'clk13'; there is: clk12$"):
        plan_design(BOARDS["upduino-v3"], clock="clk13")
    with pytest.raises(
        ClockError, match=r"^icebreaker has no clock 'clk12'; there is: none but the usual one$"
    ):
        plan_design(ICEBREAKER, clock="clk12")


def test_a_part_without_a_pll_runs_at_its_oscillator() -> None:
    board = BOARDS["nandland-go"]

    assert plan_design(board, baud=6_000_000).clock == ClockPlan(25_000_000, None)
    with pytest.raises(
        ClockError,
        match=r"^The iCE40HX1K-VQ100 of nandland-go has no PLL: it runs at 25 MHz, not at 50 MHz$",
    ):
        plan_design(board, freq=50_000_000)


def test_pins_of_the_uart_may_be_chosen() -> None:
    upduino = BOARDS["upduino-v3"]

    assert plan_design(upduino, rx="j_1:5").board.uart == UartPins("j_1:5", "j_0:8")
    assert plan_design(ICEBREAKER, rx="43", tx="38").board.uart == UartPins("43", "38")
    with pytest.raises(
        BuildError, match=r"^icebreaker has a UART: name both pins, rx and tx, if it is to be"
    ):
        plan_design(ICEBREAKER, rx="43")
    with pytest.raises(BuildError, match=r"^The UART needs two pins: rx and tx are both j_0:8$"):
        plan_design(upduino, rx="j_0:8")


def test_the_highest_line_rate_is_the_bridges_or_the_clocks() -> None:
    assert highest_baud(ULX3S) == 3_000_000
    assert highest_baud(ICEBREAKER) == 6_000_000
    assert highest_baud(BOARDS["icesugar"]) == 115_200
    with pytest.raises(BaudError, match=r"^icebreaker makes none of the usual line rates$"):
        highest_baud(replace(ICEBREAKER, max_baud=9600))
