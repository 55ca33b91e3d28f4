"""The device model against the words of ``docs/link.md``, with frames made by hand."""

from __future__ import annotations

import struct
import zlib
from random import Random

import pytest
from cobs import cobs

from atomik_fpga.protocol import Info, Op
from atomik_sim.model import DeviceModel

KEY = 0x1234_5678
ACK, NAK, VALUES, OPENED, INFO, NO_SESSION, OPEN_REFUSED = range(7)
MALFORMED, ADDRESS, REPLY = 1, 2, 3


def shift_zeros(register):
    for _ in range(32):
        register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register


def frame(content, key=0):
    return cobs.encode(content + struct.pack("<I", zlib.crc32(content) ^ key)) + b"\0"


def open_frame(key=KEY, rest=b"rest"):
    return frame(b"\x01" + struct.pack("<I", shift_zeros(key)) + rest)


def data(seq, *runs, key=KEY):
    return frame(struct.pack("<H", seq) + b"".join(runs), key)


def run(op, address, *operands, count=None, size=1):
    count = len(operands) if count is None else count
    words = b"".join(operand.to_bytes(size, "little") for operand in operands)
    return bytes([op << 5 | count - 1]) + struct.pack("<H", address) + words


def replies(line, key=KEY):
    """Take replies apart: kind, fault, next, opcount, payload; each check field is looked at."""
    taken = []
    for body in line.split(b"\0")[:-1]:
        whole = cobs.decode(body)
        content = whole[:-4]
        number, status, opcount = struct.unpack_from("<HBI", content)
        kind = status & 15
        mask = shift_zeros(key) if kind in (ACK, NAK, VALUES) else 0
        assert struct.unpack("<I", whole[-4:])[0] == zlib.crc32(content) ^ mask
        taken.append((kind, status >> 4, number, opcount, content[7:]))
    return taken


@pytest.fixture
def device():
    """Four contexts of 8 bits, with a session open."""
    made = DeviceModel(8, 4)
    assert replies(made.receive(open_frame())) == [
        (OPENED, 0, 0, 0, struct.pack("<I", shift_zeros(KEY)) + b"rest")
    ]
    return made


def ask(device, line, key=KEY):
    return replies(device.receive(line), key)


# Ops.


def test_ops_have_their_effects(device):
    line = data(
        0,
        run(Op.LOAD, 0, 1, 2, 3, 4),
        run(Op.ACCUM, 1, 0x10, 0x20),
        run(Op.ACCUM_EACH, 2, 0x40, 0x80),
        run(Op.PEEK, 0, count=4),
    )
    assert ask(device, line) == [
        (VALUES, 0, 1, 12, bytes([1, 0, 0x32, 0x30, 0x43, 0x40, 0x84, 0x80]))
    ]
    assert ask(device, data(1, run(Op.SWAP, 1, count=2))) == [(VALUES, 0, 2, 14, b"\x32\x43")]
    assert ask(device, data(2, run(Op.SWAP_TO, 2, 9, 8))) == [(VALUES, 0, 3, 16, b"\x43\x84")]
    assert ask(device, data(3, run(Op.PEEK, 0, count=4))) == [
        (VALUES, 0, 4, 20, bytes([1, 0, 0x32, 0, 9, 0, 8, 0]))
    ]
    assert ask(device, data(4, run(Op.CLEAR, 0, count=1), run(Op.READ, 0, count=4))) == [
        (VALUES, 0, 5, 25, bytes(4))
    ]


@pytest.mark.parametrize("width", [1, 7, 65])
def test_operand_bits_above_the_width_are_ignored(width):
    device = DeviceModel(width, 2)
    device.receive(open_frame())
    size = (width + 7) // 8
    ones = (1 << 8 * size) - 1
    line = data(
        0,
        run(Op.LOAD, 0, ones, size=size),
        run(Op.ACCUM, 1, ones, size=size),
        run(Op.READ, 0, count=2),
    )
    word = ((1 << width) - 1).to_bytes(size, "little")
    assert ask(device, line) == [(VALUES, 0, 1, 4, word + word)]


