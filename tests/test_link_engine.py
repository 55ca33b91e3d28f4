"""The host's engine against the device model: right, or an error, and never stuck."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from atomik_fpga.errors import DeviceFaultError, SessionLostError
from atomik_fpga.framing import cobs_decode, seal
from atomik_fpga.link import Engine, FrameBuilder, Payload
from atomik_fpga.protocol import RUN_HEADER, DeviceFault, Op, Request
from atomik_sim.model import DeviceModel

from .virtual_line import Faults, Outcome, VirtualLine, run_trial

#: Without late duplicates: one of OPEN would take the device back, as long as nothing was executed.
NOT_LATE = Faults(0.03, 0.03, 0.05, 0.0, 0.03, 0.03, 0.03)
WIDTHS = (1, 7, 16, 65)
SOME = {
    "none": Faults(),
    "loss": Faults(lose=0.1),
    "flipped bits": Faults(flip=0.1),
    "duplicates": Faults(duplicate=0.2),
    "late duplicates": Faults(late=0.2),
    "lost bytes": Faults(truncate=0.1),
    "inserted bytes": Faults(insert=0.1),
    "false delimiters": Faults(cut=0.1),
    "all at once": Faults(0.03, 0.03, 0.05, 0.05, 0.03, 0.03, 0.03),
}


def campaign(count: int, faults: Faults, **options: object) -> tuple[Counter[str], list[str]]:
    """Run trials; return how many ended how, and what those say that were not right."""
    outcomes: list[Outcome] = [
        run_trial(seed, faults, width=WIDTHS[seed % len(WIDTHS)], **options)
        for seed in range(count)
    ]
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    return verdicts, [outcome.detail for outcome in outcomes if outcome.verdict != "right"]


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


# Exactly once.


@pytest.mark.parametrize("faults", SOME.values(), ids=SOME.keys())
def test_faults_in_both_directions_are_repaired(faults):
    verdicts, details = campaign(300, faults)
    assert verdicts == {"right": 300}, details[:3]


def test_a_hardly_working_line_gives_right_values_or_an_error():
    verdicts, details = campaign(200, Faults(lose=0.35, flip=0.1))
    assert verdicts["right"] + verdicts["error"] == 200, details[:3]
    assert verdicts["right"] > 50
    # While it looks for a device, the host can't tell a bad line from none.
    assert {detail.split(": ")[1] for detail in details} <= {"LinkLostError", "WrongDeviceError"}


@pytest.mark.parametrize("faults", [SOME["none"], SOME["all at once"]], ids=["clean", "faulty"])
def test_sequence_numbers_and_op_counts_wrap(faults):
    verdicts, details = campaign(100, faults, next_index=(1 << 16) - 20, opcount=(1 << 32) - 30)
    assert verdicts == {"right": 100}, details[:3]


def test_more_frames_than_the_sequence_space_act_in_order():
    line = make_line(DeviceModel(8, 1), delay=0.0)
    engine = line.connect()
    for _ in range((1 << 16) + 300):
        engine.submit(empty())
    engine.submit(load(0, 0x55, 1))
    line.settle()
    assert line.device.next == 301
    assert line.device.state(0) == 0x55
    assert engine.stats.retransmissions == 0


def test_a_lost_swap_reply_gives_the_same_value_and_swaps_once():
    line = make_line()
    engine = line.connect()
    engine.submit(load(0, 0x55))
    line.settle()
    swap = ask(line, Op.SWAP)
    executed = line.device.opcount + 1
    while line.device.opcount != executed:
        line.step()
    line.faults = Faults(lose=1.0)
    line._events.clear()
    while engine.stats.timeouts < 2:
        line.step()
    line.faults = Faults()
    line.settle()
    assert words(swap) == [0x55]
    assert line.device.opcount == executed
    assert (line.device.references[0], line.device.accumulators[0]) == (0x55, 0)


# Resets, other hosts.


@pytest.mark.parametrize("faults", [SOME["none"], SOME["all at once"]], ids=["clean", "faulty"])
def test_a_reset_at_any_moment_is_noticed(faults):
    verdicts, details = campaign(200, faults, disturb=lambda line: line.device.reset())
    assert verdicts == {"error": 200}, details[:3]
    names = Counter(detail.split(": ")[1] for detail in details)
    # So many faults can also swallow eight questions in a row, which is reported as it is.
    assert names["SessionLostError"] + (names["LinkLostError"] if faults.lose else 0) == 200
    assert names["LinkLostError"] < 10


def take_over(line: VirtualLine) -> None:
    nonce = line.rng.randbytes(8)
    line.device.receive(b"\0" + seal(bytes([Request.OPEN]) + nonce))


@pytest.mark.parametrize("faults", [SOME["none"], NOT_LATE], ids=["clean", "faulty"])
def test_another_host_at_any_moment_is_noticed(faults):
    verdicts, details = campaign(200, faults, disturb=take_over)
    assert verdicts == {"error": 200}, details[:3]
    assert {detail.split(": ")[1] for detail in details} == {"SessionLostError"}


@pytest.mark.parametrize("faults", [SOME["none"], SOME["all at once"]], ids=["clean", "faulty"])
def test_info_in_the_midst_of_a_session_changes_nothing(faults):
    def look(line: VirtualLine) -> None:
        line.put(b"\0" + seal(bytes([Request.INFO, 1, 2])), to_device=True)

    verdicts, details = campaign(100, faults, disturb=look)
    assert verdicts == {"right": 100}, details[:3]


def test_noise_in_both_directions_changes_nothing():
    def hiss(line: VirtualLine) -> None:
        for _ in range(20):
            line.put(line.rng.randbytes(40) + b"\0", to_device=line.rng.random() < 0.5)

    verdicts, details = campaign(100, SOME["none"], disturb=hiss)
    assert verdicts == {"right": 100}, details[:3]


def until_executed(line: VirtualLine) -> None:
    before = line.device.next
    while line.device.next == before:
        line.step()


def test_a_reset_between_check_and_acknowledgement_is_noticed():
    line = make_line()
    line.connect().submit(load(0, 1))
    until_executed(line)
    line.device.reset()
    line._events.clear()
    with pytest.raises(SessionLostError) as caught:
        line.settle()
    assert str(caught.value) == (
        "The device was reset; its state is unknown: connect again and reload it"
    )


def test_a_reset_in_the_midst_of_a_frame_is_noticed():
    line = make_line()
    engine = line.connect()
    engine.submit(load(0, 1))
    frame = engine.output(line.now)
    line.device.receive(frame[:10])
    line.device.reset()
    line.put(frame[10:], to_device=True)
    with pytest.raises(SessionLostError):
        line.settle()
    assert line.device.state(0) == 0


def test_a_reset_between_acknowledgement_and_read_is_noticed():
    line = make_line()
    line.connect().submit(load(0, 1))
    line.settle()
    line.device.reset()
    read = ask(line, Op.READ)
    with pytest.raises(SessionLostError):
        line.settle()
    assert words(read) is None


def test_another_host_is_named_as_the_reason():
    line = make_line()
    line.connect().submit(load(0, 1))
    line.settle()
    take_over(line)
    ask(line, Op.READ)
    with pytest.raises(SessionLostError) as caught:
        line.settle()
    assert str(caught.value) == (
        "Another host took the device over; its state is unknown: connect again and reload it"
    )


def test_an_old_no_session_reply_ends_nothing():
    device = DeviceModel()
    old = device.receive(b"\x01\0")
    line = make_line(device)
    line.connect()
    line.put(old, to_device=False)
    read = ask(line, Op.READ)
    line.settle()
    assert words(read) == [0]


def test_ops_that_the_device_has_not_counted_are_noticed():
    line = make_line()
    line.connect().submit(load(0, 1))
    line.settle()
    line.device.opcount = 7
    ask(line, Op.READ)
    with pytest.raises(SessionLostError) as caught:
        line.settle()
    assert str(caught.value) == (
        "The device counts 8 ops before frame 2 of the session, this host 2; "
        "its state is unknown: connect again and reload it"
    )


# Faults of the device.


def test_a_latched_fault_survives_lost_acknowledgements():
    line = make_line()
    engine = line.connect()
    engine.submit(load(0, 5))
    line.settle()
    engine.submit(load(999, 1))
    for number in range(3):
        engine.submit(load(0, number))
    for _ in range(4):
        while not line.replies or not line.replies[-1]:
            line.step()
        line._events.clear()
        line.replies.clear()
    with pytest.raises(DeviceFaultError) as caught:
        line.settle()
    assert str(caught.value) == (
        "The device refused a frame: fault 2 (ADDRESS). It executes nothing more; connect again"
    )
    assert line.device.fault is DeviceFault.ADDRESS
    assert line.device.state(0) == 5


def test_an_answer_given_before_a_fault_counts():
    line = make_line()
    engine = line.connect()
    engine.submit(load(0, 5))
    read = ask(line, Op.READ)
    engine.submit(load(999, 1))
    with pytest.raises(DeviceFaultError):
        line.settle()
    assert words(read) == [5]


# Mutants: what the trials above must be able to see.


class AckReleasesReply(Engine):
    """Takes an acknowledgement for an answer."""

    def _release(self, count: int, now: float) -> None:
        super()._release(count, now)
        while self._replying and self._replying[0].index < self._acked:
            self._replying.popleft()


class NoOwnNumbers(Engine):
    """Gives each retransmission a new number."""

    def _expire(self, now: float) -> None:
        deadline = self.next_deadline
        super()._expire(now)
        if deadline is not None and now >= deadline and self._window:
            for frame in self._window:
                content = cobs_decode(frame.wire[:-1])
                self._backlog.append(Payload(content[2:-4], 0, None))


class NoDuplicateCheck(DeviceModel):
    """Executes whatever number comes."""

    def _on_data(self, seq: int, runs: bytes) -> bytes:
        self.next = seq
        return super()._on_data(seq, runs)


class NoCheck(DeviceModel):
    """Believes every frame of a session."""

    def _check(self, body: bytes) -> tuple[bytes, int | None]:
        content, difference = super()._check(body)
        if difference is None and self._mask is not None:
            try:
                return cobs_decode(body)[:-4], 1
            except ValueError:
                return b"", None
        return content, difference


class NoReplyCache(DeviceModel):
    """Forgets each reply as soon as it is sent."""

    def _on_frame(self, body: bytes) -> bytes:
        replies = super()._on_frame(body)
        self._kept.clear()
        return replies


class NoSession(DeviceModel):
    """Believes undamaged frames of every session."""

    def _start_session(self, mask: int | None) -> None:
        number, opcount = getattr(self, "next", 0), getattr(self, "opcount", 0)
        super()._start_session(mask)
        if mask is not None:
            self._mask = self._first = getattr(self, "_first", mask)
            self.next, self.opcount = number, opcount


@pytest.mark.parametrize(
    ("mutant", "faults"),
    [
        ({"engine": AckReleasesReply}, SOME["loss"]),
        ({"engine": NoOwnNumbers}, SOME["loss"]),
        ({"model": NoDuplicateCheck}, SOME["duplicates"]),
        ({"model": NoCheck}, SOME["flipped bits"]),
        ({"model": NoReplyCache}, SOME["loss"]),
        ({"model": NoSession, "disturb": take_over}, SOME["none"]),
    ],
    ids=lambda value: next(iter(value.values())).__name__ if isinstance(value, dict) else "",
)
def test_the_trials_catch_the_mutant(mutant, faults):
    verdicts, _ = campaign(40, faults, **mutant)
    expected = "error" if "disturb" in mutant else "right"
    assert verdicts[expected] < 40
