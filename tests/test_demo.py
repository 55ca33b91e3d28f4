"""``atomik demo``: its acts find every kind of wrong value, and pass where all is right."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import SupportsIndex

import pytest

from atomik_fpga import AtomikContext
from atomik_fpga.cli import demo, main
from atomik_fpga.cli.acts import Stage, accounts, one_context, orders
from atomik_fpga.cli.common import Settings
from atomik_fpga.cli.events import Event, Kind, Ledger, load_events
from atomik_fpga.cli.report import Report
from atomik_sim.model import DeviceModel
from tests.tcp_device import TcpDevice, serve_device

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[TcpDevice]:
    with serve_device(DeviceModel(**getattr(request, "param", {}))) as served:
        yield served


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return the function that runs a command line: exit code, stdout, stderr."""

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        output = capsys.readouterr()
        return code, output.out, output.err

    return command


def perform(new_context: Callable[[int], AtomikContext], width: int = 64) -> Report:
    """Play the three acts with the first 200 events, and return what was found."""
    report = Report(silent=True)
    stage = Stage(width, new_context, report, Settings())
    one_context(stage)
    accounts(stage, load_events()[:200], 16)
    orders(stage)
    return report


# The events.


def test_the_file_in_the_examples_and_the_one_in_the_package_are_made_by_the_generator() -> None:
    generated = runpy.run_path(str(EXAMPLES / "accounts" / "generate.py"))["events"]()
    packaged = resources.files("atomik_fpga.cli").joinpath("account_events.csv")
    assert (EXAMPLES / "accounts" / "events.csv").read_text().splitlines() == generated
    assert packaged.read_text().splitlines() == generated


def test_there_are_3000_events_of_all_kinds_for_16_accounts() -> None:
    events = load_events()
    assert len(events) == 3_000
    assert {event.account for event in events} == set(range(16))
    assert {event.kind for event in events} == set(Kind)
    # The demo of the first 500, too.
    assert {event.account for event in events[:500]} == set(range(16))
    assert {event.kind for event in events[:500]} == set(Kind)


def test_no_balance_of_the_file_is_negative_or_wider_than_32_bits() -> None:
    ledger = Ledger()
    for event in load_events():
        _, new = ledger.apply(event)
        assert 0 <= new < 1 << 32


def test_the_fold_adds_subtracts_and_takes_the_latest_change_back() -> None:
    ledger = Ledger()
    assert ledger.apply(Event(3, Kind.DEPOSIT, 500)) == (0, 500)
    assert ledger.apply(Event(3, Kind.WITHDRAWAL, 120)) == (500, 380)
    assert ledger.apply(Event(4, Kind.DEPOSIT, 7)) == (0, 7)
    assert ledger.apply(Event(3, Kind.REVERSAL, 0)) == (380, 500)
    assert ledger.balances == {3: 500, 4: 7}


# The acts.


@pytest.mark.parametrize("width", [1, 7, 32, 64, 65, 256])
def test_nothing_differs_on_contexts_that_work(width: int) -> None:
    report = perform(lambda value: AtomikContext(width, value), width)
    assert report.differences == []
    # Calls with a value, 16 balances twice, 4 orders, the delta that arrives twice.
    assert report.checks == 9 + 2 * 16 + 4 + 1


class LosesADelta(AtomikContext):
    def accum(self, delta: SupportsIndex) -> None:
        if self.delta_count == 5:
            super().accum(0)
        else:
            super().accum(delta)


class RepeatsADelta(AtomikContext):
    def accum(self, delta: SupportsIndex) -> None:
        super().accum(delta)
        if self.delta_count == 5:
            super().accum(delta)


class ForgetsUndo(AtomikContext):
    def rollback(self, delta: SupportsIndex) -> None:
        super().accum(0)


class SwapsToZero(AtomikContext):
    def swap(self, new_reference: SupportsIndex | None = None) -> int:
        return super().swap(0 if new_reference is None else new_reference)


