"""Exported Verilog: ports, text, and behaviour on a simulator that is not Amaranth's."""

import os
import random
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from atomik_boards.catalog import Family
from atomik_boards.tools import find_tools
from atomik_hdl.core import DeltaCore
from atomik_hdl.device import DeltaDevice
from atomik_hdl.export import export_verilog, main
from atomik_hdl.table import DeltaTable

from .netlist import Netlist

RESPONSE = ("read_response", "swap_response")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def ports(text: str, top: str) -> set[str]:
    found = re.search(rf"^module {top}\(([^)]*)\);", text, re.M)
    assert found is not None
    return {port.strip() for port in found[1].split(",")}


def core_netlist(width: int, tmp_path: Path) -> Netlist:
    source = write(tmp_path / "export" / "core.v", export_verilog(DeltaCore(width), "delta_core"))
    return Netlist([source], "delta_core", tmp_path)


@pytest.mark.parametrize("width", [1, 7, 65])
def test_the_ports_of_the_core_are_those_of_the_documentation(width: int, tmp_path: Path) -> None:
    netlist = core_netlist(width, tmp_path)

    assert netlist.inputs == {
        "rst": 1,
        "load_valid": 1,
        "load_payload": width,
        "accum_valid": 1,
        "accum_payload": width,
        "read_valid": 1,
        "read_response_ready": 1,
        "swap_valid": 1,
        "swap_payload_keep": 1,
        "swap_payload_value": width,
        "swap_response_ready": 1,
    }
    assert netlist.outputs == {
        "load_ready": 1,
        "accum_ready": 1,
        "read_ready": 1,
        "read_response_valid": 1,
        "read_response_payload_state": width,
        "read_response_payload_accumulator": width,
        "swap_ready": 1,
        "swap_response_valid": 1,
        "swap_response_payload_state": width,
        "swap_response_payload_accumulator": width,
    }


@pytest.mark.parametrize("width", [1, 7, 65])
def test_the_exported_core_follows_the_algebra_on_another_simulator(
    width: int, tmp_path: Path
) -> None:
    netlist = core_netlist(width, tmp_path)
    rng = random.Random(width)
    reference = accumulator = 0
    waiting: dict[str, deque[tuple[int, int]]] = {port: deque() for port in RESPONSE}
    answered = dict.fromkeys(RESPONSE, 0)

    for _ in range(600):
        inputs = {
            "load_valid": rng.random() < 0.1,
            "load_payload": rng.getrandbits(width),
            "accum_valid": rng.random() < 0.7,
            "accum_payload": rng.getrandbits(width),
            "read_valid": rng.random() < 0.5,
            "read_response_ready": rng.random() < 0.5,
            "swap_valid": rng.random() < 0.3,
            "swap_payload_keep": rng.random() < 0.5,
            "swap_payload_value": rng.getrandbits(width),
            "swap_response_ready": rng.random() < 0.5,
        }
        outputs = netlist.step(**inputs)

        for port in RESPONSE:
            if outputs[f"{port}_valid"] and inputs[f"{port}_ready"]:
                values = (
                    outputs[f"{port}_payload_state"],
                    outputs[f"{port}_payload_accumulator"],
                )
                assert values == waiting[port].popleft()
                answered[port] += 1
        state = reference ^ accumulator
        if inputs["read_valid"] and outputs["read_ready"]:
            waiting["read_response"].append((state, accumulator))
        if inputs["swap_valid"] and outputs["swap_ready"]:
            waiting["swap_response"].append((state, accumulator))
            reference = state if inputs["swap_payload_keep"] else inputs["swap_payload_value"]
            accumulator = 0
        assert outputs["load_ready"]
        assert outputs["accum_ready"]
        if inputs["load_valid"]:
            reference, accumulator = inputs["load_payload"], 0
        if inputs["accum_valid"]:
            accumulator ^= inputs["accum_payload"]

    assert min(answered.values()) > 50