def test_a_frame_without_runs_is_acknowledged(device):
    assert ask(device, data(0)) == [(ACK, 0, 1, 0, b"")]


def test_random_frames_equal_two_integers_a_context(device):
    rng = Random(9)
    contexts = [[0, 0] for _ in range(4)]
    opcount = 0
    for seq in range(500):
        runs = []
        for _ in range(rng.randint(0, 5)):
            address, word = rng.randrange(4), rng.getrandbits(8)
            if rng.random() < 0.3:
                runs.append(run(Op.LOAD, address, word))
                contexts[address] = [word, 0]
            else:
                runs.append(run(Op.ACCUM, address, word, word, word))
                contexts[address][1] ^= word
        runs.append(run(Op.READ, 0, count=4))
        opcount += sum((each[0] & 31) + 1 for each in runs)
        states = bytes(reference ^ accumulator for reference, accumulator in contexts)
        assert ask(device, data(seq, *runs)) == [(VALUES, 0, seq + 1, opcount, states)]


# Sessions.


def test_without_a_session_only_info_and_open_are_answered():
    device = DeviceModel(8, 4)
    assert ask(device, data(0, run(Op.LOAD, 0, 1))) == [(NO_SESSION, 0, 0, 0, b"")]
    assert ask(device, b"\x05\x01\0") == [(NO_SESSION, 0, 0, 0, b"")]
    assert ask(device, frame(b"\x02\x34\x12"))[0][:3] == (INFO, 0, 0x1234)
    assert device.state(0) == 0


def test_info_tells_the_device_and_its_live_fields(device):
    ((kind, fault, tag, opcount, payload),) = ask(device, frame(b"\x02\xff\xff"))
    assert (kind, fault, tag, opcount) == (INFO, 0, 0xFFFF, 0)
    info = Info.unpack(payload)
    assert (info.width, info.depth, info.reply_slots, info.frame_bytes) == (8, 4, 2, 272)
    assert (info.flags, info.session) == (1, shift_zeros(KEY))
    device.receive(data(0, run(Op.LOAD, 4, 1)))
    ((_, fault, _, _, payload),) = ask(device, frame(b"\x02\xff\xff"))
    assert (fault, Info.unpack(payload).flags) == (ADDRESS, 3)
    device.reset()
    ((_, fault, _, _, payload),) = ask(device, frame(b"\x02\xff\xff"))
    assert (fault, Info.unpack(payload).flags, Info.unpack(payload).session) == (0, 0, 0)


def test_open_again_is_harmless_while_nothing_was_executed(device):
    assert ask(device, open_frame()) == ask(device, open_frame())


def test_open_again_is_refused_once_something_was_executed(device):
    device.receive(data(0, run(Op.LOAD, 0, 5)))
    echo = struct.pack("<I", shift_zeros(KEY)) + b"more"
    assert ask(device, open_frame(rest=b"more")) == [(OPEN_REFUSED, 0, 1, 1, echo)]
    assert ask(device, data(1)) == [(ACK, 0, 2, 1, b"")]


def test_open_again_is_refused_once_a_fault_is_latched(device):
    device.receive(data(0, b"\0"))
    assert ask(device, open_frame())[0][:4] == (OPEN_REFUSED, MALFORMED, 0, 0)


def test_another_open_takes_over_and_keeps_the_contexts(device):
    device.receive(data(0, run(Op.LOAD, 0, 5)))
    assert ask(device, open_frame(key=99))[0][:4] == (OPENED, 0, 0, 0)
    assert ask(device, data(1, run(Op.LOAD, 0, 6)), key=99) == [(NAK, 0, 0, 0, b"")]
    assert ask(device, data(0, run(Op.READ, 0, count=1), key=99), key=99) == [
        (VALUES, 0, 1, 1, b"\x05")
    ]


