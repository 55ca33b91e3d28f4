"""``sim://`` as a serial port of pyserial's."""

from __future__ import annotations

import errno
import itertools
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import serial

import atomik_fpga
from atomik_fpga.errors import PortBusyError, UnsupportedPortError
from atomik_sim import BoardFailedError, BoardOptions, SimBoard, find_board, registry
from atomik_sim.options import ENGINES
from atomik_sim.pins import LineError
from atomik_sim.registry import claim_board, give_back_board

from .echo_engine import CLOCKS_PER_CHARACTER, EchoEngine
from .processes import complaints, prepare
from .wire import LOAD, OPENED, READ, Reply, Session, run

PATIENCE = 60.0
SESSION = Session()
_names = itertools.count()

OPTIONS = "contexts, width, lanes, baud, engine, realtime, name, fresh, vcd, faults"


@pytest.fixture
def url() -> str:
    """A board of its own for one test."""
    return f"sim://icebreaker?contexts=3&width=65&name=url{next(_names)}"


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Iterator[EchoEngine]:
    """Boards that send back what they receive, for what the gateware has no part in."""
    engine = EchoEngine()
    monkeypatch.setattr(registry, "SimBoard", lambda options: SimBoard(options, engine=engine))
    yield engine
    engine.gate.set()


def open_port(url: str, **settings: Any) -> Any:
    assert atomik_fpga.__version__
    return serial.serial_for_url(url, **{"timeout": PATIENCE, **settings})


def whole(message: str) -> str:
    return f"^{re.escape(message)}$"


def ask(port: Any, frame: bytes) -> Reply:
    port.write(b"\0" + frame)
    return SESSION.decode(port.read_until(b"\0")[:-1])


# The URL.


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("sim://", BoardOptions()),
        ("sim://icebreaker", BoardOptions()),
        ("sim://icebreaker/", BoardOptions()),
        ("sim://ulx3s-25f", BoardOptions("ulx3s-25f")),
        ("sim://?contexts=256", BoardOptions(contexts=256)),
        ("sim://icebreaker?width=7&contexts=3", BoardOptions(contexts=3, width=7)),
        ("sim://?lanes=16", BoardOptions(lanes=16)),
        ("sim://?lanes=0", BoardOptions()),
        ("sim://?baud=115200&engine=amaranth", BoardOptions(baud=115_200, engine="amaranth")),
        ("sim://?name=two%20words", BoardOptions(name="two words")),
        ("sim://?fresh=1", BoardOptions(fresh=True)),
        ("sim://?fresh=0", BoardOptions()),
        ("sim://?engine=cxxrtl", BoardOptions()),
        ("sim://?realtime=1", BoardOptions(realtime=True)),
        ("sim://?vcd=a/b.vcd", BoardOptions(vcd="a/b.vcd")),
        ("sim://?faults=lose/ACK:0.1,seed:2", BoardOptions(faults="lose/ACK:0.1,seed:2")),
    ],
)
def test_a_url_names_a_board_by_its_options(url: str, options: BoardOptions) -> None:
    assert BoardOptions.from_url(url) == options


def test_the_default_board_is_an_icebreaker_with_16_contexts_of_64_bits() -> None:
    options = BoardOptions()
    assert (options.board, options.contexts, options.width) == ("icebreaker", 16, 64)
    assert (options.clock_frequency, options.baud) == (12_000_000, 3_000_000)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sim:icebreaker/x", "Simulated board must be named as sim://BOARD?option=value, not {}"),
        ("sim://icebreaker#2", "Simulated board must be named as sim://BOARD?option=value, not {}"),
        ("sim://a/b", "Simulated board must be named as sim://BOARD?option=value, not {}"),
        ("loop://", "Simulated board must be named as sim://BOARD?option=value, not {}"),
        ("sim://?colour=red", f"Unknown option 'colour' in {{}}: the options are {OPTIONS}"),
        ("sim://?board=a", f"Unknown option 'board' in {{}}: the options are {OPTIONS}"),
        ("sim://?width=8&width=9", "Option 'width' is given twice in {}"),
        ("sim://?width=", "Option 'width' must be a decimal number, not ''"),
        ("sim://?width=0x10", "Option 'width' must be a decimal number, not '0x10'"),
        ("sim://?width=-1", "Option 'width' must be a decimal number, not '-1'"),
        ("sim://?width=0", "Option 'width' must be in 1..256, not 0"),
        ("sim://?lanes=1025", "Option 'lanes' must be in 1..1024, not 1025"),
        ("sim://?lanes=2&width=31", "Option 'width' must be at least 32 with lanes=2, not 31"),
        (
            "sim://?lanes=2&contexts=65533",
            "Option 'contexts' must be in 1..65532, not 65533",
        ),
        ("sim://?width=257", "Option 'width' must be in 1..256, not 257"),
        ("sim://?contexts=65537", "Option 'contexts' must be in 1..65536, not 65537"),
        ("sim://?baud=3000001", "Option 'baud' must be in 1..3000000, not 3000001"),
        ("sim://?fresh=yes", "Option 'fresh' must be 0 or 1, not 'yes'"),
        ("sim://?name", "Option 'name' must have a value"),
        ("sim://nexys", "Unknown board 'nexys': simulated boards know icebreaker or ulx3s-25f"),
        ("sim://?engine=x", "Unknown engine 'x': simulated boards know cxxrtl or amaranth"),
        (
            "sim://?name=a&fresh=1",
            "Options name='a' and fresh=1 exclude each other: a fresh board is used once, by "
            "whoever opened it",
        ),
    ],
)
def test_a_wrong_url_is_refused_with_what_is_wrong(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=whole(message.format(repr(url)))):
        BoardOptions.from_url(url)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rate_that_the_clock_can_not_make_is_refused_at_opening(engine: str) -> None:
    url = f"sim://icebreaker?baud=3&engine={engine}"
    message = (
        f"Can't use port {url!r}: Baud rate 3 is -4.6% off with a clock of 12000000 Hz (at most 2% "
        "allowed); use a slower clock or a higher baud rate"
    )
    with pytest.raises(UnsupportedPortError, match=whole(message)):
        atomik_fpga.connect(url)


