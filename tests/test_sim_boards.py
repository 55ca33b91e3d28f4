"""The boards that can be simulated: each has the device that a build makes for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import serial

from atomik_boards import top
from atomik_boards.catalog import find_board
from atomik_boards.design import Design, plan_design
from atomik_boards.platforms import load_platform
from atomik_fpga import connect
from atomik_hdl.device import DeltaDevice
from atomik_sim import BoardOptions
from atomik_sim.cxxrtl import build, compiler
from atomik_sim.device import make_device
from atomik_sim.options import BOARDS, BoardFacts, url_of
from atomik_sim.testing import AtomikBoard

from .backends import ECP5
from .wire import ACK, SWAP_TO, VALUES, Reply, Session, run

ULX3S = "ulx3s-25f"
EACH_BOARD = pytest.mark.parametrize("name", BOARDS)


def device_of_build(design: Design, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the device that the top of a board has inside."""
    made: list[Any] = []

    def make(*arguments: Any, **options: Any) -> Any:
        made.append(DeltaDevice(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(top, "DeltaDevice", make)
    platform, uart = load_platform(design.board)
    top.BoardTop(design, uart).elaborate(platform)
    (device,) = made
    return device


# What is simulated is what is built.


def test_both_boards_of_the_first_steps_can_be_simulated() -> None:
    assert list(BOARDS) == ["icebreaker", ULX3S]


@EACH_BOARD
def test_what_is_known_of_a_board_here_is_what_its_build_has(name: str) -> None:
    design = plan_design(find_board(name))
    assert BOARDS[name] == BoardFacts(design.clock.hz, design.board.reply_slots)


@EACH_BOARD
def test_a_host_can_not_tell_the_simulated_device_from_the_built_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = plan_design(find_board(name))
    sizes = {"baud": design.baud, "contexts": design.contexts, "width": design.width}
    simulated = make_device(BoardOptions(name, **sizes))
    assert simulated.info == device_of_build(design, monkeypatch).info


def test_the_default_rate_is_the_highest_that_a_ulx3s_can_have() -> None:
    options, board = BoardOptions(ULX3S), find_board(ULX3S)
    assert options.baud == board.max_baud == 3_000_000
    assert plan_design(board, baud=options.baud).clock.hz == options.clock_frequency == 25_000_000


def test_a_rate_may_be_as_high_as_the_clock_of_its_board_allows() -> None:
    assert BoardOptions(ULX3S, baud=6_250_000).baud == 6_250_000
    with pytest.raises(ValueError, match=r"^Option 'baud' must be in 1\.\.6250000, not 6250001$"):
        BoardOptions(ULX3S, baud=6_250_001)


# How it is named.


def test_a_url_names_the_board() -> None:
    options = BoardOptions.from_url("sim://ulx3s-25f?contexts=4096")
    assert options == BoardOptions(ULX3S, contexts=4096)
    assert options != BoardOptions(contexts=4096)
    assert url_of(options) == "sim://ulx3s-25f?contexts=4096"


def test_each_board_is_compiled_for_itself_and_so_is_each_fact_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = compiler.Compiler(("cc",), "cc 1")
    options = BoardOptions(contexts=1, width=1, baud=115_200)

    def key(options: BoardOptions) -> str:
        return build._key(options, found, "")

    keys = {key(options), key(replace(options, board=ULX3S))}
    facts = BOARDS["icebreaker"]
    for change in {"clock_frequency": 12_000_001}, {"reply_slots": 3}:
        monkeypatch.setitem(BOARDS, "icebreaker", replace(facts, **change))
        keys.add(key(options))
    monkeypatch.setitem(BOARDS, "icebreaker", facts)
    assert len(keys) == 4
    assert key(options) in keys
    # It is the device that counts, not what its board is called.
    monkeypatch.setitem(BOARDS, "other", facts)
    assert key(replace(options, board="other")) == key(options)


# What a host finds.


@pytest.mark.parametrize("atomik_board_options", [ECP5])
def test_the_device_says_so_at_its_pins(atomik_board: AtomikBoard) -> None:
    with connect(atomik_board.url) as connection:
        info = connection.info
        assert (info.clock_hz, info.baud, info.reply_slots) == (25_000_000, 6_250_000, 4)
        assert (info.depth, info.width) == (65_536, 16)
        connection.load_many(65_520, range(1, 17))
        assert connection.read_many(65_520, 16) == list(range(1, 17))


@pytest.mark.parametrize(
    ("atomik_board_options", "slots"),
    [
        ({"board": board, "engine": "amaranth", "contexts": 2, "width": 8}, slots)
        for board, slots in (("icebreaker", 2), (ULX3S, 4))
    ],
    ids=["icebreaker", ULX3S],
)
def test_as_many_replies_are_kept_as_the_board_has_slots(
    atomik_board: AtomikBoard, atomik_board_options: dict[str, object], slots: int
) -> None:
    session = Session()
    swaps = [session.data(seq, run(SWAP_TO, 1, seq + 1, size=1)) for seq in range(6)]
    with serial.serial_for_url(atomik_board.url, timeout=60) as port:

        def ask(frame: bytes) -> Reply:
            port.write(b"\0" + frame)
            return session.decode(port.read_until(b"\0")[:-1])

        ask(session.open())
        first = [ask(frame) for frame in swaps]
        again = [ask(frame) for frame in swaps]
    assert [reply.values(1) for reply in first] == [[seq] for seq in range(6)]
    assert [reply.kind for reply in again] == [ACK] * (6 - slots) + [VALUES] * slots
    assert again[6 - slots :] == first[6 - slots :]
