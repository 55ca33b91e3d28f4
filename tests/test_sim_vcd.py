"""The waves of a simulated board, read back from the VCD file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from vcd.reader import TokenKind, tokenize

from atomik_fpga import AtomikContext
from atomik_sim import BoardOptions, SimBoard
from atomik_sim.cable import Cable
from atomik_sim.pins import BREAK, character
from atomik_sim.waves import WaveWriter

from . import wire
from .echo_engine import EchoEngine
from .wire import Session

PATIENCE = 60.0
SESSION = Session()


@dataclass
class Wave:
    """A variable's times in nanoseconds, and its values from then on."""

    changes: list[tuple[int, int | str]] = field(default_factory=list)

    def values(self) -> list[int | str]:
        """What it was, one after the other, without what stands for nothing."""
        return [value for _, value in self.changes if value not in ("", "z")]

    def spans(self) -> list[tuple[int, int, int | str]]:
        """From when to when it was what."""
        following = [time for time, _ in self.changes[1:]]
        return [
            (begin, end, value)
            for (begin, value), end in zip(self.changes, following, strict=False)
            if value not in ("", "z")
        ]

    def at(self, time: float) -> int | str:
        return [value for begin, value in self.changes if begin <= time][-1]


def read_waves(path: Path) -> dict[str, Wave]:
    """Return the waves by their names with scopes."""
    names: dict[str, str] = {}
    waves: dict[str, Wave] = {}
    scopes: list[str] = []
    time = 0
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.SCOPE:
                scopes.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scopes.pop()
            elif token.kind is TokenKind.TIMESCALE:
                assert (token.timescale.magnitude.value, token.timescale.unit.value) == (1, "ns")
            elif token.kind is TokenKind.VAR:
                names[token.var.id_code] = ".".join([*scopes, token.var.reference])
                waves[names[token.var.id_code]] = Wave()
            elif token.kind is TokenKind.CHANGE_TIME:
                assert token.time_change >= time
                time = token.time_change
            elif token.kind is TokenKind.CHANGE_SCALAR:
                change = token.scalar_change
                waves[names[change.id_code]].changes.append((time, int(change.value)))
            elif token.kind is TokenKind.CHANGE_VECTOR:
                vector = token.vector_change
                waves[names[vector.id_code]].changes.append((time, vector.value))
            elif token.kind is TokenKind.CHANGE_STRING:
                text = token.string_change
                value = text.value.replace("\\x20", " ")
                waves[names[text.id_code]].changes.append((time, value))
    return waves


def read_line(wave: Wave, bit: float) -> bytes:
    """Receive what is on a pin, as a UART does; ``bit`` is in nanoseconds."""
    received = bytearray()
    free = 0.0
    for time, level in wave.changes:
        if level or time < free:
            continue
        levels = [int(wave.at(time + (number + 0.5) * bit)) for number in range(10)]
        assert (levels[0], levels[9]) == (0, 1)
        received.append(sum(level << number for number, level in enumerate(levels[1:9])))
        free = time + 9.5 * bit
    return bytes(received)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "board.vcd"


@pytest.fixture(params=["amaranth", "cxxrtl"])
def board(request: pytest.FixtureRequest, path: Path) -> Iterator[SimBoard]:
    """A board with 8 contexts of 12 bits; 5 clocks a bit."""
    options = BoardOptions(
        contexts=8, width=12, baud=2_700_000, engine=request.param, vcd=str(path)
    )
    board = SimBoard(options)
    yield board
    board.close()


def ask(board: SimBoard, *frames: bytes) -> bytes:
    """Send each frame when the one before is answered; return the replies with their ends."""
    replies = b""
    for frame in frames:
        board.write(frame)
        reply = b""
        while not reply.endswith(b"\0"):
            reply += board.read(1, PATIENCE)
        replies += reply
    return replies


FRAMES = (
    wire.info_frame(9),
    SESSION.open(),
    SESSION.data(0, wire.run(wire.LOAD, 1, 0x123, 0x456, size=2)),
    SESSION.data(
        1,
        wire.run(wire.ACCUM, 3, *range(32), size=2),
        wire.run(wire.READ, 1, count=3),
    ),
    SESSION.data(3, wire.run(wire.SWAP_TO, 3, 0, size=2)),
    SESSION.data(2, wire.run(wire.LOAD, 8, 0, size=2)),
)


def test_frames_ops_numbers_and_statuses_have_names(board: SimBoard, path: Path) -> None:
    ask(board, *FRAMES)
    board.close()
    waves = read_waves(path)
    assert waves["board.host.frame"].values() == [
        "INFO",
        "OPEN",
        "LOAD x2 @1 seq 0",
        "ACCUM x32 @3, READ x3 @1 seq 1",
        "SWAP_TO x1 @3 seq 3",
        "LOAD x1 @8 seq 2",
    ]
    assert waves["board.host.kind"].values() == ["INFO", "OPEN", *["DATA"] * 4]
    assert waves["board.host.seq"].values() == [0, 1, 3, 2]
    assert waves["board.host.op"].values() == [
        "LOAD x2 @1",
        "ACCUM x32 @3",
        "READ x3 @1",
        "SWAP_TO x1 @3",
        "LOAD x1 @8",
    ]
    assert waves["board.device.frame"].values() == [
        "INFO tag 9",
        "OPENED",
        "ACK next 1",
        "VALUES 6 bytes next 2",
        "NAK next 2",
        "ACK next 2 fault ADDRESS",
    ]
    assert waves["board.device.status"].values() == [
        "INFO",
        "OPENED",
        "ACK",
        "VALUES",
        "NAK",
        "ACK",
    ]
    assert waves["board.device.next"].values() == [9, 0, 1, 2, 2, 2]
    assert waves["board.device.opcount"].values() == [0, 0, 2, 37, 37, 37]
    assert waves["board.device.fault"].values() == ["ADDRESS"]


