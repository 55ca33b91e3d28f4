"""The device on each engine, driven at its pins."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from atomik_fpga.protocol import Info
from atomik_sim import BoardOptions, SimBoard
from atomik_sim.amaranth_engine import AmaranthEngine
from atomik_sim.cable import Cable
from atomik_sim.cxxrtl_engine import CxxrtlEngine
from atomik_sim.engine import Engine
from atomik_sim.pins import BREAK, CHARACTER_BITS, IDLE, character

from .wire import (
    ACCUM,
    ACK,
    INFO,
    LOAD,
    NAK,
    NO_SESSION,
    OPENED,
    PEEK,
    READ,
    SWAP,
    VALUES,
    Reply,
    Session,
    info_frame,
    run,
)

PATIENCE = 60.0
SESSION = Session()

Make = Callable[[BoardOptions], Engine]
ENGINES = [AmaranthEngine, CxxrtlEngine]


class Line:
    """A board's port, a frame at a time."""

    def __init__(self, board: SimBoard) -> None:
        self.board = board

    def ask(self, *frames: bytes) -> Reply:
        """Send frames; return the reply to the last one that has one."""
        self.board.write(b"".join(frames))
        reply = b""
        while not reply.endswith(b"\0"):
            byte = self.board.read(1, PATIENCE)
            assert byte
            reply += byte
        return SESSION.decode(reply[:-1])


@pytest.fixture(params=ENGINES)
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    options = BoardOptions(contexts=8, width=12, baud=2_700_000)
    board = SimBoard(options, engine=request.param(options))
    yield Line(board)
    board.close()


def test_the_device_says_what_the_options_say(line: Line) -> None:
    reply = line.ask(info_frame(0x1234))
    assert (reply.kind, reply.next) == (INFO, 0x1234)
    info = Info.unpack(reply.payload)
    assert (info.depth, info.width, info.clock_hz, info.baud) == (8, 12, 12_000_000, 2_700_000)


def test_ops_act_on_the_contexts(line: Line) -> None:
    assert line.ask(SESSION.open()).kind == OPENED
    assert line.ask(SESSION.data(0, run(LOAD, 4, 0x123, size=2))).kind == ACK
    assert line.ask(SESSION.data(1, run(ACCUM, 4, 0xF0F, size=2))).kind == ACK
    peeked = line.ask(SESSION.data(2, run(PEEK, 4, count=1)))
    assert (peeked.kind, peeked.opcount, peeked.values(2)) == (VALUES, 3, [0xE2C, 0xF0F])
    assert line.ask(SESSION.data(3, run(SWAP, 4, count=1))).values(2) == [0xE2C]


def test_ten_bits_go_over_a_pin_for_each_byte(line: Line) -> None:
    request = info_frame(0)
    line.ask(request)
    status = line.board.status
    assert status.bytes_to_device == len(request)
    assert status.bits_to_device == CHARACTER_BITS * status.bytes_to_device
    assert status.bits_from_device == CHARACTER_BITS * status.bytes_from_device > 0


def test_a_flipped_bit_on_the_line_is_refused_by_the_device(line: Line) -> None:
    line.ask(SESSION.open())
    line.board.cable = Cable(lambda data: [character(byte) ^ 1 << 5 for byte in data])
    assert line.ask(SESSION.data(0, run(LOAD, 0, 1, size=2)), b"\x10").kind == NAK


def test_a_frame_with_a_break_in_it_is_refused_by_the_device(line: Line) -> None:
    line.ask(SESSION.open())
    frame = SESSION.data(0, run(LOAD, 0, 1, size=2))
    line.board.cable = Cable(
        lambda data: [levels for byte in data for levels in (character(byte), BREAK, IDLE)]
    )
    line.board.write(frame[:3])
    line.board.drain()
    line.board.cable = Cable()
    assert line.ask(frame[3:]).kind == NAK


def test_a_reset_ends_the_session_and_clears_the_contexts(line: Line) -> None:
    line.ask(SESSION.open())
    line.ask(SESSION.data(0, run(LOAD, 4, 0x123, size=2)))
    line.board.reset()
    assert line.ask(SESSION.data(1, run(READ, 4, count=1))).kind == NO_SESSION
    assert line.ask(SESSION.open()).kind == OPENED
    assert line.ask(SESSION.data(0, run(READ, 4, count=1))).values(2) == [0]


@pytest.mark.parametrize("make", ENGINES)
def test_a_device_is_idle_only_after_a_character_of_silence(make: Make) -> None:
    engine = make(BoardOptions(contexts=8, width=12, baud=2_700_000))
    assert not engine.idle
    while not engine.idle:
        engine.transfer([IDLE])
    engine.transfer([character(0x55)])
    assert not engine.idle
    engine.transfer([IDLE])
    assert engine.idle


@pytest.mark.parametrize("make", ENGINES)
def test_a_device_that_answers_is_not_idle_before_its_last_stop_bit(make: Make) -> None:
    engine = make(BoardOptions(contexts=8, width=12, baud=2_700_000))
    request = b"\0" + info_frame(7)
    assert engine.transfer([character(byte) for byte in request]) == b""
    reply = bytearray()
    while not engine.idle:
        reply += engine.transfer([IDLE])
    assert SESSION.decode(bytes(reply[:-1])).next == 7
    assert engine.transfer([IDLE] * 100) == b""