def test_an_option_of_the_wrong_type_is_refused() -> None:
    wrong: Any = "8"
    with pytest.raises(TypeError, match=whole("Option 'width' must be an integer, not '8'")):
        BoardOptions(width=wrong)


# The port.


def test_an_open_port_reaches_the_gateware(url: str) -> None:
    with open_port(url) as port:
        assert ask(port, SESSION.open()).kind == OPENED
        assert port.pin_bits[0] == 10 * (1 + len(SESSION.open()))
        assert port.pin_bits[1] % 10 == 0


def test_a_port_that_is_opened_again_finds_the_state_that_was_left(url: str) -> None:
    with open_port(url) as port:
        ask(port, SESSION.open())
        ask(port, SESSION.data(0, run(LOAD, 1, 0x25, size=9)))
    with open_port(url) as port:
        assert ask(port, SESSION.data(1, run(READ, 1, count=1))).values(9) == [0x25]


def test_a_fresh_board_is_new_each_time() -> None:
    for _ in range(2):
        with open_port("sim://?fresh=1&contexts=3&width=65") as port:
            ask(port, SESSION.open())
            assert ask(port, SESSION.data(0, run(READ, 1, count=1))).values(9) == [0]
            ask(port, SESSION.data(1, run(LOAD, 1, 0x25, size=9)))


def test_a_second_opening_is_refused_as_busy(echo: EchoEngine, url: str) -> None:
    with open_port(url):
        with pytest.raises(serial.SerialException) as raised:
            open_port(url)
        assert raised.value.errno == errno.EBUSY
        assert raised.value.strerror == (
            "The simulated board is open already in this process: close the other port, or name "
            "another board with name=…, or one of your own with fresh=1"
        )
    with open_port(url) as port:
        port.write(b"a")
        assert port.read(1) == b"a"


