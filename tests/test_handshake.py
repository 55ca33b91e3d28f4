"""From an open port to a session: what answers there, and a key that is our own."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from atomik_fpga.errors import LinkLostError, ProtocolVersionError, WrongDeviceError
from atomik_fpga.framing import key_mask, seal
from atomik_fpga.link import Engine, FrameBuilder, Handshake, Payload
from atomik_fpga.protocol import Info, Op, Request
from atomik_sim.model import DeviceModel

from .virtual_line import StuckError, VirtualLine


class Boaster(DeviceModel):
    """Says of itself what ``claims`` says."""

    def __init__(self, **claims: int) -> None:
        self.claims: dict[str, int] = {}
        super().__init__()
        self.claims = claims

    @property
    def info(self) -> Info:
        return replace(super().info, **self.claims)


def make_line(device: DeviceModel | None = None) -> VirtualLine:
    return VirtualLine(device or DeviceModel(), Random(1))


def identify(device: DeviceModel) -> Handshake:
    handshake = Handshake(0.0, patience=2.0, random_bytes=Random(2).randbytes, identify_only=True)
    now = 0.0
    while not handshake.done:
        data = handshake.output(now)
        if data:
            handshake.receive(device.receive(data), now)
        now += 0.01
    return handshake


def test_a_session_is_opened_with_a_key_of_our_own():
    line = make_line()
    assert isinstance(line.connect(), Engine)
    assert line.device.info.session != 0
    other = make_line()
    other.rng.seed(7)
    other.connect()
    assert line.device.info.session != other.device.info.session


def test_the_session_knows_the_key_and_the_device():
    device = DeviceModel(65, 3, reply_slots=4, baud=115_200)
    line = make_line(device)
    handshake = line.peer
    line.connect()
    assert isinstance(handshake, Handshake)
    session = handshake.session
    assert session is not None
    assert key_mask(session.key) == device.info.session
    assert (session.info.width, session.info.depth, session.info.reply_slots) == (65, 3, 4)
    assert session.byte_time == 10 / 115_200
    assert session.round_trip == pytest.approx(2 * line.delay)


def test_contexts_keep_their_state_when_a_session_is_opened():
    device = DeviceModel()
    device.references[3] = 5
    make_line(device).connect()
    assert device.state(3) == 5


@pytest.mark.parametrize("seed", range(40))
def test_faults_on_the_line_are_survived(seed):
    faults = "lose:0.1,flip:0.003,repeat:0.2,late:0.2,truncate:0.1,insert:0.003,cut:0.1"
    line = VirtualLine(DeviceModel(), Random(seed), faults)
    line.connect()
    assert line.device.info.session != 0


def test_a_lost_opened_is_asked_for_with_the_same_nonce():
    line = make_line()
    seen = []
    receive = line.device.receive

    def lose_first_opened(data: bytes) -> bytes:
        replies = receive(data)
        session = line.device.info.session
        if session:
            seen.append(session)
        return b"" if len(seen) == 1 else replies

    line.device.receive = lose_first_opened
    line.connect()
    assert len(set(seen)) == 1
    assert len(seen) > 1


def test_a_refused_nonce_is_replaced_by_another():
    line = make_line()
    sessions = []
    receive = line.device.receive

    def touch_first_session(data: bytes) -> bytes:
        replies = receive(data)
        session = line.device.info.session
        if session and not sessions:
            line.device._touched = True
            replies = b""
        if session:
            sessions.append(session)
        return replies

    line.device.receive = touch_first_session
    line.connect()
    assert len(set(sessions)) == 2
    assert line.device.opcount == 0


def test_an_open_that_comes_late_does_not_start_again():
    line = make_line()
    nonces = []
    receive = line.device.receive

    def record(data: bytes) -> bytes:
        nonces.append(data)
        return receive(data)

    line.device.receive = record
    engine = line.connect()
    late = nonces[-1]
    builder = FrameBuilder(line.device.info)
    builder.load(0, 5)
    (payload,) = builder.reply(Op.READ, 0, 1)
    engine.submit(payload)
    line.settle()
    line.put(late, to_device=True)
    line.drain()
    assert line.device.opcount == 2
    (payload,) = builder.reply(Op.READ, 0, 1)
    engine.submit(payload)
    line.settle()
    assert payload.reply is not None
    assert payload.reply.words == [5]


def test_a_silent_port_is_reported():
    line = make_line()
    line.device.receive = lambda data: b""
    with pytest.raises(WrongDeviceError) as caught:
        line.connect()
    assert str(caught.value) == (
        "No answer within 10 s: check that the board is powered and holds an ATOMiK bitstream, "
        "the port and the baud rate"
    )
    assert line.now == pytest.approx(10.0)


def test_a_port_that_talks_garbage_is_reported():
    line = make_line()
    line.device.receive = lambda data: b"login: \0" if len(data) > 1 else b""
    with pytest.raises(WrongDeviceError) as caught:
        line.connect()
    assert str(caught.value) == (
        "64 bytes came within 10 s, no answer of an ATOMiK device among them: check the port, the "
        "baud rate and the bitstream"
    )


def test_another_magic_number_is_another_device(monkeypatch):
    monkeypatch.setattr(Info, "pack", lambda self: b"OTHR" + bytes(40))
    handshake = identify(DeviceModel())
    assert isinstance(handshake.error, WrongDeviceError)
    assert str(handshake.error) == (
        "Not an ATOMiK device: INFO payload must start with b'ATMK', not b'OTHR'"
    )


@pytest.mark.parametrize(("major", "which"), [(2, "driver"), (0, "bitstream")])
def test_another_major_version_is_refused(major, which):
    device = Boaster(major=major, minor=3)
    handshake = identify(device)
    assert isinstance(handshake.error, ProtocolVersionError)
    assert str(handshake.error) == (
        f"The device speaks protocol {major}.3, this driver 1.1: update the {which}"
    )


def test_another_minor_version_is_no_obstacle():
    device = Boaster(minor=9, features=0xFFFF_FFFF)
    handshake = identify(device)
    assert handshake.info == device.info


@pytest.mark.parametrize(
    "claims",
    [
        {"width": 0},
        {"depth": 0},
        {"reply_slots": 0},
        {"baud": 0},
        {"frame_bytes": 16},
        {"reply_bytes": 15},
    ],
    ids=str,
)
def test_limits_that_no_device_can_have_are_refused(claims):
    device = Boaster(**claims)
    handshake = identify(device)
    assert isinstance(handshake.error, WrongDeviceError)
    assert str(handshake.error) == (f"The device describes itself as what can't be: {device.info}")


def test_looking_ends_nobodys_session():
    line = make_line()
    engine = line.connect()
    before = line.device.info
    assert identify(line.device).info == before
    assert line.device.info == before
    assert engine.error is None


def test_open_without_an_answer_is_given_up():
    line = make_line()
    receive = line.device.receive

    # INFO has 9 bytes on the line, OPEN 15.
    line.device.receive = lambda data: receive(data) if len(data) < 12 else b""
    with pytest.raises(LinkLostError) as caught:
        line.connect()
    assert str(caught.value) == (
        "The device answered INFO, but not OPEN, 12 times: check the cable"
    )


def test_a_device_on_a_slow_line_tells_how_slow_it_is():
    line = VirtualLine(DeviceModel(baud=3_000_000), Random(1), byte_time=1e-3, delay=0.0)
    handshake = line.peer
    line.connect()
    assert isinstance(handshake, Handshake)
    assert handshake.session is not None
    assert handshake.session.byte_time == pytest.approx(1e-3, rel=0.1)


def test_a_distant_device_is_not_taken_for_a_slow_one():
    line = VirtualLine(DeviceModel(baud=3_000_000), Random(1), delay=0.2)
    handshake = line.peer
    line.connect()
    assert isinstance(handshake, Handshake)
    assert handshake.session is not None
    assert handshake.session.byte_time == 10 / 3_000_000


def test_a_frame_from_before_is_cut_off_first():
    device = DeviceModel()
    device.receive(seal(bytes([Request.INFO, 1, 1]))[:4])
    assert identify(device).info == device.info


def test_the_line_in_these_trials_can_get_stuck():
    line = make_line()
    line.connect()
    with pytest.raises(StuckError):
        line.run_until(lambda: False)


def test_a_first_answer_that_comes_late_does_not_slow_the_session_down():
    line = make_line()
    line.stop_reading(3.0, 10_000)
    handshake = line.peer
    engine = line.connect()
    assert isinstance(handshake, Handshake)
    assert handshake.session is not None
    assert line.now > 3.0
    assert handshake.session.round_trip == pytest.approx(2 * line.delay)
    # A frame that is lost now is sent again as soon as on any other line.
    engine.submit(Payload(b"", 0))
    before = line.now
    engine.output(before)
    assert engine.next_deadline is not None
    assert engine.next_deadline - before < 0.1
