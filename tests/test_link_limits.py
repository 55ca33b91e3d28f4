"""The engine's timers and limits, against the device model."""

from __future__ import annotations

from random import Random

import pytest

from atomik_fpga.errors import LinkLostError
from atomik_fpga.framing import key_mask, seal
from atomik_fpga.link import Engine, FrameBuilder, Payload, Session
from atomik_fpga.protocol import RUN_HEADER, Kind, Op
from atomik_sim.model import DeviceModel

from .virtual_line import VirtualLine


def make_line(device: DeviceModel | None = None, **options: object) -> VirtualLine:
    return VirtualLine(device or DeviceModel(), Random(1), **options)


def load(address: int, value: int, size: int = 8) -> Payload:
    run = RUN_HEADER.pack(Op.LOAD << 5, address) + value.to_bytes(size, "little")
    return Payload(run, 1)


def empty() -> Payload:
    return Payload(b"", 0)


def ask(line: VirtualLine, op: Op, *, count: int = 1) -> Payload:
    (payload,) = FrameBuilder(line.device.info).reply(op, 0, count)
    line.engine.submit(payload)
    return payload


def words(payload: Payload) -> list[int] | None:
    assert payload.reply is not None
    return payload.reply.words


# Time.


@pytest.mark.parametrize("direction", ["to the device", "from the device"])
def test_a_dead_line_is_given_up_in_bounded_time(direction):
    line = make_line()
    line.connect().submit(load(0, 1))
    if direction == "to the device":
        line.device.receive = lambda data: b""
    else:
        receive = line.device.receive
        line.device.receive = lambda data: receive(data) and b""
    with pytest.raises(LinkLostError) as caught:
        line.settle()
    assert str(caught.value) == (
        "The device did not answer, 8 retransmissions included: check cable and power; "
        "its state is unknown: connect again and reload it"
    )
    assert 1.0 < line.now < 20.0


def test_every_later_frame_of_a_dead_link_stays_unsent():
    line = make_line()
    engine = line.connect()
    engine.submit(load(0, 1))
    line.device.receive = lambda data: b""
    with pytest.raises(LinkLostError):
        line.settle()
    engine.submit(load(0, 2))
    assert engine.output(line.now + 100) == b""
    assert engine.next_deadline is None


def test_a_timeout_shrinks_the_window_to_one_frame_and_each_step_forward_doubles_it():
    line = make_line()
    engine = line.connect()
    mask = line.device.info.session
    for number in range(40):
        engine.submit(load(0, number))
    sent = engine.output(line.now)
    now = line.now
    for _ in range(2):
        now = engine.next_deadline
        sent = engine.output(now)
    # The oldest frame behind a delimiter and, from the second timeout on, INFO.
    assert [bool(part) for part in sent.split(b"\0")] == [False, True, False, True, False]
    acknowledged, steps = 0, []
    while acknowledged < 40:
        acknowledged += steps[-1] if steps else 1
        reply = bytes([acknowledged, 0, Kind.ACK, acknowledged, 0, 0, 0])
        engine.receive(seal(reply, mask), now)
        steps.append(sum(map(bool, engine.output(now).split(b"\0"))))
    assert steps == [2, 4, 8, 16, 9, 0]
    assert engine.idle


def test_eight_timeouts_send_the_oldest_frame_again_and_the_ninth_ends_the_link():
    line = make_line()
    engine = line.connect()
    engine.submit(load(0, 1))
    (frame, _) = engine.output(line.now).split(b"\0")
    for number in range(1, 9):
        assert engine.error is None
        sent = engine.output(engine.next_deadline).split(b"\0")
        assert sent.count(frame) == 1
        assert engine.stats.retransmissions == number
    assert engine.output(engine.next_deadline) == b""
    assert isinstance(engine.error, LinkLostError)
    assert engine.stats.timeouts == 9


@pytest.mark.parametrize("byte_time", [1e-3, 3e-3])
def test_a_line_hundreds_of_times_slower_than_its_rate_is_not_flooded(byte_time):
    line = make_line(DeviceModel(baud=3_000_000), byte_time=byte_time, delay=0.0)
    engine = line.connect()
    builder = FrameBuilder(line.device.info)
    for number in range(32 * 40):
        full = builder.accum(0, number)
        if full is not None:
            engine.submit(full)
    for payload in builder.reply(Op.READ, 0, 1):
        engine.submit(payload)
    line.settle()
    assert engine.stats.retransmissions <= 2
    assert engine.stats.ops == 32 * 40 + 1


def test_a_gap_is_repaired_without_waiting_for_the_timer():
    line = make_line(delay=0.0)
    engine = line.connect()
    for number in range(3):
        engine.submit(load(0, number))
    frames = engine.output(line.now).split(b"\0")
    line.put(frames[0] + b"\0" + frames[2] + b"\0", to_device=True)
    start = line.now
    line.settle()
    assert line.now - start < 0.001
    assert (engine.stats.timeouts, engine.stats.naks, engine.stats.retransmissions) == (0, 1, 2)
    assert line.device.state(0) == 2