def test_two_names_are_two_boards(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(registry, "SimBoard", lambda it: SimBoard(it, engine=EchoEngine()))
    with open_port(url) as one, open_port(f"{url}-other") as other:
        one.write(b"1")
        other.write(b"2")
        assert (one.read(1), other.read(1)) == (b"1", b"2")
        assert one.board is not other.board


def test_the_board_behind_a_url_can_be_found(echo: EchoEngine, url: str) -> None:
    with pytest.raises(LookupError) as raised:
        find_board(url)
    assert str(raised.value) == f"No board of {url!r} in this process: open that port first"
    with open_port(url) as port:
        assert find_board(url) is port.board
    assert find_board(url) is claim_board(BoardOptions.from_url(url))
    with pytest.raises(PortBusyError):
        claim_board(BoardOptions.from_url(url))
    give_back_board(find_board(url))


def test_a_board_that_failed_is_replaced_when_it_is_opened_again(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(registry, "SimBoard", lambda it: SimBoard(it, engine=EchoEngine()))
    with open_port(url) as port:
        port.board._engine.error = LineError("no stop bit")
        port.write(b"a")
        for call in (lambda: port.read(1), lambda: port.write(b"b"), port.flush):
            with pytest.raises(serial.SerialException) as raised:
                call()
            assert raised.value.errno == errno.EIO
            assert raised.value.strerror == "The simulated board stopped: no stop bit"
            assert isinstance(raised.value.__cause__, BoardFailedError)
    with open_port(url) as port:
        port.write(b"a")
        assert port.read(1) == b"a"


def test_a_read_returns_what_is_there_when_its_time_is_up(echo: EchoEngine, url: str) -> None:
    with open_port(url, timeout=0.01) as port:
        assert port.read(1) == b""
        port.write(b"ab")
        port.flush()
        port.timeout = PATIENCE
        assert port.read(2) == b"ab"
        port.timeout = 0
        assert port.read(2) == b""


def test_a_write_that_does_not_fit_in_time_is_an_error(echo: EchoEngine, url: str) -> None:
    with open_port(url, write_timeout=0.01) as port:
        echo.gate.clear()
        with pytest.raises(serial.SerialTimeoutException) as raised:
            port.write(bytes(5000))
        assert str(raised.value) == "Write timeout"
        assert port.out_waiting >= 4095
        port.reset_output_buffer()
        assert port.out_waiting == 0
        echo.gate.set()


def test_received_bytes_are_counted_and_can_be_dropped(echo: EchoEngine, url: str) -> None:
    with open_port(url) as port:
        port.write(b"abc")
        assert port.read(1) == b"a"
        port.write(b"d")
        while port.in_waiting < 3:
            port.board.read(0)
        port.reset_input_buffer()
        assert port.in_waiting == 0


@pytest.mark.parametrize("end", ["cancel_read", "close"])
def test_a_read_that_waits_ends_when_it_is_cancelled_or_the_port_is_closed(
    echo: EchoEngine, url: str, end: str
) -> None:
    port = open_port(url, timeout=None)
    port.write(b"a")
    got: list[bytes] = []
    first = threading.Event()

    def read() -> None:
        got.append(port.read(1))
        first.set()
        with suppress(serial.PortNotOpenError):
            got.append(port.read(1))

    reader = threading.Thread(target=read)
    reader.start()
    assert first.wait(PATIENCE)
    getattr(port, end)()
    reader.join(PATIENCE)
    port.close()
    assert not reader.is_alive()
    assert got[0] == b"a"
    assert got[1:] in ([b""], [])


def test_time_on_the_link_is_that_of_the_simulated_clock(echo: EchoEngine, url: str) -> None:
    with open_port(url) as port:
        before = port.link_clock()
        port.write(bytes(300))
        port.read(300)
        assert port.link_clock() - before >= 300 * CLOCKS_PER_CHARACTER / 12_000_000


def test_any_baud_rate_will_do(echo: EchoEngine, url: str) -> None:
    with open_port(url, baudrate=115_200) as port:
        port.baudrate = 1_000_000
        port.write(b"a")
        assert port.read(1) == b"a"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bytesize": 7}, "The simulated board's line is 8N1, not 7N1"),
        ({"parity": "E"}, "The simulated board's line is 8N1, not 8E1"),
        ({"stopbits": 2}, "The simulated board's line is 8N1, not 8N2"),
        ({"rtscts": True}, "The simulated board's line has no flow control"),
        ({"xonxoff": True}, "The simulated board's line has no flow control"),
    ],
)
def test_settings_that_the_line_does_not_have_are_refused(
    echo: EchoEngine, url: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=whole(message)):
        open_port(url, **settings)


def test_a_closed_port_refuses_use(echo: EchoEngine, url: str) -> None:
    port = open_port(url)
    port.close()
    port.close()
    for call in (lambda: port.read(1), lambda: port.write(b"a"), lambda: port.in_waiting):
        with pytest.raises(serial.PortNotOpenError):
            call()


# Processes.


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_amaranth_all_can_be_imported_and_opening_says_what_to_install() -> None:
    result = python(
        "import sys; sys.modules['amaranth'] = None\n"
        "import serial, atomik_fpga, atomik_sim, atomik_sim.server\n"
        "import atomik_sim.urlhandlers.protocol_sim\n"
        "try: serial.serial_for_url('sim://')\n"
        "except atomik_fpga.errors.UnsupportedPortError as error: print(error)\n"
    )
    assert (result.stdout, result.stderr) == (
        "Simulated boards need the Amaranth package, which is not installed. "
        'Install it with: pip install "atomik-fpga[sim]"\n',
        "",
    )


def test_importing_the_simulated_board_does_not_import_amaranth() -> None:
    result = python(
        "import sys, atomik_fpga, atomik_sim.server, atomik_sim.urlhandlers.protocol_sim\n"
        "print('amaranth' in sys.modules, 'atomik_boards' in sys.modules)"
    )
    assert (result.stdout, result.stderr) == ("False False\n", "")


@pytest.mark.parametrize("end", ["", "port.close()\n", "del port\n"])
def test_a_process_ends_cleanly_while_its_board_is_at_work(end: str) -> None:
    url = "sim://?contexts=3&width=65"
    prepare(url)
    result = python(
        "import serial, atomik_fpga\n"
        f"port = serial.serial_for_url({url!r}, timeout=1)\n"
        "port.write(bytes(3000))\n" + end + "print('done')\n"
    )
    assert (result.returncode, result.stdout, complaints(result.stderr)) == (0, "done\n", [])
