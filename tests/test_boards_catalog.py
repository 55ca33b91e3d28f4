"""The catalog: every board of the two families, and each entry agrees with its platform."""

import importlib
import inspect
import pkgutil
import re
from dataclasses import replace

import amaranth_boards
import pytest
from amaranth.build import Platform
from amaranth.lib import io

from atomik_boards.board import HFOSC
from atomik_boards.catalog import BOARDS, Board, Family, UartPins, find_board
from atomik_boards.design import highest_baud, plan_design
from atomik_boards.errors import BuildError, UnknownBoardError
from atomik_boards.platforms import load_platform

EACH_BOARD = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)

#: By name of the platform's class: the same board as another one's.
SAME = {"OrangeCrabR0_2Platform": "OrangeCrabR0_2_25FPlatform"}
#: Here, because the board's own does not take options.
REPAIRED = {"Supercon19Badge": "Supercon19BadgePlatform"}


def lattice_platforms() -> set[str]:
    """Names of all classes in `amaranth_boards` that are a board with an iCE40 or an ECP5."""
    found = set()
    for module in pkgutil.iter_modules(amaranth_boards.__path__):
        if module.ispkg:
            continue
        loaded = importlib.import_module(f"amaranth_boards.{module.name}")
        for name, value in inspect.getmembers(loaded, inspect.isclass):
            is_own = value.__module__ == loaded.__name__ and issubclass(value, Platform)
            device = getattr(value, "device", None)
            if is_own and isinstance(device, str) and device.startswith(("iCE40", "LFE5U")):
                found.add(name)
    return found


def test_every_ice40_and_ecp5_board_of_amaranth_boards_is_known_by_name() -> None:
    names = [board.platform.partition(":")[2] for board in BOARDS.values()]
    lattice = [name for name in names if name != "TangNano9k"]
    ours = {REPAIRED.get(name, name) for name in lattice}

    assert len(names) == len(set(names)) >= 35
    assert ours == {SAME.get(name, name) for name in lattice_platforms()}


def test_names_are_lower_case_and_tell_the_sizes_of_a_board() -> None:
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]+", name) for name in BOARDS)
    assert {"icebreaker", "ulx3s-25f", "ulx3s-85f", "ecpix5-45f", "orangecrab-25f"} <= set(BOARDS)
    with pytest.raises(
        UnknownBoardError,
        match=r"^No board is called 'ulx3s'; "
        r"there are ulx3s-12f, ulx3s-25f, ulx3s-45f, ulx3s-85f$",
    ):
        find_board("ulx3s")
    with pytest.raises(
        UnknownBoardError, match=r"^No board is called 'ULX3S-85F'; there is ulx3s-85f$"
    ):
        find_board("ULX3S-85F")
    with pytest.raises(
        UnknownBoardError,
        match=r"^No board is called 'icebraker'; known are: icebreaker, icebreaker-bitsy, .+$",
    ):
        find_board("icebraker")


@EACH_BOARD
def test_an_entry_agrees_with_the_boards_definition(board: Board) -> None:
    platform, uart = load_platform(board)

    assert platform.default_clk_frequency == board.clock_hz
    assert (platform.default_clk == HFOSC) == (board.clock == HFOSC)
    if board.family is Family.GOWIN:
        assert board.part == f"{platform.family}-{platform.package}-{platform.speed}"
        assert board.device == platform.family
    else:
        assert platform.device == board.device
        assert f"{platform.device}-{platform.package}" == re.sub(
            r"-[68](\w+)C$", r"-\1", board.part
        )
    if board.family is Family.ECP5:
        assert board.part.startswith(f"{platform.device}-{platform.speed}")
    for clock, hz in board.clocks.items():
        assert platform.lookup(clock).clock.frequency == hz
    assert set(board.leds) <= {"session", "activity", "error"}
    # All at once: no pin is used twice.
    ports = platform.request(*uart, dir="-")
    assert ports.rx.direction in (io.Direction.Input, io.Direction.Bidir)
    assert ports.tx.direction in (io.Direction.Output, io.Direction.Bidir)
    if board.reset is not None:
        assert platform.request(*board.reset, dir="-").direction is io.Direction.Input
    for name, number in dict.fromkeys(lamp[:2] for lamp in board.leds.values()):
        platform.request(name, number, dir="-")


@EACH_BOARD
def test_a_board_makes_its_default_line_rate_and_a_highest_one(board: Board) -> None:
    design = plan_design(board)

    assert design.baud == board.default_baud <= highest_baud(board) <= board.max_baud
    assert abs(design.baud_error) < 0.002
    assert design.clock.hz >= 8 * board.default_baud
    assert design.clock.hz <= board.max_clock_hz
    assert (design.contexts, design.width) == (board.contexts, board.width)
    assert abs(plan_design(board, baud=highest_baud(board)).baud_error) <= 0.02
    assert board.default_baud == (1_000_000 if board.bridge.startswith("FT") else 115_200)


@EACH_BOARD
def test_every_board_says_how_a_bitstream_gets_in_and_what_its_part_answers(board: Board) -> None:
    assert board.loader is not None
    assert board.loader.sram is not None or board.loader.flash is not None
    assert (board.idcode is not None) == (board.family is not Family.ICE40)
    if board.family is Family.ECP5:
        assert board.idcode is not None
        # The lowest 12 bits are Lattice's own, and always end in a 1.
        assert board.idcode & 0xFFF == 0x043


def test_a_uart_without_a_resource_is_at_pins_that_the_board_has() -> None:
    platform, uart = load_platform(plan_design(BOARDS["upduino-v3"], tx="j_1:5").board)
    ports = platform.request(*uart, dir="-")

    assert ports.rx.io.metadata[0].name == "23"
    assert ports.rx.io.metadata[0].attrs == {"IO_STANDARD": "SB_LVCMOS", "PULLUP": 1}
    assert ports.tx.io.metadata[0].name == "12"
    assert ports.tx.io.metadata[0].attrs == {"IO_STANDARD": "SB_LVCMOS"}


@pytest.mark.parametrize(
    ("pin", "message"),
    [
        ("j_0:99", "upduino-v3 has no pin 'j_0:99'; there are: j_0:1, j_0:2, "),
        ("k_0:1", "upduino-v3 has no pin 'k_0:1'; there are: j_0, j_1"),
        ("23; 4", "'23; 4' is no pin: name one of a connector, such as pmod_0:3, or of the "),
        ("", "'' is no pin: "),
    ],
)
def test_a_pin_that_there_is_not_is_named_with_those_that_there_are(pin: str, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        load_platform(replace(BOARDS["upduino-v3"], uart=UartPins("2", pin)))
    assert str(caught.value).startswith(message)