def test_an_echo_of_a_nak_sends_nothing_again():
    line = make_line()
    engine = line.connect()
    for number in range(2):
        engine.submit(load(0, number))
    _, second, _ = engine.output(line.now).split(b"\0")
    nak = line.device.receive(second + b"\0")
    engine.receive(nak, line.now)
    assert engine.output(line.now) != b""
    engine.receive(nak, line.now)
    assert engine.output(line.now) == b""


def test_each_retransmission_starts_with_a_delimiter():
    line = make_line()
    engine = line.connect()
    engine.submit(load(0, 1))
    first = engine.output(line.now)
    assert first[0] != 0
    deadline = engine.next_deadline
    assert deadline is not None
    assert engine.output(deadline - 1e-6) == b""
    assert engine.output(deadline) == b"\0" + first


# Limits.


def test_no_more_than_the_window_is_outstanding():
    line = make_line(DeviceModel(baud=12_000_000))
    engine = line.connect()
    for _ in range(200):
        engine.submit(empty())
    assert engine.output(line.now).count(b"\0") == 128
    assert engine.output(line.now) == b""
    assert engine.backlog == 72


def test_no_more_line_time_than_50_ms_is_outstanding():
    line = make_line(DeviceModel(baud=115_200), delay=0.0)
    engine = line.connect()
    builder = FrameBuilder(line.device.info)
    for number in range(32 * 30):
        full = builder.accum(0, number)
        if full is not None:
            engine.submit(full)
    frame_time = 272 * 10 / 115_200
    assert engine.output(line.now).count(b"\0") == int(0.050 / frame_time) + 1


def test_the_window_covers_two_round_trips():
    line = make_line(DeviceModel(baud=1_000_000), delay=0.1)
    engine = line.connect()
    for number in range(200):
        engine.submit(load(0, number))
    assert len(engine.output(line.now)) == 128 * (8 + 3 + 2 + 4 + 2)


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_no_more_replies_are_asked_for_than_the_device_keeps(slots):
    line = make_line(DeviceModel(reply_slots=slots))
    engine = line.connect()
    reads = [ask(line, Op.READ) for _ in range(slots + 3)]
    assert engine.output(line.now).count(b"\0") == slots
    line.settle()
    assert [words(read) for read in reads] == [[0]] * (slots + 3)


def test_a_reply_that_may_be_asked_for_again_is_never_pushed_out():
    """The first of two replies is lost: the second one's slot is not free for a third."""
    line = make_line(DeviceModel(reply_slots=2))
    engine = line.connect()
    reads = [ask(line, Op.READ) for _ in range(3)]
    first, second, _ = line.device.receive(engine.output(line.now)).split(b"\0")
    engine.receive(second + b"\0", line.now)
    assert words(reads[1]) == [0]
    assert engine.output(line.now) == b""
    engine.receive(first + b"\0", line.now)
    assert engine.output(line.now).count(b"\0") == 1


def test_an_acknowledgement_does_not_answer_a_replying_frame():
    line = make_line()
    engine = line.connect()
    read = ask(line, Op.READ)
    line.device.receive(engine.output(line.now))
    mask = line.device.info.session
    engine.receive(seal(bytes([1, 0, Kind.ACK, 1, 0, 0, 0]), mask), line.now)
    assert not engine.idle
    assert words(read) is None
    line.settle()
    assert words(read) == [0]


def test_replies_of_another_session_are_ignored():
    line = make_line()
    engine = line.connect()
    engine.submit(load(0, 1))
    engine.output(line.now)
    engine.receive(seal(bytes([1, 0, Kind.ACK, 1, 0, 0, 0]), key_mask(12345)), line.now)
    assert engine.stats.damaged == 1
    assert not engine.idle


def test_a_number_beyond_what_is_outstanding_is_ignored():
    line = make_line()
    engine = line.connect()
    engine.submit(load(0, 1))
    engine.output(line.now)
    mask = line.device.info.session
    engine.receive(seal(bytes([2, 0, Kind.ACK, 2, 0, 0, 0]), mask), line.now)
    assert engine.stats.stale == 1
    assert not engine.idle


def test_a_session_may_start_anywhere():
    info = DeviceModel().info
    engine = Engine(Session(info, 1, 0.001, 1e-5, next_index=9, opcount=4))
    assert (engine.submitted, engine.acknowledged, engine.idle) == (9, 9, True)


def test_acknowledgements_that_were_lost_do_not_slow_the_timer_down():
    line = make_line()
    engine = line.connect()
    before = engine.stats.round_trip
    for number in range(5):
        engine.submit(load(0, number))
    line.inject("lose:1@host")
    while engine.stats.timeouts < 4:
        line.step()
    line.inject("")
    # One frame was sent again and again, the others once: all are acknowledged now.
    line.settle()
    assert line.now > 0.5
    assert engine.stats.round_trip <= before
    # A line without faults is timed again.
    engine.submit(load(0, 9))
    line.settle()
    engine.submit(load(0, 10))
    engine.output(line.now)
    assert engine.next_deadline is not None
    assert engine.next_deadline - line.now < 0.1