class SwapKeepsTheAccumulator(AtomikContext):
    def swap(self, new_reference: SupportsIndex | None = None) -> int:
        accumulator = self.accumulator
        state = super().swap(new_reference)
        self.accum(accumulator)
        return state


class LoadKeepsTheAccumulator(AtomikContext):
    def load(self, value: SupportsIndex) -> None:
        accumulator = self.accumulator
        super().load(value)
        self.accum(accumulator)


class LoadDoesNothing(AtomikContext):
    def load(self, value: SupportsIndex) -> None:
        self.accum(0)


class ReadsTheReference(AtomikContext):
    def read(self) -> int:
        return self.reference


class AddsInsteadOfXor(AtomikContext):
    def accum(self, delta: SupportsIndex) -> None:
        old = self.read()
        super().accum(old ^ (old + int(delta)))


@pytest.mark.parametrize(
    "broken",
    [
        LosesADelta,
        RepeatsADelta,
        ForgetsUndo,
        SwapsToZero,
        SwapKeepsTheAccumulator,
        LoadKeepsTheAccumulator,
        LoadDoesNothing,
        ReadsTheReference,
        AddsInsteadOfXor,
    ],
)
def test_contexts_that_do_something_else_are_found_out(broken: type[AtomikContext]) -> None:
    assert perform(lambda value: broken(64, value)).differences != []


def test_a_lost_delta_is_named_with_account_event_and_both_balances() -> None:
    report = Report(silent=True)
    events = [Event(0, Kind.DEPOSIT, 5), Event(1, Kind.DEPOSIT, 9)]
    made: list[AtomikContext] = []

    def new_context(value: int) -> AtomikContext:
        made.append(AtomikContext(64, value))
        if len(made) == 2:
            made[1].accum(1)
        return made[-1]

    accounts(Stage(64, new_context, report, Settings()), events, 2)
    assert report.differences == [{"what": "account 1 after event 2", "got": 8, "expected": 9}]


# The command.


@pytest.mark.parametrize("device", [{"build_id": 1}], indirect=True)
def test_the_whole_file_goes_through_a_device_and_its_contexts_end_at_zero(
    run: Run, device: TcpDevice
) -> None:
    code, out, err = run("demo", "--port", device.url, "--json")
    result = json.loads(out)
    assert (code, err) == (0, "")
    assert result["port"] == device.url
    assert (result["events"], result["contexts"], result["width"]) == (3_000, 16, 64)
    assert result["differences"] == []
    assert result["checks"] == 9 + 30 * 16 + 4 + 1
    assert result["link"]["ops"] > 3_000
    assert result["pin_bits"] is None
    assert device.model.references == [0] * 16
    assert device.model.accumulators == [0] * 16


def test_a_device_without_a_build_id_may_be_simulated_and_gets_the_first_500_events(
    run: Run, device: TcpDevice
) -> None:
    code, out, _ = run("demo", "--port", device.url)
    assert code == 0
    assert "   the first 500 of 3,000 records of the file\n" in out
    assert (
        "   no build id, so maybe `atomik sim`, which is slow; --events 3000 takes them all\n"
    ) in out


@pytest.mark.parametrize(
    "device", [{"width": 7, "depth": 5}, {"width": 65, "depth": 17}], indirect=True
)
def test_it_takes_as_many_accounts_as_there_are_contexts_up_to_16(
    run: Run, device: TcpDevice
) -> None:
    code, out, _ = run("demo", "--port", device.url, "--json", "--events", "300")
    result = json.loads(out)
    depth = device.model.info.depth
    assert (code, result["contexts"]) == (0, min(16, depth))
    assert result["events"] == sum(event.account < depth for event in load_events()[:300])


def test_text_shows_the_call_the_value_and_the_expected_one_and_has_no_colours_in_a_pipe(
    run: Run, device: TcpDevice
) -> None:
    code, out, _ = run("demo", "--port", device.url, "--events", "100")
    assert code == 0
    assert "   ctx.accum(0xf00)\n" in out
    assert (
        "   ctx.read()                       0x1fff   expected               0x1fff   ok\n" in out
    )
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 90
    assert "values compared, no difference, " in out
    assert "   Next:\n" in out


