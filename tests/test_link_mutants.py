"""The fault campaign catches each device and driver that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from .fault_classes import CLASSES, run_trial
from .gateware_variants import MUTANTS, mutant_engine
from .mutants import DRIVERS, MODELS, narrow_sequence
from .trials import NEEDLESS, STUCK, WRONG

MISSES = {WRONG, STUCK, NEEDLESS}
ROWS = {row.name: row for row in CLASSES}
#: In which classes each mutant is looked for, and in how many trials of each.
MODEL_TRIALS = {
    "no duplicate check": ("duplicated DATA", 5),
    "no session": ("two hosts", 5),
    "no CRC": ("flip, heavy", 30),
    "CRC-8": ("flip, heavy", 200),
    "no reply cache": ("lost VALUES", 5),
    "apply before CRC": ("flip, heavy", 10),
    "error not latched": ("error status in a lost ack", 5),
    "ack releases the reply frame": ("flip, heavy", 5),
    "what is sent again has new numbers": ("lost ACK", 5),
    "never asks by INFO": ("device reset, mid-frame", 3),
}
#: The one trial of the gateware, which takes seconds without a compiler.
GATEWARE_TRIALS = {
    "no duplicate check": ("duplicated DATA", 0),
    "no session": ("two hosts", 0),
    "no CRC": ("flip, heavy", 1),
    "no reply cache": ("lost SWAP reply", 0),
    "error not latched": ("error status in a lost ack", 0),
}


def first_miss(row: str, numbers: Sequence[int], level: str = "model", **wrong: Any) -> int | None:
    for number in numbers:
        result = run_trial(1, number, level, row=ROWS[row], **wrong)
        if result.outcome.verdict in MISSES:
            return number
    return None


@pytest.mark.parametrize("name", MODELS)
def test_the_campaign_catches_a_wrong_device(name: str) -> None:
    row, trials = MODEL_TRIALS[name]
    assert first_miss(row, range(trials), model=MODELS[name]) is not None


@pytest.mark.parametrize("name", DRIVERS)
def test_the_campaign_catches_a_wrong_driver(name: str) -> None:
    row, trials = MODEL_TRIALS[name]
    assert first_miss(row, range(trials), engine=DRIVERS[name]) is not None


@pytest.mark.parametrize("row", sorted({row for row, _ in MODEL_TRIALS.values()}))
def test_the_same_trials_miss_nothing_without_a_mutant(row: str) -> None:
    assert first_miss(row, range(10)) is None


@pytest.mark.parametrize(("modulus", "caught"), [(256, False), (128, True)])
def test_the_campaign_catches_a_window_larger_than_half_of_the_sequence_space(
    modulus: int, caught: bool
) -> None:
    with narrow_sequence(modulus):
        miss = first_miss("all acks lost", range(6))
    assert (miss is not None) is caught


@pytest.mark.parametrize("name", GATEWARE_TRIALS)
def test_the_campaign_catches_wrong_gateware(name: str) -> None:
    assert name in MUTANTS
    row, number = GATEWARE_TRIALS[name]
    wrong = partial(mutant_engine, name)
    assert first_miss(row, [number], "gateware", gateware=wrong, ops=12) == number
