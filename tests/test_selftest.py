"""The self-test: what it finds on devices with a defect, and what it leaves behind."""

from __future__ import annotations

import random
from typing import Any

import pytest

from atomik_fpga import BanksError, LinkLostError, connect
from atomik_fpga.protocol import Op
from atomik_fpga.selftest import STEPS, Bench, StepResult, can_sweep, run_selftest, run_step
from atomik_fpga.selftest.sweep import LineRate, Sweep
from atomik_sim.model import DeviceModel, _Run

from .tcp_device import serve_device

NAMES = [step.name for step in STEPS]


def results_of(model: DeviceModel, **options: Any) -> dict[str, StepResult]:
    with serve_device(model) as served, connect(served.url) as connection:
        return {it.name: it for it in run_selftest(connection, seconds=0.05, **options)}


def failed(results: dict[str, StepResult]) -> dict[str, list[str]]:
    """Return what is wrong with each step that failed."""
    return {
        name: [str(it) for it in (*result.differences, *filter(None, [result.error]))]
        for name, result in results.items()
        if result.passed is False
    }


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize(("width", "depth", "lanes"), [(33, 300, 2), (65, 1, 0), (1, 5, 0)])
def test_a_device_without_defect_passes_every_step(
    width: int, depth: int, lanes: int, quick: bool
) -> None:
    results = results_of(DeviceModel(width, depth, lanes=lanes, baud=100_000), quick=quick)
    assert list(results) == NAMES
    assert failed(results) == {}
    assert results["banks"].passed is (True if lanes else None)
    assert all(it.checks for it in results.values() if it.passed)


class StuckBit(DeviceModel):
    def state(self, address: int) -> int:
        return super().state(address) & ~(1 << 5)


class StuckAddress(DeviceModel):
    """Address line 3 is not connected."""

    def _act(self, run: _Run) -> list[int]:
        words: list[int] = []
        for number in range(run.count):
            place = run.address if run.op is Op.ACCUM else run.address + number
            place = place & ~8 if place < self.info.depth else place
            one = run.operands[number : number + 1]
            words += super()._act(_Run(run.op, place, 1, one))
        return words


class SwapKeeps(DeviceModel):
    def _act(self, run: _Run) -> list[int]:
        before = self.accumulators[run.address]
        words = super()._act(run)
        if run.op is Op.SWAP:
            self.references[run.address] ^= before
            self.accumulators[run.address] = before
        return words


class SwapToForgets(DeviceModel):
    """A swap to a word is a swap."""

    def _act(self, run: _Run) -> list[int]:
        if run.op is Op.SWAP_TO:
            return super()._act(_Run(Op.SWAP, run.address, run.count, ()))
        return super()._act(run)


class Ors(DeviceModel):
    def _act(self, run: _Run) -> list[int]:
        if run.op is not Op.ACCUM:
            return super()._act(run)
        for operand in run.operands:
            self.accumulators[run.address] |= operand
        return []


class LoadKeeps(DeviceModel):
    """A load leaves the accumulator as it is."""

    def _act(self, run: _Run) -> list[int]:
        kept = list(self.accumulators)
        words = super()._act(run)
        if run.op is Op.LOAD:
            self.accumulators = kept
        return words


class Disturbs(DeviceModel):
    """An accumulate of one word goes into the next context too."""

    def _act(self, run: _Run) -> list[int]:
        words = super()._act(run)
        if run.op is Op.ACCUM and run.count == 1 and run.address + 1 < self.info.depth:
            self.accumulators[run.address + 1] ^= run.operands[0]
        return words


class ClearsAlmostAll(DeviceModel):
    def _act(self, run: _Run) -> list[int]:
        last = self.references[-1]
        words = super()._act(run)
        if run.op is Op.CLEAR:
            self.references[-1] = last
        return words


class LosesOne(DeviceModel):
    """One accumulate in 8 is lost."""

    seen = 0

    def _act(self, run: _Run) -> list[int]:
        if run.op is Op.ACCUM and run.count == 1:
            self.seen += 1
            if self.seen % 8 == 0:
                return []
        return super()._act(run)


class LosesOfLongRuns(DeviceModel):
    def _act(self, run: _Run) -> list[int]:
        if run.op is Op.ACCUM and run.count > 30:
            run = _Run(run.op, run.address, run.count - 1, run.operands[:-1])
        return super()._act(run)


