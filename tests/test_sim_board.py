"""One simulated board: its queues, its clock, its faults and its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from atomik_fpga.errors import ClosedError
from atomik_sim import BoardFailedError, BoardOptions, SimBoard, board, clock
from atomik_sim.cable import Cable
from atomik_sim.clock import BoardClock
from atomik_sim.pins import BREAK, LineError, character

from .echo_engine import CLOCKS_PER_CHARACTER, EchoEngine

PATIENCE = 30.0


@pytest.fixture
def engine() -> EchoEngine:
    return EchoEngine()


@pytest.fixture
def echo(engine: EchoEngine) -> Iterator[SimBoard]:
    board = SimBoard(engine=engine)
    yield board
    engine.gate.set()
    board.close()


def thread_of(board: SimBoard) -> threading.Thread:
    others = set(threading.enumerate())
    board.hold()
    [thread] = set(threading.enumerate()) - others
    return thread


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_what_is_written_goes_over_the_line_in_order(echo: SimBoard, engine: EchoEngine) -> None:
    assert echo.write(b"abc") == 3
    assert echo.read(3, PATIENCE) == b"abc"
    assert engine.characters == [character(byte) for byte in b"abc"]


def test_the_status_counts_bytes_and_bits_of_both_directions(echo: SimBoard) -> None:
    echo.write(b"abc")
    echo.read(3, PATIENCE)
    status = echo.status
    assert (status.bytes_to_device, status.bytes_from_device) == (3, 3)
    assert (status.bits_to_device, status.bits_from_device) == (30, 30)


def test_a_read_returns_what_is_there_when_its_time_is_up(echo: SimBoard) -> None:
    echo.write(b"abc")
    wait_for(lambda: echo.in_waiting == 3)
    assert echo.read(10, 0.01) == b"abc"
    assert echo.read(10, 0.01) == b""


def test_a_read_without_time_takes_what_is_there(echo: SimBoard) -> None:
    assert echo.read(1, 0) == b""
    echo.write(b"abc")
    wait_for(lambda: echo.in_waiting == 3)
    assert echo.read(2, 0) == b"ab"
    assert echo.read(2, 0) == b"c"


def test_a_cancelled_read_returns_what_it_has(echo: SimBoard) -> None:
    echo.cancel_read()
    assert echo.read(1) == b""
    echo.write(b"a")
    assert echo.read(1, PATIENCE) == b"a"


def test_a_read_that_waits_in_another_thread_can_be_cancelled(echo: SimBoard) -> None:
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(echo.read(1)))
    reader.start()
    echo.cancel_read()
    reader.join(PATIENCE)
    assert got == [b""]


def test_a_write_waits_while_the_queue_is_full(echo: SimBoard, engine: EchoEngine) -> None:
    engine.gate.clear()
    echo.write(b"a")
    wait_for(lambda: echo.out_waiting == 0)
    assert echo.write(b"b" * 5000, 0.01) == 4096
    assert echo.out_waiting == 4096
    echo.cancel_write()
    assert echo.write(b"c") == 0
    engine.gate.set()
    assert echo.write(b"d" * 5000, PATIENCE) == 5000
    assert echo.read(9097, PATIENCE) == b"a" + b"b" * 4096 + b"d" * 5000


def test_draining_waits_for_the_last_byte_to_be_on_the_line(
    echo: SimBoard, engine: EchoEngine
) -> None:
    engine.gate.clear()
    echo.write(b"abc")
    assert not echo.drain(0.01)
    engine.gate.set()
    assert echo.drain(PATIENCE)
    assert len(engine.characters) == 3


def test_queued_bytes_can_be_dropped_in_both_directions(echo: SimBoard, engine: EchoEngine) -> None:
    engine.gate.clear()
    echo.write(b"abc")
    wait_for(lambda: echo.out_waiting == 2)
    echo.discard_output()
    engine.gate.set()
    wait_for(lambda: echo.in_waiting == 1)
    echo.discard_input()
    assert echo.read(1, 0.01) == b""


def test_what_nobody_reads_is_lost_in_the_end_and_counted(
    echo: SimBoard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(board, "_RECEIVE_LIMIT", 16)
    with caplog.at_level(logging.WARNING):
        echo.write(bytes(range(20)))
        wait_for(lambda: echo.status.bytes_from_device == 20)
    assert echo.status.bytes_lost == 4
    assert echo.read(20, 0) == bytes(range(16))
    assert caplog.messages == ["Nobody reads what the simulated board sends; bytes are being lost"]


def test_an_idle_board_stops_its_clock(echo: SimBoard, engine: EchoEngine) -> None:
    echo.hold()
    wait_for(lambda: echo.status.idle)
    stopped = engine.clocks
    echo.read(1, 0.02)
    assert engine.clocks == stopped
    echo.write(b"a")
    echo.read(1, PATIENCE)
    wait_for(lambda: echo.status.idle)
    assert engine.clocks == stopped + 2 * CLOCKS_PER_CHARACTER


def test_time_on_the_board_is_simulated_while_it_runs_and_wall_time_while_it_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wall = [100.0]
    clocks = [0]
    monkeypatch.setattr(clock, "monotonic", lambda: wall[0])
    board_clock = BoardClock(1000, lambda: clocks[0])
    clocks[0] = 500
    wall[0] = 110.0
    assert (board_clock.seconds(), board_clock.idle) == (0.5, False)
    board_clock.stop()
    wall[0] = 113.0
    board_clock.stop()
    assert (board_clock.seconds(), board_clock.idle) == (3.5, True)
    board_clock.run()
    wall[0] = 200.0
    board_clock.run()
    clocks[0] = 750
    assert (board_clock.seconds(), board_clock.idle) == (3.75, False)


def test_simulated_time_that_lags_behind_wall_time_is_not_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wall = [100.0]
    clocks = [0]
    monkeypatch.setattr(clock, "monotonic", lambda: wall[0])
    board_clock = BoardClock(1000, lambda: clocks[0])
    assert board_clock.lead() == 0
    clocks[0] = 500
    assert board_clock.lead() == 0.5
    wall[0] = 110.0
    assert board_clock.lead() == 0
    clocks[0] = 750
    assert board_clock.lead() == 0.25


def test_a_board_in_real_time_sleeps_for_as_long_as_it_is_ahead(
    monkeypatch: pytest.MonkeyPatch, engine: EchoEngine
) -> None:
    wall = [100.0]

    def sleep(seconds: float) -> None:
        wall[0] += seconds

    monkeypatch.setattr(clock, "monotonic", lambda: wall[0])
    monkeypatch.setattr(board, "sleep", sleep)
    echo = SimBoard(BoardOptions(realtime=True), engine=engine)
    echo.write(bytes(6000))
    assert len(echo.read(6000, PATIENCE)) == 6000
    echo.close()
    simulated = 6000 * CLOCKS_PER_CHARACTER / 12_000_000
    assert wall[0] - 100 == pytest.approx(simulated, abs=0.002)


def test_the_characters_towards_the_device_can_be_replaced(
    echo: SimBoard, engine: EchoEngine
) -> None:
    echo.cable = Cable(lambda data: [character(data[0] ^ 1), BREAK])
    echo.write(b"a")
    assert echo.read(2, PATIENCE) == b"`\0"
    assert engine.characters == [character(0x60), BREAK]


def test_the_bytes_from_the_device_can_be_replaced(echo: SimBoard) -> None:
    echo.cable = Cable(from_device=lambda data: data * 2)
    echo.write(b"ab")
    assert echo.read(4, PATIENCE) == b"aabb"


def test_a_reset_has_happened_when_it_returns_and_keeps_what_is_queued(
    echo: SimBoard, engine: EchoEngine
) -> None:
    echo.reset()
    assert (engine.resets, echo.status.resets) == (1, 1)
    echo.write(b"a")
    echo.reset()
    assert engine.resets == 2
    assert echo.read(1, PATIENCE) == b"a"


def test_an_error_on_the_line_is_raised_by_every_later_call(
    echo: SimBoard, engine: EchoEngine
) -> None:
    engine.error = LineError("no stop bit")
    echo.write(b"a")
    for call in (lambda: echo.read(1), lambda: echo.write(b"b"), echo.reset, echo.drain, echo.hold):
        with pytest.raises(BoardFailedError) as raised:
            call()
        assert str(raised.value) == "The simulated board stopped: no stop bit"
    assert echo.failed


def test_what_came_before_an_error_can_be_read(echo: SimBoard, engine: EchoEngine) -> None:
    echo.write(b"a")
    wait_for(lambda: echo.in_waiting == 1)
    engine.error = LineError("no stop bit")
    echo.write(b"b")
    wait_for(lambda: echo.failed)
    assert echo.read(2) == b"a"
    with pytest.raises(BoardFailedError):
        echo.read(1)


def test_a_simulation_that_crashes_says_why_and_ends_the_calls_that_wait_for_it(
    echo: SimBoard, engine: EchoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", said.append)
    thread = thread_of(echo)
    engine.error = ZeroDivisionError()
    echo.write(b"a")
    with pytest.raises(BoardFailedError) as raised:
        echo.read(1)
    assert str(raised.value) == "The simulated board stopped with an unexpected error"
    thread.join(PATIENCE)
    assert [it.exc_type for it in said] == [ZeroDivisionError]


def test_a_closed_board_refuses_every_call(echo: SimBoard) -> None:
    echo.close()
    echo.close()
    for call in (lambda: echo.read(1), lambda: echo.write(b"b"), echo.reset, echo.hold):
        with pytest.raises(ClosedError) as raised:
            call()
        assert str(raised.value) == "The simulated board is closed; open it again for a new one"


def test_closing_ends_a_read_that_waits(echo: SimBoard) -> None:
    errors: list[ClosedError] = []

    def read() -> None:
        try:
            echo.read(1)
        except ClosedError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    echo.close()
    reader.join(PATIENCE)
    assert len(errors) == 1


def test_a_released_board_ends_its_thread_once_idle_and_starts_it_again_when_written_to(
    echo: SimBoard, engine: EchoEngine
) -> None:
    thread = thread_of(echo)
    engine.gate.clear()
    echo.write(b"ab")
    echo.release()
    engine.gate.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert echo.in_waiting == 2
    echo.write(b"c")
    assert echo.read(3, PATIENCE) == b"abc"
