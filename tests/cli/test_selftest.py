"""``atomik selftest``: what it clears, restores, prints and returns."""

from __future__ import annotations

import json

import pytest

from ..tcp_device import TcpDevice, serve_device
from ..test_selftest import Ors
from .bench import Run, table


def test_it_passes_on_the_simulated_board(run: Run) -> None:
    code, out, err = run("selftest", "--port", "sim://?name=selftest", "--seconds", "0.1")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "16 contexts of 64 bits at sim://?name=selftest"
    for name in ("identity", "algebra", "all contexts", "random soak", "throughput", "link"):
        assert any(line.split()[0] == "ok" and name in line for line in lines)
    assert any(line.split()[:2] == ["-", "banks"] for line in lines)
    assert lines[-2].endswith("values compared, no difference: passed")
    assert lines[-1] == "Contexts: all are 0."


def test_it_refuses_a_board_whose_contexts_hold_something(run: Run, device: TcpDevice) -> None:
    before = table(device.model)
    code, out, err = run("selftest", "--port", device.url)
    assert (code, out) == (1, "")
    assert err == (
        "atomik: contexts 3 of the board hold something, which the self-test would clear.\n"
        "        Say --restore to have it put back at the end, or --overwrite if nobody needs it.\n"
    )
    assert table(device.model) == before


def test_restore_puts_reference_and_accumulator_back(run: Run, device: TcpDevice) -> None:
    before = table(device.model)
    code, out, _ = run("selftest", "--port", device.url, "--seconds", "0", "--restore")
    assert code == 0
    assert out.splitlines()[-1] == "Contexts: 1 hold again what they held."
    assert table(device.model) == before


def test_overwrite_leaves_every_context_at_zero(run: Run, device: TcpDevice) -> None:
    code, out, _ = run("selftest", "--port", device.url, "--seconds", "0", "--overwrite", "--json")
    result = json.loads(out)
    assert code == 0
    assert (result["passed"], result["restored"], result["sweep"]) == (True, 0, None)
    assert {step["name"]: step["passed"] for step in result["steps"]}["banks"] is None
    assert table(device.model) == [(0, 0)] * device.model.info.depth


def test_a_defect_is_told_with_both_values_and_the_exit_code(run: Run) -> None:
    with serve_device(Ors(baud=100_000)) as served:
        code, out, _ = run("selftest", "--port", served.url, "--seconds", "0")
        as_json = run("selftest", "--port", served.url, "--seconds", "0", "--json")
    assert code == 1
    assert "FAILED  algebra" in out
    assert "undo of the first: got 0x" in out
    assert out.splitlines()[-2].endswith(": FAILED")
    assert as_json[0] == 1
    assert json.loads(as_json[1])["passed"] is False


def test_the_sweep_finds_rates_above_and_below_that_come_through(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Steps of 2 %, which take less time.
    monkeypatch.setattr("atomik_fpga.selftest.sweep._STEP", 20)
    url = "sim://?name=sweep"
    code, out, err = run(
        "selftest", "--port", url, "--seconds", "0", "--baud-sweep", "--json", "--quiet"
    )
    sweep = json.loads(out)["sweep"]
    assert (code, err) == (0, "")
    assert sweep["lowest_clean"] <= 3_000_000 <= sweep["highest_clean"]
    # Sampling in the middle of a bit bears 5.3 % in theory, at 4 clocks a bit less: docs/uart.md.
    assert sweep["lowest_clean"] > 0.94 * 3_000_000
    assert sweep["highest_clean"] < 1.06 * 3_000_000
    worst = [rate for rate in sweep["rates"] if not rate["clean"]]
    assert all(rate["why"] for rate in worst)


def test_a_sweep_where_the_line_is_the_far_ends_is_a_usage_error(
    run: Run, device: TcpDevice
) -> None:
    code, out, err = run("selftest", "--port", device.url, "--baud-sweep")
    assert (code, out) == (2, "")
    assert "is not this machine's to choose" in err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 1, "no port: say --port"),
        (("--port", "sim://", "--overwrite", "--restore"), 2, "exclude each other"),
        (("--port", "sim://", "--seconds", "nan"), 2, "nan is no finite number"),
    ],
)
def test_wrong_arguments_are_told(
    run: Run, arguments: tuple[str, ...], code: int, text: str
) -> None:
    assert run("selftest", *arguments)[0] == code
    assert text in run("selftest", *arguments)[2]