def test_the_pins_carry_what_was_sent_and_received_and_the_characters_name_it(
    board: SimBoard, path: Path
) -> None:
    replies = ask(board, *FRAMES)
    board.close()
    waves = read_waves(path)
    bit = 1e9 / 2_700_000
    sent = b"".join(FRAMES)
    assert read_line(waves["board.rx"], bit) == sent
    assert read_line(waves["board.tx"], bit) == replies
    assert bytes(value for _, _, value in waves["board.host.character"].spans()) == sent
    assert bytes(value for _, _, value in waves["board.device.character"].spans()) == replies


def test_a_frame_stands_for_as_long_as_its_characters_take_and_before_its_answer(
    board: SimBoard, path: Path
) -> None:
    ask(board, *FRAMES)
    board.close()
    waves = read_waves(path)
    character_time = 10e9 / 2_700_000
    # The rate is not a whole number of clocks a bit.
    clock = 1e9 / 12_000_000
    for frame, (begin, end, _) in zip(FRAMES, waves["board.host.frame"].spans(), strict=True):
        assert end - begin == pytest.approx((len(frame) - 1) * character_time, abs=clock)
    answers = waves["board.device.frame"].spans()
    for (_, asked, _), (begin, _, _) in zip(
        waves["board.host.frame"].spans(), answers, strict=True
    ):
        assert begin > asked + 0.9 * character_time


def test_a_run_stands_over_its_own_characters(board: SimBoard, path: Path) -> None:
    ask(board, *FRAMES)
    board.close()
    spans = read_waves(path)["board.host.op"].spans()
    character_time = 10e9 / 2_700_000
    lengths = [round((end - begin) / character_time) for begin, end, _ in spans]
    assert lengths == [3 + 4, 3 + 64, 3, 3 + 2, 3 + 2]


def test_the_driver_makes_waves_by_the_url(path: Path) -> None:
    with AtomikContext.attach(f"sim://?contexts=3&width=65&vcd={path}", 1) as context:
        context.accum(5)
        assert context.read() == 5
    waves = read_waves(path)
    assert waves["board.host.op"].values() == ["ACCUM x1 @1", "READ x1 @1"]
    assert waves["board.device.frame"].values()[-1] == "VALUES 9 bytes next 1"


@pytest.fixture
def waves_of_an_echo(path: Path) -> Iterator[SimBoard]:
    board = SimBoard(BoardOptions(), engine=EchoEngine())
    board.tap(WaveWriter(str(path), board.options))
    yield board
    board.close()


def test_what_is_no_frame_is_called_damaged(waves_of_an_echo: SimBoard, path: Path) -> None:
    board = waves_of_an_echo
    board.write(b"garbage\0\0" + SESSION.data(0) + b"x" * 700 + b"\0")
    board.read(9 + len(SESSION.data(0)) + 701, PATIENCE)
    board.close()
    waves = read_waves(path)
    assert waves["board.host.frame"].values() == ["DAMAGED", "OTHER", "DAMAGED"]
    assert waves["board.device.status"].values() == ["DAMAGED"] * 3


def test_a_character_without_a_stop_bit_damages_its_frame(
    waves_of_an_echo: SimBoard, path: Path
) -> None:
    board = waves_of_an_echo
    frame = wire.info_frame(1)
    board.cable = Cable(lambda data: [character(data[0])] if data != b"!" else [BREAK])
    board.write(b"!" + frame)
    board.read(1 + len(frame), PATIENCE)
    board.close()
    assert read_waves(path)["board.host.frame"].values() == ["DAMAGED"]


def test_a_reset_is_a_pulse_of_one_clock(board: SimBoard, path: Path) -> None:
    ask(board, wire.info_frame(1))
    board.reset()
    board.close()
    [(begin, end, _)] = [span for span in read_waves(path)["board.reset"].spans() if span[2] == 1]
    assert end - begin == pytest.approx(1e9 / 12e6, abs=1)


def test_the_file_can_be_read_while_the_board_lives(waves_of_an_echo: SimBoard, path: Path) -> None:
    board = waves_of_an_echo
    board.write(wire.info_frame(1))
    board.read(len(wire.info_frame(1)), PATIENCE)
    board.hold()
    while not board.status.idle:
        board.read(0)
    assert read_waves(path)["board.host.frame"].values() == ["INFO"]


def test_a_file_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "board.vcd"
    with pytest.raises(FileNotFoundError, match=re.escape(str(path))):
        SimBoard(BoardOptions(vcd=str(path)), engine=EchoEngine())