class WrongBanks(DeviceModel):
    def _act(self, run: _Run) -> list[int]:
        words = super()._act(run)
        return [
            word ^ 1 if run.address + number == 0xFFFF else word
            for number, word in enumerate(words)
        ]


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        (StuckBit, "walking ones and zeros"),
        (StuckBit, "all contexts"),
        (StuckAddress, "all contexts"),
        (SwapKeeps, "algebra"),
        (SwapToForgets, "algebra"),
        (Ors, "algebra"),
        (LoadKeeps, "walking ones and zeros"),
        (LoadKeeps, "algebra"),
        (Disturbs, "algebra"),
        (ClearsAlmostAll, "all contexts"),
        (LosesOne, "random soak"),
        (LosesOfLongRuns, "throughput"),
        (WrongBanks, "banks"),
    ],
)
@pytest.mark.parametrize("quick", [False, True])
def test_a_defect_fails_the_step_that_is_about_it(
    kind: type[DeviceModel], step: str, quick: bool
) -> None:
    model = kind(64, 64, lanes=2 if step == "banks" else 0, baud=100_000)
    with serve_device(model) as served, connect(served.url) as connection:
        bench = Bench(connection, random.Random(1), seconds=0.05, quick=quick)
        result = run_step(next(it for it in STEPS if it.name == step), bench)
    assert result.error is None
    assert result.passed is False
    assert result.wrong >= len(result.differences) > 0


def test_another_build_is_told_by_its_id() -> None:
    results = results_of(DeviceModel(build_id=0xABC, baud=100_000), build_id=0xABD)
    assert failed(results) == {"identity": ["build id: got 0xabc, expected 0xabd, xor 0x1"]}


def test_the_soak_goes_on_as_long_as_it_is_told_to() -> None:
    with serve_device(DeviceModel(depth=4)) as served, connect(served.url) as connection:
        soak = next(step for step in STEPS if step.name == "random soak")
        result = run_step(soak, Bench(connection, random.Random(1), seconds=0.3))
    assert 0.3 <= result.seconds < 60


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_a_soak_without_end_is_refused(seconds: float) -> None:
    with serve_device(DeviceModel(depth=4)) as served, connect(served.url) as connection:
        with pytest.raises(
            ValueError, match=rf"^Seconds must be a finite number from 0 on, not {seconds!r}$"
        ):
            next(run_selftest(connection, seconds=seconds))
        assert connection.read(0) == 0


def test_an_error_of_the_link_ends_the_test_and_is_its_result() -> None:
    class Vanishes(DeviceModel):
        def _act(self, run: _Run) -> list[int]:
            if run.op is Op.SWAP:
                raise OSError("gone")
            return super()._act(run)

    results = results_of(Vanishes())
    assert list(results) == ["identity", "walking ones and zeros", "algebra"]
    assert results["algebra"].passed is False
    assert isinstance(results["algebra"].error, LinkLostError)


def test_a_step_about_what_the_device_lacks_does_nothing() -> None:
    with serve_device(DeviceModel(depth=4)) as served, connect(served.url) as connection:
        with pytest.raises(BanksError):
            _ = connection.banks
        banks = next(step for step in STEPS if step.name == "banks")
        result = run_step(banks, Bench(connection, random.Random(1)))
    assert (result.passed, result.checks, result.error) == (None, 0, None)


@pytest.mark.parametrize(
    ("clean", "expected"),
    [
        ("0111110", [-1.0, -0.5, 0.0, 0.5, 1.0]),
        # A rate that happens to come through beyond one that does not is no margin.
        ("1011101", [-0.5, 0.0, 0.5]),
        ("1110111", []),
        ("0001000", [0.0]),
    ],
)
def test_the_clean_rates_are_those_around_the_devices_own(
    clean: str, expected: list[float]
) -> None:
    rates = [
        LineRate(1_000_000 + 5_000 * off, off / 2, it == "1")
        for off, it in enumerate(clean, -(len(clean) // 2))
    ]
    assert [it.percent for it in Sweep(tuple(rates)).clean] == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/dev/ttyUSB1", True),
        ("COM6", True),
        ("sim://", True),
        ("rfc2217://host:1", True),
        ("socket://host:1", False),
    ],
)
def test_only_a_line_of_this_machine_has_a_rate_to_sweep(url: str, expected: bool) -> None:
    assert can_sweep(url) is expected
