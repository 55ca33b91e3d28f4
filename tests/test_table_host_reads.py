"""How long reading a whole table takes, in virtual time on a line that is paced both ways."""

from __future__ import annotations

import pytest
import serial

from atomik_fpga import connect
from atomik_fpga.protocol import operand_bytes
from atomik_sim.model import DeviceModel
from benchmarks import table as benchmark

from .ideal_peer import IdealPort

BITS_PER_BYTE = 10


@pytest.mark.parametrize(
    ("contexts", "slots", "baud", "delay"),
    [(256, 2, 115_200, 0.001), (256, 2, 1_000_000, 0.001), (1000, 4, 12_000_000, 0.000_2)],
)
def test_a_table_reads_in_at_most_1_2_times_its_wire_time_where_the_slots_cover_the_round_trip(
    contexts: int, slots: int, baud: int, delay: float
) -> None:
    taken, _ = benchmark.read_time(contexts, slots, baud, delay)
    wire = contexts * 8 * BITS_PER_BYTE / baud
    assert wire < taken <= 1.2 * wire


@pytest.mark.parametrize("width", [1, 7, 64, 65])
@pytest.mark.parametrize("slots", [1, 2, 4])
@pytest.mark.parametrize("delay", [0.0, 0.0004, 0.008])
@pytest.mark.parametrize("contexts", [1, 30, 200])
def test_it_takes_what_the_formula_says_whether_the_slots_cover_the_round_trip_or_not(
    width: int, slots: int, delay: float, contexts: int
) -> None:
    taken, expected = benchmark.read_time(contexts, slots, 1_000_000, delay, width)
    # A reply may be a byte shorter than the longest of its kind.
    slack = contexts * operand_bytes(width) / 200 + 1
    assert expected - slack * BITS_PER_BYTE / 1e6 <= taken <= expected + 1e-9


def test_the_benchmark_has_the_targets_of_batches_and_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)
    monkeypatch.setattr(benchmark, "_BATCHES", ((16, 100),))
    monkeypatch.setattr(benchmark, "_POSTED", 1000)
    records = {it.metric: it for it in benchmark.measure(repeats=1)}
    assert records["over_xor_at_16_contexts_100_deltas"].target == 0.5
    reads = [it for metric, it in records.items() if metric.startswith("read_")]
    assert {it.label for it in reads} == {"simulated"}
    assert {it.target for it in reads} == {1.2, None}
    assert all(it.met for it in reads if it.target)
    posts = [it for metric, it in records.items() if metric.startswith("post_array_")]
    assert len(posts) == 3
    assert all(it.value > 0 and it.unit == "M/s" for it in posts)


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_a_read_of_many_keeps_as_many_requests_outstanding_as_there_are_slots(
    slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = IdealPort(DeviceModel(16, 32 * 9, reply_slots=slots))
    monkeypatch.setattr(serial, "serial_for_url", lambda url, **settings: port)
    with connect("slots://") as connection:
        connection.flush()
        written: list[int] = []

        def note(data: bytes) -> bytes:
            written.append(data.count(0))
            return data

        port.spoil = note
        assert connection.read_many(0, 32 * 9) == [0] * 32 * 9
    assert written[0] == slots
    assert sum(written) == 9