@pytest.mark.parametrize(("width", "depth"), [(1, 2), (7, 5)])
def test_the_exported_table_follows_the_algebra_on_another_simulator(
    width: int, depth: int, tmp_path: Path
) -> None:
    text = export_verilog(DeltaTable(width, depth), "delta_table")
    netlist = Netlist([write(tmp_path / "export" / "table.v", text)], "delta_table", tmp_path)
    rng = random.Random(width)
    accum, load, read, swap, swap_to, clear = range(6)
    contexts = [(0, 0)] * depth
    waiting: deque[tuple[int, int]] = deque()
    answered = 0

    for cycle in range(1000):
        op = rng.choices([accum, load, read, swap, swap_to, clear], [40, 10, 20, 10, 10, 1])[0]
        address = rng.randrange(depth)
        operand = rng.getrandbits(width)
        # The last cycles only take what is still on its way.
        valid = cycle < 950 and rng.random() < 0.8
        ready = cycle >= 950 or rng.random() < 0.6
        outputs = netlist.step(
            i_valid=valid,
            i_payload_op=op,
            i_payload_address=address,
            i_payload_data=operand,
            o_ready=ready,
        )

        if outputs["o_valid"] and ready:
            values = (outputs["o_payload_state"], outputs["o_payload_accumulator"])
            assert values == waiting.popleft()
            answered += 1
        if valid and outputs["i_ready"]:
            reference, accumulator = contexts[address]
            state = reference ^ accumulator
            if op in (read, swap, swap_to):
                waiting.append((state, accumulator))
            if op == accum:
                contexts[address] = (reference, accumulator ^ operand)
            elif op == swap:
                contexts[address] = (state, 0)
            elif op in (load, swap_to):
                contexts[address] = (operand, 0)
            elif op == clear:
                contexts = [(0, 0)] * depth

    assert answered > 100
    assert not waiting


def test_a_reset_of_the_exported_core_clears_it(tmp_path: Path) -> None:
    netlist = core_netlist(8, tmp_path)

    netlist.step(load_valid=1, load_payload=0x5A)
    netlist.step(rst=1)
    netlist.step(read_valid=1)
    netlist.step()
    outputs = netlist.step()

    assert outputs["read_response_valid"] == 1
    assert outputs["read_response_payload_state"] == 0


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("core", ["--width", "7"]),
        ("table", ["--width", "7", "--depth", "5"]),
        ("banks", ["--width", "7", "--banks", "9", "--topology", "tree"]),
        ("device", ["--depth", "3", "--clock-frequency", "12000000", "--baud", "1000000"]),
    ],
)
def test_the_same_parameters_give_the_same_text_without_paths(
    kind: str, options: list[str], tmp_path: Path
) -> None:
    texts = []
    for seed in ("1", "2"):
        output = tmp_path / seed / "out.v"
        output.parent.mkdir()
        subprocess.run(
            [sys.executable, "-m", "atomik_hdl.export", kind, *options, "-o", output],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        )
        texts.append(output.read_text(encoding="utf-8"))

    assert texts[0] == texts[1]
    assert f"module delta_{kind}(" in texts[0]
    assert ".py" not in texts[0]
    assert str(Path(__file__).parents[1]) not in texts[0]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("delta_table", lambda: DeltaTable(7, 5)),
        ("delta_device", lambda: DeltaDevice(12_000_000, 1_000_000, 7, 5)),
    ],
    ids=["table", "device"],
)
def test_what_is_exported_passes_the_checks_of_another_tool(
    name: str, make: Callable[[], DeltaTable | DeltaDevice], tmp_path: Path
) -> None:
    write(tmp_path / "design.v", export_verilog(make(), name))
    yosys = find_tools(Family.ICE40)["yosys"].path
    script = f"read_verilog design.v; hierarchy -check -top {name}; proc; check -assert"

    result = subprocess.run([yosys, "-q", "-p", script], cwd=tmp_path, check=False)

    assert result.returncode == 0


def test_the_ports_of_table_and_device_are_those_of_the_documentation() -> None:
    table = export_verilog(DeltaTable(7, 5), "delta_table")
    device = export_verilog(DeltaDevice(12_000_000, 1_000_000, 7, 5), "delta_device")

    assert ports(table, "delta_table") == {
        *("clk", "rst", "i_valid", "i_ready", "o_valid", "o_ready"),
        *("i_payload_op", "i_payload_address", "i_payload_data"),
        *("o_payload_state", "o_payload_accumulator"),
    }
    assert ports(device, "delta_device") == {
        *("clk", "rst", "rx", "tx", "session", "busy", "error", "accum_valid", "accum_ready"),
        *("accum_payload_address", "accum_payload_delta"),
    }


def test_the_name_of_the_top_can_be_chosen(tmp_path: Path) -> None:
    main(["core", "--width", "1", "--name", "my_core", "-o", str(tmp_path / "my.v")])

    assert "module my_core(" in (tmp_path / "my.v").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["", "1core", "a b", "kern\u00e9"])
def test_a_top_whose_name_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^Module name must be an identifier, not {name!r}$"):
        export_verilog(DeltaCore(1), name)


def test_the_command_names_a_wrong_parameter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "core.v"

    with pytest.raises(SystemExit) as end:
        main(["core", "--width", "0", "-o", str(output)])

    assert end.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message == (
        "python -m atomik_hdl.export: error: Width must be between 1 and 1024, not 0"
    )
    assert not output.exists()


def test_the_command_names_a_file_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "missing" / "core.v"

    with pytest.raises(SystemExit) as end:
        main(["core", "--width", "1", "-o", str(output)])

    assert end.value.code == 3
    assert capsys.readouterr().err.startswith(f"{output} can't be written: ")