def test_reset_forgets_session_contexts_and_the_frame_in_flight(device):
    device.receive(data(0, run(Op.LOAD, 0, 5)))
    device.receive(data(1, run(Op.LOAD, 0, 6))[:5])
    device.reset()
    assert ask(device, open_frame())[0][0] == OPENED
    assert ask(device, data(0, run(Op.READ, 0, count=1))) == [(VALUES, 0, 1, 1, b"\0")]


# Damage, gaps, duplicates.


@pytest.mark.parametrize(
    "line",
    [
        data(0, run(Op.LOAD, 0, 5), key=KEY ^ 1),
        data(0, run(Op.LOAD, 0, 5))[1:],
        b"\x09abc\0",
        frame(b"\0", KEY),
        frame(b""),
        frame(b"\x03\x00\x00"),
        frame(b"\x02\x00"),
        frame(b"\x02\x00\x00\x00"),
        frame(b"\x01" + bytes(7)),
        frame(bytes(269), KEY),
        frame(bytes(range(256)) * 9, KEY),
        b"\x01\0",
    ],
    ids=range(12),
)
def test_a_damaged_frame_is_refused_once(device, line):
    assert ask(device, line) == [(NAK, 0, 0, 0, b"")]
    assert ask(device, line) == []
    assert ask(device, data(0, run(Op.LOAD, 1, 1))) == [(ACK, 0, 1, 1, b"")]
    assert ask(device, line) == [(NAK, 0, 1, 1, b"")]
    assert device.state(0) == 0


def test_the_longest_frame_is_taken(device):
    runs = [run(Op.ACCUM, 0, *[1] * 32)] * 7 + [run(Op.ACCUM, 0, *[1] * 18)]
    assert sum(map(len, runs)) == 272 - 6
    assert ask(device, data(0, *runs)) == [(ACK, 0, 1, 242, b"")]


def test_empty_frames_are_ignored(device):
    assert ask(device, b"\0\0\0" + data(0) + b"\0") == [(ACK, 0, 1, 0, b"")]


def test_a_gap_is_refused_once_and_executes_nothing(device):
    later = data(1, run(Op.LOAD, 0, 5))
    assert ask(device, later) == [(NAK, 0, 0, 0, b"")]
    assert ask(device, later) == []
    assert ask(device, data(0)) == [(ACK, 0, 1, 0, b"")]
    assert ask(device, later) == [(ACK, 0, 2, 1, b"")]


@pytest.mark.parametrize(("behind", "kind"), [(1, ACK), (1 << 15, ACK), ((1 << 15) + 1, NAK)])
def test_a_frame_of_the_past_half_of_the_numbers_is_a_duplicate(device, behind, kind):
    device.next = 100
    line = data((100 - behind) & 0xFFFF, run(Op.LOAD, 0, 5))
    assert ask(device, line) == [(kind, 0, 100, 0, b"")]
    assert device.state(0) == 0


def test_numbers_and_op_counts_wrap(device):
    device.next, device.opcount = 0xFFFF, 0xFFFF_FFFF
    assert ask(device, data(0xFFFF, run(Op.LOAD, 0, 5))) == [(ACK, 0, 0, 0, b"")]
    assert ask(device, data(0, run(Op.READ, 0, count=1))) == [(VALUES, 0, 1, 1, b"\x05")]
    assert ask(device, data(0xFFFF, run(Op.LOAD, 0, 6))) == [(ACK, 0, 1, 1, b"")]


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_as_many_replies_are_kept_as_there_are_slots(slots):
    device = DeviceModel(8, 4, reply_slots=slots)
    device.receive(open_frame())
    lines = [data(seq, run(Op.SWAP_TO, 0, seq + 1)) for seq in range(slots + 1)]
    answers = [ask(device, line) for line in lines]
    assert answers[-1] == [(VALUES, 0, slots + 1, slots + 1, bytes([slots]))]
    assert ask(device, lines[0]) == [(ACK, 0, slots + 1, slots + 1, b"")]
    for line, answer in zip(lines[1:], answers[1:], strict=True):
        assert ask(device, line) == answer
    assert device.opcount == slots + 1


