"""The host's engine against the device model: right, or an error, and never stuck."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from atomik_fpga.errors import (
    AtomikError,
    DeviceFaultError,
    LinkLostError,
    SessionLostError,
    WrongDeviceError,
)
from atomik_fpga.framing import seal
from atomik_fpga.link import FrameBuilder, Payload
from atomik_fpga.protocol import RUN_HEADER, DeviceFault, Op, Request
from atomik_sim.model import DeviceModel

from .events import EVENTS
from .fault_classes import CLASSES, run_trial
from .mutants import narrow_sequence
from .trials import REPAIRED, REPORTED, UNDISTURBED, Outcome, Trial
from .virtual_line import VirtualLine

WIDTHS = (1, 7, 16, 65)
#: Without late duplicates: one of OPEN would take the device back, as long as nothing was executed.
NOT_LATE = "lose:0.03,flip:0.0005,repeat:0.05,drop:0.0005,insert:0.0005,cut:0.03"
ALL_AT_ONCE = f"{NOT_LATE},late:0.05"
SOME = {
    "none": "",
    "loss": "lose:0.1",
    "flipped bits": "flip:0.003",
    "duplicates": "repeat:0.2",
    "late duplicates": "late:0.2",
    "truncated frames": "truncate:0.1",
    "lost bytes": "drop:0.003",
    "inserted bytes": "insert:0.003",
    "false delimiters": "cut:0.1",
    "all at once": ALL_AT_ONCE,
}
CLEAN_OR_FAULTY = pytest.mark.parametrize("faults", ["", ALL_AT_ONCE], ids=["clean", "faulty"])


def campaign(
    count: int, faults: str, **options: object
) -> tuple[Counter[str], list[Outcome], list[str]]:
    """Run trials; return how many ended how, all of them, and what those say that went wrong."""
    outcomes = []
    for seed in range(count):
        width = WIDTHS[seed % len(WIDTHS)]
        trial = Trial(
            Random(seed), DeviceModel(width, 4), width=width, depth=4, faults=faults, **options
        )
        outcomes.append(trial.run())
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    # Whether a fault came to pass makes no difference here.
    verdicts[REPAIRED] += verdicts.pop(UNDISTURBED, 0)
    return +verdicts, outcomes, [outcome.detail for outcome in outcomes if outcome.detail]


def errors_of(outcomes: list[Outcome]) -> list[AtomikError]:
    return [outcome.errors[0] for outcome in outcomes if outcome.errors]


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
    verdicts, _, details = campaign(80, faults)
    assert verdicts == {REPAIRED: 80}, details[:3]


def test_a_hardly_working_line_gives_right_values_or_an_error():
    verdicts, outcomes, details = campaign(100, "lose:0.35,flip:0.005", to_repair=False)
    assert verdicts[REPAIRED] + verdicts[REPORTED] == 100, details[:3]
    assert verdicts[REPAIRED] > 25
    # While it looks for a device, the host can't tell a bad line from none.
    assert {type(error) for error in errors_of(outcomes)} <= {LinkLostError, WrongDeviceError}


def test_sequence_numbers_and_op_counts_wrap():
    [row] = [row for row in CLASSES if row.near_wrap]
    verdicts = Counter(
        run_trial(2, number, "model", row=row).outcome.verdict for number in range(50)
    )
    assert verdicts == {REPAIRED: 50}


def test_more_frames_than_there_are_sequence_numbers_act_in_order():
    line = make_line(DeviceModel(8, 1), delay=0.0)
    # 4,096 numbers instead of 65,536, whose own wrap is a class of the trials in `fault_classes`.
    with narrow_sequence(4096):
        engine = line.connect()
        for _ in range(2 * 4096 + 300):
            engine.submit(empty())
        engine.submit(load(0, 0x55, 1))
        line.settle()
    assert line.device.next == 301
    assert line.device.state(0) == 0x55
    assert engine.stats.retransmissions == 0


@pytest.mark.parametrize("replies", [False, True])
def test_a_kept_reply_is_forgotten_when_its_number_comes_again(replies):
    line = make_line(delay=0.0)
    # After 256 frames instead of 65,536.
    with narrow_sequence(256):
        engine = line.connect()
        ask(line, Op.READ)
        for _ in range(255):
            engine.submit(empty())
        line.settle()
        last = FrameBuilder(line.device.info).reply(Op.READ, 0, 1)[0] if replies else load(0, 1)
        engine.submit(last)
        line.inject("lose:1@host")
        line.run_for(0.01)
        line.inject("")
        line.settle()
    assert engine.stats.retransmissions > 0
    assert last.reply is None or last.reply.words == [0]
    assert line.device.opcount == 2


def test_a_lost_swap_reply_gives_the_same_value_and_swaps_once():
    line = make_line()
    engine = line.connect()
    engine.submit(load(0, 0x55))
    line.settle()
    swap = ask(line, Op.SWAP)
    executed = line.device.opcount + 1
    while line.device.opcount != executed:
        line.step()
    line.inject("lose:1")
    line.forget()
    while engine.stats.timeouts < 2:
        line.step()
    line.inject("")
    line.settle()
    assert words(swap) == [0x55]
    assert line.device.opcount == executed
    assert (line.device.references[0], line.device.accumulators[0]) == (0x55, 0)


# Resets, other hosts.


@CLEAN_OR_FAULTY
def test_a_reset_at_any_moment_is_noticed(faults):
    event = EVENTS["device reset, any moment"]
    verdicts, outcomes, details = campaign(80, faults, event=event, to_repair=False)
    assert verdicts == {REPORTED: 80}, details[:3]
    kinds = Counter(type(error) for error in errors_of(outcomes))
    # So many faults can also swallow eight questions in a row, which is reported as it is.
    assert kinds[SessionLostError] + (kinds[LinkLostError] if faults else 0) == 80
    assert kinds[LinkLostError] < 5


def take_over(line: VirtualLine) -> None:
    nonce = line.rng.randbytes(8)
    line.device.receive(b"\0" + seal(bytes([Request.OPEN]) + nonce))


@pytest.mark.parametrize("faults", ["", NOT_LATE], ids=["clean", "faulty"])
def test_another_host_at_any_moment_is_noticed(faults):
    verdicts, outcomes, details = campaign(80, faults, event=EVENTS["two hosts"], to_repair=False)
    assert verdicts == {REPORTED: 80}, details[:3]
    assert {type(error) for error in errors_of(outcomes)} == {SessionLostError}


@CLEAN_OR_FAULTY
def test_info_in_the_midst_of_a_session_changes_nothing(faults):
    verdicts, _, details = campaign(100, faults, event=EVENTS["INFO in a session"])
    assert verdicts == {REPAIRED: 100}, details[:3]


def test_noise_in_both_directions_changes_nothing():
    def hiss(trial: Trial) -> None:
        line = trial.line
        for _ in range(20):
            line.put(line.rng.randbytes(40) + b"\0", to_device=line.rng.random() < 0.5)

    verdicts, _, details = campaign(100, "", event=hiss)
    assert verdicts == {REPAIRED: 100}, details[:3]


def until_executed(line: VirtualLine) -> None:
    before = line.device.next
    while line.device.next == before:
        line.step()


def test_a_reset_between_check_and_acknowledgement_is_noticed():
    line = make_line()
    line.connect().submit(load(0, 1))
    until_executed(line)
    line.device.reset()
    line.forget()
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
        line.forget()
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