def test_a_difference_is_shown_and_is_exit_code_1(
    run: Run, device: TcpDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def receive(data: bytes) -> bytes:
        replies = honest(data)
        # Behind the engine's back, as a stray pulse on the fabric's port would.
        if device.model.state(0) == 0x1FFF:
            device.model.accumulators[0] ^= 0x4000
        return replies

    honest = device.model.receive
    monkeypatch.setattr(device.model, "receive", receive)
    code, out, _ = run("demo", "--port", device.url, "--events", "100")
    assert code == 1
    assert "   DIFFERS  ctx.read(): got 0x50ff, expected 0x10ff, xor 0x4000\n" in out
    assert "differences, " in out
    assert "Next:" not in out


def test_contexts_that_hold_something_are_not_cleared_unless_told(
    run: Run, device: TcpDevice
) -> None:
    device.model.references[2] = 7
    device.model.accumulators[9] = 8
    code, out, err = run("demo", "--port", device.url, "--events", "100")
    assert (code, out, err) == (
        1,
        "",
        "atomik: contexts 2, 9 of the board have a state, which the demo would clear.\n"
        "        Say --overwrite if nobody needs it.\n",
    )
    assert device.model.references[2] == 7
    assert device.model.accumulators[9] == 8
    assert run("demo", "--port", device.url, "--events", "100", "--overwrite")[0] == 0
    assert device.model.references == [0] * 16


def test_more_events_than_there_are_is_a_usage_error(run: Run, device: TcpDevice) -> None:
    received = device.model.info
    code, out, err = run("demo", "--port", device.url, "--events", "3001")
    assert (code, out) == (2, "")
    assert err.endswith(
        "Error: Invalid value for --events: there are 3,000 events in the file, not 3,001\n"
    )
    # It was not even asked for a session.
    assert device.model.info == received


def test_too_few_bits_on_the_pins_are_a_difference(
    run: Run, device: TcpDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_pin_bits", lambda port: (1_000_000, 100))
    code, out, _ = run("demo", "--port", device.url, "--events", "100", "--json")
    result = json.loads(out)
    assert code == 1
    assert [difference["what"] for difference in result["differences"]] == ["bits on tx"]
    assert result["differences"][0]["got"] == 100
    assert result["differences"][0]["expected"] == 10 * result["link"]["bytes_received"]


def test_on_the_simulated_board_every_byte_is_ten_bits_on_a_pin(run: Run) -> None:
    # A board of this test's own: other tests leave values on the one that has no name.
    code, out, _ = run("demo", "--port", "sim://?name=demo", "--events", "100", "--json")
    result = json.loads(out)
    assert code == 0
    assert result["differences"] == []
    rx, tx = result["pin_bits"]
    assert rx >= 10 * result["link"]["bytes_sent"]
    assert tx >= 10 * result["link"]["bytes_received"]


def test_a_board_that_is_gone_with_its_port_has_no_pins_to_compare_with(run: Run) -> None:
    code, out, _ = run("demo", "--port", "sim://?fresh=1", "--events", "30", "--json")
    result = json.loads(out)
    assert (code, result["differences"], result["pin_bits"]) == (0, [], None)


def test_an_empty_port_is_one_line_and_exit_code_1(run: Run) -> None:
    code, out, err = run("demo", "--port", "")
    assert (code, out) == (1, "")
    assert err.startswith("atomik: no port: say --port /dev/ttyUSB1 (or COM6), or set ATOMIK_PORT")


def test_the_variable_does_not_choose_the_board_that_the_demo_writes_to(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def connect(port: str, **_: object) -> None:
        opened.append(port)
        raise KeyboardInterrupt

    monkeypatch.setenv("ATOMIK_PORT", "/dev/ttyUSB1")
    monkeypatch.setattr("atomik_fpga.connection.connect", connect)
    code, _, err = run("demo")
    assert (code, opened) == (130, ["sim://"])
    assert err.startswith(
        "note: the demo writes, so it uses ATOMIK_PORT only when told: --port URL\n"
    )
