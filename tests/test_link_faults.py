"""The fault campaign itself: its classes, what it prints, and its exit codes."""

from __future__ import annotations

import json
from functools import partial
from random import Random
from typing import Any

import pytest

from atomik_sim.model import DeviceModel
from benchmarks import link_faults

from .events import Event
from .fault_classes import CLASSES, FAST, classes_of, run_trial
from .mutants import MODELS
from .trials import NEEDLESS, REPAIRED, REPORTED, STUCK, WRONG, Trial

#: The faults that the link is to bear, and the class in which each is.
OWED = {
    "bit flip": "flip",
    "glitch": "glitch",
    "break": "break",
    "framing error": "framing",
    "lost byte": "drop",
    "inserted byte": "insert",
    "burst": "burst",
    "truncated frame": "truncate",
    "oversize frame": "oversize",
    "empty frame": "empty",
    "false 00": "cut",
    "bad COBS code": "cobs",
    "wrong session": "foreign",
    "stall over 100 ms": "stall",
    "partial write": "partial write",
    "slow reader": "slow reader",
    "2 % of baud error": "baud ±2 %",
    "4 % of baud error": "baud ±4 %",
    "sequence wrap, op counter wrap": "sequence and op counter wrap",
    "full window": "full window",
    "all acks lost": "all acks lost",
    "NAK storm": "NAK storm",
    "reset before OPEN": "device reset, before OPEN",
    "reset in the midst of a frame": "device reset, mid-frame",
    "reset between CRC and ack": "device reset, between check and ack",
    "reset between ack and read": "device reset, between ack and read",
    "host killed with bytes in flight": "host killed and restarted",
    "two hosts": "two hosts",
    "unplug": "unplug",
    "lost SWAP reply": "lost SWAP reply",
    "error status in a lost ack": "error status in a lost ack",
    "INFO in another's session": "INFO in a session",
    **{
        f"{words} {frame}": f"{words} {frame}"
        for words in ("lost", "duplicated", "late duplicate of")
        for frame in ("DATA", "ACK", "VALUES", "OPEN")
    },
}
MISSES = (WRONG, STUCK, NEEDLESS)


def test_each_fault_that_is_to_be_borne_has_its_class() -> None:
    assert set(OWED.values()) <= {row.name for row in CLASSES}
    assert [row.name for row in classes_of("model")] == [
        row.name for row in CLASSES if not row.name.startswith("baud")
    ]
    assert classes_of("gateware") == list(CLASSES)


@pytest.mark.parametrize("number", range(2 * len(classes_of("model"))))
def test_trials_of_the_model_miss_nothing(number: int) -> None:
    result = run_trial(7, number, "model")
    assert result.outcome.verdict in (REPAIRED, REPORTED), result.outcome.detail


@pytest.mark.parametrize("name", ["flip", "device reset, mid-frame", "two hosts", "baud ±2 %"])
def test_trials_of_the_gateware_miss_nothing(name: str) -> None:
    [row] = [row for row in CLASSES if row.name == name]
    outcome = run_trial(7, 0, "gateware", row=row).outcome
    assert outcome.verdict in (REPAIRED, REPORTED), outcome.detail


def test_a_trial_can_be_repeated() -> None:
    first, again = (run_trial(1, 5, "model", journal=True) for _ in range(2))
    assert first.faults == again.faults
    assert first.notes == again.notes != []
    assert run_trial(2, 5, "model", journal=True).notes != first.notes


def another_bit(trial: Trial) -> None:
    trial.guarded(trial.client.flush)
    trial.device.accumulators[0] ^= 1


def silence(trial: Trial) -> None:
    trial.device.receive = lambda data, errors=(): b""


@pytest.mark.parametrize(("event", "verdict"), [(another_bit, WRONG), (silence, NEEDLESS)])
def test_what_no_fault_accounts_for_is_a_miss(event: Event, verdict: str) -> None:
    trial = Trial(Random(1), DeviceModel(7, 4), width=7, depth=4, ops=20, event=event)
    assert trial.run().verdict == verdict


# The command.


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_faults, "_PROCESSES", 1)


@pytest.mark.usefixtures("one_process")
def test_a_campaign_without_misses_meets_its_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert link_faults.main(["--level", "model", "--trials", "30", "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    records = {record["metric"]: record for record in result["records"]}
    assert result["benchmark"] == "link_faults"
    for miss in MISSES:
        assert (records[f"model: {miss}"]["value"], records[f"model: {miss}"]["met"]) == (0, True)
    assert records["model: repaired"]["value"] + records["model: reported"]["value"] == 30
    assert records["model: flip"]["conditions"]["repaired"] == 1
    assert err.splitlines()[-1] == "model: 30 of 30 trials, 0 misses"


@pytest.mark.usefixtures("one_process")
def test_a_miss_is_told_with_its_command_and_its_frames(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: Any = partial(run_trial, model=MODELS["no reply cache"])
    monkeypatch.setattr(link_faults, "run_trial", wrong)
    assert link_faults.main(["--level", "model", "--trials", "12"]) == 4
    out, err = capsys.readouterr()
    assert "| all | 12 |" in out
    assert "model: needless" in out
    command = "python -m benchmarks.link_faults --level model --seed 1 --trial 0"
    assert f"needless: {command}\n" in err
    told = err[err.index(f"\n{command}\nclass 'flip', line with flip:") :]
    assert " s  > OPEN" in told
    assert " s  < OPENED" in told
    assert "[flip@" in told
    assert "outcome: needless: The device did not answer" in told


def test_one_trial_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert link_faults.main(["--level", "model", "--trial", "0"]) == 0
    err = capsys.readouterr().err
    assert err.startswith("python -m benchmarks.link_faults --level model --seed 1 --trial 0\n")
    assert err.rstrip().endswith("outcome: repaired")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trial", "1"], "--trial needs --level: a trial has one"),
        (["--trials", "0"], "argument --trials: there must be at least one trial, not 0"),
        (["--trials", "x"], "argument --trials: must be a number from 0 up, not 'x'"),
        (["--trial", "-1"], "argument --trial: must be a number from 0 up, not '-1'"),
        (["--level", "moon"], "argument --level: invalid choice: 'moon'"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        link_faults.main(arguments)
    assert caught.value.code == 2
    assert f"error: {message}" in capsys.readouterr().err


def test_the_gateware_of_the_trials_has_as_many_contexts_as_the_model() -> None:
    assert FAST.contexts == 4