# Faults.


@pytest.mark.parametrize(
    ("runs", "fault"),
    [
        (b"\0", MALFORMED),
        (b"\0\0", MALFORMED),
        (run(Op.LOAD, 0, 1) + b"\0", MALFORMED),
        (run(Op.LOAD, 0, 1, count=2), MALFORMED),
        (run(Op.CLEAR, 0, count=2), MALFORMED),
        (run(Op.CLEAR, 1, count=1), MALFORMED),
        (run(Op.ACCUM, 4, 1), ADDRESS),
        (run(Op.ACCUM_EACH, 3, 1, 1), ADDRESS),
        (run(Op.READ, 65535, count=1), ADDRESS),
        (run(Op.READ, 0, count=1) + run(Op.READ, 0, count=1), REPLY),
        (run(Op.SWAP, 0, count=1) + b"\0", REPLY),
    ],
    ids=range(11),
)
def test_the_first_error_is_latched_and_nothing_of_its_frame_acts(device, runs, fault):
    assert ask(device, data(0, run(Op.LOAD, 0, 5), runs)) == [(ACK, fault, 0, 0, b"")]
    assert device.state(0) == 0
    assert ask(device, data(0, run(Op.LOAD, 0, 6))) == [(ACK, fault, 0, 0, b"")]
    assert ask(device, data(1, run(Op.LOAD, 5, 6))) == [(ACK, fault, 0, 0, b"")]
    assert ask(device, open_frame(key=7))[0][:2] == (OPENED, 0)
    assert ask(device, data(0, run(Op.LOAD, 0, 6), key=7), key=7) == [(ACK, 0, 1, 1, b"")]


def test_more_values_than_fit_are_a_fault():
    device = DeviceModel(64, 64, reply_bytes=240)
    device.receive(open_frame())
    assert ask(device, data(0, run(Op.READ, 0, count=31))) == [(ACK, REPLY, 0, 0, b"")]
    device.receive(open_frame(key=5))
    assert ask(device, data(0, run(Op.PEEK, 0, count=16), key=5), key=5) == [
        (ACK, REPLY, 0, 0, b"")
    ]
    device.receive(open_frame(key=6))
    ((kind, _, _, _, values),) = ask(device, data(0, run(Op.READ, 0, count=30), key=6), key=6)
    assert (kind, len(values)) == (VALUES, 240)


def test_a_kept_reply_is_given_while_a_fault_is_latched(device):
    swap = data(0, run(Op.SWAP_TO, 0, 5))
    device.receive(swap)
    device.receive(data(1, b"\0"))
    assert ask(device, swap) == [(VALUES, MALFORMED, 1, 1, b"\0")]
    assert ask(device, data(1, run(Op.READ, 0, count=1))) == [(ACK, MALFORMED, 1, 1, b"")]


def test_bytes_may_come_one_at_a_time(device):
    line = data(0, run(Op.LOAD, 0, 5)) + data(1, run(Op.READ, 0, count=1))
    answer = b"".join(device.receive(bytes([byte])) for byte in line)
    assert replies(answer) == [(ACK, 0, 1, 1, b""), (VALUES, 0, 2, 2, b"\x05")]


def test_a_character_without_a_stop_bit_damages_the_frame_it_stands_in(device):
    good = data(0, run(Op.LOAD, 1, 0x5A))
    assert replies(device.receive(good, {2})) == [(NAK, 0, 0, 0, b"")]
    assert replies(device.receive(good)) == [(ACK, 0, 1, 1, b"")]
    assert device.state(1) == 0x5A


def test_an_empty_frame_with_such_a_character_is_damaged_too(device):
    assert device.receive(b"\0\0") == b""
    # Without its stop bit a 00 ends no frame.
    assert device.receive(b"\0", [0]) == b""
    assert replies(device.receive(b"\0")) == [(NAK, 0, 0, 0, b"")]
