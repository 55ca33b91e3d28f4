"""What each fault does to characters and frames, and when pieces of a line come out."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from cobs import cobs

from atomik_sim.faults import (
    FAULTS,
    TO_DEVICE,
    TO_HOST,
    FaultSpec,
    FaultyCable,
    FaultyLine,
    Piece,
    Schedule,
)
from atomik_sim.pins import (
    BREAK,
    IDLE,
    CharacterReceiver,
    character,
    glitched,
    pulses,
)

from .wire import LOAD, NAK, Session, checked, info_frame, run, stuff

SESSION = Session()
DATA = SESSION.data(3, run(LOAD, 1, 0x1122334455667788))


def line_with(text: str) -> FaultyLine:
    return FaultyLine(FaultSpec.parse(text), 64)


def spoilt(text: str, frame: bytes = DATA) -> list[Piece]:
    return line_with(text).to_device(frame)


def received(pieces: list[Piece]) -> tuple[bytes, list[int]]:
    receiver = CharacterReceiver()
    return receiver.feed([levels for piece in pieces for levels in piece.characters])


def frames_of(seed: int, number: int) -> bytes:
    rng = Random(seed)
    return b"".join(stuff(rng.randbytes(rng.randint(5, 40))) for _ in range(number))


# Characters.


def test_a_line_without_faults_changes_nothing() -> None:
    line = FaultyLine(FaultSpec(), 64)
    assert line.to_device(DATA[:5]) == []
    assert line.to_device(DATA[5:]) == [Piece(DATA)]
    assert line.from_device(b"\0\0" + DATA) == [Piece(b"\0\0"), Piece(DATA)]
    assert not line.hits


def test_a_flip_changes_one_level() -> None:
    [piece] = spoilt("flip:1")
    assert [
        (a ^ character(b)).bit_count() for a, b in zip(piece.characters, DATA, strict=True)
    ] == [1] * len(DATA)


def test_a_glitch_is_a_pulse_of_a_quarter_of_a_bit() -> None:
    [piece] = spoilt("glitch:1")
    for levels, byte in zip(piece.characters, DATA, strict=True):
        assert levels & 0x3FF == character(byte)
        whole = [pulses(character(byte), bit, 8) for bit in range(10)]
        different = [
            (bit, drawn) for bit in range(10) if (drawn := pulses(levels, bit, 8)) != whole[bit]
        ]
        [(bit, [before, pulse, after])] = different
        level = character(byte) >> bit & 1
        assert (before[0], pulse, after[0]) == (level, (1 - level, 2), level)
        assert before[1] + after[1] == 6


def test_breaks_and_missing_stop_bits_are_framing_errors() -> None:
    [piece] = spoilt("break:1")
    assert piece.characters == (BREAK, BREAK, IDLE) * len(DATA)
    [piece] = spoilt("framing:1")
    data, errors = received([piece])
    assert errors == list(range(len(DATA)))
    assert data == DATA


def test_characters_are_lost_and_inserted() -> None:
    [piece] = spoilt("drop:1")
    assert piece.characters == ()
    [piece] = spoilt("insert:1")
    assert received([piece])[0][1::2] == DATA


def test_a_burst_is_noise_for_some_characters() -> None:
    line = line_with("burst:0.01")
    frames = frames_of(1, 300)
    pieces = line.to_device(frames)
    lengths: list[int] = []
    for piece in pieces:
        good = map(character, piece.data)
        wrong = [a != b for a, b in zip(piece.characters, good, strict=True)]
        lengths += [wrong.index(True)] if any(wrong) else []
    hit = sum(piece.spoilt is not None for piece in pieces)
    assert 30 < line.hits["burst@device"] < 120
    assert len(lengths) == hit > 30


@pytest.mark.parametrize("name", ["flip", "drop", "insert", "framing", "glitch", "break"])
def test_a_rate_is_a_share_of_the_characters(name: str) -> None:
    line = line_with(f"{name}:0.05")
    data = frames_of(2, 400)
    line.to_device(data)
    assert line.hits[f"{name}@device"] == pytest.approx(0.05 * len(data), rel=0.2)


# Frames.


@pytest.mark.parametrize(
    ("text", "came"),
    [("lose:1", b""), ("repeat:1", DATA * 2), ("repeat:1,lose:1", DATA)],
)
def test_frames_are_lost_and_come_twice(text: str, came: bytes) -> None:
    assert received(spoilt(text))[0] == came


def test_a_late_frame_is_a_copy_that_comes_out_of_order() -> None:
    first, copy = spoilt("late:1")
    assert (first.data, first.late) == (DATA, None)
    assert copy.data == DATA
    assert copy.late is not None
    assert 0 <= copy.late <= 3


def test_frames_end_too_early_and_are_cut_and_grow() -> None:
    for seed in range(50):
        short = spoilt(f"truncate:1,seed:{seed}")[0].data
        assert short[-1] == 0
        assert DATA.startswith(short[:-1])
        assert len(short) < len(DATA)
        cut = spoilt(f"cut:1,seed:{seed}")[0].data
        place = next((n for n in range(len(DATA)) if cut[n] != DATA[n]), len(DATA))
        assert cut == DATA[:place] + b"\0" + DATA[place:]
        long = spoilt(f"oversize:1,seed:{seed}")[0].data
        assert len(DATA) < len(long) <= len(DATA) + 600
        assert long.count(0) == 1


def test_a_wrong_cobs_code_is_one_code_that_is_another_one() -> None:
    body = DATA[:-1]
    codes = [0]
    while codes[-1] + body[codes[-1]] < len(body):
        codes.append(codes[-1] + body[codes[-1]])
    hit = set()
    for seed in range(60):
        wrong = spoilt(f"cobs:1,seed:{seed}")[0].data
        [place] = [n for n in range(len(DATA)) if wrong[n] != DATA[n]]
        assert place in codes
        assert wrong[place] != 0
        hit.add(place)
    assert hit == set(codes)


def test_empty_and_foreign_frames_come_before_a_frame() -> None:
    empty, frame = spoilt("empty:1")
    assert set(empty.data) == {0}
    assert 1 <= len(empty.data) <= 8
    assert frame.data == DATA
    foreign, frame = spoilt("foreign:1")
    assert frame.data == DATA
    content = cobs.decode(foreign.data[:-1])
    # Undamaged, and of another session: neither of ours nor of none.
    assert content != checked(content[:-4])
    assert content != checked(content[:-4], SESSION.key)


def test_the_line_rests_before_a_frame_or_in_its_midst() -> None:
    rest, frame = spoilt("stall:1")
    assert 0.1 <= rest.pause <= 0.3
    assert (rest.data, frame) == (b"", Piece(DATA))
    first, second = spoilt("partial:1")
    assert first.data + second.data == DATA
    assert (first.pause, 0.1 <= second.pause <= 0.3) == (0.0, True)


def test_a_fault_may_be_narrowed_to_a_kind_of_frame() -> None:
    line = line_with("lose/DATA:1,lose/NAK:1,lose/INFO:1@device")
    reply = stuff(checked(bytes([1, 0, NAK, 0, 0, 0, 0]), SESSION.mask))
    assert line.from_device(reply) == [Piece(reply)]  # of a session that is not known yet
    opened = stuff(checked(bytes([0, 0, 3, 0, 0, 0, 0]) + SESSION.nonce))
    assert line.to_device(SESSION.open()) == [Piece(SESSION.open())]
    assert line.from_device(opened) == [Piece(opened)]
    assert line.to_device(DATA) == line.from_device(reply) == line.to_device(info_frame(1)) == []
    assert line.hits == {"lose@device": 2, "lose@host": 1}


def test_a_fault_may_be_narrowed_to_a_direction() -> None:
    line = line_with("lose:1@host")
    assert line.to_device(DATA) == [Piece(DATA)]
    assert line.from_device(DATA) == []


# Seeds.

ALL = ",".join(f"{name}:0.05" for name in FAULTS)


@pytest.mark.parametrize("end", [TO_DEVICE, TO_HOST])
@pytest.mark.parametrize("noise", [0, 600, 601, 602, 1203, 5000])
def test_what_comes_out_depends_on_bytes_and_seed_alone(end: str, noise: int) -> None:
    data = frames_of(3, 100) + bytes([1]) * noise + b"\0" + frames_of(4, 100)
    spec = FaultSpec.parse(f"{ALL},seed:5")

    def feed(sizes: Random | None) -> tuple[list[int], Counter[str]]:
        line = FaultyLine(spec, 64)
        take = line.to_device if end == TO_DEVICE else line.from_device
        pieces: list[Piece] = []
        start = 0
        while start < len(data):
            stop = len(data) if sizes is None else start + sizes.randint(1, 90)
            pieces += take(data[start:stop])
            start = stop
        return [levels for piece in pieces for levels in piece.characters], line.hits

    whole, hits = feed(None)
    assert feed(Random(1)) == (whole, hits)
    assert {name.split("@")[0] for name in hits} == set(FAULTS)
    other = FaultyLine(FaultSpec.parse(f"{ALL},seed:6"), 64).to_device(data)
    assert [levels for piece in other for levels in piece.characters] != whole


@pytest.mark.parametrize("sizes", [1, 7, 2000])
def test_without_a_delimiter_bytes_go_on_by_601_as_no_frame(sizes: int) -> None:
    noise, line = bytes([1]) * 1300, line_with("lose:1")
    came = [
        piece for at in range(0, 1300, sizes) for piece in line.to_device(noise[at : at + sizes])
    ]
    assert came == [Piece(noise[:601])] * 2
    assert not line.hits
    # What is left of it is a frame once it ends.
    assert line.to_device(b"\0" + DATA) == []
    assert line.hits == {"lose@device": 2}


def test_the_longest_frame_that_is_one_has_600_bytes() -> None:
    line = line_with("lose:1")
    assert line.to_device(bytes([1]) * 600 + b"\0") == []
    assert line.to_device(bytes([1]) * 601 + b"\0") == [Piece(bytes([1]) * 601), Piece(b"\0")]


def test_characters_of_what_is_no_frame_are_hit_too() -> None:
    [piece] = line_with("framing:1,lose:1").to_device(bytes([1]) * 700)
    assert len(piece.characters) == 2 * 601


# What a UART makes of it.


def test_a_receiver_takes_characters_bit_by_bit() -> None:
    receiver = CharacterReceiver()
    assert receiver.feed([IDLE, character(0x55), IDLE, character(0)]) == (b"\x55\0", [])
    # Without a start bit the first low level of the byte is taken for it, a bit later.
    assert receiver.feed([character(0xFF) | 1, IDLE]) == (b"", [])
    assert receiver.feed([character(0xF0) | 1]) == (b"", [])
    assert not receiver.at_rest
    assert receiver.feed([IDLE])[0] == b"\xf8"
    assert receiver.at_rest
    # After a missing stop bit it waits for a high line.
    assert receiver.feed([character(7) & 0x1FF, IDLE, character(8)]) == (b"\x07\x08", [0])


def test_a_receiver_samples_the_pulse_that_begins_in_the_middle_of_a_bit() -> None:
    expected = [0x0F, 0x0F, 0x0F ^ 1, 0x0F]
    for quarter, byte in enumerate(expected):
        levels = glitched(character(0x0F), 4 * 1 + quarter)
        assert CharacterReceiver().feed([levels]) == (bytes([byte]), [])


# When.


def test_pieces_come_one_after_the_other_and_late_ones_between_them() -> None:
    schedule = Schedule(0.5, whole=False)
    late = Piece(b"cc", late=1.6)
    schedule.put([Piece(b"aa"), late, Piece(b"bb", pause=1.0), Piece(b"d")], 10.0)
    came = []
    while (due := schedule.due) is not None:
        piece = schedule.take(due)
        assert piece is not None
        came.append((due, piece.data))
    assert came == [(10.0, b"aa"), (11.6, b"cc"), (12.0, b"bb"), (13.0, b"d")]
    assert schedule.take(20.0) is None


def test_a_whole_piece_comes_when_its_last_character_has_been_sent() -> None:
    schedule = Schedule(0.5, whole=True)
    schedule.put([Piece(b"aa"), Piece(b"b")], 1.0, 0.25)
    assert schedule.take(2.0) is None
    assert schedule.due == 2.25
    assert schedule.take(2.25) == Piece(b"aa")
    assert schedule.due == 2.75
    schedule.clear()
    assert schedule.due is None


def test_a_cable_lets_the_line_rest_while_something_is_awaited() -> None:
    cable = FaultyCable(line_with("stall:1@device"), 1000)
    characters = cable.drive(DATA, 4)
    assert characters == [IDLE] * 4
    assert cable.pending
    assert cable.full
    rested = 4
    while (characters := cable.drive(b"", 4)) == [IDLE] * 4:
        rested += 4
    # A character takes 10 ms at that rate.
    assert 10 <= rested <= 32
    while cable.full:
        characters += cable.drive(b"", 4)
    assert bytes(levels >> 1 & 0xFF for levels in characters if levels != IDLE) == DATA
    assert cable.drive(b"", 4) == [IDLE]
    assert not cable.pending


def test_a_cable_holds_back_what_the_host_gets_late() -> None:
    cable = FaultyCable(line_with("stall:1@host,repeat:1@host"), 1000)
    assert cable.receive(DATA) == b""
    assert cable.pending
    came = b""
    while cable.pending:
        cable.drive(b"", 4)
        came += cable.receive(b"")
    assert came == DATA * 2
