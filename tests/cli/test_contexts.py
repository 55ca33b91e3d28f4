"""``atomik ctx``, against a device in Python behind a TCP port."""

from __future__ import annotations

import json
from typing import NoReturn

import pytest

from atomik_fpga.cli import contexts

from ..tcp_device import TcpDevice
from .bench import ACCUMULATOR, REFERENCE, STATE, Run, table


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
            "VALUE 0x10000000000000000 does not fit in the 64 bits of the context",
        ),
        (
            "accum 3 1 -0x8000000000000001",
            "DELTA -0x8000000000000001 does not fit in the 64 bits of the context",
        ),
        ("load 16 1", "Address must be 0 to 15, not 16"),
        ("read -1", "Address must be 0 to 15, not -1"),
    ],
)
def test_what_the_device_has_no_room_for_is_refused_and_changes_nothing(
    run: Run, device: TcpDevice, arguments: str, message: str
) -> None:
    before = table(device.model)
    code, out, err = run("ctx", *arguments.split(), "--port", device.url)
    assert (code, out) == (1, "")
    assert err.rstrip().endswith(message)
    assert table(device.model) == before


@pytest.mark.parametrize(
    ("arguments", "word"), [("load 3 ten", "'ten'"), ("accum 3 --delta", "'--delta'")]
)
def test_what_is_no_integer_is_a_usage_error(
    run: Run, device: TcpDevice, arguments: str, word: str
) -> None:
    code, out, err = run("ctx", *arguments.split(), "--port", device.url)
    assert (code, out) == (2, "")
    assert err.rstrip().endswith(f"{word} is not an integer; write 255, 0xff or -1, for example.")


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


def test_ctrl_c_in_the_midst_of_a_call_is_exit_code_130_too(
    run: Run, device: TcpDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = table(device.model)
    monkeypatch.setattr("atomik_fpga.link.FrameBuilder.load", interrupted)
    code, _, err = run("ctx", "load", "3", "1", "--port", device.url)
    assert (code, err) == (130, "\natomik: interrupted\n")
    assert table(device.model) == before


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
