"""The command ``atomik``: its help, and how a port is named."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from atomik_fpga import __version__

from ..tcp_device import TcpDevice
from .bench import Run


def test_version_is_the_package_version(run: Run) -> None:
    assert run("--version") == (0, f"atomik, version {__version__}\n", "")


def test_help_lists_every_command_and_the_exit_codes(run: Run) -> None:
    code, text, _ = run("--help")
    assert code == 0
    for name in (
        "demo",
        "sim",
        "ports",
        "info",
        "ctx",
        "selftest",
        "import",
        "build",
        "flash",
        "doctor",
    ):
        assert re.search(rf"^  {name} ", text, re.MULTILINE)
    assert (
        "Exit codes: 0 done; 1 the device or a check failed, or the device can't do what was "
        "asked; 2 the build failed, or the command line is wrong; 3 something is missing in the "
        "environment; 130 interrupted."
    ) in " ".join(text.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("demo", "--port --baud --events --overwrite --json --verbose --quiet"),
        (
            "sim",
            "--contexts --width --baud --listen --allow-remote --pty --engine --realtime --vcd "
            "--verbose --quiet",
        ),
        ("ports", "--ask --no-ask --baud --json --verbose --quiet"),
        ("info", "--port --baud --json --verbose --quiet"),
        ("ctx", "load accum read swap watch"),
        (
            "flash",
            "--sram --spi --serial --from --port --baud --cable --wait --dry-run --json --verbose "
            "--quiet",
        ),
        ("doctor", "model sim build flash port --board --json --verbose --quiet"),
        (
            "selftest",
            "--port --baud --seconds --seed --baud-sweep --overwrite --restore --json --verbose "
            "--quiet",
        ),
        (
            "import",
            "--state --kind --key --column --application --layout --map --width --chunk --verify "
            "--port --baud --json --verbose --quiet",
        ),
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
        "heavy = 'atomik_hdl atomik_sim atomik_boards amaranth rich serial.tools duckdb'.split()\n"
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
