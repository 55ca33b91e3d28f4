"""What goes wrong inside of the driver ends the connection: for every call, and without a hang."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

import pytest
import serial

from atomik_fpga.connection import Connection, connect
from atomik_fpga.errors import AtomikError, ClosedError, DriverError
from atomik_sim.model import DeviceModel

from .connection_bench import CALLS, run_script, wait_for
from .ideal_peer import FastPort

URL = "ideal://"
UNKNOWN = "the state of the device is unknown, connect again and reload it"


class PlannedError(Exception):
    """Of no kind that the driver expects."""


def fail(*_: Any, **__: Any) -> NoReturn:
    raise PlannedError("out of order")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> FastPort:
    made = FastPort(DeviceModel(16, 4))
    monkeypatch.setattr(serial, "serial_for_url", lambda url, **settings: made)
    return made


@pytest.fixture
def connection(port: FastPort) -> Iterator[Connection]:
    made = connect(URL)
    yield made
    try:
        made.close()
    except AtomikError:
        assert isinstance(made.error, ClosedError)


def every_call_raises(connection: Connection, message: str) -> None:
    for _ in range(2):
        for name, call in CALLS.items():
            with pytest.raises(DriverError) as caught:
                call(connection)
            assert str(caught.value) == message, name
            assert isinstance(caught.value.__cause__, (PlannedError, KeyboardInterrupt))


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("accum", "accum"),
        ("accum", "accum_many"),
        ("load", "load"),
        ("load", "load_many"),
        ("clear", "clear"),
        ("reply", "read"),
        ("reply", "swap to"),
        ("reply", "read_many"),
        ("reply", "read_each"),
        ("seal", "flush"),
    ],
)
def test_an_error_while_a_frame_is_built_is_raised_by_this_call_and_every_later_one(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, method: str, call: str
) -> None:
    monkeypatch.setattr(connection._shared._builder, method, fail)
    with pytest.raises(DriverError) as caught:
        CALLS[call](connection)
    message = f"The driver of ideal:// failed (PlannedError: out of order): {UNKNOWN}"
    assert str(caught.value) == message
    monkeypatch.undo()
    every_call_raises(connection, message)


def test_an_interrupt_in_the_midst_of_a_change_ends_the_connection(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    for method, call in (("accum", "accum"), ("load", "load")):
        with monkeypatch.context() as patch:
            patch.setattr(connection._shared._builder, method, interrupt)
            with pytest.raises((KeyboardInterrupt, DriverError)) as caught:
                CALLS[call](connection)
            assert caught.type is (KeyboardInterrupt if call == "accum" else DriverError)
    every_call_raises(
        connection,
        "The driver of ideal:// was interrupted in the midst of a call (KeyboardInterrupt): "
        f"{UNKNOWN}",
    )


def test_an_interrupt_while_a_call_waits_harms_nothing(
    connection: Connection, port: FastPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    connection.load(0, 5)
    connection.flush()
    port.silent = True
    with monkeypatch.context() as patch:
        patch.setattr(connection._shared._arrived, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            connection.read(0)
    port.silent = False
    assert connection.read(0) == 5


@pytest.mark.parametrize("releases", range(5))
def test_an_interrupt_where_a_lock_is_given_back_leaves_nobody_waiting(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, releases: int
) -> None:
    class InterruptedLock:
        def __init__(self, lock: threading.Lock) -> None:
            self.lock, self.caller, self.left = lock, threading.current_thread(), releases

        def __enter__(self) -> bool:
            return self.lock.__enter__()

        def __exit__(self, *error: Any) -> None:
            self.lock.__exit__(*error)
            if threading.current_thread() is self.caller:
                self.left -= 1
                if self.left == -1:
                    raise KeyboardInterrupt

    connection.load(0, 5)
    connection.flush()
    wait_for(lambda: connection._shared._writing is None)
    with monkeypatch.context() as patch:
        patch.setattr(connection._shared, "_lock", InterruptedLock(connection._shared._lock))
        # A call gives it back less often where another thread happens to write.
        with suppress(KeyboardInterrupt):
            connection.read(0)
    states: list[int] = []
    reader = threading.Thread(target=lambda: states.append(connection.read(0)), daemon=True)
    reader.start()
    reader.join(10)
    hanging = reader.is_alive()
    if hanging:
        connection._shared.abandon()
    assert (hanging, states) == (False, [5])


def test_an_interrupt_does_not_take_the_line_from_who_writes_next(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, another = connection._shared, object()

    class OvertakingLock:
        """Where the caller has let others write, one does, and then an interrupt comes."""

        def __init__(self, lock: threading.Lock) -> None:
            self.lock, self.caller, self.wrote = lock, threading.current_thread(), False

        def __enter__(self) -> bool:
            return self.lock.__enter__()

        def __exit__(self, *error: Any) -> None:
            overtaken = False
            if threading.current_thread() is self.caller:
                overtaken = self.wrote and shared._writing is None
                self.wrote = shared._writing is not None
            if overtaken:
                shared._writing = another
            self.lock.__exit__(*error)
            if overtaken:
                raise KeyboardInterrupt

    wait_for(lambda: shared._writing is None)
    with monkeypatch.context() as patch:
        patch.setattr(shared, "_lock", OvertakingLock(shared._lock))
        connection.load(0, 5)
        with pytest.raises(KeyboardInterrupt):
            connection.flush()
    assert shared._writing is another
    shared._writing = None
    assert connection.read(0) == 5


def test_an_error_in_the_pacer_is_raised_by_every_later_call(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection._shared._builder, "seal", fail)
    connection.accum(0, 1)
    wait_for(lambda: connection.error is not None)
    monkeypatch.undo()
    every_call_raises(
        connection, f"The driver of ideal:// failed (PlannedError: out of order): {UNKNOWN}"
    )


def test_an_error_in_the_reader_wakes_who_waits(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection._shared._engine, "receive", fail)
    with pytest.raises(DriverError) as caught:
        connection.read(0)
    message = f"The driver of ideal:// failed (PlannedError: out of order): {UNKNOWN}"
    assert str(caught.value) == message
    monkeypatch.undo()
    every_call_raises(connection, message)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_without_a_reason_leaves_nobody_waiting(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: Any) -> NoReturn:
        raise SystemExit

    monkeypatch.setattr(connection._shared._engine, "receive", leave)
    with pytest.raises(DriverError) as caught:
        connection.read(0)
    assert str(caught.value) == (
        "The driver of ideal:// was interrupted in the midst of a call (SystemExit): " + UNKNOWN
    )


@pytest.mark.parametrize("where", ["output of the engine", "write of the port"])
def test_an_error_while_frames_are_sent_is_raised_by_every_later_call(
    connection: Connection, port: FastPort, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "write of the port":
        monkeypatch.setattr(port, "write", fail)
    else:
        monkeypatch.setattr(connection._shared._engine, "output", fail)
    with pytest.raises(DriverError):
        connection.read(0)
    monkeypatch.undo()
    every_call_raises(
        connection, f"The driver of ideal:// failed (PlannedError: out of order): {UNKNOWN}"
    )


def test_a_thread_that_waits_for_room_is_woken_by_a_failure(
    connection: Connection, port: FastPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[BaseException] = []

    def post() -> None:
        try:
            while True:
                connection.accum(0, 1)
        except AtomikError as error:
            caught.append(error)

    port.silent = True
    poster = threading.Thread(target=post)
    poster.start()
    wait_for(lambda: connection._shared._engine.backlog > 4)
    monkeypatch.setattr(connection._shared._engine, "output", fail)
    poster.join(20)
    assert not poster.is_alive()
    assert [type(error) for error in caught] == [DriverError]


def test_a_failed_connection_gives_its_port_back_at_once(
    connection: Connection, port: FastPort
) -> None:
    connection.flush()
    port.unplug()
    wait_for(lambda: connection.error is not None)
    wait_for(lambda: not port.is_open)


def test_connecting_again_after_a_failure_works(port: FastPort) -> None:
    old = connect(URL)
    old._shared._builder.seal = fail  # type: ignore[method-assign]
    with pytest.raises(DriverError):
        old.flush()
    with connect(URL) as new:
        new.load(0, 3)
        assert new.read(0) == 3
    old.close()


def test_an_error_that_is_raised_again_and_again_does_not_grow(
    connection: Connection, port: FastPort
) -> None:
    port.device.reset()
    lengths = set()
    for _ in range(5):
        try:
            connection.read(0)
        except AtomikError as error:
            trace, length = error.__traceback__, 0
            while trace is not None:
                trace, length = trace.tb_next, length + 1
            lengths.add(length)
    assert len(lengths) <= 2


def test_a_second_thread_that_can_not_be_started_leaves_no_open_port(
    port: FastPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "atomik-pacer":
            raise RuntimeError("can't start new thread")
        usual(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        connect(URL)
    assert not port.is_open
    assert threading.active_count() == before
    monkeypatch.undo()


def test_the_state_after_an_argument_error_is_as_before(connection: Connection) -> None:
    connection.load(0, 4)
    for call in (
        lambda: connection.accum(0, 1 << 16),
        lambda: connection.read(4),
        lambda: connection.read_many(0, 5),
        lambda: connection.read_many("0", 1),  # type: ignore[arg-type]
        lambda: connection.load_many(3, [1, 2]),
    ):
        with pytest.raises((TypeError, ValueError, IndexError)):
            call()
    assert connection.read(0) == 4
    assert connection.error is None


# The end of a process.


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script that has two ports, ``left`` and ``right``, and looks at them at the end."""
    prelude = """
        import atexit, sys
        import serial
        from atomik_sim.model import DeviceModel
        from tests.ideal_peer import IdealPort

        left, right = IdealPort(DeviceModel(16, 4)), IdealPort(DeviceModel(16, 4))
        serial.serial_for_url = lambda url, **settings: {"l": left, "r": right}[url[0]]

        from atomik_fpga.connection import connect
    """
    return run_script(prelude, script)


@pytest.mark.parametrize("error", ["ZeroDivisionError", "KeyboardInterrupt"])
def test_at_exit_a_port_that_fails_in_any_way_does_not_keep_the_others_from_being_flushed(
    error: str,
) -> None:
    result = run(
        f"""
        def broken(*_):
            raise {error}("planned")

        one, other = connect("left://"), connect("right://")
        one.accum(0, 5)
        one._shared._finish = broken
        close, right.close = right.close, lambda: (print("right", right.device.state(0)), close())
        other.accum(0, 6)
        """
    )
    assert (result.returncode, result.stdout) == (1, "right 6\n")
    assert result.stderr == "atomik: what was posted to left:// is lost: planned\n"


def test_at_exit_a_closed_stderr_does_not_keep_the_others_from_being_flushed() -> None:
    result = run(
        """
        one, other = connect("left://"), connect("right://")
        left.device.reset()
        one.accum(0, 5)
        close, right.close = right.close, lambda: (print("right", right.device.state(0)), close())
        other.accum(0, 6)
        sys.stderr.close()
        """
    )
    assert (result.returncode, result.stdout) == (1, "right 6\n")
