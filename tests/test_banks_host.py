"""Banks through the driver: runs on a simulated board, and the state that they must give."""

from __future__ import annotations

import threading

import pytest

from atomik_fpga import BanksError, BanksResult, SessionLostError, banks_state, connect
from atomik_sim.registry import find_board
from benchmarks.banks import state_by_numpy

from .test_banks_engine import state_after

ENGINES = ("cxxrtl", "amaranth")


@pytest.mark.parametrize(("width", "lanes"), [(32, 1), (33, 5), (64, 6), (64, 16), (256, 3)])
@pytest.mark.parametrize("cycles", [0, 1, 2, 3, 100, 255])
def test_the_state_that_is_told_is_the_sum_of_the_deltas(width, lanes, cycles):
    seed = 0xFEDC_BA98_7654_3210 & (1 << width) - 1
    assert banks_state(width, lanes, cycles, seed) == state_after(width, lanes, seed, cycles)


def test_numpy_sums_up_the_same_deltas():
    assert state_by_numpy(7, 100, 0xABC) == state_after(64, 7, 0xABC, 100)


def test_the_state_that_is_told_is_that_of_numpy_after_many_cycles():
    assert banks_state(64, 128, 12_345, 99) == state_by_numpy(128, 12_345, 99)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_on_a_simulated_board_gives_that_state(engine):
    with connect(f"sim://?lanes=6&contexts=2&engine={engine}&fresh=1") as connection:
        banks = connection.banks
        assert (banks.lanes, banks.width) == (6, 64)
        result = banks.run(2_000, 0xABC)
        assert result == BanksResult(6, 2_000, 2_000 + 6 + 1 + 5, state_by_numpy(6, 2_000, 0xABC))
        assert result.accumulates == 12_000
        assert banks.expected(2_000, 0xABC) == result.state
        connection.load(0, 7)
        assert connection.banks.run(0).state == 0
        assert connection.banks is banks
        assert connection.read(0) == 7


def test_threads_take_turns():
    states = {}
    with connect("sim://?lanes=6&contexts=2&fresh=1") as connection:

        def work(seed):
            states[seed] = [connection.banks.run(500, seed).state for _ in range(3)]

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert states == {seed: [banks_state(64, 6, 500, seed)] * 3 for seed in range(1, 5)}


def test_a_reset_in_the_midst_of_a_run_is_an_error():
    url = "sim://?lanes=4&contexts=2&engine=amaranth&name=reset-in-a-run"
    connection = connect(url)
    timer = threading.Timer(0.3, find_board(url).reset)
    timer.start()
    with pytest.raises(SessionLostError, match="reset"):
        connection.banks.run(2**31)
    timer.join()
    with pytest.raises(SessionLostError, match="reset"):
        connection.read(0)
    connection.close()


def test_a_run_that_does_not_end_is_an_error(monkeypatch):
    monkeypatch.setattr("atomik_fpga.banks._PATIENCE", -1.0)
    with connect("sim://?lanes=4&contexts=2&engine=amaranth&fresh=1") as connection:
        with pytest.raises(BanksError, match=r"^A run of 100000 cycles at 12000000 Hz has not"):
            connection.banks.run(100_000)


def test_a_device_without_banks_says_how_to_get_some():
    with connect("sim://?contexts=2&engine=amaranth&fresh=1") as connection:
        with pytest.raises(BanksError, match="has no banks: build one with `atomik build ulx3s"):
            _ = connection.banks
        connection.load(0, 1)
        assert connection.read(0) == 1


@pytest.mark.parametrize(
    ("cycles", "seed", "error", "message"),
    [
        (-1, 1, ValueError, "Cycles must be between 0 and 2147483648, not -1"),
        (2**31 + 1, 1, ValueError, "Cycles must be between 0 and 2147483648, not 2147483649"),
        (1, 0, ValueError, "Seed must be between 1 and 18446744073709551615, not 0"),
        (1, 2**64, ValueError, f"Seed must be between 1 and {2**64 - 1}, not {2**64}"),
        (1.0, 1, TypeError, "Cycles must be an integer, not 1.0"),
        (1, "1", TypeError, "Seed must be an integer, not '1'"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_sent(cycles, seed, error, message):
    with connect("sim://?lanes=6&contexts=2&engine=amaranth&name=wrong-run") as connection:
        sent = connection.stats.frames_sent
        with pytest.raises(error, match=f"^{message}$"):
            connection.banks.run(cycles, seed)
        assert connection.stats.frames_sent == sent
    with pytest.raises(error, match=f"^{message}$"):
        banks_state(64, 4, cycles, seed)
